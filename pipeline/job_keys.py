"""Names in Redis of what is kept of a job. Knows no values.

gleaner:job:{id}               the record, JSON
gleaner:jobs                   sorted set of all ids by created_at; gleaner:jobs:active those not ended
gleaner:job:{id}:progress      hash: segment -> SegmentProgress as JSON, absolute values
gleaner:job:{id}:attempts      hash: segment -> number of the latest attempt; an exploration has segment 0 only
gleaner:job:{id}:events        capped stream, see pipeline/events.py
gleaner:job:{id}:told          there while the next progress event is not due
gleaner:job:{id}:exploring     of an exploration: ExploreProgress as JSON
gleaner:job:{id}:explorations  of a clip: sorted set of its explorations' ids by created_at
"""

from __future__ import annotations

from pipeline.files import check_id

ALL, ACTIVE = "gleaner:jobs", "gleaner:jobs:active"


def record_key(job_id: str) -> str:
    return f"gleaner:job:{check_id(job_id)}"


def progress_key(job_id: str) -> str:
    return f"{record_key(job_id)}:progress"


def attempts_key(job_id: str) -> str:
    return f"{record_key(job_id)}:attempts"


def events_key(job_id: str) -> str:
    return f"{record_key(job_id)}:events"


def told_key(job_id: str) -> str:
    return f"{record_key(job_id)}:told"


def exploring_key(job_id: str) -> str:
    return f"{record_key(job_id)}:exploring"


def explorations_key(clip_id: str) -> str:
    return f"{record_key(clip_id)}:explorations"


def all_keys(job_id: str) -> list[str]:
    """Every key of one job's own."""
    names = (record_key, progress_key, attempts_key, events_key, told_key, exploring_key, explorations_key)
    return [name(job_id) for name in names]
