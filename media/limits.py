"""How large a clip may be before it is refused. Plain numbers: knows neither settings nor files."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ProbeLimits:
    """`memory_bytes` is the address space of the child process that probes; it needs about 200 MiB to start."""

    max_bytes: int | None  # None: no limit on the file
    max_pixels: int  # width x height of the coded picture
    max_duration_s: float
    max_streams: int
    memory_bytes: int
    timeout_s: float  # wall time of one probe
