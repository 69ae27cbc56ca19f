"""Events of a job as entries of a Redis stream. Knows their form only; `pipeline/jobs.py` writes and reads them.

Kinds: "state" (data: state, at, and problem where there is one) and "progress" (the sums of pipeline/progress.py).
The stream is capped, and a reader that was away longer finds the oldest gone: start from the job's record, then follow.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any, NamedTuple

KEPT = 1000  # events of a job; progress comes at most every half second, and the last event is the terminal state
PAGE = 100  # events read at once
BEGINNING = "0-0"
_ID_PATTERN = re.compile(r"[0-9]{1,18}-[0-9]{1,18}")


class Event(NamedTuple):
    id: str  # ascending; hand it in as `after` to go on from here
    kind: str
    data: dict[str, Any]


def encode(kind: str, data: Mapping[str, Any]) -> dict[bytes | str, bytes | str]:
    return {"kind": kind, "data": json.dumps(data, separators=(",", ":"))}


def decode(reply: Any) -> list[Event]:
    """Events of an XREAD reply for one stream, in either form redis-py gives it (RESP2 list, RESP3 dict)."""
    if not reply:
        return []
    entries = next(iter(reply.values())) if isinstance(reply, dict) else reply[0][1]
    if isinstance(reply, dict) and len(entries) == 1 and isinstance(entries[0], list):
        entries = entries[0]  # RESP3 nests the entries once more
    return decode_entries(entries)


def decode_entries(entries: Any) -> list[Event]:
    """Events of the entries of one stream, as XRANGE replies them."""
    return [Event(id.decode(), body[b"kind"].decode(), json.loads(body[b"data"])) for id, body in entries]


def resume_point(after: str | None) -> str:
    """Where to go on from what a client sent as its last event id; what is no id means: from the beginning."""
    return after if after and _ID_PATTERN.fullmatch(after) else BEGINNING
