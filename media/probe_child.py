"""The process that probes one clip: `python -m media.probe_child`. Puts itself under limits before it loads FFmpeg.

Reads {"path": ..., "limits": {...}} from standard input, writes {"facts": ...} or {"error": {"code", "message"}} to
standard output. Everything it finds in the clip is hostile; its parent is `media.probe`.
"""

from __future__ import annotations

import json
import math
import resource
import sys
from pathlib import Path
from typing import Any

OPEN_FILES = 64


def restrict(memory_bytes: int, timeout_s: float, file_bytes: int = 0) -> None:
    """Memory, processor time, open files and the size of files written are bounded, for the rest of this process."""
    seconds = math.ceil(timeout_s) + 1
    for limit, value in (
        (resource.RLIMIT_AS, memory_bytes),
        (resource.RLIMIT_CPU, seconds),
        (resource.RLIMIT_NOFILE, OPEN_FILES),
        (resource.RLIMIT_FSIZE, file_bytes),
        (resource.RLIMIT_CORE, 0),
    ):
        hard = resource.getrlimit(limit)[1]
        bound = value if hard == resource.RLIM_INFINITY else min(value, hard)
        resource.setrlimit(limit, (bound, bound))


def answer(request: dict[str, Any]) -> dict[str, Any]:
    # Loaded only now, under the limits.
    import av.error

    from media.examine import examine
    from media.facts_json import to_json
    from media.limits import ProbeLimits
    from media.opening import open_input
    from media.types import MediaError

    limits = ProbeLimits(**request["limits"])
    try:
        with open_input(Path(request["path"])) as container:
            return {"facts": to_json(examine(container, limits))}
    except MediaError as error:
        return {"error": {"code": error.code, "message": str(error)}}
    except MemoryError:
        raise
    except av.error.FFmpegError as error:
        message = f"The clip cannot be read ({error.strerror}); export or copy it again."
        return {"error": {"code": "unreadable", "message": message}}


def main() -> None:
    request = json.load(sys.stdin)
    memory_bytes = request["limits"]["memory_bytes"]
    restrict(memory_bytes, request["limits"]["timeout_s"])
    try:
        reply = answer(request)
    except (MemoryError, ImportError):  # a library that cannot be mapped is an ImportError
        message = f"Reading the clip takes more than {memory_bytes // 2**20} MiB of memory; convert it to a plain MP4."
        reply = {"error": {"code": "probe-failed", "message": message}}
    json.dump(reply, sys.stdout)


if __name__ == "__main__":
    main()
