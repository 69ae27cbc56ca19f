"""What an evaluation found: every number, and its summary by scenes. Knows no files, no networks."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from typing import Any

from models.evaluation import fidelity, gain
from models.evaluation.detections import NONE, Counts, Verdict, verdict
from models.evaluation.fidelity import BETTER, Fidelity
from models.evaluation.flicker import Flicker
from models.evaluation.gain import Gain

BICUBIC = "bicubic"
SOURCE = "source"  # as a method: its pixels repeated; only what is detected on it says something
TRUTH = "truth"  # as a method: only its flicker says something
FLICKERS = ("static", "moving")


@dataclass(frozen=True, slots=True)
class Measured:
    """One method on one source under one profile."""

    source: str
    scene: str
    kind: str  # "still" or "clip"
    profile: str
    method: str
    fidelity: Fidelity | None  # of a clip the mean over the frames that were measured; None for the truth itself
    flicker: Flicker | None  # of clips
    failed: int = 0  # frames whose network gave no valid pixels, and which were resized instead
    detections: dict[str, Counts] = field(default_factory=dict)  # by what was looked for, on one frame

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Degradation:
    """How one source was made worse."""

    source: str
    profile: str
    seed: int
    size: tuple[int, int]  # width, height of the truth
    frames: int
    parameters: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Evaluation:
    scale: int
    models: tuple[str, ...]
    profiles: tuple[str, ...]
    seed: int
    about: dict[str, Any]  # data, options, versions, weights
    degradations: list[Degradation] = field(default_factory=list)
    measured: list[Measured] = field(default_factory=list)

    def methods(self) -> tuple[str, ...]:
        return (BICUBIC, *self.models)

    def of(self, method: str, profile: str) -> dict[str, Measured]:
        return {m.source: m for m in self.measured if (m.method, m.profile) == (method, profile)}

    def mean(self, method: str, profile: str) -> Fidelity:
        """Over scenes, each the mean of its sources."""
        scenes: dict[str, list[Fidelity]] = {}
        for m in self.of(method, profile).values():
            if m.fidelity is not None:
                scenes.setdefault(m.scene, []).append(m.fidelity)
        return fidelity.mean([fidelity.mean(found) for found in scenes.values()])

    def gain(self, method: str, profile: str, measure: str, over: str = BICUBIC) -> Gain:
        """Over another method; positive is better, for measures of which less is better too."""
        baseline, sign = self.of(over, profile), BETTER[measure]
        pairs = []
        for source, m in self.of(method, profile).items():
            ours, theirs = m.fidelity, baseline[source].fidelity
            if ours is not None and theirs is not None:
                pairs.append((m.scene, sign * (getattr(ours, measure) - getattr(theirs, measure))))
        return gain.gain(pairs, self.seed)

    def flicker(self, method: str, profile: str) -> Flicker:
        """Mean over the scenes of clips, of each part where there is one."""
        found = [(m.scene, m.flicker) for m in self.of(method, profile).values() if m.flicker is not None]
        return Flicker(*(_mean((scene, getattr(f, part)) for scene, f in found) for part in FLICKERS))

    def scene_gains(self, method: str, profile: str, measure: str = "psnr") -> dict[str, float]:
        """Of each scene, in the measure's unit."""
        baseline, sign = self.of(BICUBIC, profile), BETTER[measure]
        pairs = [
            (m.scene, sign * (getattr(m.fidelity, measure) - getattr(baseline[source].fidelity, measure)))
            for source, m in self.of(method, profile).items()
        ]
        return gain.by_scene(pairs)

    def sought(self) -> tuple[str, ...]:
        """What detectors looked for; empty where there were none."""
        return tuple(dict.fromkeys(what for m in self.measured for what in m.detections))

    def detections(self, method: str, profile: str, what: str) -> dict[str, Counts]:
        """By scene."""
        scenes: dict[str, Counts] = {}
        for m in self.of(method, profile).values():
            scenes[m.scene] = scenes.get(m.scene, Counts()) + m.detections[what]
        return scenes

    def verdict(self, method: str, profile: str, what: str) -> Verdict:
        """What the method gains over bicubic in detections."""
        ours, theirs = (self.detections(name, profile, what) for name in (method, BICUBIC))
        return verdict(ours, theirs, self.seed)

    def to_json(self) -> dict[str, Any]:
        """Every number with its seeds, parameters and versions, and the summary that the page shows."""
        summary = [
            {
                "profile": profile,
                "method": method,
                "mean": self.mean(method, profile).to_json(),
                "flicker": self.flicker(method, profile).to_json(),
            }
            | (
                {}
                if method == BICUBIC
                else {
                    "gain_over_bicubic": {name: self.gain(method, profile, name).to_json() for name in BETTER},
                    "psnr_gain_by_scene": self.scene_gains(method, profile),
                }
            )
            for profile in self.profiles
            for method in self.methods()
        ]
        return {
            "scale": self.scale,
            "seed": self.seed,
            "about": self.about,
            "better": {name: "more" if sign > 0 else "less" for name, sign in BETTER.items()},
            "summary": summary,
            "detections": self._detections() or (NONE if self.about["detect"] else "not asked for"),
            "degradations": [asdict(d) for d in self.degradations],
            "measured": [m.to_json() for m in self.measured],
        }

    def _detections(self) -> list[dict[str, Any]]:
        return [
            {
                "profile": profile,
                "method": method,
                "of": what,
                **sum(self.detections(method, profile, what).values(), Counts()).to_json(),
                "over_bicubic": asdict(self.verdict(method, profile, what)),
            }
            for profile in self.profiles
            for what in self.sought()
            for method in (SOURCE, *self.methods())
        ]


def _mean(values: Iterable[tuple[str, float | None]]) -> float | None:
    known = gain.by_scene([(scene, value) for scene, value in values if value is not None])
    return sum(known.values()) / len(known) if known else None
