"""`gleaner enhance` end to end: every frame with its own pts, sound bit for bit, colours kept, in all kinds of clip."""

from __future__ import annotations

import json
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from media.probe import probe
from media.reader import VideoReader
from pipeline.job import ClipOptions
from pipeline.settings import Settings
from tests.media.clips import LIMITS, NO_B_FRAMES, OPEN_GOPS, picture, write_clip
from workers.local import decide_local, enhance_local

FRAMES = 20
VFR = [0, 40, 80, 90, 200, 240, 281, 400, 401, 402, 500, 560, 640, 700, 720, 790, 840, 900, 1000, 1033]
MS = Fraction(1, 1000)


@dataclass(frozen=True)
class Case:
    suffix: str
    make: dict[str, Any]


CASES = {
    "mp4 with B-frames and sound": Case(".mp4", {"audio": True}),
    "mp4 with open GOPs": Case(".mp4", {"params": OPEN_GOPS}),
    "mp4 at a variable rate": Case(".mp4", {"times": VFR, "time_base": MS}),
    "mp4 at 90 kHz from a non-zero pts": Case(
        ".mp4", {"times": [5000 + 3003 * i for i in range(FRAMES)], "time_base": Fraction(1, 90000)}
    ),
    "mkv at a variable rate with sound": Case(".mkv", {"times": VFR, "time_base": MS, "audio": True}),
    "mpegts with B-frames and sound": Case(".ts", {"audio": True}),
    "avi with sound": Case(".avi", {"params": NO_B_FRAMES, "audio": True}),
    "avi of motion JPEG": Case(".avi", {"codec": "mjpeg", "pix_fmt": "yuvj420p"}),
    "10-bit HEVC": Case(".mp4", {"codec": "libx265", "pix_fmt": "yuv420p10le", "params": "keyint=12"}),
    "rotated by 90": Case(".mp4", {"rotation": 90}),
    "sample aspect ratio 4:3": Case(".mkv", {"sample_aspect_ratio": Fraction(4, 3)}),
    "odd width": Case(".mkv", {"codec": "ffv1", "size": (95, 63)}),
    "one frame long": Case(".mp4", {"frames": 1}),
    "grey": Case(".mp4", {"grey": True, "pix_fmt": "gray"}),
    "larger than a tile": Case(".mp4", {"size": (272, 160)}),
}


def enhance(source: Path, out: Path, report: Path | None = None, **options: Any) -> dict[str, Any]:
    settings = Settings(threads=1)
    plan = decide_local(source, out, ClipOptions(**({"model": "lanczos"} | options)), settings)
    return enhance_local(source, out, plan, settings, report, on_frame=lambda _: None)


def times_of(path: Path) -> list[Fraction]:
    facts = probe(path, LIMITS)
    with VideoReader(path, facts) as reader:
        return [frame.pts * facts.time_base for frame in reader]


def audio_of(path: Path) -> list[bytes]:
    """The sound's packets. MPEG-TS wraps each AAC packet in an ADTS header, which other containers keep once."""
    with av.open(str(path)) as container:
        stream = container.streams.audio[0]
        packets = [bytes(packet) for packet in container.demux(stream) if packet.dts is not None]
    return [packet[7:] for packet in packets] if path.suffix == ".ts" else packets


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize(("codec", "suffix"), [("auto", ".mp4"), ("ffv1", ".mkv")])
def test_every_frame_comes_out_with_its_own_time(name: str, codec: str, suffix: str, tmp_path: Path) -> None:
    case = CASES[name]
    source = write_clip(tmp_path / f"in{case.suffix}", **({"frames": FRAMES} | case.make))
    out, report = tmp_path / f"out{suffix}", tmp_path / "report.json"
    summary = enhance(source, out, report, scale=2, codec=codec)
    before, after = probe(source, LIMITS), probe(out, LIMITS)
    times = times_of(source)
    assert len(times) == case.make.get("frames", FRAMES)
    written_times = times_of(out)
    assert [round(time / before.time_base) for time in written_times] == [round(t / before.time_base) for t in times]
    if suffix == ".mp4" or (before.time_base * 10**9).denominator == 1:
        assert written_times == times  # Matroska counts nanoseconds, of which a tick may not be a whole number
    assert (after.width, after.height) == (2 * before.width, 2 * before.height)
    assert (after.rotation, after.sample_aspect_ratio) == (before.rotation, before.sample_aspect_ratio)
    assert after.bit_depth == before.bit_depth
    if case.make.get("audio"):
        assert audio_of(out) == audio_of(source)
    written = json.loads(report.read_text())
    assert written["frames"] == summary["frames"]
    assert [Fraction(f["pts"]) * before.time_base for f in written["frame_log"]] == times
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(["report.json", source.name, out.name])


def test_grey_comes_out_exactly_grey(tmp_path: Path) -> None:
    source = write_clip(tmp_path / "in.mp4", grey=True, frames=3)
    enhance(source, tmp_path / "out.mp4", scale=2)
    with VideoReader(tmp_path / "out.mp4", probe(tmp_path / "out.mp4", LIMITS)) as reader:
        assert all(frame.grey for frame in reader)


