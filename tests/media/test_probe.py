"""Probing tells what a clip is, refuses what is none, and is not harmed by files made to harm it."""

from __future__ import annotations

import json
import resource
import struct
import zlib
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
import pytest

from media.facts_json import from_json, to_json
from media.limits import ProbeLimits
from media.probe import probe
from media.types import MediaError
from tests.media.clips import CLOSED_GOPS, LIMITS, NO_B_FRAMES, OPEN_GOPS, truncate, write_clip, write_sound


def refusal(path: Path, limits: ProbeLimits = LIMITS) -> MediaError:
    with pytest.raises(MediaError) as caught:
        probe(path, limits)
    assert path.name not in str(caught.value)
    assert str(path.parent) not in str(caught.value)
    return caught.value


@pytest.mark.parametrize(
    ("suffix", "container", "time_base"),
    [
        (".mp4", "mov,mp4,m4a,3gp,3g2,mj2", Fraction(1, 12800)),
        (".mkv", "matroska,webm", Fraction(1, 1000)),
        (".ts", "mpegts", Fraction(1, 90000)),
        (".avi", "avi", Fraction(1, 25)),
        (".flv", "flv", Fraction(1, 1000)),
    ],
)
def test_facts_of_an_ordinary_clip(tmp_path: Path, suffix: str, container: str, time_base: Fraction) -> None:
    facts = probe(write_clip(tmp_path / f"a{suffix}", params=NO_B_FRAMES, frames=30), LIMITS)
    assert (facts.container, facts.time_base) == (container, time_base)
    assert (facts.codec, facts.width, facts.height, facts.pix_fmt, facts.bit_depth) == ("h264", 96, 64, "yuv420p", 8)
    assert (facts.rotation, facts.sample_aspect_ratio, facts.interlaced, facts.grey) == (0, 1, "progressive", False)
    assert facts.frames == 30
    assert facts.duration_s == pytest.approx(1.2, abs=0.05)
    assert facts.average_rate == 25
    assert facts.warnings == ()


@pytest.mark.parametrize("degrees", [90, 180, 270])
def test_rotation_is_carried_not_applied(tmp_path: Path, degrees: int) -> None:
    facts = probe(write_clip(tmp_path / "a.mp4", frames=3, rotation=degrees), LIMITS)
    assert facts.rotation == degrees
    assert (facts.width, facts.height) == (96, 64)
    assert facts.display_size == ((64, 96) if degrees != 180 else (96, 64))


@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".ts"])
def test_sample_aspect_ratio_is_told(tmp_path: Path, suffix: str) -> None:
    facts = probe(write_clip(tmp_path / f"a{suffix}", frames=3, sample_aspect_ratio=Fraction(12, 11)), LIMITS)
    assert facts.sample_aspect_ratio == Fraction(12, 11)


@pytest.mark.parametrize("fields", ["tff", "bff"])
@pytest.mark.parametrize("suffix", [".mp4", ".ts", ".avi"])
def test_field_order_is_seen_in_the_pictures(tmp_path: Path, suffix: str, fields: str) -> None:
    clip = write_clip(tmp_path / f"a{suffix}", frames=6, params=NO_B_FRAMES, fields=fields)
    assert probe(clip, LIMITS).interlaced == fields


@pytest.mark.parametrize(("codec", "params"), [("libx264", CLOSED_GOPS), ("libx265", OPEN_GOPS)])
def test_ten_bits_are_told(tmp_path: Path, codec: str, params: str) -> None:
    facts = probe(write_clip(tmp_path / "a.mkv", codec=codec, params=params, pix_fmt="yuv420p10le", frames=4), LIMITS)
    assert (facts.bit_depth, facts.pix_fmt) == (10, "yuv420p10le")


def test_grey_format_and_odd_size_are_told(tmp_path: Path) -> None:
    facts = probe(write_clip(tmp_path / "a.mkv", codec="ffv1", pix_fmt="gray", size=(97, 63), frames=3), LIMITS)
    assert facts.grey
    assert (facts.width, facts.height) == (97, 63)


def test_start_and_duration_of_a_clip_that_does_not_start_at_zero(tmp_path: Path) -> None:
    facts = probe(write_clip(tmp_path / "a.mkv", frames=25, times=range(50, 75)), LIMITS)
    assert facts.start_pts == 2000
    assert facts.duration_s == pytest.approx(1.0, abs=0.05)


def test_streams_are_listed(tmp_path: Path) -> None:
    facts = probe(write_clip(tmp_path / "a.mp4", frames=5, audio=True), LIMITS)
    assert [(s.kind, s.codec) for s in facts.streams] == [("video", "h264"), ("audio", "aac")]
    assert facts.streams[1].detail == "16000 Hz, 1 channels"


def test_facts_survive_json(tmp_path: Path) -> None:
    facts = probe(write_clip(tmp_path / "a.mp4", frames=5, audio=True, sample_aspect_ratio=Fraction(4, 3)), LIMITS)
    assert from_json(json.loads(json.dumps(to_json(facts)))) == facts


