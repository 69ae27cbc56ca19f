"""The probe's limits, from the settings."""

from __future__ import annotations

from media.limits import ProbeLimits
from pipeline.settings import Settings


def probe_limits(settings: Settings, max_bytes: int | None) -> ProbeLimits:
    """`max_bytes`: largest file accepted; None where the file is the user's own (`gleaner enhance`)."""
    return ProbeLimits(
        max_bytes=max_bytes,
        max_pixels=settings.max_pixels,
        max_duration_s=settings.max_duration_s,
        max_streams=settings.max_streams,
        memory_bytes=settings.probe_memory_bytes,
        timeout_s=settings.probe_timeout_s,
    )
