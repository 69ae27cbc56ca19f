"""How models fare under degradations they were not made for: PSNR of every model on every source under every profile.

And what is kept of it in facts: gains, limits, and how the estimate reads each profile. Knows no files, no networks.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from statistics import median
from typing import Any

import numpy as np

from media.estimate.degradation import Degradation
from models.envelope import Gained, Limits, Measured, Reading
from models.evaluation import gain
from models.evaluation.gain import Gain
from models.evaluation.results import BICUBIC

LOSS = -0.1  # dB of mean gain below which a model is called worse than bicubic
DIGITS = 3  # kept of what is written into facts


@dataclass(frozen=True, slots=True)
class Score:
    source: str
    scene: str
    profile: str
    method: str
    psnr: float  # dB, RGB; of a clip the mean over the frames scored


@dataclass(frozen=True, slots=True)
class Seen:
    """What the estimate read of one source under one profile."""

    source: str
    scene: str
    profile: str
    found: Degradation


@dataclass(frozen=True, slots=True)
class Matrix:
    scale: int
    models: tuple[str, ...]
    profiles: tuple[str, ...]
    seed: int
    about: dict[str, Any]  # data, options, versions, weights
    scores: list[Score] = field(default_factory=list)
    seen: list[Seen] = field(default_factory=list)

    def without(self, scene: str) -> Matrix:
        """The same as if there had been no such scene."""
        scores = [score for score in self.scores if score.scene != scene]
        return replace(self, scores=scores, seen=[one for one in self.seen if one.scene != scene])

    def scenes(self) -> tuple[str, ...]:
        return tuple(sorted({score.scene for score in self.scores}))

    def psnr(self, method: str, profile: str) -> dict[str, float]:
        """By source."""
        return {one.source: one.psnr for one in self.scores if (one.method, one.profile) == (method, profile)}

    def gain(self, method: str, profile: str) -> Gain:
        """Over bicubic, dB. Raises ValueError where it was not measured."""
        base = self.psnr(BICUBIC, profile)
        pairs = [
            (one.scene, one.psnr - base[one.source])
            for one in self.scores
            if (one.method, one.profile) == (method, profile)
        ]
        return gain.gain(pairs, self.seed)

    def worst(self, method: str) -> tuple[str, Gain]:
        """The profile with the least mean gain, and that gain."""
        found = {profile: self.gain(method, profile) for profile in self.profiles}
        profile = min(found, key=lambda name: found[name].mean)
        return profile, found[profile]

    def losses(self, method: str) -> dict[str, Gain]:
        """Profiles under which the method is worse than bicubic by more than 0.1 dB on the average."""
        found = {profile: self.gain(method, profile) for profile in self.profiles}
        return {profile: one for profile, one in found.items() if one.mean < LOSS}

    def conditions(self) -> dict[str, Reading]:
        """What the estimate reads of each profile: medians over the sources."""
        return {
            profile: _reading([one.found for one in self.seen if one.profile == profile]) for profile in self.profiles
        }

    def gained(self, method: str) -> dict[str, Gained]:
        """By profile, as facts keep it."""
        found = {profile: self.gain(method, profile) for profile in self.profiles}
        return {
            profile: Gained(*(round(value, DIGITS) for value in (one.mean, one.low, one.high, one.share)))
            for profile, one in found.items()
        }

    def limits(self, method: str) -> Limits | None:
        """How bad the footage was, as the estimate reads it, on which the method gained; None: on none.

        The largest readings of all sources under the profiles on which it gains on the average. Combed and grey footage
        is within where a profile that is mostly so is among them, or none such was measured.
        """
        good = {profile for profile in self.profiles if self.gain(method, profile).mean > 0}
        found = [one.found for one in self.seen if one.profile in good]
        if not found:
            return None
        return Limits(
            noise=_bound([one.noise for one in found]),
            blur=_bound([one.blur for one in found]),
            blockiness=_bound([one.blockiness for one in found]),
            quantiser=_bound([one.quantiser for one in found]),
            interlaced=self._within(good, "interlaced"),
            grey=self._within(good, "grey"),
        )

    def measured(self, method: str, sha256: str | None, *, learned: bool) -> Measured:
        """What facts keep. A method that learned nothing has no limits: it is what remains where all others end."""
        return Measured(sha256, self.limits(method) if learned else None, {self.scale: self.gained(method)})

    def to_json(self) -> dict[str, Any]:
        rows = [
            {
                "profile": profile,
                "method": method,
                "psnr": float(np.mean(list(self.psnr(method, profile).values()))),
                "gain": self.gain(method, profile).to_json(),
            }
            for profile in self.profiles
            for method in self.models
        ]
        return {
            "scale": self.scale,
            "seed": self.seed,
            "models": list(self.models),
            "profiles": list(self.profiles),
            "about": self.about,
            "matrix": rows,
            "worst": {
                method: {"profile": worst[0], **worst[1].to_json()}
                for method in self.models
                if (worst := self.worst(method))
            },
            "worse_than_bicubic": {method: sorted(self.losses(method)) for method in self.models},
            "conditions": {profile: asdict(reading) for profile, reading in self.conditions().items()},
            "scores": [asdict(score) for score in self.scores],
            "seen": [asdict(one) for one in self.seen],
        }

    def _within(self, good: Collection[str], verdict: str) -> bool:
        such = {profile for profile in self.profiles if _mostly(self._found(profile), verdict)}
        return not such or bool(such & set(good))

    def _found(self, profile: str) -> list[Degradation]:
        return [one.found for one in self.seen if one.profile == profile]


def from_json(values: Mapping[str, Any]) -> Matrix:
    """Of what `to_json` gave. Raises KeyError or TypeError for anything else."""
    return Matrix(
        scale=values["scale"],
        models=tuple(values["models"]),
        profiles=tuple(values["profiles"]),
        seed=values["seed"],
        about=values["about"],
        scores=[Score(**score) for score in values["scores"]],
        seen=[Seen(**one | {"found": Degradation(**one["found"])}) for one in values["seen"]],
    )


def _reading(found: Sequence[Degradation]) -> Reading:
    return Reading(
        noise=_middle([one.noise for one in found]) or 0.0,
        blur=_middle([one.blur for one in found]),
        blockiness=_middle([one.blockiness for one in found]) or 0.0,
        combing=_middle([one.combing for one in found]) or 0.0,
        quantiser=_middle([one.quantiser for one in found]),
    )


def _middle(values: Sequence[float | None]) -> float | None:
    """The median, unless half of them are not known."""
    known = [value for value in values if value is not None]
    return round(median(known), DIGITS) if 2 * len(known) > len(values) else None


def _mostly(found: Sequence[Degradation], verdict: str) -> bool:
    return 2 * sum(bool(getattr(one, verdict)) for one in found) > len(found)


def _bound(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return round(max(known), 1) if known else None
