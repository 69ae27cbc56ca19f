"""`gleaner degrade`: a picture or a clip made worse in this process, by a named profile. Knows no Redis, no enhancer.

Clips are never cut: one chain of steps and codecs runs over all of their frames as they are read, so the codecs' state
passes from frame to frame to the end, and memory is that of the few frames they hold.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from media.output import decide
from media.partfile import part_file
from media.probe import probe
from media.reader import VideoReader
from media.types import ClipFacts, Damage, Image, MediaError, OutputSettings, VideoFrame, is_grey
from media.writer import VideoWriter
from models.degradation.chain import UnfitError, check
from models.degradation.codec import Bytes
from models.degradation.profiles import degrade, draw
from pipeline.limits import probe_limits
from pipeline.settings import Settings
from pipeline.targets import SUFFIXES, check_suffix

PICTURES = (".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff", ".webp")  # suffixes of sources that are stills
PICTURES_OUT = {  # suffix -> how OpenCV is to write it
    ".png": [],
    ".jpg": [cv2.IMWRITE_JPEG_QUALITY, 100, cv2.IMWRITE_JPEG_SAMPLING_FACTOR, cv2.IMWRITE_JPEG_SAMPLING_FACTOR_444],
}
JPEG_NOTE = "written as JPEG of quality 100: near the degraded pixels; a .png keeps them exactly"
MP4_NOTE = "written as H.264 of high quality: near the degraded pixels; an .mkv (FFV1) keeps them exactly"
THREADS = 1  # of the decoder and the encoder: the same bytes on every machine


@dataclass(frozen=True, slots=True)
class DegradePlan:
    """What is going to be done, decided before any work."""

    profile: str
    scale: int
    seed: int
    clip: ClipFacts | None  # None: the source is a picture
    output: OutputSettings | None
    notes: tuple[str, ...]


def decide_degrade(source: Path, out: Path, profile: str, scale: int, seed: int, settings: Settings) -> DegradePlan:
    """Which kind of file goes in and comes out. Raises MediaError, TargetError, UnknownProfile, UnfitError."""
    draw(profile, scale, seed)  # refuses names and numbers before a file is opened
    suffix = out.suffix.lower()
    if source.suffix.lower() in PICTURES:
        if suffix not in PICTURES_OUT:
            raise UnfitError(f"a picture cannot be written as {out.name}: name it {out.with_suffix('.png').name}")
        return DegradePlan(profile, scale, seed, None, None, (JPEG_NOTE,) if suffix == ".jpg" else ())
    clip = probe(source, probe_limits(settings, max_bytes=None))
    width, height = clip.width // scale, clip.height // scale
    if min(width, height) < 1:
        raise UnfitError(f"a clip of {clip.width}x{clip.height} cannot be made {scale} times smaller: use less")
    lossy = suffix in SUFFIXES[".mp4"]
    output = decide(clip, width, height, "h264" if lossy else "ffv1", "high")
    check_suffix(out, output.suffix)
    if not lossy:  # RGB, so that no colour conversion touches the pixels either
        output = replace(output, pix_fmt="bgr0", colour=replace(output.colour, full_range=True, matrix=0))
    return DegradePlan(profile, scale, seed, clip, output, (MP4_NOTE,) * lossy + output.notes)


def degrade_file(
    source: Path, out: Path, plan: DegradePlan, settings: Settings, on_frame: Callable[[int], None]
) -> dict[str, Any]:
    """Degrade `source` into `out`, which appears whole or not at all. Returns what was done, for JSON.

    on_frame: told the number of frames written so far. Clips keep the number, order and times of their frames; their
    sound is not kept. Raises MediaError, UnfitError.
    """
    if plan.clip is None or plan.output is None:
        done = _picture(source, out, plan, settings)
    else:
        done = _clip(source, out, plan, plan.clip, plan.output, on_frame)
    return {"source": source.name, "out": out.name, **done, "notes": list(plan.notes)}


def read_picture(path: Path, max_pixels: int) -> Bytes:
    """(H, W, 3) uint8 RGB, upright. Raises MediaError where OpenCV cannot read it or it is too large."""
    try:
        image = cv2.imread(str(path), cv2.IMREAD_COLOR)
    except cv2.error:  # larger than OpenCV dares
        image = None
    if image is None:
        raise MediaError("unreadable", "The picture cannot be read; convert it to PNG.")
    if image.shape[0] * image.shape[1] > max_pixels:
        raise MediaError(
            "too-many-pixels", f"The picture has {image.shape[1]}x{image.shape[0]} pixels, at most {max_pixels} in all."
        )
    return np.ascontiguousarray(np.asarray(image, dtype=np.uint8)[..., ::-1])


def _picture(source: Path, out: Path, plan: DegradePlan, settings: Settings) -> dict[str, Any]:
    image = read_picture(source, settings.max_pixels)
    degraded = degrade(image, plan.profile, plan.scale, plan.seed)
    suffix = out.suffix.lower()
    done, data = cv2.imencode(suffix, degraded.low[..., ::-1], PICTURES_OUT[suffix])
    if not done:
        raise MediaError("unsupported-output", f"A picture of {degraded.low.shape} cannot be written as {suffix}.")
    with part_file(out) as part:
        part.write_bytes(data.tobytes())
    return {"frames": 1, "size": [degraded.low.shape[1], degraded.low.shape[0]], **degraded.parameters}


def _clip(
    source: Path,
    out: Path,
    plan: DegradePlan,
    clip: ClipFacts,
    output: OutputSettings,
    on_frame: Callable[[int], None],
) -> dict[str, Any]:
    chain = draw(plan.profile, plan.scale, plan.seed)
    waiting: deque[VideoFrame] = deque()  # read, and still in the codecs; their images are let go
    with VideoReader(source, clip, threads=THREADS) as reader:
        with VideoWriter(out, output, threads=THREADS) as writer:
            for low in chain.run(_images(reader, waiting, plan.scale)):
                frame = waiting.popleft()
                writer.write(low, frame.pts, grey=is_grey(low), duration=frame.duration)
                on_frame(writer.frames)
        damage: Damage = reader.damage
    return {
        "frames": writer.frames,
        "size": [output.width, output.height],
        "profile": plan.profile,
        **chain.drawn,
        "damage": {"packets": damage.packets, "frames": damage.frames},
    }


def _images(reader: Iterable[VideoFrame], waiting: deque[VideoFrame], scale: int) -> Iterator[Bytes]:
    for frame in reader:
        image = _eight_bits(frame.image)
        check(image, scale)
        waiting.append(replace(frame, image=image[:0]))
        yield image


def _eight_bits(image: Image) -> Bytes:
    if image.dtype == np.uint16:
        return ((image.astype(np.uint32) + 128) // 257).astype(np.uint8)
    return np.asarray(image, dtype=np.uint8)
