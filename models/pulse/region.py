"""Which square of a picture is explored: a box that somebody drew, grown to a size that a bank can explain.

Numbers only; no torch, so that a request can be checked where no network is.
"""

from __future__ import annotations

from dataclasses import dataclass

SMALLEST = 4  # pixels, each way: fewer say next to nothing


class RegionError(ValueError):
    """A box cannot be explored. The message is for people: it names the box, the bound and the remedy."""


@dataclass(frozen=True, slots=True)
class Box:
    """A rectangle of whole pixels of the picture as shown: rotation applied, pixels not made square."""

    x: int  # of its left column, from 0
    y: int  # of its top row, from 0
    width: int
    height: int

    def __str__(self) -> str:
        return f"{self.width}x{self.height} at ({self.x}, {self.y})"


def check_box(box: Box, width: int, height: int) -> None:
    """Raises RegionError where the box is smaller than SMALLEST or not within a picture of width x height."""
    if box.width < SMALLEST or box.height < SMALLEST:
        raise RegionError(f"the box {box} is too small: {SMALLEST}x{SMALLEST} pixels are the least; draw a larger one")
    if box.x < 0 or box.y < 0 or box.x + box.width > width or box.y + box.height > height:
        raise RegionError(
            f"the box {box} is not within the picture, which is {width}x{height} as shown:"
            f" x + width must be at most {width}, y + height at most {height}, and neither x nor y negative"
        )


def region_for(box: Box, width: int, height: int, bank_size: int) -> Box:
    """The smallest square of side 4, 8, 16, .. bank_size/2 that holds the box and lies in the picture, centred on the
    box as far as the picture allows.

    width, height: of the picture, pixels. bank_size: edge of what the bank draws. Raises RegionError as `check_box`,
    and where the box is too large for the bank or the square for the picture.
    """
    check_box(box, width, height)
    side = SMALLEST
    while side < max(box.width, box.height):
        side *= 2
    largest = bank_size // 2
    if side > largest:
        raise RegionError(
            f"the box {box} needs a square of {side} pixels, and a bank that draws {bank_size} pixels explains"
            f" {largest} at most: draw a smaller box or use a larger bank"
        )
    if side > min(width, height):
        raise RegionError(
            f"the box {box} needs a square of {side} pixels, and the picture is {width}x{height}: draw a box of"
            f" {side // 2} pixels or fewer each way"
        )
    x = min(max(0, box.x - (side - box.width) // 2), width - side)
    y = min(max(0, box.y - (side - box.height) // 2), height - side)
    return Box(x, y, side, side)
