"""A dry run: sample frames through the real frame plane, before and after as pictures, and an estimate of the time."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import structlog

from media.colour_changes import Box
from media.estimate.clip import estimate_clip
from media.facts_json import from_json
from media.reader import sample_frames
from media.resize import resize
from media.types import ClipFacts, Image, OutputSettings, VideoFrame
from models.envelope import outside_envelope
from pipeline.heartbeat import alive
from pipeline.job import Job, JobState
from pipeline.tasks import SegmentKey
from workers.choosing import with_model
from workers.estimate import estimate
from workers.plane_redis import RedisPlane
from workers.report import output_json
from workers.room import Room, output_of
from workers.stretch import FrameRecord, Tally, enhance_stretch
from workers.tiles import make_grid

log = structlog.get_logger(__name__)

SAMPLES = 3


class _Pictures:
    """A sink that keeps the enhanced frames as pictures."""

    def __init__(self, output: OutputSettings) -> None:
        self.taken: list[Image] = []
        self._output = output

    def write(
        self,
        image: Image,
        pts: int,
        *,
        grey: bool = False,
        duration: int | None = None,
        changed: Sequence[Box] | None = None,
    ) -> None:
        if grey:
            image = np.repeat(np.rint(image.mean(axis=2, keepdims=True)), 3, axis=2).astype(image.dtype)
        self.taken.append(resize(image, self._output.width, self._output.height).copy())


def make_preview(room: Room, job: Job) -> None:
    clip = from_json(job.clip)
    output = output_of(job, clip)
    room.files.create(job.id)
    found = estimate_clip(room.files.source(job.id), clip)
    job = with_model(room, job, found)
    model = room.model(job)
    frames = sample_frames(room.files.source(job.id), clip, SAMPLES)
    pictures = _Pictures(output)
    tally, wall_s = _enhance(room, job, clip, frames, pictures)
    samples = []
    for number, (frame, after) in enumerate(zip(frames, pictures.taken, strict=True)):
        before_file, after_file = (room.files.preview(job.id, number, which) for which in ("before", "after"))
        _write_png(before_file, as_shown(frame.image, clip))
        _write_png(after_file, as_shown(after, clip))
        seconds = (frame.pts - (clip.start_pts or 0)) * clip.time_base
        samples.append({"time_s": round(float(seconds), 3), "before": before_file.name, "after": after_file.name})
    result = {"estimate": _estimate(room, clip, len(frames), wall_s, tally), "samples": samples}
    result["output"] = output_json(output)
    room.jobs.transition(
        job.id,
        JobState.DONE,
        finished_at=time.time(),
        result=result,
        estimate=None if found is None else found.to_json(),
        outside_envelope=outside_envelope(model.name, model.limits, found),
        choice=job.choice,
        weights_sha256=job.weights_sha256,
    )
    room.metrics.inc("gleaner_jobs_total", state="done")
    log.info("preview done", job=job.id, stage="preview", frames=len(frames), seconds=round(wall_s, 2))


def _enhance(
    room: Room, job: Job, clip: ClipFacts, frames: list[VideoFrame], pictures: _Pictures
) -> tuple[Tally, float]:
    model = room.model(job)
    grid = make_grid(clip.width, clip.height, model.tile, model.halo, model.ramp)
    key = SegmentKey(job.id, 0, room.jobs.begin_attempt(job.id, 0))
    began = time.monotonic()

    def account(_record: FrameRecord, _tally: Tally) -> None:
        """Nothing is kept of sample frames but their pictures."""

    silence_s = room.settings.lease_s * 2
    with RedisPlane(
        room.frames,
        room.store,
        key,
        model.name,
        job.scale,
        silence_s,
        consistency=job.options.consistency,
        detail=job.detail,
    ) as plane:
        tally = enhance_stretch(
            frames, plane, grid, job.scale, pictures, SAMPLES, on_frame=account, keep_going=room.keep_going(job.id)
        )
    return tally, time.monotonic() - began


def _estimate(room: Room, clip: ClipFacts, count: int, wall_s: float, tally: Tally) -> dict[str, Any] | None:
    if clip.frames is None or not count:
        return None
    workers = len(alive(room.redis, "enhance"))
    return asdict(estimate(clip.frames, wall_s / count, tally.busy_s / count, workers))


def as_shown(image: Image, clip: ClipFacts) -> Image:
    """The picture as a player shows it: square pixels, then turned (counter-clockwise, as display matrices count)."""
    height, width = image.shape[:2]
    square = resize(image, max(1, round(width * clip.sample_aspect_ratio)), height)
    return np.ascontiguousarray(np.rot90(square, clip.rotation // 90))


def _write_png(path: Path, image: Image) -> None:
    ok, encoded = cv2.imencode(".png", image[..., ::-1])
    if not ok:
        raise OSError(f"PNG encoder refused a picture of {image.shape[1]}x{image.shape[0]}")
    part = path.with_name(path.name + ".part")
    part.write_bytes(encoded.tobytes())
    part.replace(path)
