"""Enhancing one segment of a clip: reader, frame plane, canvas and writer put together, and its accounts."""

from __future__ import annotations

import time
from collections.abc import Callable

from media.background import BackgroundWriter
from media.facts_json import from_json
from media.reader import VideoReader
from media.types import ClipFacts, Damage, OutputSettings, Span
from pipeline.frames import SegmentGone
from pipeline.job import Job
from pipeline.jobs import StaleAttempt
from pipeline.progress import SegmentProgress
from pipeline.tasks import SegmentKey
from workers.ahead import DECODED_AHEAD, Ahead
from workers.framelog import FrameLog, segment_end
from workers.layout import cores, lay_out
from workers.plane_redis import RedisPlane
from workers.reusing import make_reuse, tile_for
from workers.room import Room, output_of
from workers.spans import read_spans
from workers.stretch import FrameRecord, Tally, enhance_stretch
from workers.tiles import make_grid

REPORT_EVERY_S = 0.5
SILENCE_LEASES = 2.0  # leases without any reply after which lost frames are looked for


def enhance_segment(room: Room, job: Job, number: int) -> None:
    """Make the segment's file and frame log, unless an earlier attempt did; then queue what comes next."""
    clip = from_json(job.clip)
    output = output_of(job, clip)
    spans = read_spans(room.files.plan(job.id))
    span = spans[number]
    file = room.files.segment(job.id, number, output.suffix)
    log_file = room.files.segment_log(job.id, number)
    if not (file.exists() and log_file.exists()):
        key = SegmentKey(job.id, number, room.jobs.begin_attempt(job.id, number))
        try:
            tally = _attempt(room, job, clip, output, span, key)
        except (SegmentGone, OSError) as error:
            _check_still_ours(room, key, error)  # a later attempt took our pixels and files away, as it should
            raise
        room.metrics.inc("gleaner_segments_total", result="done")
        room.metrics.inc("gleaner_tiles_reused_total", tally.reused)
    end = segment_end(log_file)
    damage = Damage(packets=end.damage["packets"], frames=end.damage["frames"])
    room.jobs.set_segment(job.id, number, _progress(Tally(**end.tally), damage, finished=True))
    _queue_next(room, job.id, number, len(spans))


def _attempt(room: Room, job: Job, clip: ClipFacts, output: OutputSettings, span: Span, key: SegmentKey) -> Tally:
    """One attempt at the segment, to the files that bear its name."""
    file = room.files.segment(job.id, key.segment, output.suffix)
    log_file = room.files.segment_log(job.id, key.segment)
    for left in file.parent.glob(f"{file.stem}-*"):  # of attempts whose process was killed
        left.unlink(missing_ok=True)
    # Attempts never share a file: one that was thought dead may still be writing.
    my_file = file.with_name(f"{file.stem}-{key.attempt}{file.suffix}")
    my_log = log_file.with_name(f"{log_file.stem}-{key.attempt}{log_file.suffix}")
    model = room.model(job)
    silence_s = room.settings.lease_s * SILENCE_LEASES
    began = time.monotonic()
    with (
        RedisPlane(
            room.frames,
            room.store,
            key,
            model.name,
            job.scale,
            silence_s,
            consistency=job.options.consistency,
            detail=job.detail,
        ) as plane,
        VideoReader(room.files.source(job.id), clip, span) as reader,
        FrameLog(my_log) as frame_log,
    ):
        with (
            Ahead(reader, DECODED_AHEAD) as frames,
            BackgroundWriter(my_file, output, threads=lay_out(cores(), on_cpu=False).encoder) as writer,
        ):
            going = room.keep_going(job.id)
            grid = make_grid(clip.width, clip.height, tile_for(model, job.options.reuse), model.halo, model.ramp)
            tally = enhance_stretch(
                frames,
                plane,
                grid,
                job.scale,
                writer,
                room.settings.window_frames,
                on_frame=_accountant(room, job.id, key.segment, key.attempt, frame_log, reader.damage),
                keep_going=lambda: writer.going() and going(),
                reuse=make_reuse(job.options.reuse, grid, clip.average_rate, fuse=job.options.fuse),
            )
        frame_log.finish(tally, reader.damage, time.monotonic() - began)
    _check_still_ours(room, key)  # log and file are to be of the same attempt
    my_log.replace(log_file)
    my_file.replace(file)
    return tally


def _check_still_ours(room: Room, key: SegmentKey, cause: Exception | None = None) -> None:
    """Raises StaleAttempt if a later attempt has begun."""
    latest = room.jobs.current_attempt(key.job, key.segment)
    if latest not in (None, key.attempt):
        what = f"attempt {key.attempt} at segment {key.segment} of {key.job}"
        raise StaleAttempt(f"{what}: {latest} has begun") from cause


def _queue_next(room: Room, job_id: str, number: int, segments: int) -> None:
    """The segment after those queued ahead, and the finish once all are done. To do so twice changes nothing."""
    if number + room.settings.segments_ahead < segments:
        room.clips.enqueue_segments(job_id, [number + room.settings.segments_ahead])
    if room.jobs.progress(job_id).segments_finished == segments:
        room.clips.enqueue_finish(job_id)


def _accountant(
    room: Room, job_id: str, number: int, attempt: int, frame_log: FrameLog, damage: Damage
) -> Callable[[FrameRecord, Tally], None]:
    """Keeps the frame log, and tells the job's record of the progress now and then."""
    told = time.monotonic()

    def account(record: FrameRecord, tally: Tally) -> None:
        nonlocal told
        frame_log.add(record)
        now = time.monotonic()
        if now - told >= REPORT_EVERY_S:
            told = now
            room.jobs.set_segment(job_id, number, _progress(tally, damage, finished=False), attempt=attempt)

    return account


def _progress(tally: Tally, damage: Damage, *, finished: bool) -> SegmentProgress:
    return SegmentProgress(
        frames_done=tally.frames,
        frames_resized=tally.resized,
        tiles_total=tally.tiles,
        tiles_reused=tally.reused,
        damaged_packets=damage.packets,
        damaged_frames=damage.frames,
        finished=finished,
    )
