"""Tiles are kept while nothing changed beyond the noise, on scenes whose truth is known."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

from pipeline.job import Reuse as Mode
from tests.workers.still_scene import GRID, HEIGHT, WIDTH, coded, noisy, psnr, seeing, shown, street, with_box
from workers.change import ChangeSettings
from workers.fused_reuse import FusedReuse
from workers.motion import ExactReuse
from workers.reuse import KEY_FRAME, EveryTile, NoisyReuse
from workers.reusing import make_reuse


def wide(image: np.ndarray) -> np.ndarray:
    return image.astype(np.uint16) * 257


def test_the_modes() -> None:
    for mode, kind in ((Mode.OFF, EveryTile), (Mode.EXACT, ExactReuse), (Mode.ON, NoisyReuse)):
        assert isinstance(make_reuse(mode, GRID, Fraction(25), fuse=False), kind)
        assert isinstance(make_reuse(mode, GRID, None, fuse=True), FusedReuse)


def test_off_computes_every_tile_of_every_frame() -> None:
    every = EveryTile(GRID)
    assert [len(every.changed(street())) for _ in range(3)] == [GRID.count] * 3


def test_a_copy_of_a_frame_costs_nothing_and_forgotten_tiles_are_enhanced() -> None:
    reuse = NoisyReuse(GRID)
    assert len(reuse.changed(street())) == GRID.count
    assert len(reuse.changed(street())) == 0
    reuse.forget(np.array([2, 3]))
    assert reuse.changed(street()).tolist() == [2, 3]
    assert len(reuse.changed(street())) == 0


def test_a_frame_of_another_size_is_refused() -> None:
    with pytest.raises(ValueError, match="the grid is for"):
        NoisyReuse(GRID).changed(street()[:-2])


@pytest.mark.parametrize("sigma", [0.0, 1.0, 3.0, 6.0])
def test_noise_alone_brings_back_few_tiles(sigma: float) -> None:
    reuse = NoisyReuse(GRID, refresh_frames=0)
    counts = [len(reuse.changed(frame)) for frame in noisy([street()] * 24, sigma)]
    assert sum(counts[12:]) <= 0.05 * 12 * GRID.count
    assert reuse.look is not None
    # Clipping at white takes a part of it away; the means of 8 bits add 0.3.
    assert reuse.look.noise == pytest.approx(sigma, rel=0.25, abs=0.3)
    assert reuse.look.by_noise == (sigma >= 3)


def test_ten_bits_are_judged_as_eight() -> None:
    frames = noisy([street()] * 4 + [with_box(100, 60)] * 2, 1.0)
    eight, sixteen = NoisyReuse(GRID), NoisyReuse(GRID)
    for frame in frames:  # luma is rounded to 8 bits in one of them, so a tile near a bound may differ
        found = [set(reuse.changed(image).tolist()) for reuse, image in ((eight, frame), (sixteen, wide(frame)))]
        assert len(found[0] ^ found[1]) <= 2
        if frame is frames[4]:
            assert seeing((107, 67, 117, 77)) <= found[0] & found[1]
    assert eight.look is not None
    assert sixteen.look is not None
    assert sixteen.look.noise == pytest.approx(eight.look.noise, abs=0.1)


@pytest.mark.parametrize("sigma", [0.0, 2.0])
@pytest.mark.parametrize("seed", range(4))
def test_a_moved_object_above_the_noise_floor_is_never_missed(sigma: float, seed: int) -> None:
    """Wherever it comes, and whatever it covers: every tile that sees it is enhanced when it comes and when it goes."""
    rng = np.random.default_rng(seed)
    flat = np.full((HEIGHT, WIDTH, 3), int(rng.integers(60, 190)), np.uint8)
    size, contrast = int(rng.integers(8, 20)), int(np.ceil(10 + 4 * sigma)) * int(rng.choice([-1, 1]))
    frames = [flat] * 10
    boxes: list[tuple[int, int, int, int]] = []
    for _ in range(10):
        x, y = int(rng.integers(0, WIDTH - size)), int(rng.integers(0, HEIGHT - size))
        thing = flat.copy()
        thing[y : y + size, x : x + size] = np.clip(flat[0, 0].astype(int) + contrast, 0, 255)
        frames, boxes = [*frames, thing], [*boxes, (x, y, x + size, y + size)]
    reuse = NoisyReuse(GRID)
    found = [set(reuse.changed(frame).tolist()) for frame in noisy(frames, sigma, seed)][10:]
    for now, box, last in zip(found, boxes, [None, *boxes[:-1]], strict=True):
        # A tile that sees fewer than 7 pixels of it each way may have no quarter of a block full of it.
        inner = (box[0] + 7, box[1] + 7, box[2] - 7, box[3] - 7)
        assert seeing(inner) <= now
        if last is not None:
            assert seeing((last[0] + 7, last[1] + 7, last[2] - 7, last[3] - 7)) <= now


@pytest.mark.parametrize("crf", [None, 26])
def test_an_object_that_crosses_stops_and_leaves_leaves_no_ghost(crf: int | None) -> None:
    way = [(-30 + 12 * n, 80) for n in range(14)]  # it comes
    way += [way[-1]] * 10  # it stands
    way += [(way[-1][0] + 12 * n, 80) for n in range(1, 18)]  # it goes, out of the picture
    frames = [with_box(x, y) for x, y in way] + [street()] * 16
    frames = noisy(frames, 1.0) if crf is None else coded(noisy(frames, 1.0), crf=crf)
    reuse = NoisyReuse(GRID, refresh_frames=0)
    pictures, counts = shown(frames, reuse.changed)
    assert sum(counts[1:]) < 0.5 * GRID.count * len(frames[1:])
    for number, (picture, frame) in enumerate(zip(pictures, frames, strict=True)):
        assert psnr(picture, frame) > 42
        if number and number < len(way):  # where it is and where it was
            lo, hi = (max(0, x) for x in (way[number - 1][0] - 4, way[number][0] + 28))
            if lo + 16 < min(hi, WIDTH):
                assert psnr(picture[76:108, lo:hi], frame[76:108, lo:hi]) > 42
    track = (slice(80, 104), slice(0, WIDTH))
    for picture, frame in zip(pictures[-4:], frames[-4:], strict=True):
        blurred = (picture[track].astype(float) - frame[track]).reshape(3, 8, WIDTH // 8, 8, 3).mean(axis=(1, 3))
        # Nothing of it is left, nowhere along its way; the codec goes on changing what was uncovered.
        assert np.abs(blurred).max() < (3 if crf is None else 5)


def test_slow_drift_is_bounded() -> None:
    """A level in 20 frames: never much from one frame to the next, yet what is kept stays near."""
    frames = [np.clip(street().astype(float) * 0.6 + 20 + n / 20, 0, 255).astype(np.uint8) for n in range(120)]
    pictures, counts = shown(frames, NoisyReuse(GRID, refresh_frames=0).changed)
    apart = [abs(float(picture.mean() - frame.mean())) for picture, frame in zip(pictures, frames, strict=True)]
    assert max(apart) <= ChangeSettings().drift + 0.5
    assert sum(counts[1:]) < 0.15 * GRID.count * 119


def test_key_frames_are_recognised_and_cost_little() -> None:
    frames = coded(noisy([street()] * 40, 1.5), crf=32, gop=10)
    reuse, events = NoisyReuse(GRID, refresh_frames=0), []
    counts = []
    for frame in frames:
        counts.append(len(reuse.changed(frame)))
        assert reuse.look is not None
        events.append(reuse.look.event)
    assert [number for number, event in enumerate(events) if event] == [10, 20, 30]
    assert {event for event in events if event} == {KEY_FRAME}
    assert sum(counts[1:]) < 0.2 * GRID.count * 39


def test_every_tile_is_refreshed_in_its_turn_and_no_frame_pays_for_all() -> None:
    reuse = NoisyReuse(GRID, refresh_frames=20)
    frames = noisy([street()] * 61, 0.4)
    seen = [reuse.changed(frame) for frame in frames][21:]
    for start in (0, 20):
        assert set(np.concatenate(seen[start : start + 20]).tolist()) == set(range(GRID.count))
    assert max(map(len, seen)) <= 4


def test_the_same_frames_give_the_same_decisions() -> None:
    frames = noisy([with_box(10 * n, 50) for n in range(12)], 3.0)
    one, other = NoisyReuse(GRID), NoisyReuse(GRID)
    assert [one.changed(f).tolist() for f in frames] == [other.changed(f.copy()).tolist() for f in frames]


@pytest.mark.parametrize(
    ("event", "after"),
    [
        ("light", lambda picture: np.clip(picture * 0.55, 0, 255).astype(np.uint8)),
        ("camera moved", lambda picture: np.roll(picture, (3, 5), (0, 1))),
        ("infrared switched", lambda picture: np.repeat(picture.mean(axis=2, keepdims=True), 3, 2).astype(np.uint8)),
        ("cut", lambda picture: picture[::-1, ::-1].copy()),
    ],
)
def test_what_happens_to_the_whole_frame_is_recognised_and_everything_is_enhanced(event, after) -> None:  # type: ignore[no-untyped-def]
    reuse = NoisyReuse(GRID)
    events = []
    for frame in noisy([street()] * 6 + [after(street())] * 6, 1.0):
        counted = len(reuse.changed(frame))
        assert reuse.look is not None
        events.append(reuse.look.event)
        if reuse.look.event:
            assert counted == GRID.count
    assert events == [None] * 6 + [event] + [None] * 5


def test_a_large_thing_that_moves_is_no_event() -> None:
    reuse = NoisyReuse(GRID)
    for n in range(8):
        reuse.changed(with_box(10 + 6 * n, 30, size=120))
        assert reuse.look is not None
        assert reuse.look.event is None


def test_a_frame_smaller_than_a_tile() -> None:
    from workers.tiles import make_grid

    grid = make_grid(40, 30, 62, 2)  # 62: no whole blocks either
    reuse = NoisyReuse(grid)
    picture = street()[:30, :40].copy()
    assert [len(reuse.changed(picture)) for _ in range(2)] == [1, 0]
    picture[10:24, 10:24] = 255 - picture[10:24, 10:24]
    assert len(reuse.changed(picture)) == 1
