"""Both frame stores keep the same promises; what only one can break is tested below."""

from __future__ import annotations

import multiprocessing
import stat
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from redis import Redis

from pipeline.frames import FrameStore, FrameStoreFull, SegmentGone, make_frame_store
from pipeline.frames_redis import RedisFrameStore
from pipeline.frames_shared import FrameStoreFolderError, SharedFrameStore
from pipeline.tasks import SegmentKey

KEY = SegmentKey("job-a", 3, 1)
NEXT = SegmentKey("job-a", 3, 2)
OTHER = SegmentKey("job-ab", 3, 1)


@pytest.fixture(params=["shared", "redis"])
def store(request: pytest.FixtureRequest, tmp_path: Path, redis: Redis) -> FrameStore:
    return make_frame_store(request.param, tmp_path / "frames", redis)


def test_an_array_comes_back_bit_for_bit(store: FrameStore) -> None:
    tiles = np.random.default_rng(1).integers(0, 65536, (5, 32, 32, 3), dtype=np.uint16)
    store.open_segment(KEY)
    store.put(KEY, 0, "in", tiles)
    pixels = store.get(KEY, 0, "in")
    assert pixels is not None
    assert pixels.readonly
    np.testing.assert_array_equal(np.frombuffer(pixels, np.uint16).reshape(tiles.shape), tiles)


def test_chunks_are_joined_in_order(store: FrameStore) -> None:
    store.open_segment(KEY)
    store.put(KEY, 0, "out", b"ab", bytearray(b"cd"), memoryview(b"xefx")[1:3])
    assert bytes(store.get(KEY, 0, "out") or b"") == b"abcdef"


def test_parts_frames_and_attempts_are_kept_apart(store: FrameStore) -> None:
    places = [(KEY, 0, "in"), (KEY, 0, "out"), (KEY, 1, "in"), (NEXT, 0, "in"), (OTHER, 0, "in")]
    for key in (KEY, NEXT, OTHER):
        store.open_segment(key)
    for number, (key, frame, part) in enumerate(places):
        store.put(key, frame, part, bytes([number]))
    assert [bytes(store.get(*place) or b"") for place in places] == [bytes([number]) for number in range(5)]
    assert store.exists(KEY, 1, "in")
    assert not store.exists(KEY, 1, "out")
    assert store.get(KEY, 1, "out") is None


def test_a_second_put_replaces_the_first(store: FrameStore) -> None:
    store.open_segment(KEY)
    store.put(KEY, 0, "in", b"longer")
    early = store.get(KEY, 0, "in")
    store.put(KEY, 0, "in", b"new")
    assert (bytes(early or b""), bytes(store.get(KEY, 0, "in") or b"")) == (b"longer", b"new")


def test_nothing_is_something_else_than_none(store: FrameStore) -> None:
    store.open_segment(KEY)
    store.put(KEY, 0, "in")
    assert bytes(store.get(KEY, 0, "in") or b"?") == b"?"
    assert store.get(KEY, 0, "in") is not None


def test_pixels_read_stay_valid_after_the_frame_is_dropped(store: FrameStore) -> None:
    store.open_segment(KEY)
    store.put(KEY, 0, "in", b"pixels")
    pixels = store.get(KEY, 0, "in")
    store.drop(KEY, 0)
    store.drop_segment(KEY)
    assert bytes(pixels or b"") == b"pixels"


def test_drop_takes_both_parts_of_one_frame(store: FrameStore) -> None:
    store.open_segment(KEY)
    for frame in (0, 1):
        store.put(KEY, frame, "in", b"i")
        store.put(KEY, frame, "out", b"o")
    for _ in range(2):
        store.drop(KEY, 0)
    assert [store.exists(KEY, frame, part) for frame in (0, 1) for part in ("in", "out")] == [False, False, True, True]


def test_a_put_into_a_segment_never_opened_is_refused(store: FrameStore) -> None:
    with pytest.raises(SegmentGone, match="job-a:3:1 is not open"):
        store.put(KEY, 0, "in", b"x")
    assert store.jobs() == set()


