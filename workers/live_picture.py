"""The enhanced picture of a live stream on one rung: what must be enhanced of a frame, and what is shown. No queue.

Tiles are kept while nothing in them changed beyond the noise, for some REFRESH_S; where the whole frame is resized here
anyway, while they are the same bit for bit.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from media.resize import resize
from media.types import Image
from pipeline.job import Reuse
from workers.canvas import Canvas
from workers.reuse import Look
from workers.reusing import make_reuse
from workers.rungs import LivePlan, Rung

RATES = (0.5, 60.0)  # frames a second that can be believed


class LivePicture:
    """Grid, reuse and canvas of a rung for frames of a size; where either changes, there is a new one.

    rate: frames a second, as far as known. fuse: what stands still is made of the mean of many frames.
    """

    def __init__(self, plan: LivePlan, rung: Rung, rate: float | None = None, *, fuse: bool = False) -> None:
        self.plan, self.rung = plan, rung
        self.grid = rung.grid(plan.width, plan.height)
        self.whole = rung.local and not fuse  # frames are resized as a whole, tiles are for nothing
        rate = rate if rate is not None and RATES[0] <= rate <= RATES[1] else None
        self._reuse = make_reuse(Reuse.EXACT if self.whole else Reuse.ON, self.grid, rate, fuse=fuse)
        self._scale = 1 if rung.local else rung.scale
        self._canvas: Canvas | None = None  # none where the whole frame is resized anyway
        self._shown: Image | None = None
        self._fallback: set[int] = set()  # tiles that are only resized, though the rung has a network

    @property
    def fallback(self) -> int:
        return len(self._fallback)

    @property
    def seen(self) -> Look | None:
        """What was seen when the last frame was looked at, where that was measured."""
        return self._reuse.look

    def look(self, image: Image) -> NDArray[np.intp]:
        """Tiles of the frame that differ from those before; to be brought by `update`, in the order of the frames."""
        return self._reuse.changed(image)

    def tiles(self, image: NDArray[Any], changed: NDArray[np.intp]) -> NDArray[Any]:
        """What is to be enhanced of the frame last looked at; on a local rung, what is to be resized."""
        return self._reuse.tiles(image, changed)

    def update(self, changed: NDArray[np.intp], tiles: NDArray[Any]) -> None:
        """Enhanced tiles of a frame; on a local rung as `tiles` gave them."""
        self._put(changed, tiles)
        self._fallback.difference_update(changed.tolist())

    def resize(self, image: Image, changed: NDArray[np.intp]) -> None:
        """The frame's changed tiles, enlarged by Lanczos; where there is a network they are looked at anew."""
        if self.whole:
            self._shown = resize(image, self.plan.out_width, self.plan.out_height)
            return
        side = self.grid.tile * self.rung.scale
        self._put(changed, np.stack([resize(tile, side, side) for tile in self.grid.cut(image, changed)]))
        self._fallback.update(changed.tolist())
        self._reuse.forget(changed)

    def image(self) -> Image:
        """(out_height, out_width, 3) uint8 as it is to be shown; the next update may change it."""
        if self._shown is None:
            if self._canvas is None:
                raise ValueError("no frame was brought to this picture yet")
            self._shown = resize(self._canvas.image, self.plan.out_width, self.plan.out_height)
        return self._shown

    def _put(self, changed: NDArray[np.intp], tiles: NDArray[Any]) -> None:
        if self._canvas is None:
            self._canvas = Canvas(self.grid, self._scale, np.uint8)
        self._canvas.update(changed, tiles)
        self._shown = None
