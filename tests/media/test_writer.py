"""Times, bytes and failures of written clips."""

import errno
import hashlib
import os
import subprocess
import sys
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import av
import numpy as np
import pytest

from media.colour import plane_samples
from media.output import decide
from media.partfile import disk_full, part_file
from media.types import ClipFacts, ColourTags, Image, MediaError, OutputSettings
from media.writer import VideoWriter

SIZE = (96, 64)


def clip_facts(time_base: Fraction = Fraction(1, 90000), **changes: object) -> ClipFacts:
    fields: dict[str, object] = {
        "container": "mov",
        "codec": "h264",
        "width": SIZE[0],
        "height": SIZE[1],
        "pix_fmt": "yuv420p",
        "bit_depth": 8,
        "grey": False,
        "rotation": 0,
        "sample_aspect_ratio": Fraction(1),
        "colour": ColourTags(False, 1, 1, 1),
        "interlaced": "progressive",
        "time_base": time_base,
        "start_pts": 0,
        "duration_s": None,
        "average_rate": None,
        "frames": None,
        "video_index": 0,
    }
    return ClipFacts(**(fields | changes))  # type: ignore[arg-type]


def settings(
    codec: str = "h264", size: tuple[int, int] = SIZE, quality: str = "draft", **facts: object
) -> OutputSettings:
    return decide(clip_facts(**facts), *size, codec, quality)  # type: ignore[arg-type]


def pictures(count: int, size: tuple[int, int] = SIZE) -> list[Image]:
    rng = np.random.default_rng(7)
    return [rng.integers(0, 256, (size[1], size[0], 3), dtype=np.uint8) for _ in range(count)]


def written(path: Path) -> tuple[av.VideoFrame, list[tuple[Fraction, Fraction]]]:
    """The first frame, and (time, duration) of every frame in seconds."""
    with av.open(path) as clip:
        frames = list(clip.decode(video=0))
    times = [(frame.pts * frame.time_base, frame.duration * frame.time_base) for frame in frames]
    return frames[0], times


@pytest.mark.parametrize("codec", ["h264", "hevc"])
@pytest.mark.parametrize(
    "base", [Fraction(1, 12800), Fraction(1, 90000), Fraction(1001, 30000), Fraction(1, 25), Fraction(1, 1_000_000)]
)
@pytest.mark.parametrize("start_s", [0, Fraction(7, 5), 95443])
def test_variable_frame_times_are_kept_to_the_tick(
    tmp_path: Path, codec: str, base: Fraction, start_s: Fraction
) -> None:
    ticks = [round(start_s / base) + round(t / base) for t in map(Fraction, ("0", "0.04", "0.1", "0.5", "1.3"))]
    output = settings(codec, time_base=base)
    with VideoWriter(tmp_path / "clip.mp4", output, threads=1) as writer:
        for image, pts in zip(pictures(5), ticks, strict=True):
            writer.write(image, pts, duration=3)
    steps = [after - before for before, after in pairwise(ticks)]
    assert written(tmp_path / "clip.mp4")[1] == [
        (pts * base, step * base) for pts, step in zip(ticks, [*steps, 3], strict=True)
    ]


MATROSKA_BASES = [
    Fraction(1, 12800),
    Fraction(1, 90000),
    Fraction(1001, 30000),
    Fraction(1, 25),
    Fraction(1, 1000),
    Fraction(1, 1_000_000),
]


@pytest.mark.parametrize("base", MATROSKA_BASES)
@pytest.mark.parametrize("start_s", [Fraction(-1, 50), 0, Fraction(7, 5), 95443])
def test_matroska_times_are_kept_to_the_tick(tmp_path: Path, base: Fraction, start_s: Fraction) -> None:
    """Read back, each time is nearest to its own tick; it is equal where a tick is a whole number of nanoseconds."""
    start = round(start_s / base)
    ticks = [
        start + max(number, round(t / base)) for number, t in enumerate(map(Fraction, ("0", "0.04", "0.1", "1.3")))
    ]
    output = settings("ffv1", time_base=base, start_pts=start)
    with VideoWriter(tmp_path / "clip.mkv", output) as writer:
        for image, pts in zip(pictures(4), ticks, strict=True):
            writer.write(image, pts, duration=3)
    times = [time for time, _ in written(tmp_path / "clip.mkv")[1]]
    assert [round(time / base) for time in times] == ticks
    assert all(
        abs(time - pts * base) <= min(base / 4, Fraction(1, 200_000)) for time, pts in zip(times, ticks, strict=True)
    )
    if (base * 10**9).denominator == 1:
        assert times == [pts * base for pts in ticks]
    assert output.notes == ()


