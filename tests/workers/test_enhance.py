"""The enhance worker: mixed batches, and what becomes of frames when networks, memory, stores and workers fail."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from redis import Redis
from redis.exceptions import RedisError

from models.enhancer import Enhancer
from models.registry import load
from pipeline.connection import connect
from pipeline.frames import FrameStore, FrameStoreFull, Part
from pipeline.frames_redis import RedisFrameStore
from pipeline.frames_shared import SharedFrameStore
from pipeline.tasks import SegmentKey
from tests.workers import rig as nets
from tests.workers.rig import EDGE, Rig, doubled, enhancer, picture_tiles
from workers.crew import Crew
from workers.outcome import parse

A = SegmentKey("job-a", 0, 1)
B = SegmentKey("job-b", 3, 2)
WaitFor = Callable[..., None]


@pytest.fixture
def make(redis: Redis, tmp_path: Path) -> Iterator[Callable[..., Rig]]:
    """make(network, **settings of Rig): a rig whose leases are kept."""
    rigs: list[Rig] = []

    def build(network: torch.nn.Module | None = None, *, low_precision: bool = False, **settings: object) -> Rig:
        network = nets.Doubling() if network is None else network
        store = settings.pop("store", None) or SharedFrameStore(tmp_path / "frames")
        rig = Rig(redis, store, enhancer(network, low_precision=low_precision), **settings)
        rig.leases.__enter__()
        rigs.append(rig)
        return rig

    yield build
    for rig in rigs:
        rig.leases.__exit__()


def outcomes(rig: Rig, key: SegmentKey) -> dict[int, str]:
    replies = rig.replies(key)
    assert len({done.frame for done in replies}) == len(replies)
    return {done.frame: done.outcome for done in replies}


def test_a_batch_mixes_frames_segments_and_jobs_and_each_gets_its_own_result(make: Callable[..., Rig]) -> None:
    network = nets.Doubling()
    rig = make(network)
    sent = {}
    for key, frame, count in ((A, 0, 3), (B, 7, 2), (A, 1, 1), (SegmentKey("job-a", 1, 1), 0, 4)):
        tiles = picture_tiles(count, seed=count)
        sent[rig.send(key, frame, tiles)] = tiles
    while rig.left() != (0, 0):
        rig.worker.step()
    assert max(network.batches) >= 5  # the first two are claimed together in any case
    for task, tiles in sent.items():
        assert np.array_equal(rig.result(task), doubled(tiles))
    assert outcomes(rig, A) == {0: "enhanced", 1: "enhanced"}
    assert outcomes(rig, B) == {7: "enhanced"}
    assert rig.counted("gleaner_batch_jobs") > rig.counted("gleaner_batches_total", "doubling")  # some had two jobs
    assert rig.counted("gleaner_tiles_total", "doubling") == 10
    assert rig.counted("gleaner_frames_total", "enhanced") == 4


@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
@pytest.mark.parametrize("store", ["shared", "redis"])
def test_results_equal_direct_enhancement(
    dtype: str, store: str, make: Callable[..., Rig], redis: Redis, tmp_path: Path
) -> None:
    frames: FrameStore = RedisFrameStore(redis) if store == "redis" else SharedFrameStore(tmp_path / "frames")
    rig = make(store=frames, batch_tiles=5)
    sent = [(rig.send(A, n, tiles, model="espcn-x2"), tiles) for n, tiles in enumerate(_some_frames(dtype))]
    while rig.left() != (0, 0):
        rig.worker.step()
    direct: Enhancer = load("espcn-x2", 2, "cpu")
    for task, tiles in sent:
        assert np.array_equal(rig.result(task), direct.enhance(tiles).pixels)


def _some_frames(dtype: str) -> list[NDArray]:
    """Tiles of 64 pixels: oneDNN's kernels for pictures much smaller than real tiles vary with the batch."""
    return [picture_tiles(count, seed, dtype=dtype, edge=64) for seed, count in enumerate((3, 1, 12, 2))]


def test_kinds_are_not_mixed(make: Callable[..., Rig]) -> None:
    network = nets.Doubling()
    rig = make(network)
    eight, sixteen = picture_tiles(2), picture_tiles(3, dtype="uint16")
    tasks = [rig.send(A, 0, eight), rig.send(A, 1, sixteen)]
    while rig.left() != (0, 0):
        rig.worker.step()
    assert sorted(network.batches) == [2, 3]
    assert np.array_equal(rig.result(tasks[0]), doubled(eight))
    assert np.array_equal(rig.result(tasks[1]), doubled(sixteen))


