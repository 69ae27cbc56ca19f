"""Reuse of enhanced tiles: what of each tile was last enhanced, and which tiles of a frame must be enhanced anew.

The only state of change detection; the decisions are in `change.py`, `noise_floor.py` and `frame_event.py`. Others
do it by bits (`motion.py`) or from the mean of many frames (`fused_reuse.py`); `reusing.py` makes what is asked for.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from workers import change
from workers.change import ChangeSettings
from workers.frame_event import Thumbnail, event_of, thumbnail
from workers.moving_part import MovingPart
from workers.noise_floor import NoiseFloor, read_noise
from workers.tile_difference import Difference, TileCutter, TilePlanes, difference, levels
from workers.tiles import TileGrid

REFRESH_S = 10.0
REFRESH_FRAMES = 250  # where nobody knows the rate
ALL_AT_ONCE = 0.9  # share of the still blocks that change when a key frame redraws the picture
KEY_FRAME = "key frame"
LEAST_SETTLED = 0.2  # mean square: less is not worth enhancing a tile for


@dataclass(frozen=True, slots=True)
class Look:
    """What was seen when a frame was compared with what is kept."""

    event: str | None  # of the whole frame: workers.frame_event, or KEY_FRAME
    noise: float  # standard deviation of luma's, 8-bit levels, over the last frames
    kept_error: float  # mean square of the input by which kept tiles lie off this frame, over all tiles
    by_noise: bool = False  # the noise alone is beyond the error budget, so it is the noise that bounds
    fused: int | None = None  # tiles shown of the mean of several frames; None: without fusion
    observations: float = 1.0  # frames in what is shown of a tile, mean over the tiles

    @property
    def whole(self) -> bool:
        """Something happened to the whole frame, and nothing before it tells of what is seen."""
        return self.event not in (None, KEY_FRAME)


class Reuse(Protocol):
    def changed(self, image: NDArray[Any]) -> NDArray[np.intp]:
        """Numbers of the tiles to enhance, ascending; the image counts as their last enhanced input from now on."""
        ...

    def tiles(self, image: NDArray[Any], indices: NDArray[np.intp]) -> NDArray[Any]:
        """What is to be enhanced of the frame last asked for: (len(indices), tile, tile, 3), the image's dtype."""
        ...

    def forget(self, indices: NDArray[np.intp]) -> None:
        """These tiles were not enhanced after all: enhance them in the next frame whatever it shows."""
        ...

    @property
    def look(self) -> Look | None:
        """Of the last frame; None where nothing is measured."""
        ...


class EveryTile:
    """Every tile of every frame: the reference that reuse is measured against."""

    look: Look | None = None

    def __init__(self, grid: TileGrid) -> None:
        self._grid, self._all = grid, np.arange(grid.count)

    def changed(self, image: NDArray[Any]) -> NDArray[np.intp]:
        return self._all.copy()

    def tiles(self, image: NDArray[Any], indices: NDArray[np.intp]) -> NDArray[Any]:
        return self._grid.cut(image, indices)

    def forget(self, indices: NDArray[np.intp]) -> None:
        pass


