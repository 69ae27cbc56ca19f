"""Small real clips for tests, made with PyAV: each is a few kilobytes and takes milliseconds. Not a test file."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import av.filter
import numpy as np
from numpy.typing import NDArray

from media.limits import ProbeLimits

LIMITS = ProbeLimits(
    max_bytes=None,
    max_pixels=3840 * 2160,
    max_duration_s=3600.0,
    max_streams=16,
    memory_bytes=768 << 20,
    timeout_s=20.0,
)
RATE = 25
CLOSED_GOPS = "keyint=12:min-keyint=12:scenecut=0:bframes=2:b-adapt=0:open-gop=0"
OPEN_GOPS = "keyint=12:min-keyint=12:scenecut=0:bframes=2:b-adapt=0:open-gop=1"
NO_B_FRAMES = "keyint=12:min-keyint=12:scenecut=0:bframes=0"
FORMATS = {
    ".mp4": "mp4",
    ".mov": "mov",
    ".mkv": "matroska",
    ".ts": "mpegts",
    ".avi": "avi",
    ".flv": "flv",
    ".mpg": "mpeg",
}


def picture(index: int, width: int, height: int, *, grey: bool = False) -> NDArray[np.uint8]:
    """(H, W, 3) uint8 RGB: a moving gradient, noise, and the frame's number as a row of black and white blocks."""
    image = np.zeros((height, width, 3), np.uint8)
    image[..., 1] = (np.arange(width)[None] * 2 + index * 3) % 256
    image[..., 0] = np.random.default_rng(index).integers(0, 80, (height, width))
    for bit in range(8):
        image[: height // 4, bit * width // 8 : (bit + 1) * width // 8] = 255 * (index >> bit & 1)
    return np.repeat(image[..., 1:2], 3, axis=2) if grey else image


def write_clip(
    path: Path,
    *,
    codec: str = "libx264",
    params: str = CLOSED_GOPS,
    options: dict[str, str] | None = None,
    pix_fmt: str = "yuv420p",
    size: tuple[int, int] = (96, 64),
    frames: int = 48,
    times: Sequence[int] | None = None,
    time_base: Fraction = Fraction(1, RATE),
    rotation: int = 0,
    sample_aspect_ratio: Fraction | None = None,
    grey: bool = False,
    fields: str = "",
    audio: bool = False,
    container_options: dict[str, str] | None = None,
) -> Path:
    """Writes a clip and returns its path. `times` are the frames' pts in `time_base`; by default 0, 1, 2, ...

    `params` goes to x264 or x265 where one of them encodes; `options` to any other encoder. `fields`, "tff" or "bff",
    makes it interlaced: the second field of each frame shows the next picture.
    """
    width, height = size
    settings = dict(options or {})
    if codec in ("libx264", "libx265"):
        params += f":{fields}=1" if fields else ""
        settings = {"preset": "ultrafast", f"{codec[3:]}-params": params} | settings
        if codec == "libx265":
            settings["x265-params"] += ":log-level=none:pools=1:frame-threads=1"
    with av.open(str(path), "w", format=FORMATS[path.suffix], options=container_options or {}) as container:
        stream = container.add_stream(codec, rate=RATE, options=settings)
        stream.width, stream.height, stream.pix_fmt = width, height, pix_fmt
        stream.codec_context.thread_count = 1
        stream.codec_context.time_base = time_base
        if sample_aspect_ratio is not None:
            stream.codec_context.sample_aspect_ratio = sample_aspect_ratio
        if rotation:
            stream.set_display_rotation(rotation)
        sound: Any = container.add_stream("aac", rate=16000, layout="mono") if audio else None
        for i in range(frames):
            image = picture(i, width, height, grey=grey)
            if fields:
                second = 1 if fields == "tff" else 0
                image[second::2] = picture(i + 1, width, height, grey=grey)[second::2]
            frame = av.VideoFrame.from_ndarray(image, "rgb24").reformat(format=pix_fmt)
            frame = flagged(frame, fields) if fields else frame
            frame.pts = i if times is None else times[i]
            frame.time_base = time_base
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
        if sound is not None:
            mux_silence(container, sound, seconds=frames / RATE)
    return path


def flagged(frame: av.VideoFrame, fields: str) -> av.VideoFrame:
    """The frame, flagged as interlaced. PyAV cannot set the flags, and x264 goes by them."""
    graph = av.filter.Graph()
    source = graph.add_buffer(width=frame.width, height=frame.height, format=frame.format, time_base=Fraction(1, RATE))
    graph.link_nodes(source, graph.add("setfield", fields), graph.add("buffersink")).configure()
    graph.vpush(frame)
    return graph.vpull()


def mux_silence(container: Any, stream: Any, seconds: float) -> None:
    for start in range(0, int(seconds * 16000), 1024):
        silence = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), "fltp", "mono")
        silence.sample_rate, silence.pts, silence.time_base = 16000, start, Fraction(1, 16000)
        container.mux(stream.encode(silence))
    container.mux(stream.encode(None))


def write_sound(path: Path) -> Path:
    """A clip without video."""
    with av.open(str(path), "w", format=FORMATS[path.suffix]) as container:
        mux_silence(container, container.add_stream("aac", rate=16000, layout="mono"), seconds=0.5)
    return path


def flip_bits(path: Path, out: Path, *, count: int, seed: int, region: tuple[float, float] = (0.1, 0.9)) -> Path:
    """A copy with `count` bits flipped within a region, given as shares of the file's length."""
    content = bytearray(path.read_bytes())
    rng = np.random.default_rng(seed)
    low, high = (int(len(content) * share) for share in region)
    for position in rng.integers(low, high, count):
        content[position] ^= 1 << int(rng.integers(8))
    out.write_bytes(content)
    return out


def truncate(path: Path, out: Path, share: float) -> Path:
    """A copy of the first `share` of the file."""
    content = path.read_bytes()
    out.write_bytes(content[: int(len(content) * share)])
    return out