def test_frames_to_be_made_consistent_are_not_mixed_with_others(make: Callable[..., Rig]) -> None:
    network = nets.Doubling()
    rig = make(network)
    plain, other = rig.send(A, 0, picture_tiles(2)), rig.send(A, 1, picture_tiles(3), consistency=True)
    while rig.left() != (0, 0):
        rig.worker.step()
    assert sorted(network.batches) == [2, 3]
    assert np.array_equal(rig.result(plain), doubled(picture_tiles(2)))
    assert np.array_equal(rig.result(other), rig.enhancer.enhance(picture_tiles(3), consistency=True).pixels)


def test_frames_of_different_detail_are_not_mixed(make: Callable[..., Rig]) -> None:
    network = nets.Doubling()
    rig = make(network)
    sent = [rig.send(A, 0, picture_tiles(2)), rig.send(A, 1, picture_tiles(3), detail=0.5)]
    sent.append(rig.send(A, 2, picture_tiles(4), detail=0.25))
    while rig.left() != (0, 0):
        rig.worker.step()
    assert sorted(network.batches) == [2, 3, 4]
    assert all(np.array_equal(rig.result(task), doubled(picture_tiles(task.tiles))) for task in sent)


def test_figures_of_a_frame_that_took_several_batches_are_all_there(make: Callable[..., Rig]) -> None:
    rig = make(batch_tiles=4)
    tiles = picture_tiles(11)
    task = rig.send(A, 0, tiles)
    rig.worker.step()
    outcome = parse(rig.store.get(A, 0, "out"), task)
    assert np.array_equal(outcome.added, rig.enhancer.enhance(tiles).added)
    (done,) = rig.replies(A)
    assert outcome.busy_s == pytest.approx(done.busy_s, abs=1e-6)


def test_a_frame_larger_than_a_batch_comes_out_whole(make: Callable[..., Rig]) -> None:
    network = nets.Doubling()
    rig = make(network, batch_tiles=4)
    tiles = picture_tiles(11)
    task = rig.send(A, 0, tiles)
    rig.worker.step()
    assert max(network.batches) == 4
    assert np.array_equal(rig.result(task), doubled(tiles))


@pytest.mark.parametrize("network", [nets.NanOnMarkInLowPrecision, nets.BlackOnMarkInLowPrecision])
def test_broken_output_is_redone_in_float32_and_labelled(
    network: type[nets.Doubling], make: Callable[..., Rig]
) -> None:
    rig = make(network(), low_precision=True)
    bad = np.concatenate([picture_tiles(1, 2), picture_tiles(1, 3, mark=True)])
    rig.send(A, 0, picture_tiles(2))
    task = rig.send(B, 1, bad)
    while rig.left() != (0, 0):
        rig.worker.step()
    assert outcomes(rig, A) == {0: "enhanced"}
    assert outcomes(rig, B) == {1: "enhanced-float32"}
    assert np.array_equal(rig.result(task), doubled(bad))
    assert rig.counted("gleaner_float32_redone_total", "doubling") == 1
    assert rig.counted("gleaner_frames_total", "enhanced-float32") == 1


@pytest.mark.parametrize("network", [nets.RaisingOnMark, nets.NanOnMark])
def test_only_the_frame_that_the_network_fails_on_is_failed(
    network: type[nets.Doubling], make: Callable[..., Rig]
) -> None:
    rig = make(network())
    good = [rig.send(A, n, picture_tiles(2, n)) for n in (0, 2)]
    bad = rig.send(A, 1, picture_tiles(2, 1, mark=True))
    while rig.left() != (0, 0):
        rig.worker.step()
    assert outcomes(rig, A) == {0: "enhanced", 1: "failed", 2: "enhanced"}
    assert all(np.array_equal(rig.result(task), doubled(picture_tiles(2, task.frame))) for task in good)
    assert rig.result(bad) is None
    assert rig.counted("gleaner_frames_total", "failed") == 1


def test_a_frame_that_fails_in_its_last_batch_is_failed_once(make: Callable[..., Rig]) -> None:
    rig = make(nets.RaisingOnMark(), batch_tiles=2)
    tiles = np.concatenate([picture_tiles(4), picture_tiles(1, mark=True)])
    rig.send(A, 0, tiles)
    rig.worker.step()
    assert outcomes(rig, A) == {0: "failed"}
    assert rig.left() == (0, 0)


def test_running_out_of_memory_halves_the_batch_and_changes_nothing(make: Callable[..., Rig]) -> None:
    network = nets.Hungry()
    rig = make(network)
    tiles = picture_tiles(9)
    task = rig.send(A, 0, tiles)
    rig.worker.step()
    assert np.array_equal(rig.result(task), doubled(tiles))
    assert outcomes(rig, A) == {0: "enhanced"}
    assert rig.counted("gleaner_oom_halvings_total", "doubling") >= 3


