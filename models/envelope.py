"""Where a model was measured and what it gained, for machines, and what of a clip lies outside. No pixels, no torch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from media.estimate.degradation import Degradation


@dataclass(frozen=True, slots=True)
class Limits:
    """The largest values, as `media.estimate` reads them, of the footage that a model was trained for and measured on.

    None: not stated, so nothing is said about it.
    """

    noise: float | None = None  # levels
    blur: float | None = None  # pixels
    blockiness: float | None = None  # levels
    quantiser: float | None = None  # mean QP of H.264
    interlaced: bool = True  # False: combed frames were not among it
    grey: bool = True  # False: grey footage was not among it


@dataclass(frozen=True, slots=True)
class Gained:
    """RGB PSNR over MATLAB's bicubic under one degradation profile, dB: the mean over scenes and its 95 % interval."""

    mean: float
    low: float
    high: float
    share: float  # of the scenes that gain, 0..1


@dataclass(frozen=True, slots=True)
class Reading:
    """What `media.estimate` reads of a degradation profile: medians over sources."""

    noise: float  # levels
    blur: float | None  # pixels; None: no edges
    blockiness: float  # levels
    combing: float  # share of pixels
    quantiser: float | None  # mean QP of H.264; None: no H.264 in it


@dataclass(frozen=True, slots=True)
class Measured:
    """What was measured of one set of weights."""

    sha256: str | None  # of the weights it was measured with; None: the model has none
    limits: Limits | None
    gains: Mapping[int, Mapping[str, Gained]]  # scale -> profile -> gain


def outside_envelope(name: str, limits: Limits | None, found: Degradation | None) -> list[str]:
    """A plain sentence for each way in which a clip lies outside the model's limits. Empty: none, or nothing is known.

    name: of the model, for the sentences. Where nothing was estimated or the model states no limits, nothing is said.
    """
    if limits is None or found is None:
        return []
    words = []
    if limits.noise is not None and found.noise > limits.noise:
        words.append(f"noise of about {found.noise:.0f} levels; {name} was measured up to {limits.noise:g}")
    if limits.blur is not None and found.blur is not None and found.blur > limits.blur:
        words.append(f"blur of about {found.blur:.1f} pixels; {name} was measured up to {limits.blur:g}")
    if limits.blockiness is not None and found.blockiness > limits.blockiness:
        words.append(
            f"steps of about {found.blockiness:.0f} levels between blocks; "
            f"{name} was measured up to {limits.blockiness:g}"
        )
    if limits.quantiser is not None and found.quantiser is not None and found.quantiser > limits.quantiser:
        words.append(f"H.264 at a QP of about {found.quantiser:.0f}; {name} was measured up to {limits.quantiser:g}")
    if found.interlaced and not limits.interlaced:
        words.append(f"fields of two times are left in single frames; {name} was not made for combed pictures")
    if found.grey and not limits.grey:
        words.append(f"the footage is grey; {name} was not made for grey pictures")
    return words
