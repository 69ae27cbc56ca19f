"""The route of a stream's report: a stretch of its frame log, summed up or line by line."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import urlencode

from anyio import to_thread
from fastapi import APIRouter, Query, Response
from fastapi.responses import StreamingResponse

from media.moments import moment
from pipeline.stream import Stream
from pipeline.stream_log import LogFile, line_of, list_logs, read_lines
from service.backend import Backend, Given
from service.moments import Moment, bad_end, check_order
from service.names import content_disposition
from service.problems import ProblemError
from service.report_schemas import Clock, ReportLinksBody, SettingsBody, StreamReportBody
from service.report_summary import Summary
from service.schemas import ProblemBody
from service.stream_lookup import KnownStream
from service.stream_views import STREAMS

LONGEST_S = 6 * 3600.0  # half a million lines at 25 frames a second: some seconds of reading
LINES_TYPE = "application/x-ndjson"
SETTINGS_LISTED = 100

router = APIRouter(prefix=STREAMS, tags=["streams"])


class Stretch:
    """[start, end) as Unix seconds, by our clock or the camera's."""

    def __init__(self, start: float, end: float, clock: Clock) -> None:
        self.start, self.end, self.clock = start, end, clock
        self._low, self._high = moment(start), moment(end)

    def holds(self, line: dict[str, Any], offset_s: float) -> bool:
        """offset_s: the camera's clock minus ours, for lines without a frame. Raises KeyError, ValueError."""
        return self._low <= self._at(line, offset_s) < self._high

    def touches(self, file: LogFile) -> bool:
        return file.touches(self.start, self.end, by_camera=self.clock == "capture")

    def _at(self, line: dict[str, Any], offset_s: float) -> str:
        if "pts" in line:  # as recordings are named: by the camera's time where it says one
            ours: str = line["arrived_at"]
            return ours if self.clock == "arrival" else str(line.get("captured_at", ours))
        ours = line["at"]
        return ours if self.clock == "arrival" else moment(datetime.fromisoformat(ours).timestamp() + offset_s)


@dataclass(slots=True)
class Reading:
    """A stretch being read, file by file."""

    folder: Path
    stretch: Stretch
    summary: Summary = field(default_factory=Summary)
    settings: list[SettingsBody] = field(default_factory=list)

    def read(self, file: LogFile, *, lines: bool) -> bytes:
        """Adds what the file holds of the stretch; blocking. Returns its lines, where they are wanted."""
        kept: list[bytes] = []
        heading: tuple[bytes, SettingsBody] | None = None
        for raw, content in read_lines(self.folder / file.name):
            try:
                if "v" in content:
                    heading = raw, _settings(file, content)
                    continue
                if not self.stretch.holds(content, file.offset_s):
                    continue
                self.summary.add(content)
            except (KeyError, TypeError, ValueError):  # damaged on the disk
                continue
            if heading is not None and self._set(heading[1]):
                kept.append(heading[0])
            heading = None
            kept.append(raw)
        return b"".join(kept) if lines else b""

    def _set(self, found: SettingsBody) -> bool:
        """Notes settings that lines follow. Returns whether they are others than those before."""
        if self.settings and self.settings[-1].model_copy(update={"since": found.since}) == found:
            return False
        if len(self.settings) >= SETTINGS_LISTED:
            self.settings.pop()  # of more than anybody reads, the newest: what comes next is compared with it
        self.settings.append(found)
        return True


def _settings(file: LogFile, heading: dict[str, Any]) -> SettingsBody:
    return SettingsBody(since=moment(file.start), **{key: heading[key] for key in ("revision", "options", "weights")})


@router.head("/{stream_id}/report", include_in_schema=False)
@router.get(
    "/{stream_id}/report",
    response_model=StreamReportBody,
    summary="Report on a stretch of a stream",
    responses={200: {"content": {LINES_TYPE: {}}}, **{code: {"model": ProblemBody} for code in (400, 404)}},
)
async def stream_report(
    stream: KnownStream,
    backend: Given,
    start: Annotated[Moment, Query(description="RFC 3339 with a time zone.")],
    end: Annotated[
        Moment, Query(description="Likewise, after `start`, at most 6 hours. Frames of it are not included.")
    ],
    clock: Annotated[
        Clock, Query(description="arrival: times are ours. capture: the camera's where it says one, as in recordings.")
    ] = "arrival",
    format: Annotated[
        Literal["json", "jsonl"], Query(description="jsonl: one JSON line a frame, with the summary as the last.")
    ] = "json",
) -> Response:
    """What became of the frames: how and on which rung each was made, what was dropped and why, lags, gaps.

    Kept as long as the source's ring or the recordings, whichever is longer. The newest seconds may be missing yet.
    """
    stretch = Stretch(start.timestamp(), end.timestamp(), clock)
    _check(stretch)
    reading = Reading(backend.stream_files.log(stream.id), stretch)
    files = await to_thread.run_sync(_files, reading, limiter=backend.reports)
    if not files:
        detail = f"no frame of stream {stream.name} from {moment(stretch.start)} to {moment(stretch.end)} is logged"
        raise ProblemError("no-report", f"{detail}: it was not online, or it is longer ago than the log is kept")
    headers = {"Cache-Control": "no-store"}
    if format == "jsonl":
        headers["Content-Disposition"] = content_disposition(
            f"{stream.name}-{moment(stretch.start).replace(':', '-')}-report.jsonl"
        )
        return StreamingResponse(_lines(backend, stream, reading, files), media_type=LINES_TYPE, headers=headers)
    for file in files:
        await to_thread.run_sync(partial(reading.read, file, lines=False), limiter=backend.reports)
    body = _body(stream, reading)
    return Response(body.model_dump_json(), media_type="application/json", headers=headers)


async def _lines(backend: Backend, stream: Stream, reading: Reading, files: list[LogFile]) -> AsyncIterator[bytes]:
    body = _body(stream, reading)
    yield line_of({"report": body.model_dump(include={"stream", "name", "start", "end", "clock"})})
    for file in files:
        lines = await to_thread.run_sync(partial(reading.read, file, lines=True), limiter=backend.reports)
        if lines:
            yield lines
    yield json.dumps({"summary": reading.summary.body().model_dump()}, separators=(",", ":")).encode() + b"\n"


def _check(stretch: Stretch) -> None:
    """Raises ProblemError 'invalid-request'."""
    check_order(stretch.start, stretch.end)
    if stretch.end - stretch.start > LONGEST_S:
        raise bad_end(f"end is more than {LONGEST_S / 3600:g} hours after start; ask for shorter stretches one by one")


def _files(reading: Reading) -> list[LogFile]:
    return [file for file in list_logs(reading.folder) if reading.stretch.touches(file)]


def report_link(stream_id: str, start: float, end: float, clock: Clock, **more: str) -> str:
    """Where the report of a stretch, Unix seconds, is."""
    query = {"start": moment(start), "end": moment(end), "clock": clock} | more
    return f"{STREAMS}/{stream_id}/report?{urlencode(query, safe=':')}"


def _body(stream: Stream, reading: Reading) -> StreamReportBody:
    stretch = reading.stretch
    where = stream.id, stretch.start, stretch.end, stretch.clock
    return StreamReportBody(
        stream=stream.id,
        name=stream.name,
        start=moment(stretch.start),
        end=moment(stretch.end),
        clock=stretch.clock,
        settings=reading.settings,
        summary=reading.summary.body(),
        links=ReportLinksBody(self=report_link(*where), lines=report_link(*where, format="jsonl")),
    )