def test_a_lost_device_ends_the_worker_and_no_frame_is_failed_for_it(make: Callable[..., Rig]) -> None:
    rig = make(nets.DeviceLost())
    rig.send(A, 0, picture_tiles(1))
    with pytest.raises(torch.AcceleratorError):
        rig.worker.run()
    assert rig.replies(A) == []
    assert rig.left() == (0, 1)


@pytest.fixture(params=[1, 3])
def crew(request: pytest.FixtureRequest) -> Iterator[Crew]:
    with Crew(request.param, 2) as crew:
        yield crew


def test_with_a_crew_each_frame_gets_its_own_result_and_only_its_own_failure(
    crew: Crew, make: Callable[..., Rig]
) -> None:
    rig = make(nets.RaisingOnMark(), crew=crew, batch_tiles=5)
    frames = {n: picture_tiles(n % 7 + 1, n, mark=n == 4) for n in range(12)}
    tasks = {n: rig.send(A, n, tiles) for n, tiles in frames.items()}
    while rig.left() != (0, 0):
        rig.worker.step()
    assert outcomes(rig, A) == {n: "failed" if n == 4 else "enhanced" for n in frames}
    for n, task in tasks.items():
        assert n == 4 or np.array_equal(rig.result(task), doubled(frames[n]))
    assert rig.counted("gleaner_tiles_total", "doubling") == sum(len(t) for n, t in frames.items() if n != 4)


def test_a_crew_that_loses_its_device_ends_the_worker_too(crew: Crew, make: Callable[..., Rig]) -> None:
    rig = make(nets.DeviceLost(), crew=crew)
    rig.send(A, 0, picture_tiles(3))
    with pytest.raises(torch.AcceleratorError):
        rig.worker.run()
    assert rig.replies(A) == []


def test_with_a_crew_a_model_that_is_not_there_fails_its_frame(crew: Crew, make: Callable[..., Rig]) -> None:
    rig = make(crew=crew)
    rig.send(A, 0, picture_tiles(1), model="removed")
    good = rig.send(A, 1, picture_tiles(1))
    while rig.left() != (0, 0):
        rig.worker.step()
    assert outcomes(rig, A) == {0: "failed", 1: "enhanced"}
    assert np.array_equal(rig.result(good), doubled(picture_tiles(1)))


def test_a_frame_of_a_dropped_segment_is_forgotten(make: Callable[..., Rig]) -> None:
    rig = make()
    rig.send(A, 0, picture_tiles(1))
    rig.store.drop_segment(A)
    rig.worker.step()
    assert rig.left() == (0, 0)
    assert rig.replies(A) == []
    assert rig.store.jobs() == set()
    assert rig.queue.dead() == 0


def test_a_segment_dropped_while_its_frame_is_computed_leaves_nothing(
    make: Callable[..., Rig], wait_for: WaitFor
) -> None:
    network = nets.Waiting()
    rig = make(network)
    rig.leases.__exit__()
    rig.send(A, 0, picture_tiles(1))
    fresh = Rig(rig.redis, rig.store, rig.enhancer)
    with fresh.running():
        assert network.begun.wait(10)
        fresh.store.drop_segment(A)
        network.may_end.set()
        wait_for(lambda: fresh.left() == (0, 0))
    assert fresh.replies(A) == []
    assert fresh.store.jobs() == set()


def test_a_result_that_is_there_is_only_reported(make: Callable[..., Rig]) -> None:
    network = nets.Doubling()
    rig = make(network)
    task = rig.send(A, 0, picture_tiles(1))
    rig.worker.step()
    rig.queue.put(task)  # delivered again
    rig.worker.step()
    assert [done.outcome for done in rig.replies(A)] == ["enhanced", "enhanced"]
    assert network.batches == [1]


@pytest.mark.parametrize("change", [{"tiles": 3}, {"tiles": 0}, {"tiles": -1}, {"tile": EDGE + 1}, {"dtype": "uint16"}])
def test_a_task_that_its_pixels_belie_is_a_dead_letter(change: dict[str, object], make: Callable[..., Rig]) -> None:
    rig = make()
    rig.send(A, 0, picture_tiles(2), **change)
    rig.worker.step()
    (done,) = rig.replies(A)
    assert done.outcome == "failed"
    assert "incomplete" in done.detail
    assert (rig.queue.dead(), rig.left()) == (1, (0, 0))
    assert rig.counted("gleaner_dead_letters_total") == 1
    assert rig.counted("gleaner_frames_total", "failed") == 1


