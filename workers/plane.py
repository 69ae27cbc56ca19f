"""The frame plane as a segment's worker sees it: tiles go in, enhanced tiles come out, in any order.

Two planes: through Redis to enhance workers (`workers/plane_redis.py`), and within this process
(`workers/plane_local.py`), so that `gleaner enhance` runs the very same loop as the service.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Enhanced:
    """What came back for one frame."""

    frame: int
    outcome: str  # "enhanced", "enhanced-float32" or "failed"
    tiles: NDArray[Any] | None  # (n, scale*tile, scale*tile, 3), None where it failed
    detail: str = ""
    busy_s: float = 0.0  # the network's time for this frame
    added: NDArray[np.float32] | None = None  # (n, c, c, 2) of the tiles' cells, see models/added_detail.py


class FramePlane(Protocol):
    def submit(self, frame: int, tiles: NDArray[Any]) -> None:
        """Hand over the changed tiles of a frame. tiles: (n, tile, tile, 3) uint8 or uint16, n >= 1."""
        ...

    def collect(self, timeout_s: float) -> Enhanced | None:
        """The next finished frame, each exactly once; None if none came in time."""
        ...
