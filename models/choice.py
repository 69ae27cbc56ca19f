"""Which model suits a clip: `model=auto`, decided from facts and an estimate alone. Pure; knows no job, no torch.

The reasons are part of the answer, since the choice is reported with the result.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean, pstdev

from media.estimate.degradation import Degradation
from models.envelope import Reading, outside_envelope
from models.facts import ModelFacts

AUTO = "auto"  # in place of a model's name; no model may have it
UNCOMPRESSED = 17.0  # QP that a profile without H.264 stands at: from there on its losses are not seen
WIDTH = 0.5  # of the Gaussian by which profiles count less the farther they are, in their standard deviations


class NoModelFits(LookupError):
    """No model enlarges by the scale."""


@dataclass(frozen=True, slots=True)
class Passed:
    """A model that was not taken, and why, in words."""

    model: str
    why: str


@dataclass(frozen=True, slots=True)
class Choice:
    model: str
    reason: str  # in words, beginning with the model's name
    nearest: str | None  # profile that the clip is most like; None: not told
    others: tuple[Passed, ...] = ()  # models of the scale that were not taken, in the order they were looked at


def choose(
    models: Sequence[ModelFacts],
    scale: int,
    found: Degradation | None,
    default: str,
    conditions: Mapping[str, Reading],
) -> Choice:
    """The model of `models` for a clip estimated as `found`, enlarged by `scale`.

    Of the models that learned, state limits the clip lies within, and were measured on the profile nearest to it, the
    one with the largest expected gain; if that lies above 0 and above what is expected of the models without a learned
    prior. Else the best of the latter, which invent nothing. Of equals the service's `default`, then the first by name.
    Where nothing was estimated: the default. conditions: how the estimate reads each profile. The order of `models`
    does not matter. Raises NoModelFits.
    """
    able = sorted(
        (facts for facts in models if scale in facts.scales), key=lambda facts: (facts.name != default, facts.name)
    )
    if not able:
        raise NoModelFits(f"no model enlarges by {scale}")
    if found is None:
        return _unseen(able, scale, default)
    weights = likeness(found, conditions)
    near = max(weights, key=lambda profile: weights[profile], default=None)
    gains = {facts.name: expected(facts, scale, weights) for facts in able}
    against = {facts.name: words for facts in able if (words := _against(facts, scale, near, found))}
    plain = max((f for f in able if not f.learned), key=lambda f: gains[f.name] or 0.0, default=None)  # first of equals
    fit = [facts for facts in able if facts.learned and facts.name not in against]
    best = max(fit, key=lambda facts: gains[facts.name] or 0.0, default=None)
    if best is not None and (gains[best.name] or 0.0) > max(0.0, 0.0 if plain is None else gains[plain.name] or 0.0):
        taken, reason = best, f"{_like(near)}; {_words(best, scale, near, gains)}"
    elif plain is not None:
        taken, reason = plain, f"{_like(near)}; no model that learned is known to gain there, and it invents nothing"
    else:
        taken, reason = best or able[0], f"{_like(near)}; every model that enlarges by {scale} learned"
    others = tuple(
        Passed(facts.name, against.get(facts.name) or _words(facts, scale, near, gains))
        for facts in able
        if facts is not taken
    )
    return Choice(taken.name, f"{taken.name}: {reason}", near, others)


def likeness(found: Degradation, conditions: Mapping[str, Reading]) -> dict[str, float]:
    """How much each profile counts for a clip: 1 for the nearest, less the farther the others are. By name.

    Noise and blockiness are compared by ratio (log of 1 + levels), the others by difference; each divided by its
    standard deviation over the profiles; the distance is the mean of the squares of those that both have.
    """
    table = {profile: _point(conditions[profile], UNCOMPRESSED) for profile in sorted(conditions)}
    spreads = [_spread([point[axis] for point in table.values()]) for axis in range(5)]
    clip = _point(found, None)

    def distance(point: Sequence[float | None]) -> float:
        pairs = zip(clip, point, spreads, strict=True)
        return fmean(((a - b) / spread) ** 2 for a, b, spread in pairs if a is not None and b is not None)

    distances = {profile: distance(point) for profile, point in table.items()}
    least = min(distances.values(), default=0.0)
    return {profile: math.exp((least - value) / (2 * WIDTH**2)) for profile, value in distances.items()}


def expected(facts: ModelFacts, scale: int, weights: Mapping[str, float]) -> float | None:
    """Mean of the model's measured gains over bicubic, dB, each profile as much as it counts; None: not measured."""
    gains = facts.gains.get(scale, {})
    total = sum(weight for profile, weight in weights.items() if profile in gains)
    if not total:
        return None
    return sum(weight * gains[profile].mean for profile, weight in weights.items() if profile in gains) / total


def _unseen(able: Sequence[ModelFacts], scale: int, default: str) -> Choice:
    """The default where it has the scale, else what invents nothing, else the first."""
    told = "how degraded the clip is could not be told"
    if able[0].name == default:
        return Choice(default, f"{default}: {told}, so the default model is used", None)
    taken = next((facts for facts in able if not facts.learned), able[0])
    reason = f"{taken.name}: {told}, and the default model {default} does not enlarge by {scale}"
    return Choice(taken.name, reason, None)


def _against(facts: ModelFacts, scale: int, profile: str | None, found: Degradation) -> str:
    """Why a model that learned cannot be taken; empty: it can."""
    if not facts.learned:
        return ""
    if facts.limits is None:
        return "it states no limits: nothing is known of where it was measured"
    if outside := outside_envelope(facts.name, facts.limits, found):
        return "; ".join(outside)
    if profile not in facts.gains.get(scale, {}):
        return f"it was not measured on {profile or 'any profile'} at ×{scale}"
    return ""


def _point(read: Reading | Degradation, no_quantiser: float | None) -> tuple[float | None, ...]:
    """Of a clip without a QP nothing is said of it: it may be compressed by another codec."""
    quantiser = no_quantiser if read.quantiser is None else max(UNCOMPRESSED, read.quantiser)
    return math.log1p(read.noise), read.blur, math.log1p(read.blockiness), read.combing, quantiser


def _spread(values: Sequence[float | None]) -> float:
    known = [value for value in values if value is not None]
    return (pstdev(known) if known else 0.0) or 1.0


def _like(profile: str | None) -> str:
    return "no profile is known to compare the clip with" if profile is None else f"the clip is most like {profile}"


def _words(facts: ModelFacts, scale: int, profile: str | None, gains: Mapping[str, float | None]) -> str:
    gain = gains[facts.name]
    if gain is None:
        return f"nothing was measured of it at ×{scale}"
    there = facts.gains[scale].get(profile or "")
    measured = (
        "" if there is None else f" (measured on {profile}: {there.mean:+.2f}, {there.low:+.2f} to {there.high:+.2f})"
    )
    return f"{gain:+.2f} dB over bicubic expected{measured}"
