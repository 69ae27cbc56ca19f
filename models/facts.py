"""Facts about a model: what a caller may know without loading torch.

Those that ship are listed in `models/catalog.py`, imported ones lie in files (`models/library.py`); networks are built
from facts in `models/registry.py`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from models.envelope import Gained, Limits

RAMP = 4  # low-resolution pixels over which neighbouring tiles are blended, where a model's facts say nothing else

Role = Literal["enhancer", "bank"]


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
    weights: str | None = None  # file in models/weights/ or in the folder of imported models, None: there are none
    sha256: str | None = None  # of that file
    vivid: str | None = None  # a second training of the network, of the same keys, that detail goes towards
    vivid_sha256: str | None = None  # of that file
    trained_on: str = ""  # data, in one line
    envelope: str = ""  # where its quality was measured, in one line
    limits: Limits | None = None  # the same for machines, see models/envelope.py; None: not stated
    gains: Mapping[int, Mapping[str, Gained]] = field(default_factory=dict, hash=False)  # scale -> profile -> measured
    role: Role = "enhancer"  # a bank is a StyleGAN2 generator: it is explored, and enhances nothing by itself
    architecture: str = ""  # key of models.registry.ARCHITECTURES
    config: Mapping[str, Any] = field(default_factory=dict, hash=False)  # JSON: sizes the architecture is built from
    ramp: int = RAMP  # low-resolution pixels over which neighbouring tiles are blended
    batch: int | None = None  # tiles computed at once, always exactly so many: for numbers that depend on the batch
    origin: str = ""  # name of the file it was imported from; "" for those that ship
    origin_sha256: str | None = None  # of that file

    @property
    def overlap(self) -> int:
        """Least overlap of neighbouring tiles, low-resolution pixels: both halos and a ramp to blend over."""
        return 2 * self.halo + self.ramp