class NoisyReuse:
    """Tiles are kept while what they show has not changed beyond the noise floor, and while the error budget lasts.

    The same frames give the same decisions. refresh_frames: after so many each tile is enhanced again whatever it
    shows, unless it is the same bit for bit; 0 never.
    """

    def __init__(
        self, grid: TileGrid, refresh_frames: int = REFRESH_FRAMES, settings: ChangeSettings | None = None
    ) -> None:
        self._grid, self._settings = grid, settings or ChangeSettings()
        self._cutter = TileCutter(grid)
        self._weights = self._cutter.weights()
        self._columns = len(grid.x.starts)
        self._refresh = refresh_frames
        self._moving = MovingPart(self._cutter)
        self._noise = NoiseFloor()
        self._seen: TilePlanes | None = None  # as last enhanced, each tile at its own time
        self._before: TilePlanes | None = None  # the frame before
        self._small: Thumbnail | None = None
        self._frame = 0
        self._stale = np.zeros(grid.count, bool)
        self._calm = np.full(grid.count, 1 << 30)  # frames since something moved in it
        self._allowance = np.zeros(grid.count, np.float32)
        self._look = Look(None, 0.0, 0.0)

    @property
    def look(self) -> Look | None:
        return self._look

    def changed(self, image: NDArray[Any]) -> NDArray[np.intp]:
        """Numbers of the tiles to enhance, ascending; the image counts as their last enhanced input from now on.

        image: (height, width, 3) uint8 or uint16, as the grid says.
        """
        now, small = self._cutter.planes(image), thumbnail(image)
        moving = self._moving.shares(image, self._noise.sigma)
        if self._seen is None or self._before is None or self._small is None:
            self._seen = now.copy()
            found, self._look = np.ones(self._grid.count, bool), Look(None, 0.0, 0.0)
        else:
            found = self._decide(now, self._before, self._seen, moving, event_of(self._small, small))
            self._seen.take(now, found)
        self._allowance[found] = 0
        self._stale[:] = False
        self._before, self._small = now, small
        self._frame += 1
        return np.flatnonzero(found)

    def tiles(self, image: NDArray[Any], indices: NDArray[np.intp]) -> NDArray[Any]:
        """(len(indices), tile, tile, 3): as the frame has them."""
        return self._grid.cut(image, indices)

    def forget(self, indices: NDArray[np.intp]) -> None:
        """These tiles were not enhanced after all: enhance them in the next frame whatever it shows."""
        self._stale[indices] = True

    def _decide(
        self, now: TilePlanes, before: TilePlanes, seen: TilePlanes, moving: NDArray[np.float32], event: str | None
    ) -> NDArray[np.bool_]:
        settings, level = self._settings, levels(now)
        step, apart = difference(now, before), difference(now, seen, self._weights)
        if event is not None:
            self._calm[:] = 0
            self._look = Look(event, self._noise.sigma, 0.0)
            return np.ones(self._grid.count, bool)
        plain = change.explained(self._noise.floor, level, np.zeros_like(self._allowance))
        pumped = self._pumped(step, plain[0])
        self._noise.add(read_noise(step, level))
        noise = change.explained(self._noise.floor, level, self._allowance)
        beyond = change.moved(apart, noise, settings)
        moved = beyond > 1
        nearer = change.beside(moved, self._columns) | (self._calm < settings.stays)
        self._calm = np.where(moved, 0, self._calm + 1)
        found = self._stale | (beyond > np.where(nearer, np.float32(settings.near), np.float32(1)))
        found |= change.strayed(apart, self._weights, noise, settings)
        rest = apart.total.sum(axis=1) / float(self._weights.blocks.sum())
        found |= change.due(self._frame, self._grid.count, self._refresh) & (rest > 0)
        found |= (self._calm == settings.settle) & (rest * len(rest) > LEAST_SETTLED)
        found |= change.over_budget(apart, self._weights, moving, plain[0] + plain[2], found, settings)
        by_noise = settings.over_budget * float((plain[0] + plain[2]).mean()) > settings.aim
        error = float(rest[~found].sum())
        self._look = Look(KEY_FRAME if pumped else None, self._noise.sigma, error, by_noise)
        return found

    def _pumped(self, step: Difference, noise: NDArray[np.float32]) -> bool:
        """Whether a key frame redrew the whole picture slightly; what it added is allowed to tiles from now on."""
        square = np.maximum(step.square - step.average**2, 0)  # light that drifts is no key frame
        middle = float(np.median(square))
        usual = float(np.median(noise))
        if not self._noise.settled:
            return False
        if float((square > 0).mean()) < ALL_AT_ONCE or middle <= max(2 * usual, 0.05) or middle > self._settings.tile:
            return False
        self._allowance = np.minimum(self._allowance + np.float32(middle), np.float32(self._settings.tile))
        return True
