"""Names in Redis of what is kept of a stream. Knows no values. No name and no value holds a credential in the clear.

gleaner:streams                sorted set of all ids, all with score 0: by name, which is by age
gleaner:streams:names          hash: name -> id
gleaner:streams:deleted        sorted set of ids by when they were deleted, kept while their files may still be there
gleaner:streams:ports          hash: port -> id of the stream whose gateway pushes to it
gleaner:stream:{id}            the record, JSON
gleaner:stream:{id}:sealed     hash: "url", "push_url" -> the whole URL, encrypted (pipeline/secrets.py)
gleaner:stream:{id}:epoch      number of the latest owner
gleaner:stream:{id}:status     the latest StreamStatus, JSON
gleaner:stream:{id}:reporting  there while the owner's last report is young
gleaner:stream:{id}:events     capped stream, form as in pipeline/events.py
gleaner:stream:{id}:wish       there while somebody waits for a snapshot
"""

from __future__ import annotations

from pipeline.files import check_id

ALL, NAMES, DELETED = "gleaner:streams", "gleaner:streams:names", "gleaner:streams:deleted"
PORTS = "gleaner:streams:ports"


def record_key(stream_id: str) -> str:
    return f"gleaner:stream:{check_id(stream_id)}"


def sealed_key(stream_id: str) -> str:
    return f"{record_key(stream_id)}:sealed"


def epoch_key(stream_id: str) -> str:
    return f"{record_key(stream_id)}:epoch"


def status_key(stream_id: str) -> str:
    return f"{record_key(stream_id)}:status"


def reporting_key(stream_id: str) -> str:
    return f"{record_key(stream_id)}:reporting"


def events_key(stream_id: str) -> str:
    return f"{record_key(stream_id)}:events"


def wish_key(stream_id: str) -> str:
    return f"{record_key(stream_id)}:wish"


def all_keys(stream_id: str) -> list[str]:
    """Every key of one stream's own."""
    names = (record_key, sealed_key, epoch_key, status_key, reporting_key, events_key, wish_key)
    return [name(stream_id) for name in names]
