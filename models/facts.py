"""Facts about a model: what a caller may know without loading torch.

The catalog of built-in models is `models/catalog.py`; networks are built from it in `models/registry.py`.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ModelFacts:
    """What a model is and takes. Callers read this; nobody asks for a network's type."""

    name: str  # as given in requests, e.g. "espcn-x4"
    title: str  # one line for people
    scales: tuple[int, ...]  # output pixels per input pixel, each way; several only where no weights are involved
    tile: int  # edge of the square input tile, low-resolution pixels
    halo: int  # outermost input pixels of a tile whose output is not trusted (receptive radius)
    learned: bool  # True: the network invents detail it learned; False: an evidential rendition
    domain: str  # what it was made for, for people
    dtypes: tuple[str, ...]  # compute types it is measured in, best first: "bfloat16", "float32"
    licence: str  # licence of the weights (or of the method, where there are none)
    weights: str | None = None  # file in models/weights/, None where there are none
    sha256: str | None = None  # of that file
    trained_on: str = ""  # data, in one line
    envelope: str = ""  # where its quality was measured, in one line

    @property
    def overlap(self) -> int:
        """Least overlap of neighbouring tiles, low-resolution pixels: both halos and a ramp to blend over."""
        return 2 * self.halo + RAMP


RAMP = 4  # low-resolution pixels over which neighbouring tiles are blended
