"""The one loop of service and command line: order, window, reuse, failures, stopping, and the same result always."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from redis import Redis

from media.colour_changes import Box
from media.resize import resize
from media.types import VideoFrame
from models.consistency import degrade
from models.registry import load
from pipeline.frames_shared import SharedFrameStore
from pipeline.tasks import SegmentKey
from tests.workers.rig import SCALE, Doubling, RaisingOnMark, Rig, enhancer
from workers.plane import Enhanced, FramePlane
from workers.plane_local import LocalPlane
from workers.plane_redis import RedisPlane
from workers.stretch import POLL_S, FrameRecord, Stopped, Tally, enhance_stretch
from workers.tiles import TileGrid, make_grid

WIDTH, HEIGHT = 60, 44
TILE = 24
GRID = make_grid(WIDTH, HEIGHT, TILE, 2)
GRID128 = make_grid(200, 150, 128, 4)  # as real models have it
KEY = SegmentKey("job-a", 0, 1)


class Reversing:
    """A plane that answers the latest frame first, when asked: the worst order there is."""

    def __init__(self) -> None:
        self.enhancer = enhancer(RaisingOnMark())
        self.most = 0
        self.waiting: list[tuple[int, NDArray]] = []

    def submit(self, frame: int, tiles: NDArray) -> None:
        self.waiting.append((frame, tiles))
        self.most = max(self.most, len(self.waiting))

    def collect(self, timeout_s: float) -> Enhanced | None:
        frame, tiles = self.waiting.pop()
        try:
            return Enhanced(frame, "enhanced", self.enhancer.enhance(tiles).pixels, "", 0.5)
        except RuntimeError:
            return Enhanced(frame, "failed", None, "network failed", 0.25)


class Silent:
    """A plane without workers. `waited_s`: how long it would have been waited for."""

    def __init__(self) -> None:
        self.waited_s = 0.0

    def submit(self, frame: int, tiles: NDArray) -> None:
        """Nobody takes it."""

    def collect(self, timeout_s: float) -> Enhanced | None:
        self.waited_s += timeout_s
        return None


class Pictures:
    """A sink that keeps what it is given."""

    def __init__(self) -> None:
        self.images: list[NDArray] = []
        self.pts: list[int] = []
        self.grey: list[bool] = []
        self.durations: list[int | None] = []

    def write(
        self,
        image: NDArray,
        pts: int,
        *,
        grey: bool = False,
        duration: int | None = None,
        changed: Sequence[Box] | None = None,
    ) -> None:
        if self.images and changed is not None:  # what it is not told of is as it was
            told = np.zeros(image.shape[:2], bool)
            for box in changed:
                told[box.top : box.bottom, box.left : box.right] = True
            assert np.array_equal(image[~told], self.images[-1][~told])
        self.images.append(image.copy())
        self.pts.append(pts)
        self.grey.append(grey)
        self.durations.append(duration)


def noise(seed: int, dtype: str = "uint8", size: tuple[int, int] = (WIDTH, HEIGHT)) -> NDArray:
    top = int(np.iinfo(dtype).max)
    return np.random.default_rng(seed).integers(top // 4, top * 3 // 4, (size[1], size[0], 3)).astype(dtype)


def frames_of(images: Sequence[NDArray]) -> list[VideoFrame]:
    """At a variable rate."""
    return [VideoFrame(image, 1000 + n * n + 3 * n, grey=n == 2, duration=n + 1) for n, image in enumerate(images)]


def run(
    frames: Sequence[VideoFrame] | Iterator[VideoFrame],
    plane: FramePlane,
    window: int = 4,
    grid: TileGrid = GRID,
    scale: int = SCALE,
    keep_going: Callable[[], bool] = lambda: True,
) -> tuple[Pictures, list[FrameRecord], Tally]:
    pictures, records = Pictures(), []
    tally = enhance_stretch(
        frames, plane, grid, scale, pictures, window, lambda record, _: records.append(record), keep_going
    )
    return pictures, records, tally


def doubled(image: NDArray) -> NDArray:
    return image.repeat(SCALE, axis=0).repeat(SCALE, axis=1)


@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
@pytest.mark.parametrize("window", [1, 3, 8])
def test_frames_are_written_in_order_with_their_times_whatever_order_they_come_back_in(window: int, dtype: str) -> None:
    frames = frames_of([noise(n, dtype) for n in range(7)])
    plane = Reversing()
    pictures, records, tally = run(frames, plane, window)
    assert pictures.pts == [frame.pts for frame in frames]
    assert pictures.durations == [frame.duration for frame in frames]
    assert pictures.grey == [frame.grey for frame in frames]
    assert all(np.array_equal(out, doubled(f.image)) for out, f in zip(pictures.images, frames, strict=True))
    assert [record.how for record in records] == ["enhanced"] * 7
    assert (tally.frames, tally.resized, tally.tiles, tally.reused) == (7, 0, 7 * GRID.count, 0)
    assert tally.busy_s == 3.5


@pytest.mark.parametrize("window", [1, 2, 5])
def test_the_window_is_never_exceeded(window: int) -> None:
    plane = Reversing()
    read: list[int] = []

    def reading() -> Iterator[VideoFrame]:
        for frame in frames_of([noise(n) for n in range(12)]):
            read.append(frame.pts)
            yield frame

    pictures = Pictures()
    ahead: list[int] = []
    enhance_stretch(
        reading(),
        plane,
        GRID,
        SCALE,
        pictures,
        window,
        lambda _record, tally: ahead.append(len(read) - tally.frames + 1),
        lambda: True,
    )
    assert plane.most == window
    assert max(ahead) <= window


def test_only_changed_tiles_are_sent_and_the_others_are_accounted_for() -> None:
    still = noise(1)
    moved = still.copy()
    moved[0, 0] = 7
    plane = Reversing()
    pictures, records, tally = run(frames_of([still, still, moved, moved, still]), plane, window=3)
    assert [record.how for record in records] == ["enhanced", "reused", "enhanced", "reused", "enhanced"]
    assert [record.changed for record in records] == [GRID.count, 0, 1, 0, 1]
    assert tally.reused == sum(record.tiles - record.changed for record in records) == 5 * GRID.count - GRID.count - 2
    for out, image in zip(pictures.images, [still, still, moved, moved, still], strict=True):
        assert np.array_equal(out, doubled(image))


@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
def test_what_cannot_be_enhanced_is_resized_and_labelled_until_it_is_enhanced(dtype: str) -> None:
    top = int(np.iinfo(dtype).max)
    good, bad = noise(1, dtype), noise(1, dtype)
    bad[0, 0] = top  # the network fails on tile 0 of this frame
    plane = Reversing()
    pictures, records, tally = run(frames_of([good, bad, bad, good, good]), plane, window=1)
    assert [record.how for record in records] == ["enhanced", "resized", "resized", "enhanced", "reused"]
    assert [record.changed for record in records] == [GRID.count, 1, 1, 1, 0]
    assert records[1].detail == "network failed"
    assert tally.resized == 2
    assert np.array_equal(pictures.images[3], doubled(good))
    corner = resize(GRID.cut(bad, np.array([0]))[0], TILE * SCALE, TILE * SCALE)  # one tile, by Lanczos
    assert np.array_equal(pictures.images[1][:20, :20], corner[:20, :20])
    assert np.array_equal(pictures.images[1][-10:, -10:], doubled(bad)[-10:, -10:])


def test_frames_already_under_way_that_keep_a_resized_tile_are_labelled_too() -> None:
    good, bad = noise(1), noise(1)
    bad[0, 0] = 255
    frames = frames_of([good, bad, bad, bad, bad, bad])
    _, records, tally = run(frames, Reversing(), window=3)
    hows = [record.how for record in records]
    assert hows == ["enhanced"] + ["resized"] * 5
    kept = [record for record in records if record.how == "resized" and record.changed == 0]
    assert kept
    assert all("tiles kept from a frame that could not be enhanced" in record.detail for record in kept)
    assert tally.resized == 5


def test_frames_carry_what_was_added_to_them_and_resized_tiles_have_no_figures() -> None:
    good, bad = noise(1), noise(1)
    bad[0, 0] = 255  # the network fails on tile 0 of this frame
    with LocalPlane(enhancer(RaisingOnMark()), 4) as plane:
        _, records, _ = run(frames_of([good, good, bad, good]), plane, window=1)
    first, reused, resized, again = (record.added for record in records)
    assert first == reused == again
    assert "." not in first.map
    assert len(first.map) == 2 * 2 * 1 * 2 // 2  # 60 x 44 pixels in cells of 24: two columns, one row
    assert resized.error is not None
    assert resized.error != first.error


@pytest.mark.parametrize("consistency", [False, True])
def test_the_blended_picture_of_consistent_tiles_shrinks_to_its_source(consistency: bool) -> None:
    coarse = np.random.default_rng(5).integers(40, 215, (15, 20, 3)).astype(np.uint8)
    image = resize(coarse, 200, 150)
    with LocalPlane(load("espcn-x2", 2, "cpu", threads=1), 4, consistency=consistency) as plane:
        pictures, records, _ = run(frames_of([image]), plane, 1, GRID128)
    large = torch.from_numpy(pictures.images[0].astype(np.float32)).permute(2, 0, 1)[None]
    squares = (degrade(large, 2)[0].permute(1, 2, 0) - torch.from_numpy(image)).square()
    assert (float(squares.mean().sqrt()) < 0.5) is consistency
    inner = float(squares[4:-4, 4:-4].mean().sqrt())  # a tile's outermost pixels are not measured
    assert records[0].added.error == pytest.approx(inner, rel=0.2, abs=0.15)


@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
def test_stopping_is_heard_while_waiting(dtype: str) -> None:
    asked: list[float] = []
    plane = Silent()

    def keep_going() -> bool:
        asked.append(plane.waited_s)
        return len(asked) < 5

    with pytest.raises(Stopped):
        run(frames_of([noise(n, dtype) for n in range(3)]), plane, window=2, keep_going=keep_going)
    assert asked == [0, 0, 0, POLL_S, 2 * POLL_S]  # before each of two frames, and before each wait


def test_stopping_is_heard_between_frames_that_need_no_work() -> None:
    answers = iter([True] * 5 + [False])
    still = noise(1)
    with pytest.raises(Stopped):
        run(frames_of([still] * 50), Reversing(), keep_going=lambda: next(answers))


def test_an_empty_stretch_is_nothing() -> None:
    pictures, records, tally = run([], Reversing())
    assert (pictures.pts, records, tally) == ([], [], Tally())


def _walk(length: int, dtype: str) -> list[VideoFrame]:
    """A small thing walks over a still scene, with two cuts."""
    images = []
    for n in range(length):
        image = noise(n // 4, dtype, (200, 150))
        image[40:60, 10 * n : 10 * n + 20] = np.iinfo(dtype).max // 3
        images.append(image)
    return frames_of(images)


@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
def test_the_result_is_the_same_bit_for_bit_in_batches_of_any_size_on_both_planes(
    dtype: str, redis: Redis, tmp_path: Path
) -> None:
    frames = _walk(9, dtype)
    model = load("espcn-x2", 2, "cpu", threads=1)
    results: list[tuple[Pictures, list[FrameRecord], Tally]] = []
    for batch in (1, 5, 16):
        with LocalPlane(model, batch) as plane:
            results.append(run(frames, plane, 4, GRID128))
        rig = Rig(redis, SharedFrameStore(tmp_path / "frames"), enhancer(Doubling()), batch_tiles=batch)
        with rig.running(), RedisPlane(rig.queue, rig.store, KEY, "espcn-x2", 2, 30.0) as plane:
            results.append(run(frames, plane, 4, GRID128))
        assert rig.left() == (0, 0)
        assert rig.store.jobs() == set()
    first, records, tally = results[0]
    assert 0 < tally.reused < tally.tiles
    for pictures, other_records, other in results[1:]:
        assert other_records == records
        assert (other.tiles, other.reused) == (tally.tiles, tally.reused)
        assert all(np.array_equal(one, two) for one, two in zip(first.images, pictures.images, strict=True))


def test_workers_that_die_change_nothing_in_the_result(redis: Redis, tmp_path: Path) -> None:
    """A worker takes frames and is never heard of again; another one does them after the lease."""
    frames = _walk(6, "uint8")
    with LocalPlane(load("espcn-x2", 2, "cpu", threads=1), 16) as plane:
        expected, records, _ = run(frames, plane, 4, GRID128)
    rig = Rig(redis, SharedFrameStore(tmp_path / "frames"), enhancer(Doubling()), lease_s=0.5)
    with ExitStack() as later, RedisPlane(rig.queue, rig.store, KEY, "espcn-x2", 2, 30.0) as plane:

        def stealing() -> Iterator[VideoFrame]:
            for number, frame in enumerate(frames):
                if number == 3:
                    assert len(rig.queue.claim("dies", 2, 0)) == 2
                    later.enter_context(rig.running())
                yield frame

        pictures, got, _ = run(stealing(), plane, 4, GRID128)
    assert rig.counted("gleaner_frames_reclaimed_total") == 2
    assert got == records
    assert all(np.array_equal(one, two) for one, two in zip(expected.images, pictures.images, strict=True))