def test_a_put_into_a_dropped_segment_is_refused_and_leaves_nothing(store: FrameStore) -> None:
    store.open_segment(KEY)
    store.open_segment(NEXT)
    store.put(KEY, 0, "in", b"x")
    for _ in range(2):
        store.drop_segment(KEY)
    with pytest.raises(SegmentGone):
        store.put(KEY, 0, "out", b"x")
    assert store.get(KEY, 0, "in") is None
    store.put(NEXT, 0, "in", b"x")


def test_dropping_a_job_spares_jobs_whose_id_begins_alike(store: FrameStore) -> None:
    for key in (KEY, NEXT, OTHER):
        store.open_segment(key)
        store.put(key, 0, "in", b"x")
    assert store.jobs() == {"job-a", "job-ab"}
    for _ in range(2):
        store.drop_job("job-a")
    assert store.jobs() == {"job-ab"}
    with pytest.raises(SegmentGone):
        store.put(NEXT, 1, "in", b"x")
    assert store.exists(OTHER, 0, "in")
    store.drop_segment(OTHER)
    assert store.jobs() == set()


def test_dropping_what_is_not_there_is_no_error(store: FrameStore) -> None:
    store.drop(KEY, 0)
    store.drop_segment(KEY)
    store.drop_job("job-a")
    assert store.get(KEY, 0, "in") is None
    assert not store.exists(KEY, 0, "in")


@pytest.mark.parametrize("job", ["..", "a/b", "", "-a", "A", "a*", "a\n"])
def test_a_name_that_is_no_job_id_is_refused(store: FrameStore, job: str) -> None:
    with pytest.raises(ValueError, match="is no job id"):
        store.open_segment(SegmentKey(job, 0, 0))
    with pytest.raises(ValueError, match="is no job id"):
        store.drop_job(job)


def test_writers_racing_with_the_drop_leave_nothing_behind(store: FrameStore) -> None:
    payload = bytes(20_000)
    for attempt in range(20):
        key = SegmentKey("job-a", 0, attempt)
        store.open_segment(key)
        started = threading.Barrier(3)
        refused = []

        def write(key: SegmentKey = key, started: threading.Barrier = started, refused: list[int] = refused) -> None:
            started.wait()
            for frame in range(10_000):
                try:
                    store.put(key, frame, "out", payload)
                except SegmentGone:
                    refused.append(frame)
                    return

        writers = [threading.Thread(target=write) for _ in range(2)]
        for writer in writers:
            writer.start()
        started.wait()
        store.put(key, 0, "in", payload) if attempt % 2 else None
        store.drop_segment(key)
        for writer in writers:
            writer.join(30)
        assert len(refused) == 2
        assert store.get(key, 0, "out") is None
        assert store.jobs() == set()


def test_an_unknown_kind_of_store_is_named(tmp_path: Path, redis: Redis) -> None:
    with pytest.raises(ValueError, match='the frame store is "disk"'):
        make_frame_store("disk", tmp_path, redis)


# Shared memory alone


def test_folders_are_private_and_empty_again_when_all_is_dropped(tmp_path: Path) -> None:
    folder = tmp_path / "frames"
    store = SharedFrameStore(folder)
    store.open_segment(KEY)
    store.put(KEY, 0, "in", b"x")
    for path in (folder, folder / "job-a", folder / "job-a" / "3-1"):
        assert stat.S_IMODE(path.stat().st_mode) == 0o700
    store.drop_segment(KEY)
    assert list(folder.iterdir()) == []


def test_a_folder_open_to_others_is_made_private(tmp_path: Path) -> None:
    tmp_path.chmod(0o777)
    SharedFrameStore(tmp_path).open_segment(KEY)
    assert stat.S_IMODE(tmp_path.stat().st_mode) == 0o700


def test_a_link_in_place_of_the_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "frames").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(FrameStoreFolderError, match="GLEANER_FRAME_STORE_DIR"):
        SharedFrameStore(tmp_path / "frames").open_segment(KEY)


