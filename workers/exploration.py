"""A region of one frame of a clip, explored: read, cut, searched and written. Shared by command and job; knows neither.

Boxes are in pixels of the picture as shown: rotation applied, pixels not made square.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from media.partfile import part_file
from media.reader import VideoReader
from media.types import ClipFacts, Image
from models.pulse.region import Box, region_for
from models.pulse.search import STATEMENT, Exploration, SearchSettings, SearchStopped, Step, explore
from models.pulse.sheet import draw
from models.stylegan2 import StyleGan2

READ_AHEAD = 16  # frames read between two questions whether to go on
MOST = 16  # candidates of one exploration: on the sheet, in memory and in time


class FrameMissing(ValueError):
    """The clip has no frame of that number. The message is for people."""


@dataclass(frozen=True, slots=True)
class Found:
    """What came of exploring a region, with what it was made from."""

    exploration: Exploration
    observed: Image  # (h, h, 3) uint8 or uint16: the explored square
    box: Box  # as asked for
    box_used: Box  # the square that holds it
    frame: int  # number in presentation order, from 0
    pts: int  # of that frame, ticks


def explore_frame(
    path: Path,
    facts: ClipFacts,
    frame: int,
    box: Box,
    bank: StyleGan2,
    count: int,
    settings: SearchSettings,
    on_step: Callable[[Step], bool],
) -> Found:
    """Explore `box` of frame number `frame`, counted from 0 in presentation order.

    The box grows to the square that `region_for` says. Frames before it are decoded, as numbers are not to be had by
    seeking; on_step is called then too, with nothing done yet. False stops. Raises RegionError, FrameMissing,
    MediaError, SearchError, SearchStopped.
    """
    used = region_for(box, *facts.display_size, bank.sizes.size)
    nothing = Step(0, count, 0, settings.restarts + 1, 0, settings.steps, float("inf"))
    picture, pts = read_frame(path, facts, frame, lambda: on_step(nothing))
    observed = np.ascontiguousarray(picture[used.y : used.y + used.height, used.x : used.x + used.width])
    exploration = explore(bank, observed, count, settings, on_step)
    return Found(exploration, observed, box, used, frame, pts)


def read_frame(path: Path, facts: ClipFacts, frame: int, keep_going: Callable[[], bool]) -> tuple[Image, int]:
    """Frame number `frame` as shown (turned, pixels not made square), and its pts.

    Raises FrameMissing, MediaError; SearchStopped where keep_going says no.
    """
    if frame < 0:
        raise FrameMissing(f"frames are counted from 0: there is no frame {frame}")
    count = 0
    with closing(VideoReader(path, facts)) as reader:
        for each in reader:
            if count == frame:
                return np.ascontiguousarray(np.rot90(each.image, facts.rotation // 90)), each.pts
            count += 1
            if count % READ_AHEAD == 0 and not keep_going():
                raise SearchStopped("the exploration was stopped")
    raise FrameMissing(f"there is no frame {frame}: the clip has {count} frames, counted from 0 to {count - 1}")


def describe(found: Found) -> dict[str, Any]:
    """What was found in numbers and words, as JSON values: candidates best first."""
    exploration = found.exploration
    return {
        "statement": STATEMENT,
        "frame": found.frame,
        "pts": found.pts,
        "box": _box(found.box),
        "region": _box(found.box_used),
        "eps": exploration.eps,
        "explaining": exploration.explaining,
        "candidates": [
            {
                "number": each.number,
                "error": each.error,
                "explains": each.explains,
                "runs": each.runs,
                "diverged": each.diverged,
            }
            for each in exploration.candidates
        ],
        "not_finite": list(exploration.diverged),
        "distances": [[round(float(value), 6) for value in row] for row in exploration.distances],
        "spread_mean": round(float(exploration.spread.mean()), 6),
        "spread_max": round(float(exploration.spread.max()), 6),
    }


def write_sheet(found: Found, path: Path, words: tuple[str, ...] = ()) -> None:
    """The picture of all of it, PNG. words: further lines for people, e.g. the bank's name."""
    used = found.box_used
    where = f"Frame {found.frame}; asked for {found.box}, explored {used}."
    write_png(path, draw(found.exploration, found.observed, (where, *words)))


def write_candidate(found: Found, index: int, path: Path) -> None:
    """Picture `index` of the candidates, best first, PNG of 8 bits."""
    write_png(path, np.rint(found.exploration.candidates[index].image * 255).astype(np.uint8))


def write_spread(found: Found, path: Path) -> None:
    """The spread as a grey PNG of 16 bits: 65535 is a standard deviation of 1, of values in [0, 1]."""
    write_png(path, np.rint(found.exploration.spread.clip(0, 1) * 65535).astype(np.uint16))


def write_png(path: Path, image: Image) -> None:
    """image: (H, W, 3) RGB or (H, W), uint8 or uint16. Appears whole or not at all. Raises MediaError "disk-full"."""
    ok, encoded = cv2.imencode(".png", image[..., ::-1] if image.ndim == 3 else image)
    if not ok:
        raise OSError(f"PNG encoder refused a picture of {image.shape[1]}x{image.shape[0]}")
    with part_file(path) as part:
        part.write_bytes(encoded.tobytes())


def _box(box: Box) -> list[int]:
    return [box.x, box.y, box.width, box.height]
