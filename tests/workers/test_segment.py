"""A segment's attempts: leftovers, take-overs, lost pixels, and the accounts that stay right."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import pytest
from redis import Redis

from media.facts_json import to_json
from media.probe import probe
from media.reader import VideoReader
from pipeline.frames import SegmentGone
from pipeline.job import ClipOptions, Job, JobState
from pipeline.jobs import StaleAttempt
from pipeline.tasks import SegmentKey
from tests.media.clips import LIMITS, write_clip
from tests.workers.rig import Doubling, Rig, enhancer
from workers import clip
from workers.framelog import frame_lines, segment_end
from workers.room import Room, open_room
from workers.segment import enhance_segment

ID = "job-a"
FRAMES = 8


@dataclass
class Scene:
    room: Room
    job: Job
    rig: Rig

    @property
    def segments(self) -> Path:
        return self.room.files.segment(ID, 0).parent

    def names(self) -> set[str]:
        return {path.name for path in self.segments.iterdir()}


@pytest.fixture
def scene(redis_url: str, redis: Redis, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Scene]:
    """A planned clip of one segment."""
    monkeypatch.setenv("REDIS_URL", redis_url)
    monkeypatch.setenv("GLEANER_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("GLEANER_FRAME_STORE_DIR", str(tmp_path / "frames"))
    monkeypatch.setenv("GLEANER_LEASE_S", "0.2")
    with open_room() as room:
        room.files.create(ID)
        source = write_clip(tmp_path / "in.mp4", frames=FRAMES, time_base=Fraction(1, 25))
        source.rename(room.files.source(ID))
        facts = probe(room.files.source(ID), LIMITS)
        job = Job(
            id=ID,
            options=ClipOptions(model="lanczos", scale=2),
            scale=2,
            source_name="in.mp4",
            source_sha256="0" * 64,
            source_bytes=1,
            clip=to_json(facts),
            created_at=time.time(),
        )
        room.jobs.create(job)
        clip.plan(ID)
        assert room.jobs.get(ID).state == JobState.RUNNING
        yield Scene(room, room.jobs.get(ID), Rig(redis, room.store, enhancer(Doubling()), lease_s=5.0))


def test_a_segment_is_made_once_and_leaves_only_its_file_and_log(scene: Scene) -> None:
    with scene.rig.running():
        enhance_segment(scene.room, scene.job, 0)
        made = scene.room.files.segment(ID, 0).stat().st_mtime_ns
        enhance_segment(scene.room, scene.job, 0)  # as RQ does after a crash between file and acknowledgement
    assert scene.room.files.segment(ID, 0).stat().st_mtime_ns == made
    assert scene.names() == {"00000.mp4", "00000.jsonl"}
    assert scene.room.jobs.current_attempt(ID, 0) == 1
    progress = scene.room.jobs.progress(ID)
    assert (progress.frames_done, progress.segments_finished) == (FRAMES, 1)
    log = scene.room.files.segment_log(ID, 0)
    assert len(list(frame_lines(log))) == segment_end(log).tally["frames"] == FRAMES
    assert scene.room.store.jobs() == set()


def test_leftovers_of_killed_attempts_go_and_those_of_other_segments_stay(scene: Scene) -> None:
    scene.room.jobs.begin_attempt(ID, 0)
    for name in ("00000-1.mp4.part", "00000-1.jsonl.part", "00000-1.mp4", "00001-1.mp4.part"):
        (scene.segments / name).write_bytes(b"half a film")
    with scene.rig.running():
        enhance_segment(scene.room, scene.job, 0)
    assert scene.names() == {"00000.mp4", "00000.jsonl", "00001-1.mp4.part"}
    with VideoReader(scene.room.files.segment(ID, 0), probe(scene.room.files.segment(ID, 0), LIMITS)) as reader:
        assert len(list(reader)) == FRAMES


def test_an_attempt_that_was_taken_over_ends_as_stale_and_touches_nothing(scene: Scene) -> None:
    """It was only thought dead: no worker answers it, because the later attempt has dropped its pixels."""
    raised: list[BaseException] = []

    def first() -> None:
        with open_room() as room:  # a process of its own has clients of its own
            try:
                enhance_segment(room, scene.job, 0)
            except BaseException as error:
                raised.append(error)

    thread = threading.Thread(target=first)
    thread.start()
    deadline = time.monotonic() + 20
    while not scene.rig.queue.queued(SegmentKey(ID, 0, 1)):
        assert time.monotonic() < deadline
    with scene.rig.running():
        enhance_segment(scene.room, scene.job, 0)
        thread.join(30)
    assert not thread.is_alive()
    assert [type(error) for error in raised] == [StaleAttempt]
    assert scene.names() == {"00000.mp4", "00000.jsonl"}
    assert scene.rig.left() == (0, 0)


def test_lost_pixels_end_the_attempt_so_that_it_is_tried_again(scene: Scene) -> None:
    """As when Redis holds the pixels and comes back without its last second."""

    def lose() -> None:
        scene.room.store.drop_job(ID)
        scene.room.redis.delete("gleaner:frames:clip")

    losing = threading.Timer(0.5, lose)
    losing.start()
    with pytest.raises(SegmentGone):  # nobody computes: the attempt is waiting when its pixels go
        enhance_segment(scene.room, scene.job, 0)
    losing.join()
    assert scene.names() == set()
    with scene.rig.running():
        enhance_segment(scene.room, scene.job, 0)
    assert scene.names() == {"00000.mp4", "00000.jsonl"}


def test_a_step_whose_job_was_cancelled_is_dropped_although_its_pixels_are_gone(scene: Scene) -> None:
    def cancel() -> None:
        scene.room.jobs.transition(ID, JobState.CANCELLED, finished_at=time.time())
        scene.room.store.drop_job(ID)

    cancelling = threading.Timer(0.5, cancel)
    cancelling.start()
    clip.segment(ID, 0)
    cancelling.join()
    assert scene.room.jobs.get(ID).state == JobState.CANCELLED
    assert scene.names() == set()
    assert scene.rig.left() == (0, 0)