def test_a_start_so_far_below_zero_that_matroska_must_be_coarser_is_noted(tmp_path: Path) -> None:
    base = Fraction(1, 1_000_000)
    ticks = [-5_000_000, -4_960_000, 0, 40_000]
    output = settings("ffv1", time_base=base, start_pts=ticks[0])
    with VideoWriter(tmp_path / "clip.mkv", output) as writer:
        for image, pts in zip(pictures(4), ticks, strict=True):
            writer.write(image, pts)
    times = [time for time, _ in written(tmp_path / "clip.mkv")[1]]
    assert all(abs(time - pts * base) <= output.time_base / 2 for time, pts in zip(times, ticks, strict=True))
    assert output.time_base > base
    assert "Matroska cannot keep ticks" in output.notes[0]


def test_a_last_frame_of_unknown_duration_lasts_as_long_as_the_one_before(tmp_path: Path) -> None:
    with VideoWriter(tmp_path / "clip.mp4", settings()) as writer:
        for image, pts in zip(pictures(3), [0, 3600, 9000], strict=True):
            writer.write(image, pts)
    assert written(tmp_path / "clip.mp4")[1][-1] == (Fraction(1, 10), Fraction(5400, 90000))


@pytest.mark.parametrize("codec", ["h264", "hevc", "ffv1"])
def test_the_same_frames_give_the_same_bytes(tmp_path: Path, codec: str) -> None:
    digests = set()
    for attempt in range(2):
        path = tmp_path / f"{attempt}.clip"
        with VideoWriter(path, settings(codec, (256, 192)), threads=2) as writer:
            for number, image in enumerate(pictures(8, (256, 192))):
                writer.write(image, number * 3600)
        digests.add(hashlib.sha256(path.read_bytes()).hexdigest())
    assert len(digests) == 1


@pytest.mark.parametrize("codec", ["h264", "hevc", "ffv1"])
def test_grey_frames_are_exactly_grey_in_the_file(tmp_path: Path, codec: str) -> None:
    output = settings(codec, quality="draft")
    image = np.repeat(pictures(1)[0][..., :1], 3, axis=2)
    with VideoWriter(tmp_path / "clip", output) as writer:
        writer.write(image, 0, grey=True)
    frame, _ = written(tmp_path / "clip")
    assert all((plane_samples(plane, deep=False) == 128).all() for plane in frame.planes[1:])


@pytest.mark.parametrize(("codec", "pix_fmt"), [("hevc", "yuv420p10le"), ("ffv1", "yuv420p10le")])
def test_ten_bit_sources_keep_more_than_256_levels(tmp_path: Path, codec: str, pix_fmt: str) -> None:
    output = settings(codec, (1024, 64), "high", bit_depth=10, pix_fmt="yuv420p10le")
    ramp = np.linspace(0, 65535, 1024).astype(np.uint16)
    image = np.repeat(np.repeat(ramp[None, :, None], 64, axis=0), 3, axis=2)
    with VideoWriter(tmp_path / "clip", output) as writer:
        writer.write(image, 0, grey=True)
    frame, _ = written(tmp_path / "clip")
    luma = plane_samples(frame.planes[0], deep=True)
    assert frame.format.name == pix_fmt
    assert np.unique(luma).size > 600
    assert np.abs(luma - (64 + np.linspace(0, 876, 1024))).mean() < 2


@pytest.mark.parametrize("codec", ["h264", "hevc", "ffv1"])
@pytest.mark.parametrize("size", [(97, 64), (96, 65), (99, 67)])
def test_odd_sizes_are_kept_exactly(tmp_path: Path, codec: str, size: tuple[int, int]) -> None:
    with VideoWriter(tmp_path / "clip", settings(codec, size)) as writer:
        writer.write(pictures(1, size)[0], 0)
    frame, _ = written(tmp_path / "clip")
    assert (frame.width, frame.height, frame.format.name) == (*size, "yuv444p")


