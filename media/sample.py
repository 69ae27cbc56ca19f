"""A short surveillance clip made from the synthetic street: the clean scene, and what a cheap camera makes of it.

The file holds degraded H.264 with sound; the same frames, clean and at full size, go to a second file for comparison.
"""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
from av.audio.stream import AudioStream
from av.container import OutputContainer
from av.video.stream import VideoStream

from media.colour_out import FromRgb
from media.encoder import set_up_stream
from media.partfile import part_file
from media.scene import scene
from media.types import ColourTags, Image, OutputSettings
from media.writer import VideoWriter

BLUR = 0.6  # of the lens, in pixels of the small picture
SHOT_NOISE = 0.55  # standard deviation in levels for each square root of a level
READ_NOISE = 2.0  # ... and at black
CHROMA_NOISE = 0.6  # share of the noise that differs between the channels
CRF = "28"
GOP_SECONDS = 2
TONE_HZ = 440
SOUND_RATE = 48000
COLOUR = ColourTags(full_range=False, matrix=1, primaries=1, transfer=1)


def write_sample(
    out: Path,
    clean: Path | None = None,
    *,
    seconds: float = 4.0,
    fps: Fraction = Fraction(12),
    width: int = 320,
    height: int = 180,
    scale: int = 4,
    seed: int = 1,
) -> None:
    """Write `out` (MP4: H.264 and AAC, width × height) and, where asked for, `clean`: Matroska, FFV1, `scale` times as
    large, the same times to the millisecond. The same arguments give the same pictures. Raises MediaError("disk-full").
    """
    count = max(1, round(seconds * fps))
    rng = np.random.default_rng(seed)
    street = scene(width * scale, height * scale, seed)
    frames = (street.draw(index / fps) for index in range(count))
    if clean is None:
        write_degraded(out, (degrade(frame, width, height, rng) for frame in frames), fps, (width, height), count)
        return
    with VideoWriter(clean, lossless(width * scale, height * scale), threads=0) as writer:

        def kept() -> Iterator[Image]:
            for index, frame in enumerate(frames):
                writer.write(frame, round(index * 1000 / fps))
                yield degrade(frame, width, height, rng)

        write_degraded(out, kept(), fps, (width, height), count)


def degrade(image: Image, width: int, height: int, rng: np.random.Generator) -> Image:
    """What a small sensor behind a soft lens sees of a clean picture, at width × height, before it is coded."""
    factor = image.shape[1] / width
    soft = cv2.GaussianBlur(image, (0, 0), BLUR * factor)
    small = cv2.resize(soft, (width, height), interpolation=cv2.INTER_AREA).astype(np.float32)
    level = np.sqrt(small.mean(axis=2, keepdims=True)) * SHOT_NOISE + READ_NOISE
    shared = rng.standard_normal((height, width, 1), np.float32)
    apart = rng.standard_normal((height, width, 3), np.float32)
    noise = level * (shared * np.sqrt(1 - CHROMA_NOISE**2) + apart * CHROMA_NOISE)
    seen: Image = np.clip(np.rint(small + noise), 0, 255).astype(np.uint8)
    return seen


def write_degraded(out: Path, frames: Iterator[Image], fps: Fraction, size: tuple[int, int], count: int) -> None:
    """H.264 at a surveillance bit rate with B frames, and a quiet tone in AAC."""
    settings = OutputSettings(
        codec="h264",
        quality="standard",
        container="mp4",
        suffix=".mp4",
        pix_fmt="yuv420p",
        width=size[0],
        height=size[1],
        time_base=Fraction(1, 12800 * fps.numerator // np.gcd(12800, fps.numerator)),
        colour=COLOUR,
        rotation=0,
        sample_aspect_ratio=Fraction(1),
    )
    options = {"preset": "medium", "crf": CRF, "g": str(max(1, round(GOP_SECONDS * fps)))}
    convert = FromRgb(COLOUR, "yuv420p")
    with part_file(out) as part, av.open(part, "w", format="mp4", container_options=mp4_options(settings)) as container:
        container.metadata["creation_time"] = "2024-03-01T10:11:12Z"
        stream = container.add_stream("libx264", rate=fps, options=options)
        sound = container.add_stream("aac", rate=SOUND_RATE, layout="mono")
        assert isinstance(stream, VideoStream)
        assert isinstance(sound, AudioStream)
        set_up_stream(stream, settings, threads=1)
        tone = tone_frames(float(count / fps))
        for index, image in enumerate(frames):
            frame = convert(image)
            frame.pts, frame.time_base = round(index / fps / settings.time_base), settings.time_base
            container.mux(stream.encode(frame))
            send_until(container, sound, tone, (index + 1) / fps)
        container.mux(stream.encode(None))
        send_until(container, sound, tone, None)
        container.mux(sound.encode(None))


def mp4_options(settings: OutputSettings) -> dict[str, str]:
    return {
        "fflags": "+bitexact",
        "video_track_timescale": str(settings.time_base.denominator),
        "movflags": "+faststart",
    }


def tone_frames(seconds: float) -> Iterator[av.AudioFrame]:
    total = round(seconds * SOUND_RATE)
    for start in range(0, total, 1024):
        at = np.arange(start, min(start + 1024, total))
        wave = (0.08 * np.sin(2 * np.pi * TONE_HZ * at / SOUND_RATE)).astype(np.float32)
        frame = av.AudioFrame.from_ndarray(wave[None], format="fltp", layout="mono")
        frame.sample_rate, frame.pts, frame.time_base = SOUND_RATE, start, Fraction(1, SOUND_RATE)
        yield frame


def send_until(
    container: OutputContainer, sound: AudioStream, frames: Iterator[av.AudioFrame], end: Fraction | None
) -> None:
    """Encode sound up to a time in seconds (None: all that is left)."""
    for frame in frames:
        container.mux(sound.encode(frame))
        if end is not None and frame.pts is not None and Fraction(frame.pts, SOUND_RATE) >= end:
            return


def lossless(width: int, height: int) -> OutputSettings:
    fields: dict[str, Any] = {"rotation": 0, "sample_aspect_ratio": Fraction(1), "colour": ColourTags(True, 0, 1, 13)}
    return OutputSettings(
        codec="ffv1",
        quality="high",
        container="matroska",
        suffix=".mkv",
        pix_fmt="bgr0",
        width=width,
        height=height,
        time_base=Fraction(1, 1000),
        **fields,
    )
