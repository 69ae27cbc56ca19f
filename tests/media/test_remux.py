"""Enhanced segments joined with everything else of their source."""

import itertools
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from media.examine import examine
from media.limits import ProbeLimits
from media.opening import open_input
from media.output import decide
from media.remux import JoinReport, join
from media.types import ClipFacts, Image, MediaError, OutputSettings
from media.writer import VideoWriter

LIMITS = ProbeLimits(
    max_bytes=None,
    max_pixels=1 << 20,
    max_duration_s=60.0,
    max_streams=8,
    memory_bytes=1 << 30,
    timeout_s=20.0,
)
SIZE = (64, 48)
OUT_SIZE = (128, 96)
TIMES = [Fraction(t) for t in ("0", "0.04", "0.09", "0.2", "0.3", "0.6", "1")]  # variable frame rate
CHAPTERS = [
    {"id": 1, "start": 0, "end": 500, "time_base": Fraction(1, 1000), "metadata": {"title": "arrival"}},
    {"id": 2, "start": 500, "end": 1000, "time_base": Fraction(1, 1000), "metadata": {"title": "exit"}},
]


def write_source(
    path: Path,
    container: str,
    codec: str | None,
    *,
    rate: int = 48000,
    start: Fraction = Fraction(0),
    video_options: dict[str, str] | None = None,
) -> Path:
    base = Fraction(1, 1000 if container == "matroska" else 90000)
    rng = np.random.default_rng(1)
    with av.open(path, "w", format=container) as out:
        out.metadata.update({"creation_time": "2024-03-01T10:11:12.000000Z", "title": "gate 3"})
        if container in ("mp4", "mov"):
            out.set_chapters(CHAPTERS)  # type: ignore[arg-type]
        video = out.add_stream("libx264", rate=25, options={"preset": "ultrafast", "bf": "2"})
        video.width, video.height, video.pix_fmt = *SIZE, "yuv420p"
        video.codec_context.time_base = base
        video.metadata.update(video_options or {})
        sound: Any = out.add_stream(codec, rate=rate, layout="mono") if codec else None
        if sound is not None:
            sound.metadata["language"] = "deu"
        sent = 0
        for time in TIMES:
            frame = av.VideoFrame.from_ndarray(rng.integers(0, 256, (48, 64, 3), dtype=np.uint8), "rgb24")
            frame.pts, frame.time_base = round((start + time) / base), base
            out.mux(video.encode(frame))
            while sound is not None and Fraction(sent, rate) < time + Fraction(1, 25):
                at = np.arange(sent, sent + 1024)
                tone = (10000 * np.sin(at / 9) * (at > rate // 2)).astype(np.int16)  # begins at 0.5 s
                part = av.AudioFrame.from_ndarray(tone[None], "s16", "mono")
                part.sample_rate, part.pts, part.time_base = rate, sent + round(start * rate), Fraction(1, rate)
                out.mux(sound.encode(part))
                sent += 1024
        out.mux(video.encode(None))
        if sound is not None:
            out.mux(sound.encode(None))
    return path


def facts_of(path: Path) -> ClipFacts:
    with open_input(path) as clip:
        return examine(clip, LIMITS)


def source_times(path: Path) -> list[int]:
    with av.open(path) as clip:
        return [frame.pts for frame in clip.decode(video=0)]


def images(count: int) -> list[Image]:
    rng = np.random.default_rng(5)
    return [rng.integers(0, 256, (OUT_SIZE[1], OUT_SIZE[0], 3), dtype=np.uint8) for _ in range(count)]


def write_segments(
    folder: Path, times: Sequence[int], output: OutputSettings, cuts: Sequence[int] = (3, 5)
) -> list[Path]:
    frames = list(zip(images(len(times)), times, strict=True))
    paths = []
    for number, (begin, end) in enumerate(itertools.pairwise([0, *cuts, len(times)])):
        paths.append(folder / f"segment-{number}{output.suffix}")
        with VideoWriter(paths[-1], output, threads=1) as writer:
            for image, pts in frames[begin:end]:
                writer.write(image, pts, duration=900)
    return paths


def enhance(source: Path, codec: str = "h264", *, keep_audio: bool = True) -> tuple[Path, JoinReport]:
    facts = facts_of(source)
    output = decide(facts, *OUT_SIZE, codec, "draft")
    segments = write_segments(source.parent, source_times(source), output)
    out = source.parent / f"out{output.suffix}"
    return out, join(segments, source, facts, output, out, keep_audio=keep_audio)


def packets(path: Path, kind: str) -> list[tuple[Fraction, bytes]]:
    """(time in seconds, content) of the first stream of a kind."""
    with av.open(path) as clip:
        stream = next(stream for stream in clip.streams if stream.type == kind)
        return [(packet.pts * packet.time_base, bytes(packet)) for packet in clip.demux(stream) if packet.size]


def decoded(path: Path) -> list[tuple[Fraction, bytes]]:
    with av.open(path) as clip:
        return [(f.pts * f.time_base, f.to_ndarray(format="yuv420p").tobytes()) for f in clip.decode(video=0)]


@pytest.mark.parametrize("codec", ["h264", "hevc", "ffv1"])
def test_joined_segments_decode_to_the_frames_of_each_segment(tmp_path: Path, codec: str) -> None:
    source = write_source(tmp_path / "source.mp4", "mp4", None)
    out, report = enhance(source, codec)
    segments = sorted(tmp_path.glob("segment-*"))
    assert decoded(out) == [frame for segment in segments for frame in decoded(segment)]
    assert report.frames == len(decoded(out)) == len(TIMES)


@pytest.mark.parametrize("container", ["mp4", "mpegts", "matroska"])
@pytest.mark.parametrize("start", [Fraction(0), Fraction(3, 10)])
def test_every_frame_has_the_sources_time_and_sound_is_not_shifted(
    tmp_path: Path, container: str, start: Fraction
) -> None:
    source = write_source(tmp_path / "source", container, "aac", start=start)
    out, report = enhance(source)
    assert [time for time, _ in packets(out, "video")] == sorted(time for time, _ in packets(source, "video"))
    before, after = packets(source, "audio"), packets(out, "audio")
    assert len(before) == len(after)
    sample = Fraction(1, 48000)
    assert max(abs(one - other) for (one, _), (other, _) in zip(before, after, strict=True)) < sample
    assert "copied packet by packet" in report.kept[0]


@pytest.mark.parametrize("codec", ["aac", "libmp3lame", "libopus", "ac3"])
@pytest.mark.parametrize("enhanced", ["h264", "ffv1"])
def test_sound_is_carried_bit_for_bit(tmp_path: Path, codec: str, enhanced: str) -> None:
    source = write_source(tmp_path / "source.mp4", "mp4", codec)
    out, _ = enhance(source, enhanced)
    before, after = packets(source, "audio"), packets(out, "audio")
    assert [content for _, content in after] == [content for _, content in before]
    assert max(abs(a - b) for (a, _), (b, _) in zip(after, before, strict=True)) <= Fraction(1, 40_000)


def test_matroska_keeps_picture_times_where_sound_starts_before_zero(tmp_path: Path) -> None:
    source = write_source(tmp_path / "source.mp4", "mp4", "aac")
    assert packets(source, "audio")[0][0] < 0
    out, _ = enhance(source, "ffv1")
    assert [time for time, _ in packets(out, "video")] == TIMES
    assert abs(packets(out, "audio")[0][0] - packets(source, "audio")[0][0]) <= Fraction(1, 100_000)


def loudness(path: Path, seconds: int = 1) -> list[float]:
    """Mean level of each 20 ms, by the time that the container gives them."""
    levels = np.zeros(50 * seconds)
    with av.open(path) as clip:
        for frame in clip.decode(audio=0):
            samples = frame.to_ndarray().astype(np.float64).ravel()
            if frame.format.name.startswith("s16"):
                samples /= 32768
            at = (frame.pts * frame.time_base + np.arange(samples.size) / Fraction(frame.sample_rate)).astype(float)
            inside = (at >= 0) & (at < seconds)
            np.add.at(levels, (at[inside] * 50).astype(int), np.abs(samples[inside]))
    return list(levels)


@pytest.mark.parametrize(("codec", "rate"), [("pcm_mulaw", 8000), ("pcm_s16le", 48000)])
def test_sound_that_mp4_does_not_take_becomes_aac_at_the_same_times(tmp_path: Path, codec: str, rate: int) -> None:
    source = write_source(tmp_path / "source.mov", "mov", codec, rate=rate)
    out, report = enhance(source)
    assert f"re-encoded as aac, because MP4 does not take {codec}" in report.kept[0]
    before, after = np.array(loudness(source)), np.array(loudness(out))
    assert before[:24].max() == 0
    assert after[:24].max() < 0.05 * before.max()
    assert np.allclose(before[26:48], after[26:48], rtol=0.15)


def test_telephone_sound_is_kept_exactly_in_matroska(tmp_path: Path) -> None:
    source = write_source(tmp_path / "source.mov", "mov", "pcm_mulaw", rate=8000)
    out, report = enhance(source, "ffv1")
    assert "pcm_s16le" in report.kept[0]
    assert loudness(out) == loudness(source)


def test_sound_is_left_out_on_request_and_named(tmp_path: Path) -> None:
    out, report = enhance(write_source(tmp_path / "source.mp4", "mp4", "aac"), keep_audio=False)
    with av.open(out) as clip:
        assert len(clip.streams.audio) == 0
    assert any("audio, aac" in entry and "request" in entry for entry in report.dropped)


@pytest.mark.parametrize("codec", ["h264", "ffv1"])
def test_dates_titles_languages_and_chapters_are_carried(tmp_path: Path, codec: str) -> None:
    out, report = enhance(write_source(tmp_path / "source.mp4", "mp4", "aac"), codec)
    with av.open(out) as clip:
        assert clip.metadata["creation_time"] == "2024-03-01T10:11:12.000000Z"
        assert clip.metadata["title"] == "gate 3"
        assert clip.streams.audio[0].metadata["language"] == "deu"
        assert [chapter["metadata"]["title"] for chapter in clip.chapters()] == ["arrival", "exit"]
    assert report.dropped == ()


def test_a_time_code_track_is_carried(tmp_path: Path) -> None:
    source = write_source(tmp_path / "source.mov", "mov", None, video_options={"timecode": "10:11:12:05"})
    out, report = enhance(source)
    with av.open(out) as clip:
        assert clip.streams.video[0].metadata["timecode"] == "10:11:12:05"
    assert any("10:11:12:05" in entry for entry in report.kept)


def test_sound_that_the_container_refuses_does_not_cost_the_picture(tmp_path: Path) -> None:
    source = write_source(tmp_path / "source.mkv", "matroska", "libopus")
    content = source.read_bytes()
    header = content.rindex(b"\x63\xa2", 0, content.index(b"OpusHead"))  # CodecPrivate, without which MP4 takes no Opus
    source.write_bytes(content[:header] + b"\x63\xa9" + content[header + 2 :])
    out, report = enhance(source)
    assert report.frames == len(decoded(out)) == len(TIMES)
    assert any("opus" in entry and "refuses" in entry for entry in report.dropped)


def test_a_second_video_stream_is_named_as_dropped(tmp_path: Path) -> None:
    source = tmp_path / "source.mkv"
    with av.open(source, "w") as out:
        streams = [out.add_stream("libx264", rate=25, options={"preset": "ultrafast"}) for _ in range(2)]
        for stream in streams:
            stream.width, stream.height, stream.pix_fmt = *SIZE, "yuv420p"
        for number, stream in itertools.product(range(3), streams):
            frame = av.VideoFrame.from_ndarray(np.zeros((48, 64, 3), np.uint8), "rgb24")
            frame.pts, frame.time_base = number, Fraction(1, 25)
            out.mux(stream.encode(frame))
        for stream in streams:
            out.mux(stream.encode(None))
    _, report = enhance(source)
    assert report.dropped == ("stream 1 (video, h264): one video stream of a clip is enhanced",)


def test_segments_in_the_wrong_order_are_refused(tmp_path: Path) -> None:
    source = write_source(tmp_path / "source.mp4", "mp4", "aac")
    facts = facts_of(source)
    output = decide(facts, *OUT_SIZE, "h264", "draft")
    first, second, third = write_segments(tmp_path, source_times(source), output)
    with pytest.raises(MediaError, match="out of order") as caught:
        join([first, third, second], source, facts, output, tmp_path / "out.mp4", keep_audio=True)
    assert caught.value.code == "join-mismatch"
    assert not list(tmp_path.glob("out*"))


def test_segments_of_other_settings_are_refused(tmp_path: Path) -> None:
    source = write_source(tmp_path / "source.mp4", "mp4", None)
    facts = facts_of(source)
    output, other = (decide(facts, *size, "h264", "draft") for size in (OUT_SIZE, (192, 144)))
    (tmp_path / "other").mkdir()
    first, *_ = write_segments(tmp_path, source_times(source), output)
    _, second, _ = write_segments(tmp_path / "other", source_times(source), other)
    with pytest.raises(MediaError, match="other settings") as caught:
        join([first, second], source, facts, output, tmp_path / "out.mp4", keep_audio=True)
    assert caught.value.code == "join-mismatch"


def test_an_unreadable_segment_is_a_mismatch_not_a_crash(tmp_path: Path) -> None:
    source = write_source(tmp_path / "source.mp4", "mp4", None)
    facts = facts_of(source)
    output = decide(facts, *OUT_SIZE, "h264", "draft")
    first, second, _ = write_segments(tmp_path, source_times(source), output)
    second.write_bytes(second.read_bytes()[:200])
    with pytest.raises(MediaError) as caught:
        join([first, second], source, facts, output, tmp_path / "out.mp4", keep_audio=True)
    assert caught.value.code == "join-mismatch"


@pytest.mark.parametrize("codec", ["h264", "hevc", "ffv1"])
@pytest.mark.parametrize("cuts", [(0, 3), (3, 3), (3, 7)])
def test_segments_without_frames_do_no_harm(tmp_path: Path, codec: str, cuts: tuple[int, int]) -> None:
    source = write_source(tmp_path / "source.mp4", "mp4", None)
    output = decide(facts_of(source), *OUT_SIZE, codec, "draft")
    segments = write_segments(tmp_path, source_times(source), output, cuts)
    report = join(segments, source, facts_of(source), output, tmp_path / "out", keep_audio=True)
    assert report.frames == len(decoded(tmp_path / "out")) == len(TIMES)


def test_progress_is_reported_while_joining(tmp_path: Path) -> None:
    source = write_source(tmp_path / "source.mp4", "mp4", "aac")
    facts = facts_of(source)
    output = decide(facts, *OUT_SIZE, "h264", "draft")
    calls: list[int] = []
    segments = write_segments(tmp_path, source_times(source), output)
    join(segments, source, facts, output, tmp_path / "out.mp4", keep_audio=True, on_progress=lambda: calls.append(1))
    assert calls
