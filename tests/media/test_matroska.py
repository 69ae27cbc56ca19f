"""Matroska's header put right: the file stays whole, and says what it should. Real files by FFmpeg's muxer."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from media import matroska
from media.ebml import EbmlError, Element, encode_all, parse, unsigned, void
from media.matroska import Clock, choose_scale

TITLE = "gate 3, " * 30 + "end"


def write(path: Path, clock: Clock, times: list[Fraction], *, attachment: bool = False) -> None:
    """FFV1 and Opus, whose codec delay the muxer adds to its times."""

    def set_up(container: av.container.OutputContainer) -> tuple[object, object]:
        video = container.add_stream("ffv1", rate=25)
        video.width, video.height, video.pix_fmt = 64, 48, "yuv420p"
        video.codec_context.time_base = clock.time_base
        sound = container.add_stream("libopus", rate=48000)
        container.metadata["title"] = TITLE
        container.set_chapters([{"id": 1, "start": 0, "end": 1000, "time_base": Fraction(1, 1000), "metadata": {}}])
        if attachment:
            container.add_attachment("plan.txt", "text/plain", b"gate " * 100)
        return video, sound

    clock = Clock(clock.scale, matroska.codec_delays(set_up))
    with av.open(path, "w", format="matroska", container_options=matroska.OPTIONS) as container:
        video, sound = set_up(container)
        container.start_encoding()
        packets = []
        for number, time in enumerate(times):
            frame = av.VideoFrame.from_ndarray(np.full((48, 64, 3), number, np.uint8), "rgb24")
            frame.pts, frame.time_base = round(time / clock.time_base), clock.time_base
            packets += video.encode(frame)
        samples = av.AudioFrame.from_ndarray(np.zeros((1, 2 * 9600), np.int16), format="s16", layout="stereo")
        samples.sample_rate, samples.pts, samples.time_base = 48000, 0, Fraction(1, 48000)
        packets += [*video.encode(None), *sound.encode(samples), *sound.encode(None)]
        for packet in packets:
            clock.as_milliseconds(packet)
            container.mux(packet)


def header(path: Path) -> dict[int, list[Element]]:
    with path.open("rb") as file:
        _, elements = matroska._header(file)
    return {
        element.id: parse(element.data) for element in elements if element.id in (0x114D9B74, 0x1549A966, 0x1654AE6B)
    }


@pytest.mark.parametrize("shape", [Fraction(1), Fraction(4, 3), Fraction(12, 11), Fraction(10007, 10009)])
def test_scale_and_pixel_shape_are_read_back_and_nothing_else_changes(tmp_path: Path, shape: Fraction) -> None:
    path = tmp_path / "clip.mkv"
    times = [Fraction(number, 90000) for number in (0, 3003, 6007, 9009)]
    write(path, Clock(5000), times, attachment=True)
    size = path.stat().st_size
    matroska.finish(path, 5000, shape)
    assert path.stat().st_size == size
    with av.open(path) as clip:
        assert clip.streams.video[0].time_base == Fraction(5, 1_000_000)
        assert clip.streams.video[0].sample_aspect_ratio == shape
        assert clip.metadata["title"] == TITLE
        assert len(clip.chapters()) == 1
        assert [stream.type for stream in clip.streams] == ["video", "audio", "attachment"]
        found = [frame.pts * frame.time_base for frame in clip.decode(video=0)]
    assert [round(time * 90000) for time in found] == [0, 3003, 6007, 9009]
    with av.open(path) as clip:
        sound = [packet.pts * packet.time_base for packet in clip.demux(audio=0) if packet.size]
    assert abs(sound[0] + Fraction(312, 48000)) < Fraction(1, 100_000)  # Opus begins its delay before zero


def test_durations_are_those_of_the_clip(tmp_path: Path) -> None:
    path = tmp_path / "clip.mkv"
    write(path, Clock(5000), [Fraction(number, 25) for number in range(5)])
    matroska.finish(path, 5000, Fraction(1))
    with av.open(path) as clip:
        assert clip.duration == pytest.approx(207_000, abs=8_000)  # microseconds; the sound is the longest
        stated = clip.streams.audio[0].metadata["DURATION"]
    assert stated.startswith("00:00:00.2")


def test_the_seek_head_points_at_what_was_moved(tmp_path: Path) -> None:
    path = tmp_path / "clip.mkv"
    write(path, Clock(5000), [Fraction(number, 25) for number in range(5)])
    matroska.finish(path, 5000, Fraction(12, 11))
    data = path.read_bytes()
    with path.open("rb") as file:
        start, elements = matroska._header(file)
    seek_head = next(element for element in elements if element.id == matroska.SEEK_HEAD)
    for seek in parse(seek_head.data):
        id, position = parse(seek.data)
        assert data[start + position.number :].startswith(id.data)


def test_seeking_finds_the_frame_of_a_time(tmp_path: Path) -> None:
    path = tmp_path / "clip.mkv"
    write(path, Clock(5000), [Fraction(number, 25) for number in range(50)])
    matroska.finish(path, 5000, Fraction(1))
    with av.open(path) as clip:
        clip.seek(1_200_000)
        times = [frame.time for frame in clip.decode(video=0)]
    assert 0.8 <= times[0] <= 1.2  # a seek lands on an indexed frame at or before the time
    assert any(time == pytest.approx(1.2, abs=1e-5) for time in times)


def test_a_file_that_is_no_matroska_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "clip.mkv"
    path.write_bytes(b"\x1a\x45\xdf\xa3\x81\x00\x42\x86\x81\x01")
    with pytest.raises(EbmlError, match="segment"):
        matroska.finish(path, 5000, Fraction(1))


@pytest.mark.parametrize("total", [0, 2, 3, 128, 129, 130, 131, 20000])
def test_a_void_has_the_size_asked_for(total: int) -> None:
    data = void(total)
    assert len(data) == total
    assert [element.id for element in parse(data)] == [0xEC] * bool(total)


def test_elements_come_back_from_their_bytes() -> None:
    elements = [
        unsigned(0x2AD7B1, 0),
        unsigned(0xB0, 70_000),
        Element(0x1654AE6B, bytes(200)),
        Element(0xA3, bytes(20_000)),
    ]
    assert parse(encode_all(elements)) == elements
    with pytest.raises(EbmlError, match="has only"):
        parse(encode_all(elements)[:-1])


@pytest.mark.parametrize("ticks", range(1, 60, 7))
def test_every_scale_tells_neighbouring_ticks_apart(ticks: int) -> None:
    for base in (Fraction(1, 90000), Fraction(1, 3_000_000), Fraction(1001, 24000), Fraction(1, 44100)):
        scale, exact = choose_scale(base, 0)
        count = 1_000_003 * ticks
        written = round(count * base * 10**9 / scale)
        assert exact
        assert round(written * scale * Fraction(1, 10**9) / base) == count