@pytest.mark.parametrize(
    ("content", "code", "word"),
    [
        (b"", "empty-file", "0 bytes"),
        (b"this is no video at all\n" * 50, "unsupported-format", "text file"),
        (b"#EXTM3U\n#EXTINF:1,\nfile:///etc/passwd\n", "unsupported-format", "playlist"),
        (b"ffconcat version 1.0\nfile other.mp4\n", "unsupported-format", "concat"),
        (b"v=0\no=- 0 0 IN IP4 127.0.0.1\n", "unsupported-format", "SDP"),
        (b"\x89PNG\r\n\x1a\n" + bytes(100), "unsupported-format", "PNG"),
        (b"\xff\xd8\xff\xe0" + bytes(100), "unsupported-format", "JPEG"),
        (b"\x00\x00\x00\x18ftypheic" + bytes(100), "unsupported-format", "still image"),
        (bytes(4096), "unsupported-format", "zeros"),
        (np.random.default_rng(0).bytes(5000), "unsupported-format", "unknown"),
        (b"\x1a\x45\xdf\xa3" + bytes(500), "unreadable", "cannot be opened"),
    ],
)
def test_what_is_no_video_is_refused_by_name(tmp_path: Path, content: bytes, code: str, word: str) -> None:
    path = tmp_path / "clip.mp4"
    path.write_bytes(content)
    error = refusal(path)
    assert error.code == code
    assert word in str(error)


def test_a_playlist_does_not_open_the_clip_it_names(tmp_path: Path) -> None:
    clip = write_clip(tmp_path / "real.ts", frames=3)
    path = tmp_path / "list.mp4"
    path.write_text(f"#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\nfile://{clip}\n#EXT-X-ENDLIST\n")
    assert refusal(path).code == "unsupported-format"


def test_a_folder_and_a_missing_file_are_no_files(tmp_path: Path) -> None:
    assert refusal(tmp_path).code == "not-a-file"
    assert refusal(tmp_path / "missing.mp4").code == "not-a-file"


def test_mp4_without_its_index_is_unreadable_and_says_why(tmp_path: Path) -> None:
    error = refusal(truncate(write_clip(tmp_path / "a.mp4"), tmp_path / "b.mp4", 0.7))
    assert error.code == "unreadable"
    assert "moov" in str(error)


@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
def test_sound_alone_is_no_video(tmp_path: Path, suffix: str) -> None:
    assert refusal(write_sound(tmp_path / f"a{suffix}")).code == "no-video"


def test_a_codec_no_camera_writes_is_refused(tmp_path: Path) -> None:
    error = refusal(write_clip(tmp_path / "a.avi", codec="cinepak", pix_fmt="rgb24", frames=2))
    assert error.code == "unsupported-codec"
    assert "cinepak" in str(error)


@pytest.mark.parametrize(
    ("limits", "code", "value"),
    [
        (replace(LIMITS, max_bytes=1000), "too-large", "1000"),
        (replace(LIMITS, max_pixels=96 * 64 - 1), "too-many-pixels", "96x64"),
        (replace(LIMITS, max_duration_s=1.0), "too-long", "2 s"),
        (replace(LIMITS, max_streams=1), "too-many-streams", "2 streams"),
        (replace(LIMITS, timeout_s=0.01), "probe-timeout", "0.01"),
        (replace(LIMITS, memory_bytes=128 << 20), "probe-failed", "128 MiB"),
    ],
)
def test_limits_are_kept_and_named(tmp_path: Path, limits: ProbeLimits, code: str, value: str) -> None:
    error = refusal(write_clip(tmp_path / "a.mp4", audio=True), limits)
    assert error.code == code
    assert value in str(error)


def png_of_zeros(edge: int) -> bytes:
    """A PNG image of edge x edge black pixels, which weighs next to nothing."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    packer = zlib.compressobj(9)
    row = bytes(edge + 1)
    data = b"".join(packer.compress(row) for _ in range(edge)) + packer.flush()
    header = struct.pack(">IIBBBBB", edge, edge, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", data) + chunk(b"IEND", b"")


def test_an_image_bomb_named_mp4_never_reaches_a_decoder(tmp_path: Path) -> None:
    path = tmp_path / "bomb.mp4"
    path.write_bytes(png_of_zeros(20000))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    assert refusal(path).code == "unsupported-format"
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 8 * 1024  # KiB


@pytest.mark.parametrize("told", [96, 8000])
def test_a_picture_larger_than_allowed_is_refused_whatever_its_container_says(tmp_path: Path, told: int) -> None:
    jpeg = cv2.imencode(".jpg", np.zeros((8000, 8000), np.uint8))[1].tobytes()
    path = tmp_path / "bomb.avi"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mjpeg", rate=25)
        stream.width = stream.height = told
        stream.pix_fmt = "yuvj420p"
        packet = av.Packet(jpeg)
        packet.stream, packet.pts, packet.dts, packet.time_base = stream, 0, 0, Fraction(1, 25)
        packet.is_keyframe = True
        container.mux(packet)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    error = refusal(path)
    assert error.code == "too-many-pixels"
    assert "8000x8000" in str(error)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 8 * 1024  # KiB


def test_frames_missing_from_the_file_are_warned_of(tmp_path: Path) -> None:
    whole = write_clip(tmp_path / "a.mp4", params=NO_B_FRAMES, container_options={"movflags": "faststart"})
    facts = probe(truncate(whole, tmp_path / "b.mp4", 0.6), LIMITS)
    assert any("promises 48 frames" in warning for warning in facts.warnings)


def test_times_that_had_to_be_put_in_order_are_warned_of(tmp_path: Path) -> None:
    for params, warned in ((CLOSED_GOPS, True), (NO_B_FRAMES, False)):
        facts = probe(write_clip(tmp_path / "a.avi", params=params), LIMITS)
        assert any("decoding order" in warning for warning in facts.warnings) is warned
