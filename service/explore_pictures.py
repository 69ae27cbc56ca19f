"""Routes of an exploration's pictures."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Path, Request, Response
from fastapi.responses import FileResponse

from service.backend import Given
from service.lookup import ExploreJob
from service.problems import ProblemError
from service.results import outcome, send_file
from service.schemas import ProblemBody
from service.views import EXPLORATIONS

router = APIRouter(prefix=EXPLORATIONS, tags=["explorations"])

_PICTURE: dict[int | str, dict[str, Any]] = {
    200: {"content": {"image/png": {}}},
    **{code: {"model": ProblemBody} for code in (404, 409, 410, 416)},
}
PNG = "image/png"


@router.head("/{exploration_id}/sheet.png", include_in_schema=False)
@router.get(
    "/{exploration_id}/sheet.png", response_class=FileResponse, summary="Everything in one picture", responses=_PICTURE
)
async def exploration_sheet(request: Request, job: ExploreJob, backend: Given) -> Response:
    """The observed pixels, the candidates with their errors, how they look made small, the spread, the statement."""
    outcome(job)
    return await send_file(request, backend.files.exploration(job.id, "sheet"), PNG, {"ETag": f'"{job.id}-sheet"'})


@router.head("/{exploration_id}/spread.png", include_in_schema=False)
@router.get(
    "/{exploration_id}/spread.png", response_class=FileResponse, summary="Where candidates differ", responses=_PICTURE
)
async def exploration_spread(request: Request, job: ExploreJob, backend: Given) -> Response:
    """Standard deviation over the candidates at each pixel: grey, 16 bits, 65535 for 1 (of values in 0 to 1)."""
    outcome(job)
    return await send_file(request, backend.files.exploration(job.id, "spread"), PNG, {"ETag": f'"{job.id}-spread"'})


@router.head("/{exploration_id}/candidates/{number}.png", include_in_schema=False)
@router.get(
    "/{exploration_id}/candidates/{number}.png",
    response_class=FileResponse,
    summary="One candidate",
    responses=_PICTURE,
)
async def exploration_candidate(
    request: Request,
    job: ExploreJob,
    backend: Given,
    number: int = Path(description="As in the exploration's `candidates`."),
) -> Response:
    """A picture that was invented, and explains the observed pixels as well as its error says."""
    known = sorted(candidate["number"] for candidate in outcome(job)["candidates"])
    if number not in known:
        raise ProblemError("not-found", f"there is no candidate {number}; there are {', '.join(map(str, known))}")
    path = backend.files.exploration(job.id, "candidate", number)
    return await send_file(request, path, PNG, {"ETag": f'"{job.id}-candidate-{number}"'})