@pytest.mark.parametrize("codec", ["h264", "hevc", "ffv1"])
@pytest.mark.parametrize("rotation", [90, 180, 270])
def test_rotation_pixel_shape_and_colour_tags_are_carried(tmp_path: Path, codec: str, rotation: int) -> None:
    tags = ColourTags(True, 5, 5, 6)
    output = settings(codec, rotation=rotation, sample_aspect_ratio=Fraction(12, 11), colour=tags)
    with VideoWriter(tmp_path / "clip", output) as writer:
        writer.write(pictures(1)[0], 0)
    frame, _ = written(tmp_path / "clip")
    assert frame.rotation % 360 == rotation
    assert (frame.color_range, frame.colorspace, frame.color_primaries, frame.color_trc) == (2, 5, 5, 6)
    with av.open(tmp_path / "clip") as clip:
        assert clip.streams.video[0].sample_aspect_ratio == Fraction(12, 11)


def test_images_of_another_size_are_resized(tmp_path: Path) -> None:
    with VideoWriter(tmp_path / "clip", settings("ffv1")) as writer:
        writer.write(np.full((120, 160, 3), 200, np.uint8), 0, grey=True)
        writer.write(np.full((24, 32, 3), 200, np.uint8), 3600, grey=True)
    with av.open(tmp_path / "clip") as clip:
        for frame in clip.decode(video=0):
            assert np.unique(frame.to_ndarray(format="gray")).size == 1


def test_a_pts_that_does_not_increase_is_refused(tmp_path: Path) -> None:
    first, second = pictures(2)

    def write_twice() -> None:
        with VideoWriter(tmp_path / "clip", settings()) as writer:
            writer.write(first, 3600)
            writer.write(second, 3600)

    with pytest.raises(ValueError, match="pts must increase"):
        write_twice()
    assert list(tmp_path.iterdir()) == []


def test_an_error_while_writing_leaves_no_file_and_an_older_one_untouched(tmp_path: Path) -> None:
    path = tmp_path / "clip.mp4"
    path.write_bytes(b"older")

    def fail_midway() -> None:
        with VideoWriter(path, settings()) as writer:
            writer.write(pictures(1)[0], 0)
            raise KeyError("the caller's")

    with pytest.raises(KeyError):
        fail_midway()
    assert [file.name for file in tmp_path.iterdir()] == ["clip.mp4"]
    assert path.read_bytes() == b"older"


FILL_DISK = """
import resource, sys
from pathlib import Path
sys.path[:0] = sys.argv[2:]
from media.types import MediaError
from media.writer import VideoWriter
import test_writer
resource.setrlimit(resource.RLIMIT_FSIZE, (60_000, 60_000))
try:
    with VideoWriter(Path(sys.argv[1]), test_writer.settings("ffv1"), threads=1) as writer:
        for number, image in enumerate(test_writer.pictures(40)):
            writer.write(image, number * 3600)
except MediaError as error:
    print(error.code)
"""


def test_running_out_of_space_is_said_as_such_and_leaves_nothing(tmp_path: Path) -> None:
    places = [str(Path(__file__).parent), str(Path(__file__).parents[2])]
    child = subprocess.run(
        [sys.executable, "-c", FILL_DISK, str(tmp_path / "clip.mkv"), *places],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert child.stdout.strip() == "disk-full", child.stderr
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EFBIG, errno.EDQUOT])
def test_every_way_of_having_no_space_becomes_disk_full(tmp_path: Path, number: int) -> None:
    def fill() -> None:
        with part_file(tmp_path / "file") as part:
            part.write_bytes(b"half")
            raise OSError(number, os.strerror(number))

    with pytest.raises(MediaError) as caught:
        fill()
    assert caught.value.code == "disk-full"
    assert str(tmp_path) not in str(disk_full(OSError(number, "")))
    assert list(tmp_path.iterdir()) == []