def test_a_task_with_an_impossible_job_id_does_not_end_the_worker(make: Callable[..., Rig]) -> None:
    rig = make()
    rig.queue_task(SegmentKey("../etc", 0, 1), 0, picture_tiles(1))
    rig.worker.step()
    assert (rig.queue.dead(), rig.left()) == (1, (0, 0))


def test_poison_is_given_up_after_max_deliveries(make: Callable[..., Rig], wait_for: WaitFor) -> None:
    """Workers that take the frame die of it (they never acknowledge); the last one does not even try."""
    network = nets.Doubling()
    rig = make(network, lease_s=0.05, max_deliveries=2)
    rig.send(A, 5, picture_tiles(1))
    assert len(rig.queue.claim("died-1", 1, 0)) == 1
    wait_for(lambda: rig.queue.reclaim("died-2"))
    wait_for(lambda: rig.worker.step() == 0 and rig.left() == (0, 0), seconds=20)
    (done,) = rig.replies(A)
    assert (done.frame, done.outcome) == (5, "failed")
    assert "2 workers did not finish it" in done.detail
    assert network.batches == []
    assert rig.queue.dead() == 1
    assert rig.counted("gleaner_dead_letters_total") == 1


def test_what_a_dead_worker_held_is_taken_over(make: Callable[..., Rig], wait_for: WaitFor) -> None:
    rig = make(lease_s=0.05)
    for n in range(3):
        rig.send(A, n, picture_tiles(1, n))
    assert len(rig.queue.claim("died", 3, 0)) == 3
    wait_for(lambda: rig.worker.step() >= 0 and rig.left() == (0, 0), seconds=20)
    assert outcomes(rig, A) == {0: "enhanced", 1: "enhanced", 2: "enhanced"}
    assert rig.counted("gleaner_frames_reclaimed_total") == 3


@pytest.mark.parametrize("change", [{"model": "no-such-model"}, {"model": "espcn-x2", "scale": 3}])
def test_a_model_that_is_not_there_fails_the_frame_and_the_worker_lives(
    change: dict[str, object], make: Callable[..., Rig]
) -> None:
    rig = make()
    rig.send(A, 0, picture_tiles(1), **change)
    task = rig.send(A, 1, picture_tiles(1))
    while rig.left() != (0, 0):
        rig.worker.step()
    replies = {done.frame: done for done in rig.replies(A)}
    assert replies[0].outcome == "failed"
    assert str(change["model"]) in replies[0].detail
    assert replies[1].outcome == "enhanced"
    assert rig.result(task) is not None


class Bounded(SharedFrameStore):
    """A store on a tmpfs that is full while `full` says so."""

    full = True

    def put(self, key: SegmentKey, frame: int, part: Part, *chunks: object) -> None:
        if part == "out" and self.full:
            raise FrameStoreFull("the frame store is full")
        super().put(key, frame, part, *chunks)  # type: ignore[arg-type]


def test_a_full_frame_store_loses_no_frame(
    make: Callable[..., Rig], tmp_path: Path, wait_for: WaitFor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("workers.enhance.STORE_RETRY_S", 0.0)
    store = Bounded(tmp_path / "frames")
    rig = make(store=store, lease_s=0.1)
    task = rig.send(A, 0, picture_tiles(1))
    rig.worker.step()
    assert rig.replies(A) == []
    assert rig.left() == (0, 1)
    store.full = False
    wait_for(lambda: rig.worker.step() >= 0 and rig.left() == (0, 0), seconds=20)
    assert outcomes(rig, A) == {0: "enhanced"}
    assert np.array_equal(rig.result(task), doubled(picture_tiles(1)))


def test_stopping_finishes_what_is_in_hand_and_takes_no_more(redis: Redis, tmp_path: Path) -> None:
    network = nets.Waiting()
    rig = Rig(redis, SharedFrameStore(tmp_path / "frames"), enhancer(network), batch_tiles=2)
    rig.send(A, 0, picture_tiles(2))
    with rig.running() as worker:
        assert network.begun.wait(10)
        worker.stop()
        rig.send(A, 1, picture_tiles(2))
        network.may_end.set()
    assert outcomes(rig, A) == {0: "enhanced"}
    assert rig.left() == (1, 0)
    assert rig.counted("gleaner_frames_total", "enhanced") == 1  # counts are sent before leaving


def test_stopping_without_redis_ends_the_worker_and_failing_without_it_says_so(own_redis_server, tmp_path) -> None:  # type: ignore[no-untyped-def]
    with connect(own_redis_server.url, patience_s=0.2) as client:
        rig = Rig(client, SharedFrameStore(tmp_path / "frames"), enhancer(nets.Doubling()))
        assert rig.worker.step() == 0
        own_redis_server.kill()
        with pytest.raises(RedisError):
            rig.worker.run()
