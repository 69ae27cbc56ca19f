"""A submitted clip from its first byte to a queued job. Knows uploads, options and jobs; not how answers look."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import structlog
from anyio import CancelScope, to_thread
from starlette.requests import Request

from media.facts_json import to_json
from media.probe import probe
from media.types import ClipFacts
from pipeline.job import CameraStretch, ClipOptions, Job, JobKind
from pipeline.jobs import new_id
from pipeline.limits import probe_limits
from service import options as opts
from service.backend import Backend
from service.multipart import OVERHEAD_BYTES, Fields, MultipartReader
from service.names import clean_name, name_in_disposition
from service.problems import ProblemError
from service.schemas import SubmitQuery
from service.uploads import Upload, check_length, chunks

log = structlog.get_logger()

RAW_TYPES = ("video/*", "application/octet-stream")
FORM_TYPE = "multipart/form-data"


class Stored(Protocol):
    """A clip on the data disk that is no job's yet: an upload, or what was cut from a camera's ring."""

    @property
    def path(self) -> Path: ...
    @property
    def bytes(self) -> int: ...
    @property
    def sha256(self) -> str: ...
    def keep(self, target: Path) -> None: ...


@dataclass(frozen=True, slots=True)
class Received:
    """What one request brought, checked as far as possible without looking into the clip."""

    options: ClipOptions
    name: str


async def receive(request: Request, query: SubmitQuery, backend: Backend, upload: Upload) -> Received:
    """Reads the body into `upload`. Raises ProblemError, ClientDisconnect."""
    if request.headers.get("content-encoding", "identity").lower() != "identity":
        raise ProblemError("unsupported-media-type", "send the clip without Content-Encoding")
    kind = request.headers.get("content-type", "application/octet-stream").split(";")[0].strip().lower()
    given = query.model_dump(exclude_unset=True, exclude={"name", "dry_run"})
    if kind == FORM_TYPE:
        return await _receive_form(request, given, backend, upload)
    if not (kind.startswith("video/") or kind == "application/octet-stream"):
        detail = f"a clip is sent as {FORM_TYPE}, or as a raw body of {' or '.join(RAW_TYPES)}"
        raise ProblemError("unsupported-media-type", detail)
    settings = backend.settings
    check_length(request, settings.upload_limit_bytes, backend.files, settings.disk_reserve_bytes)
    options = opts.early(given, settings, backend.catalog)
    async for chunk in chunks(request):
        await upload.write(chunk)
    await upload.finish()
    name = query.name or name_in_disposition(request.headers.get("content-disposition"))
    return Received(options, clean_name(name))


async def _receive_form(request: Request, given: Fields, backend: Backend, upload: Upload) -> Received:
    settings, name = backend.settings, ""
    check_length(
        request, settings.upload_limit_bytes, backend.files, settings.disk_reserve_bytes, overhead_bytes=OVERHEAD_BYTES
    )

    async def begin(filename: str, fields: Fields) -> None:
        nonlocal name
        name = filename
        opts.early(
            _joined(given, fields), settings, backend.catalog
        )  # options sent before the file are judged before it is read

    reader = MultipartReader(request.headers["content-type"], begin, upload.write)
    fields = await reader.read(chunks(request))
    await upload.finish()
    return Received(opts.early(_joined(given, fields), settings, backend.catalog), clean_name(name))


def _joined(query: Fields, form: Fields) -> Fields:
    twice = sorted(query.keys() & form.keys())
    if twice:
        errors = [{"field": field, "detail": "given in the query string and in the form"} for field in twice]
        raise ProblemError("invalid-request", f"given twice: {', '.join(twice)}", errors=errors)
    return {**query, **form}


async def inspect(backend: Backend, upload: Stored) -> ClipFacts:
    """Facts of the clip, found in a child process. Raises MediaError."""
    limits = probe_limits(backend.settings, backend.settings.upload_limit_bytes)
    return await to_thread.run_sync(probe, upload.path, limits, limiter=backend.probes)


def make_job(
    received: Received,
    clip: ClipFacts,
    upload: Stored,
    kind: JobKind,
    backend: Backend,
    camera: CameraStretch | None = None,
) -> Job:
    """The job, not yet kept anywhere. Raises ProblemError or MediaError where clip and options do not go together."""
    scale, _ = opts.against_clip(received.options, clip, backend.settings, backend.catalog)
    return Job(
        id=new_id(),
        kind=kind,
        options=received.options,
        scale=scale,
        weights_sha256=opts.pinned(received.options, backend.catalog),
        source_name=received.name,
        source_sha256=upload.sha256,
        source_bytes=upload.bytes,
        clip=to_json(clip),
        camera=camera,
        created_at=time.time(),
    )


async def keep(backend: Backend, upload: Stored, job: Job) -> None:
    """Moves the clip to its job and records the job; on failure neither is there."""
    try:
        await to_thread.run_sync(_move, backend, upload, job)
        await backend.ask(_record, backend, job)
    except BaseException:
        with CancelScope(shield=True):
            await to_thread.run_sync(backend.files.remove, job.id)
        raise
    log.info("job created", job=job.id, kind=job.kind.value, bytes=job.source_bytes)


def _move(backend: Backend, upload: Stored, job: Job) -> None:
    backend.files.create(job.id)
    upload.keep(backend.files.source(job.id))


def _record(backend: Backend, job: Job) -> None:
    backend.jobs.create(job)
    backend.metrics.inc("gleaner_jobs_total", state=job.state.value)
    backend.metrics.inc("gleaner_upload_bytes_total", job.source_bytes)
    backend.metrics.flush()
