"""Compression as a step: H.264 or H.265 once or several times over a clip, JPEG frame by frame. Knows no profile."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import chain

import numpy as np

from models.degradation.blur import Picture
from models.degradation.codec import jpeg, to_rgb, to_yuv420
from models.degradation.steps import Range, each, uniform
from models.degradation.surveillance import to_bytes, to_float
from models.degradation.video_codec import SMALLEST_SIDE, Encoding, Planes, transcode

GRID = 16  # pixels of a macroblock


@dataclass(frozen=True, slots=True)
class Generation:
    """One encoder, and where its block grid begins: pixels of edge that the picture was given at the top left."""

    encoding: Encoding
    top: int = 0  # even, below GRID
    left: int = 0


@dataclass(frozen=True, slots=True)
class EncodeDrawn:
    """Between generations the planes stay 4:2:0 of 8 bits, as recorders hand them on. Nothing looks ahead."""

    generations: tuple[Generation, ...]

    def run(self, frames: Iterable[Picture], rng: np.random.Generator) -> Iterator[Picture]:
        source = iter(frames)
        first = next(source, None)
        if first is None:
            return
        height, width, _ = first.shape
        even = height + height % 2, width + width % 2
        planes: Iterator[Planes] = (to_yuv420(_padded(frame, *even)) for frame in chain([first], source))
        for generation in self.generations:
            planes = _generation(planes, *even, generation)
        for decoded in planes:
            yield to_float(to_rgb(decoded)[:height, :width])


@dataclass(frozen=True, slots=True)
class Encode:
    """CRF and not a bit rate, so that a cut-out of 64 pixels is as bad as the frame it is of."""

    codecs: tuple[str, ...] = ("h264",)  # of each generation anew, equally likely
    crf: Range = (23.0, 36.0)
    generations: tuple[int, int] = (1, 1)  # how many
    gop: tuple[int, int] = (12, 100)
    off_grid: bool = False  # later generations may lie on another block grid (the picture was cropped or inset)

    def draw(self, rng: np.random.Generator, scale: int) -> EncodeDrawn:
        drawn = []
        for index in range(int(rng.integers(self.generations[0], self.generations[1] + 1))):
            codec = self.codecs[int(rng.integers(len(self.codecs)))]
            encoding = Encoding(codec, crf=uniform(rng, self.crf), preset=PRESETS[codec], gop=_whole(rng, self.gop))
            top, left = (2 * int(rng.integers(GRID // 2)) for _ in range(2))
            drawn.append(Generation(encoding, top, left) if self.off_grid and index else Generation(encoding))
        return EncodeDrawn(tuple(drawn))


PRESETS = {"h264": "veryfast", "h265": "ultrafast"}  # the tools of a camera's chip, and quick enough for training


@dataclass(frozen=True, slots=True)
class FixedEncode:
    """Always the same encoder: for measuring under stated conditions."""

    encoding: Encoding

    def draw(self, rng: np.random.Generator, scale: int) -> EncodeDrawn:
        return EncodeDrawn((Generation(self.encoding),))


@dataclass(frozen=True, slots=True)
class JpegDrawn:
    quality: int

    def run(self, frames: Iterable[Picture], rng: np.random.Generator) -> Iterator[Picture]:
        return each(frames, lambda frame: to_float(jpeg(to_bytes(frame), self.quality)))


@dataclass(frozen=True, slots=True)
class Jpeg:
    """libjpeg in 4:2:0, each frame by itself: stills, and Motion JPEG cameras."""

    chance: float = 1.0
    quality: tuple[int, int] = (15, 90)

    def draw(self, rng: np.random.Generator, scale: int) -> JpegDrawn | None:
        wanted, drawn = bool(rng.random() < self.chance), JpegDrawn(_whole(rng, self.quality))
        return drawn if wanted else None


def _generation(frames: Iterable[Planes], height: int, width: int, generation: Generation) -> Iterator[Planes]:
    """(height·3/2, width) planes through one encoder, on its grid, at least as large as it takes."""
    top, left = generation.top, generation.left
    smallest = SMALLEST_SIDE[generation.encoding.codec]
    tall, wide = max(smallest, height + top), max(smallest, width + left)
    whole = (tall, wide) == (height, width)
    padded = frames if whole else (_placed(planes, top, left, tall, wide) for planes in frames)
    for decoded in transcode(padded, wide, tall, generation.encoding):
        yield decoded if whole else _cut(decoded, top, left, height, width)


def _split(planes: Planes) -> tuple[Planes, Planes, Planes]:
    """Views of the three planes of packed 4:2:0."""
    rows, width = planes.shape
    height = rows * 2 // 3
    flat = planes.reshape(-1)
    luma, chroma = flat[: height * width], flat[height * width :].reshape(2, height // 2, width // 2)
    return luma.reshape(height, width), chroma[0], chroma[1]


def _packed(planes: Iterable[Planes], height: int, width: int) -> Planes:
    return np.concatenate([plane.ravel() for plane in planes]).reshape(height * 3 // 2, width)


def _placed(planes: Planes, top: int, left: int, tall: int, wide: int) -> Planes:
    """In a larger picture, its edges repeated."""
    out = []
    for plane, part in zip(_split(planes), (1, 2, 2), strict=True):
        height, width = plane.shape
        above, before = top // part, left // part
        edges = ((above, tall // part - above - height), (before, wide // part - before - width))
        out.append(np.pad(plane, edges, mode="edge"))
    return _packed(out, tall, wide)


def _cut(planes: Planes, top: int, left: int, height: int, width: int) -> Planes:
    """The inverse of `_placed`."""
    parts = zip(_split(planes), (1, 2, 2), strict=True)
    cut = [p[top // n : (top + height) // n, left // n : (left + width) // n] for p, n in parts]
    return _packed(cut, height, width)


def _padded(picture: Picture, height: int, width: int) -> Picture:
    """In 0..255, its last row and column repeated where the sides must be even."""
    levels = picture * np.float32(255)
    rows, columns, _ = picture.shape
    if (rows, columns) == (height, width):
        return levels
    return np.pad(levels, ((0, height - rows), (0, width - columns), (0, 0)), mode="edge")


def _whole(rng: np.random.Generator, limits: tuple[int, int]) -> int:
    return int(rng.integers(limits[0], limits[1] + 1))
