"""The enhanced picture of a live stream on one rung: what must be enhanced of a frame, and what is shown. No queue."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from media.resize import resize
from media.types import Image
from workers.canvas import Canvas
from workers.motion import ExactReuse
from workers.rungs import LivePlan, Rung


class LivePicture:
    """Grid, reuse and canvas of a rung for frames of a size; both changed, there is a new one."""

    def __init__(self, plan: LivePlan, rung: Rung) -> None:
        self.plan, self.rung = plan, rung
        self.grid = rung.grid(plan.width, plan.height)
        self._reuse = ExactReuse(self.grid)
        self._canvas: Canvas | None = None  # none where the whole frame is resized anyway
        self._shown: Image | None = None
        self._fallback: set[int] = set()  # tiles that are only resized, though the rung has a network

    @property
    def fallback(self) -> int:
        return len(self._fallback)

    def look(self, image: Image) -> NDArray[np.intp]:
        """Tiles of the frame that differ from those before; to be brought by `update`, in the order of the frames."""
        return self._reuse.changed(image)

    def update(self, changed: NDArray[np.intp], tiles: NDArray[Any]) -> None:
        """Enhanced tiles of a frame."""
        self._put(changed, tiles)
        self._fallback.difference_update(changed.tolist())

    def resize(self, image: Image, changed: NDArray[np.intp]) -> None:
        """The frame's changed tiles, enlarged by Lanczos; where there is a network they are looked at anew."""
        if self.rung.local:
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
            self._canvas = Canvas(self.grid, self.rung.scale, np.uint8)
        self._canvas.update(changed, tiles)
        self._shown = None