def test_leftovers_of_a_killed_drop_are_removed(tmp_path: Path) -> None:
    store = SharedFrameStore(tmp_path)
    (tmp_path / ".dropped-0123" / "3-1").mkdir(parents=True)
    (tmp_path / ".dropped-0123" / "3-1" / "0.in").write_bytes(b"x")
    assert store.jobs() == set()
    assert list(tmp_path.iterdir()) == []


def _write_until_killed(folder: str, pipe: multiprocessing.connection.Connection) -> None:
    store = SharedFrameStore(Path(folder))
    pipe.send("ready")
    while True:
        for value in (1, 2):
            store.put(KEY, 0, "out", bytes([value]) * 3_000_000)


def test_a_reader_never_sees_half_of_a_frame_whose_writer_was_killed(tmp_path: Path) -> None:
    store = SharedFrameStore(tmp_path)
    store.open_segment(KEY)
    store.put(KEY, 0, "out", bytes([1]) * 3_000_000)
    spawn = multiprocessing.get_context("spawn")
    ours, theirs = spawn.Pipe()
    writer = spawn.Process(target=_write_until_killed, args=(str(tmp_path), theirs))
    writer.start()
    assert ours.recv() == "ready"
    for _ in range(50):
        pixels = store.get(KEY, 0, "out")
        assert pixels is not None
        assert len(pixels) == 3_000_000
        assert pixels[0] == pixels[1_500_000] == pixels[-1]
    writer.kill()
    writer.join(10)
    assert len(store.get(KEY, 0, "out") or b"") == 3_000_000
    store.drop_segment(KEY)
    assert list(tmp_path.iterdir()) == []


@pytest.fixture
def small_tmpfs(tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "small"
    folder.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", folder], capture_output=True)
    if mounted.returncode:
        pytest.skip("mounting a tmpfs needs root")
    yield folder
    subprocess.run(["umount", folder], check=True)


def test_a_full_tmpfs_is_said_with_its_size_and_the_remedy(small_tmpfs: Path) -> None:
    store = SharedFrameStore(small_tmpfs)
    store.open_segment(KEY)
    store.put(KEY, 0, "in", bytes(3 << 20))
    with pytest.raises(FrameStoreFull, match=r"full \([34] of 4 MiB used\); enlarge that tmpfs"):
        store.put(KEY, 1, "in", bytes(3 << 20))
    assert [path.name for path in (small_tmpfs / "job-a" / "3-1").iterdir()] == ["0.in"]
    store.drop(KEY, 0)
    store.put(KEY, 1, "in", bytes(3 << 20))


# Redis alone


def fill(store: FrameStore, frames: int) -> None:
    for frame in range(frames):
        store.put(KEY, frame, "in", bytes(200_000))


def test_pixels_in_redis_expire_if_nobody_drops_them(redis: Redis) -> None:
    store = RedisFrameStore(redis)
    store.open_segment(KEY)
    store.put(KEY, 0, "in", b"x")
    assert all(0 < redis.ttl(name) <= 86_400 for name in redis.scan_iter())


def test_a_redis_without_memory_is_said_with_the_remedy(redis: Redis) -> None:
    store = RedisFrameStore(redis)
    store.open_segment(KEY)
    redis.config_set("maxmemory", 1_500_000)
    try:
        with pytest.raises(FrameStoreFull, match="GLEANER_FRAME_STORE=shared"):
            fill(store, frames=20)
    finally:
        redis.config_set("maxmemory", 0)


def test_redis_keeps_only_what_is_named_in_its_room(redis: Redis) -> None:
    store = RedisFrameStore(redis)
    store.open_segment(KEY)
    store.put(KEY, 0, "in", b"x")
    assert all(name.startswith(b"gleaner:") for name in redis.scan_iter())
    store.drop_job("job-a")
    assert redis.dbsize() == 0


def test_a_segment_in_redis_stays_open_as_long_as_frames_come(redis: Redis) -> None:
    store = RedisFrameStore(redis)
    store.open_segment(KEY)
    (opened,) = redis.keys("gleaner:pixels:open:*")
    redis.expire(opened, 100)
    store.put(KEY, 0, "in", b"pixels")
    assert redis.ttl(opened) > 80_000
