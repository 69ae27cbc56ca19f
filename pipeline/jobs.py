"""Jobs in Redis: records, their order, progress and events, under the names of `pipeline/job_keys.py`.

Knows neither queues nor files.

Every change watches the record, so the first of two wins: after a cancellation a worker's next transition or report
raises TransitionError, and after a deletion UnknownJob.
"""

from __future__ import annotations

import base64
import binascii
import json
import math
import secrets
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict
from typing import Any, TypeVar

from redis import Redis
from redis.exceptions import WatchError

from pipeline import events
from pipeline.events import Event
from pipeline.explore_progress import ExploreProgress
from pipeline.files import check_id
from pipeline.job import TERMINAL, Job, JobState, TransitionError, allowed
from pipeline.job_keys import (
    ACTIVE,
    ALL,
    all_keys,
    attempts_key,
    events_key,
    explorations_key,
    exploring_key,
    progress_key,
    record_key,
    told_key,
)
from pipeline.progress import Progress, SegmentProgress, speed, total

T = TypeVar("T")
# JobStore.list hides the builtin inside the class:
Jobs = list[Job]
Scored = list[tuple[float, Job]]
Ids = list[str]
Events = list[Event]

PROGRESS_EVENT_MS = 500  # least time between two progress events of a job
_PAGE = 100  # records read at once when listing
_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"  # Crockford's base 32: no i, l, o, u
_FIXED = frozenset({"v", "id", "state", "created_at"})  # not to be given as changes


class UnknownJob(Exception):
    """There is no job of this id, or no longer."""

    def __init__(self, job_id: str) -> None:
        super().__init__(f"no job {job_id}; it may have been deleted after its retention time")
        self.job_id = job_id


class JobExists(Exception):
    """A job was to be created under an id that another one has."""


class StaleAttempt(Exception):
    """A segment was taken over by a later attempt; this one must stop."""


class CursorError(ValueError):
    """A cursor is not one that `list` gave out."""


def new_id(now: float | None = None) -> str:
    """26 characters of 0-9a-z: 48 bits of time in ms, so that ids sort by age, and 80 random bits (a ULID)."""
    millis = round((time.time() if now is None else now) * 1000)
    number = (millis << 80) | secrets.randbits(80)
    return "".join(_ALPHABET[number >> shift & 31] for shift in range(125, -1, -5))


def decode_record(job_id: str, raw: bytes | None) -> Job:
    if raw is None:
        raise UnknownJob(job_id)
    return Job.model_validate_json(raw)


