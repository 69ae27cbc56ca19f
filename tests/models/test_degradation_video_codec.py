"""H.264 and H.265 frame by frame: count, order, equal bytes, and what bit rate and repetition do."""

from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from models.degradation.encode import Encode, EncodeDrawn, Generation, JpegDrawn
from models.degradation.profiles import PROFILES, degrade_frames
from models.degradation.video_codec import CODECS, Encoding, Transcoder, transcode

Floats = NDArray[np.float32]
QUICK = {"h264": "veryfast", "h265": "ultrafast"}


def clip(count: int = 6, height: int = 62, width: int = 90) -> list[Floats]:
    """A texture that moves, brighter from frame to frame, so that order shows."""
    noise = np.random.default_rng(1).random((8, 12, 3)).repeat(10, axis=0).repeat(10, axis=1)[:height, :width]
    return [np.asarray(np.roll(noise, 2 * i, axis=1) * 0.6 + 0.05 * i + 0.02, dtype=np.float32) for i in range(count)]


def encoding(codec: str, **changes: object) -> Encoding:
    return replace(Encoding(codec, preset=QUICK[codec]), **changes)  # type: ignore[arg-type]


def through(frames: list[Floats], *generations: Generation) -> list[Floats]:
    return list(EncodeDrawn(generations).run(frames, np.random.default_rng(0)))


def error(found: list[Floats], wanted: list[Floats]) -> float:
    return float(np.sqrt(np.mean((np.stack(found) - np.stack(wanted)) ** 2)))


def stream_bytes(codec: str, count: int, **changes: object) -> int:
    noise = np.random.default_rng(2).integers(0, 256, (count, 96, 64), dtype=np.uint8)
    transcoder = Transcoder(64, 64, encoding(codec, **changes))
    for planes in noise:
        transcoder.push(planes)
    transcoder.flush()
    return transcoder.bytes


@pytest.mark.parametrize("codec", CODECS)
@pytest.mark.parametrize("size", [(62, 90), (33, 47), (5, 7)])
def test_frames_come_back_in_number_order_and_size(codec: str, size: tuple[int, int]) -> None:
    frames = clip(6, *size)
    found = through(frames, Generation(encoding(codec, crf=20.0, gop=3)))
    assert [f.shape for f in found] == [f.shape for f in frames]
    means = [float(f.mean()) for f in found]
    assert means == pytest.approx([float(f.mean()) for f in frames], abs=0.02)
    assert means == sorted(means)


@pytest.mark.parametrize("codec", CODECS)
@pytest.mark.parametrize("size", [(62, 90), (16, 20)])
def test_equal_frames_give_equal_bytes_whatever_memory_held_before(codec: str, size: tuple[int, int]) -> None:
    """Small frames too, which x265 given as they are codes differently from run to run."""
    found = []
    for attempt in range(4):
        holes = [np.full(1000 * (1 + k % 60), attempt * 50 + 5, np.uint8) for k in range(200)]
        del holes[::2]
        runs = [through(clip(seed % 4 + 2, *size), Generation(encoding(codec, crf=26.0 + seed))) for seed in range(8)]
        found.append([frame.tobytes() for run in runs for frame in run])
    assert found.count(found[0]) == 4


def test_frames_that_are_encoded_in_padding_come_back_in_their_place() -> None:
    frames = clip(3, 20, 30)
    assert error(through(frames, Generation(encoding("h265", crf=10.0))), frames) < 0.05


@pytest.mark.parametrize("codec", CODECS)
def test_a_higher_crf_makes_a_smaller_stream_and_a_larger_error(codec: str) -> None:
    sizes = [stream_bytes(codec, 6, crf=crf) for crf in (18.0, 28.0, 38.0, 48.0)]
    assert sizes == sorted(sizes, reverse=True)
    errors = [error(through(clip(), Generation(encoding(codec, crf=crf))), clip()) for crf in (12.0, 28.0, 44.0)]
    assert errors == sorted(errors)
    assert errors[-1] > 1.5 * errors[0]


