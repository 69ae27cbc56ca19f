"""Coded frames of a live stream for tests. Not a test file."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from media.live_encoder import Encoded, LiveEncoder
from media.types import ColourTags, Image

BT709 = ColourTags(False, 1, 1, 1)
START = 1_790_000_000.0  # Unix seconds of pts 0 in these tests


def picture(index: int, size: tuple[int, int] = (96, 64)) -> Image:
    """(H, W, 3) uint8: a gradient that moves, and the frame's number as ten blocks, black or white."""
    width, height = size
    image = np.zeros((height, width, 3), np.uint8)
    image[..., 1] = (np.arange(width)[None] * 2 + index * 3) % 200
    for bit in range(10):
        image[: height // 2, bit * width // 10 : (bit + 1) * width // 10] = 255 * (index >> bit & 1)
    return image


def number(image: Image) -> int:
    """The index of the picture that was decoded to this."""
    height, width = image.shape[:2]
    blocks = [image[: height // 2, bit * width // 10 : (bit + 1) * width // 10].mean() > 127 for bit in range(10)]
    return sum(int(block) << bit for bit, block in enumerate(blocks))


def coded(
    times: Iterable[int], *, size: tuple[int, int] = (96, 64), first: int = 0, key_s: float = 2.0
) -> list[Encoded]:
    """One frame for each pts (ticks of 1/90000 s), showing picture(first), picture(first + 1), ..."""
    with LiveEncoder(*size, BT709, key_s=key_s, threads=1) as encoder:
        return [
            packet for index, pts in enumerate(times, first) for packet in encoder.encode(picture(index, size), pts)
        ]


def steady(rate: float, seconds: float, start: int = 0) -> list[int]:
    """pts of a camera of that rate."""
    return [start + round(index * 90_000 / rate) for index in range(round(seconds * rate))]