class JobStore:
    """All processes use it on the same Redis. `clock` gives Unix seconds."""

    def __init__(self, redis: Redis, clock: Callable[[], float] = time.time) -> None:
        self._redis: Any = redis  # redis-py types replies as awaitable or not; ours never are
        self._clock = clock

    def create(self, job: Job) -> Job:
        """Stores a new job. The same job again is fine (a lost reply is sent again); raises JobExists for another.

        Raises UnknownJob where it explores a clip that is no longer there.
        """
        record = job.model_dump_json()
        clip = None if job.exploration is None else job.exploration.clip

        def write(pipe: Any) -> Job:
            old = pipe.get(record_key(job.id))
            if clip is not None and not pipe.exists(record_key(clip)):
                raise UnknownJob(clip)
            if old is not None and Job.model_validate_json(old) != job:
                raise JobExists(f"there is a job {job.id} already; make a new id for each job")
            pipe.multi()
            if old is None:
                pipe.set(record_key(job.id), record)
                pipe.zadd(ALL, {job.id: job.created_at})
                if clip is not None:
                    pipe.zadd(explorations_key(clip), {job.id: job.created_at})
                if not job.terminal:
                    pipe.zadd(ACTIVE, {job.id: job.created_at})
                self._add_state_event(pipe, job)
            return job

        return self._atomically(job.id, write, *([record_key(clip)] if clip is not None else []))

    def get(self, job_id: str) -> Job:
        return decode_record(job_id, self._redis.get(record_key(job_id)))

    def transition(self, job_id: str, to: JobState, **changes: Any) -> Job:
        """Takes the job to another state, with changes to its record, or raises TransitionError and changes nothing.

        A repeat that brings nothing new returns the record and writes no event, so each step may be done again.
        Sets started_at when the job is first planned and finished_at when it ends, unless given.
        """
        _check_changes(changes)

        def write(pipe: Any) -> Job:
            job = decode_record(job_id, pipe.get(record_key(job_id)))
            new = _changed(job, state=to, **changes)
            if new == job:
                return job
            if not allowed(job.state, to):
                raise TransitionError(job_id, job.state, to)
            now = self._clock()
            if to is JobState.PLANNING and new.started_at is None:
                new = _changed(new, started_at=now)
            if new.terminal and new.finished_at is None:
                new = _changed(new, finished_at=now)
            pipe.multi()
            pipe.set(record_key(job_id), new.model_dump_json())
            if new.terminal:
                pipe.zrem(ACTIVE, job_id)
            if new.state != job.state:
                self._add_state_event(pipe, new)
            return new

        return self._atomically(job_id, write)

    def update(self, job_id: str, **changes: Any) -> Job:
        """Changes fields of the record other than its state."""
        _check_changes(changes)

        def write(pipe: Any) -> Job:
            new = _changed(decode_record(job_id, pipe.get(record_key(job_id))), **changes)
            pipe.multi()
            pipe.set(record_key(job_id), new.model_dump_json())
            return new

        return self._atomically(job_id, write)

    def delete(self, job_id: str) -> None:
        """Removes all that is kept of the job; of a clip, delete its explorations first. One not there is fine."""
        raw = self._redis.get(record_key(job_id))
        exploration = None if raw is None else Job.model_validate_json(raw).exploration
        with self._redis.pipeline(transaction=True) as pipe:
            for index in (ALL, ACTIVE, *([explorations_key(exploration.clip)] if exploration else [])):
                pipe.zrem(index, job_id)
            pipe.delete(*all_keys(job_id))
            pipe.execute()

    def list(
        self,
        limit: int = 50,
        cursor: str | None = None,
        state: JobState | None = None,
        *,
        explorations_of: str | None = None,
    ) -> tuple[Jobs, str | None]:
        """Up to `limit` jobs, or explorations of a clip, newest first; the cursor of the next page, None at the end.

        The cursor names the last job shown, so jobs that come in meanwhile neither repeat nor hide any.
        Raises CursorError.
        """
        if limit < 1:
            raise ValueError(f"limit is {limit}; ask for 1 or more")
        index = ACTIVE if state is not None and state not in TERMINAL else ALL
        if explorations_of is not None:
            index = explorations_key(explorations_of)
        found: Scored = []
        for score, job in self._newest_first(index, cursor):
            if state is None or job.state is state:
                found.append((score, job))
            if len(found) > limit:  # one more than asked for: there is a next page
                score, job = found[limit - 1]
                return [job for _, job in found[:limit]], _cursor(score, job.id)
        return [job for _, job in found], None

    def exploration_ids(self, clip_id: str) -> Ids:
        """Ids of the clip's explorations, oldest first."""
        return [id.decode() for id in self._redis.zrange(explorations_key(clip_id), 0, -1)]

    def active_ids(self) -> Ids:
        """Ids of jobs that have not ended, oldest first."""
        return [id.decode() for id in self._redis.zrange(ACTIVE, 0, -1)]

    def ended_before(self, moment: float) -> Jobs:
        """Jobs that ended before `moment` (Unix seconds): their retention is over. Oldest first."""
        ids = [id.decode() for id in self._redis.zrangebyscore(ALL, "-inf", moment)]  # none ends before it begins
        jobs = [job for page in range(0, len(ids), _PAGE) for job in self._records(ids[page : page + _PAGE])]
        return [job for job in jobs if job.finished_at is not None and job.finished_at < moment]

    def set_segment(self, job_id: str, segment: int, progress: SegmentProgress, *, attempt: int | None = None) -> None:
        """Stores how far a segment is and tells listeners, at most every PROGRESS_EVENT_MS unless it is finished.

        Raises TransitionError once the job has ended, UnknownJob once it is deleted, and StaleAttempt where `attempt`
        is given and a later one has begun: the caller is to stop its work in each case.
        """

        def write(pipe: Any) -> None:
            self._check_attempt(pipe, job_id, segment, attempt)
            pipe.multi()
            pipe.hset(progress_key(job_id), str(segment), progress.to_json())

        self._atomically(job_id, write)
        if self._event_is_due(job_id) or progress.finished:
            self.publish(job_id, "progress", asdict(self.progress(job_id)))

    def set_exploring(self, job_id: str, progress: ExploreProgress, *, attempt: int) -> None:
        """Stores how far an exploration is and tells listeners, at most every PROGRESS_EVENT_MS.

        Its attempts are those at segment 0. Raises as set_segment does.
        """

        def write(pipe: Any) -> None:
            self._check_attempt(pipe, job_id, 0, attempt)
            pipe.multi()
            pipe.set(exploring_key(job_id), progress.to_json())

        self._atomically(job_id, write)
        if self._event_is_due(job_id):
            self.publish(job_id, "progress", asdict(progress))

    def exploring(self, job_id: str) -> ExploreProgress:
        """How far an exploration is; zero before its first report."""
        raw = self._redis.get(exploring_key(job_id))
        return ExploreProgress() if raw is None else ExploreProgress.from_json(raw)

    def _event_is_due(self, job_id: str) -> bool:
        return bool(self._redis.set(told_key(job_id), b"", nx=True, px=PROGRESS_EVENT_MS))

    def _check_attempt(self, pipe: Any, job_id: str, segment: int, attempt: int | None) -> None:
        """Raises TransitionError, UnknownJob or StaleAttempt where the attempt is to stop."""
        job = decode_record(job_id, pipe.get(record_key(job_id)))
        if job.terminal:
            raise TransitionError(job_id, job.state, JobState.RUNNING)
        latest = pipe.hget(attempts_key(job_id), str(segment))
        if attempt is not None and latest is not None and int(latest) != attempt:
            raise StaleAttempt(f"attempt {attempt} at segment {segment} of {job_id}: {int(latest)} has begun")

    def progress(self, job_id: str) -> Progress:
        """Sums over the segments; zero before the first report."""
        return total(map(SegmentProgress.from_json, self._redis.hvals(progress_key(job_id))))

    def segments(self, job_id: str) -> dict[int, SegmentProgress]:
        reports = self._redis.hgetall(progress_key(job_id))
        return {int(segment): SegmentProgress.from_json(raw) for segment, raw in reports.items()}

    def begin_attempt(self, job_id: str, segment: int) -> int:
        """Number of a new attempt at a segment, from 1, which makes earlier ones stale. Raises as set_segment does."""

        def write(pipe: Any) -> int:
            job = decode_record(job_id, pipe.get(record_key(job_id)))
            if job.terminal:
                raise TransitionError(job_id, job.state, JobState.RUNNING)
            number = int(pipe.hget(attempts_key(job_id), str(segment)) or 0) + 1
            pipe.multi()
            pipe.hset(attempts_key(job_id), str(segment), str(number))
            return number

        return self._atomically(job_id, write, attempts_key(job_id))

    def current_attempt(self, job_id: str, segment: int) -> int | None:
        raw = self._redis.hget(attempts_key(job_id), str(segment))
        return None if raw is None else int(raw)

    def publish(self, job_id: str, kind: str, data: dict[str, Any]) -> None:
        """Adds an event. A job that is not there gets none (a deleted job would keep a stream for ever)."""

        def write(pipe: Any) -> None:
            there = pipe.exists(record_key(job_id))
            pipe.multi()
            if there:
                _add_event(pipe, job_id, kind, data)

        self._atomically(job_id, write)

    def read_events(self, job_id: str, after: str | None = None, block_ms: int = 0) -> Events:
        """Events after the one of that id, oldest first; waits up to `block_ms` for one; 0 does not wait."""
        start = events.resume_point(after)
        return events.decode(self._redis.xread({events_key(job_id): start}, count=events.PAGE, block=block_ms or None))

    def speed(self, job: Job) -> float | None:
        """Frames per second: of late while the job is active, over all once it has ended. None where unknown."""
        done = self.progress(job.id).frames_done
        if job.started_at is None or not done:
            return None
        if job.finished_at is not None:
            return done / max(1e-3, job.finished_at - job.started_at)
        latest = self._redis.xrevrange(events_key(job.id), count=events.PAGE)
        told = [event for event in reversed(events.decode_entries(latest)) if event.kind == "progress"]
        points = [(int(event.id.split("-")[0]) / 1000, int(event.data["frames_done"])) for event in told]
        return speed(points, job.started_at, self._clock())

    def _add_state_event(self, pipe: Any, job: Job) -> None:
        data = {"state": job.state, "at": self._clock()}
        _add_event(pipe, job.id, "state", data | ({"problem": job.problem.model_dump()} if job.problem else {}))

    def _atomically(self, job_id: str, write: Callable[[Any], T], *also: str) -> T:
        """Runs `write` under WATCH until nobody came in between; it reads, calls multi() and queues its commands."""
        with self._redis.pipeline(transaction=True) as pipe:
            while True:
                try:
                    pipe.watch(record_key(job_id), *also)
                    result = write(pipe)
                    pipe.execute()
                    return result
                except WatchError:  # also when the connection broke meanwhile: look again whether it was done
                    continue

    def _newest_first(self, index: str, cursor: str | None) -> Iterator[tuple[float, Job]]:
        score, last_id = _parse_cursor(cursor) if cursor else (float("inf"), None)
        offset = 0
        while True:
            page = self._redis.zrevrangebyscore(index, score, "-inf", start=offset, num=_PAGE, withscores=True)
            if not page:
                return
            entries = [(id.decode(), float(at)) for id, at in page]
            wanted = [(id, at) for id, at in entries if last_id is None or (at, id) < (score, last_id)]
            scores = dict(wanted)
            yield from ((scores[job.id], job) for job in self._records([id for id, _ in wanted]))
            offset = offset + len(page) if not wanted else 0
            if wanted:
                last_id, score = wanted[-1]

    def _records(self, ids: Sequence[str]) -> Jobs:
        raws = self._redis.mget([record_key(id) for id in ids]) if ids else []
        return [Job.model_validate_json(raw) for raw in raws if raw is not None]


def _add_event(pipe: Any, job_id: str, kind: str, data: dict[str, Any]) -> None:
    pipe.xadd(events_key(job_id), events.encode(kind, data), maxlen=events.KEPT, approximate=True)


def _check_changes(changes: dict[str, Any]) -> None:
    wrong = (set(changes) - set(Job.model_fields)) | (set(changes) & _FIXED)
    if wrong:
        raise TypeError(f"{', '.join(sorted(wrong))}: no field of a job that may be changed")


def _changed(job: Job, **changes: Any) -> Job:
    return Job.model_validate({**job.model_dump(), **changes})


def _cursor(score: float, job_id: str) -> str:
    return base64.urlsafe_b64encode(json.dumps([score, job_id]).encode()).decode().rstrip("=")


def _parse_cursor(cursor: str) -> tuple[float, str]:
    try:
        score, job_id = json.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
        if not math.isfinite(score):
            raise ValueError
        return float(score), check_id(job_id)
    except (ValueError, TypeError, binascii.Error):
        raise CursorError("the cursor is not one of ours; pass next_cursor on as it was given, or none") from None