@pytest.mark.parametrize("codec", CODECS)
def test_a_bit_rate_is_kept_on_the_average(codec: str) -> None:
    for bits in (0.5, 1.0):
        wanted = bits * 64 * 64 * 50 / 8
        assert stream_bytes(codec, 50, crf=None, bits=bits) == pytest.approx(wanted, rel=0.35)


@pytest.mark.parametrize("codec", CODECS)
def test_cameras_encoders_give_each_frame_back_at_once(codec: str) -> None:
    """What comes later cannot change what came before: stills rely on it."""
    short, long = (through(clip()[:count], Generation(encoding(codec))) for count in (3, 6))
    assert all(np.array_equal(a, b) for a, b in zip(short, long, strict=False))


def test_every_generation_loses_more() -> None:
    generation = Generation(encoding("h264", crf=30.0))
    other = Generation(encoding("h265", crf=30.0), top=6, left=10)
    errors = [error(through(clip(), *chain), clip()) for chain in ((generation,), (generation, other))]
    assert errors[1] > errors[0]


def test_a_shifted_block_grid_changes_the_losses_and_not_the_place() -> None:
    frames = clip()
    plain, shifted = (through(frames, Generation(encoding("h264"), at, at)) for at in (0, 8))
    assert not np.array_equal(plain[0], shifted[0])
    assert error(shifted, frames) == pytest.approx(error(plain, frames), rel=0.3)


def test_reencoding_draws_two_or_three_generations_of_both_codecs() -> None:
    step = next(step for step in PROFILES["reencoded"].steps if isinstance(step, Encode))
    drawn = [step.draw(np.random.default_rng(seed), 4) for seed in range(30)]
    assert {len(d.generations) for d in drawn} == {2, 3}
    assert {g.encoding.codec for d in drawn for g in d.generations} == {"h264", "h265"}
    assert all(g.top % 2 == g.left % 2 == 0 for d in drawn for g in d.generations)


def test_the_measuring_profile_is_area_noise_and_crf_28_whatever_the_seed() -> None:
    frames = np.full((2, 32, 32, 3), 90, np.uint8)
    drawn = [degrade_frames(frames, "surveillance-crf28", 4, seed).parameters["steps"] for seed in (0, 7)]
    assert drawn[0] == drawn[1]
    assert [step["step"] for step in drawn[0]] == ["sampling", "sensor", "encode"]
    assert drawn[0][0]["method"] == "area"
    (generation,) = drawn[0][2]["generations"]
    assert (generation["encoding"]["codec"], generation["encoding"]["crf"]) == ("h264", 28.0)


def test_motion_jpeg_treats_frames_by_themselves() -> None:
    frames = clip(3)
    together = list(JpegDrawn(30).run(frames, np.random.default_rng(0)))
    alone = [next(JpegDrawn(30).run([frame], np.random.default_rng(0))) for frame in frames]
    assert all(np.array_equal(a, b) for a, b in zip(together, alone, strict=True))


def test_settings_that_cannot_be_are_refused() -> None:
    with pytest.raises(ValueError, match="'vp9'"):
        Transcoder(64, 64, Encoding("vp9"))
    with pytest.raises(ValueError, match="exactly one"):
        Transcoder(64, 64, Encoding(crf=28.0, bits=0.1))
    with pytest.raises(ValueError, match="63x64"):
        Transcoder(63, 64, Encoding())
    with pytest.raises(ValueError, match="32x64 in 4:2:0: pad to even sides of at least 64"):
        Transcoder(32, 64, Encoding("h265"))
    with pytest.raises(ValueError, match="2 B frames without looking ahead"):
        Transcoder(64, 64, Encoding("h265", b_frames=2))
    with pytest.raises(ValueError, match="sizes must not change"):
        list(transcode(iter([np.zeros((48, 64), np.uint8)]), 64, 64, Encoding()))
    assert list(transcode(iter([]), 64, 64, Encoding())) == []
