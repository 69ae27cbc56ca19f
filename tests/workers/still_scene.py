"""Fixed-camera scenes of known truth for tests of reuse and fusion: a still place, a thing that moves, noise, H.264."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from io import BytesIO

import av
import cv2
import numpy as np
from av.container import InputContainer
from numpy.typing import NDArray

from workers.tiles import TileGrid, influence, make_grid

WIDTH, HEIGHT = 320, 192
GRID = make_grid(WIDTH, HEIGHT, 64, 2, 6)
Frames = list[NDArray[np.uint8]]
Decide = Callable[[NDArray[np.uint8]], NDArray[np.intp]]


@lru_cache(maxsize=1)
def street() -> NDArray[np.uint8]:
    """(HEIGHT, WIDTH, 3): walls, windows, ground and foliage, roughly; nobody may write to it."""
    rng = np.random.default_rng(1)
    y, x = np.mgrid[:HEIGHT, :WIDTH].astype(np.float32)
    picture = np.stack([90 + 0.3 * y, 100 + 0.2 * x, 120 + 0.1 * (x + y)], axis=2)
    for _ in range(40):
        left, top = int(rng.integers(0, WIDTH - 40)), int(rng.integers(0, 90))
        picture[top : top + int(rng.integers(6, 24)), left : left + int(rng.integers(6, 40))] = rng.integers(30, 220, 3)
    leaves = cv2.GaussianBlur(rng.standard_normal((HEIGHT, WIDTH, 3)).astype(np.float32), (0, 0), 1.5)
    picture += leaves * np.where((x > 200) & (y > 90), 90, 12)[..., None]
    picture = np.clip(cv2.GaussianBlur(picture, (0, 0), 0.7), 12, 235).astype(np.uint8)
    picture.flags.writeable = False
    return picture


def with_box(x: int, y: int, size: int = 24, colour: tuple[int, int, int] = (200, 40, 40)) -> NDArray[np.uint8]:
    picture = street().copy()
    picture[max(0, y) : max(0, y + size), max(0, x) : max(0, x + size)] = colour
    return picture


def noisy(frames: Sequence[NDArray[np.uint8]], sigma: float, seed: int = 0) -> Frames:
    """White noise on luma, and a fifth of it on each channel."""
    rng = np.random.default_rng(seed)
    out = []
    for frame in frames:
        shared = rng.standard_normal((*frame.shape[:2], 1), np.float32) * sigma
        apart = rng.standard_normal(frame.shape, np.float32) * sigma / 5
        out.append(np.clip(np.rint(frame + shared + apart), 0, 255).astype(np.uint8))
    return out


def coded(frames: Sequence[NDArray[np.uint8]], *, crf: int = 23, gop: int = 12) -> Frames:
    """Through H.264, as a camera sends it."""
    file = BytesIO()
    with av.open(file, "w", format="matroska") as container:
        stream = container.add_stream("libx264", rate=25, options={"preset": "fast", "crf": str(crf), "g": str(gop)})
        stream.width, stream.height, stream.pix_fmt = frames[0].shape[1], frames[0].shape[0], "yuv420p"
        stream.thread_count = 1
        for frame in frames:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        container.mux(stream.encode(None))
    file.seek(0)
    with av.open(file, "r") as container:
        assert isinstance(container, InputContainer)
        return [np.asarray(frame.to_ndarray(format="rgb24"), np.uint8) for frame in container.decode(video=0)]


def seeing(box: tuple[int, int, int, int], grid: TileGrid = GRID, least: float = 0.7) -> set[int]:
    """Tiles that the picture takes a pixel near the box x0, y0, x1, y1 from, with a weight of `least` or more."""
    found = set()
    for index in range(grid.count):
        row, column = divmod(index, len(grid.x.starts))
        weight = 1.0
        for axis, number, lo, hi in ((grid.y, row, box[1], box[3]), (grid.x, column, box[0], box[2])):
            start = axis.starts[number]
            along = influence(axis, grid.tile, grid.halo, grid.ramp)[number][max(0, lo - start) : max(0, hi - start)]
            weight *= float(along.max(initial=0))
        if weight >= least:
            found.add(index)
    return found


def shown(frames: Sequence[NDArray[np.uint8]], decide: Decide, grid: TileGrid = GRID) -> tuple[Frames, list[int]]:
    """What a network that changes nothing would show, and how many tiles of each frame were enhanced."""
    from workers.canvas import Canvas

    canvas = Canvas(grid, 1, np.uint8)
    pictures, counts = [], []
    for frame in frames:
        changed = decide(frame)
        if len(changed):
            canvas.update(changed, grid.cut(frame, changed))
        pictures.append(canvas.image.copy())
        counts.append(len(changed))
    return pictures, counts


def psnr(one: NDArray[np.uint8], other: NDArray[np.uint8]) -> float:
    error = float(np.mean((one.astype(np.float64) - other) ** 2))
    return float(10 * np.log10(255**2 / max(error, 1e-9)))