def test_lossless_at_scale_1_gives_the_decoded_pixels_back(tmp_path: Path) -> None:
    source = write_clip(tmp_path / "in.mp4", frames=5, size=(200, 150))
    summary = enhance(source, tmp_path / "out.mkv", scale=1, codec="ffv1", reuse="exact")
    assert summary["output"]["codec"] == "ffv1"
    for one, other in zip(_images(source), _images(tmp_path / "out.mkv"), strict=True):
        difference = np.abs(one.astype(int) - other.astype(int))
        assert difference.mean() < 0.7  # there and back, YUV rounds; what lies outside of RGB is clipped


@pytest.mark.parametrize(("matrix", "full_range"), [(1, False), (5, True)])
@pytest.mark.parametrize("scale", [1, 2])
def test_colour_bars_keep_their_colours(matrix: int, full_range: bool, scale: int, tmp_path: Path) -> None:
    bars = _bars(320, 192)
    source = _write_tagged(tmp_path / "in.mp4", bars, matrix, full_range)
    enhance(source, tmp_path / "out.mp4", scale=scale, quality="high")
    after = probe(tmp_path / "out.mp4", LIMITS)
    assert (after.colour.matrix, after.colour.full_range) == (matrix, full_range)
    wanted = bars.repeat(scale, axis=0).repeat(scale, axis=1).astype(int)
    for image in _images(tmp_path / "out.mp4"):
        assert np.abs(image.astype(int) - wanted).mean(axis=(0, 1)).max() <= 2.0


def test_target_height_is_of_the_picture_as_shown(tmp_path: Path) -> None:
    source = write_clip(tmp_path / "in.mp4", rotation=90, frames=2)  # 96x64 coded, shown 64x96
    enhance(source, tmp_path / "out.mp4", target_height=144)
    assert probe(tmp_path / "out.mp4", LIMITS).display_size == (96, 144)


def test_still_scenes_are_enhanced_once(tmp_path: Path) -> None:
    source = tmp_path / "still.mkv"
    with av.open(str(source), "w") as container:
        stream = container.add_stream("ffv1", rate=25)
        stream.width, stream.height, stream.pix_fmt = 300, 200, "yuv420p"
        for _ in range(6):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture(1, 300, 200), "rgb24")))
        container.mux(stream.encode(None))
    summary = enhance(source, tmp_path / "out.mp4", scale=2)
    assert summary["frames"]["reused_whole"] == 5
    assert summary["reuse_share"] == pytest.approx(5 / 6, abs=1e-3)


def _images(path: Path) -> list[np.ndarray]:
    with VideoReader(path, probe(path, LIMITS)) as reader:
        return [frame.image.copy() for frame in reader]


def _bars(width: int, height: int) -> np.ndarray:
    colours = [(i >> 2 & 1, i >> 1 & 1, i & 1) for i in range(8)]
    image = np.zeros((height, width, 3), np.uint8)
    for i, colour in enumerate(colours):
        image[:, i * width // 8 : (i + 1) * width // 8] = np.array(colour) * 191
    return image


def _write_tagged(path: Path, image: np.ndarray, matrix: int, full_range: bool) -> Path:
    """Three near-lossless frames, converted by the tags' own formulas (ITU-R BT.601/709), not by our code."""
    kr, kb = (0.2126, 0.0722) if matrix == 1 else (0.299, 0.114)
    rgb = image.astype(np.float64) / 255
    luma = rgb @ np.array([kr, 1 - kr - kb, kb])
    cb, cr = (rgb[..., 2] - luma) / (2 * (1 - kb)), (rgb[..., 0] - luma) / (2 * (1 - kr))
    y = luma * 255 if full_range else 16 + 219 * luma
    span = 255 if full_range else 224
    planes = [y, 128 + span * cb, 128 + span * cr]
    planes[1:] = [plane[::2, ::2] for plane in planes[1:]]  # 4:2:0; the bars' edges lie between chroma samples
    coded = [np.clip(np.rint(plane), 0, 255).astype(np.uint8) for plane in planes]
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=25, options={"crf": "1", "preset": "ultrafast"})
        stream.width, stream.height, stream.pix_fmt = image.shape[1], image.shape[0], "yuv420p"
        stream.codec_context.color_range = 2 if full_range else 1
        stream.codec_context.colorspace = matrix
        stream.codec_context.color_primaries = matrix
        stream.codec_context.color_trc = matrix
        for _ in range(3):
            frame = av.VideoFrame(image.shape[1], image.shape[0], "yuv420p")
            for plane, values in zip(frame.planes, coded, strict=True):
                buffer = np.frombuffer(plane, np.uint8).reshape(plane.height, plane.line_size)
                buffer[:, : plane.width] = values
            frame.color_range, frame.colorspace = (2 if full_range else 1), matrix
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path
