"""A client's options made into a job's: first alone, as early as an upload allows, then against the clip."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import ValidationError

from media.types import ClipFacts, OutputSettings
from models.catalog import Catalog, UnknownModel
from models.choice import AUTO
from models.facts import ModelFacts
from pipeline.job import ClipOptions
from pipeline.options import OptionError, check, check_auto
from pipeline.settings import Settings
from service.problems import ProblemError, invalid, secret_like
from service.schemas import SubmitOptions
from service.views import output_of

_ANY_HEIGHT = 1_000_000  # of a clip not yet seen: every target height is within reach


def early(fields: Mapping[str, Any], settings: Settings, catalog: Catalog) -> ClipOptions:
    """The options, as far as they can be judged without the clip. Raises ProblemError."""
    try:
        form = SubmitOptions.model_validate(dict(fields))
    except ValidationError as error:
        raise invalid([(".".join(map(str, e["loc"])), e) for e in error.errors()]) from None
    options = ClipOptions.model_validate({**form.model_dump(), "model": form.model or settings.default_model})
    _scale(options, _ANY_HEIGHT, settings, catalog)
    return options


def against_clip(
    options: ClipOptions, clip: ClipFacts, settings: Settings, catalog: Catalog
) -> tuple[int, OutputSettings]:
    """The network's scale and how the result is written. Raises ProblemError, MediaError("unsupported-output")."""
    scale = _scale(options, clip.display_size[1], settings, catalog)
    output = output_of(options, scale, clip)
    enlarged = max(output.width * output.height, clip.width * clip.height * scale * scale)
    if enlarged > settings.max_output_pixels:
        detail = (
            f"the picture would have {enlarged} pixels ({clip.width}x{clip.height}, scale {scale}); "
            f"the most this service makes is {settings.max_output_pixels}: ask for a smaller scale or target_height"
        )
        raise ProblemError("output-too-large", detail, errors=[{"field": "scale", "detail": "too large for this clip"}])
    return scale, output


def enhancer(options: ClipOptions, catalog: Catalog) -> ModelFacts:
    """Facts of the model asked for, as it is now. Raises ProblemError."""
    return named(options.model, catalog, others=(AUTO,))


def named(name: str, catalog: Catalog, field: str = "model", others: Sequence[str] = ()) -> ModelFacts:
    """Facts of an enhancer. field: where it was named; others: what might stand there beside models.

    Raises ProblemError 'unknown-model'.
    """
    try:
        return catalog.enhancer(name)
    except UnknownModel as error:
        known = ", ".join((*sorted(error.known), *others))
        what = "of that name" if secret_like(name) else f"named {name!r:.40}"
        errors = [{"field": field, "detail": f"one of {known}"}]
        raise ProblemError(
            "unknown-model", f"{field}: there is no model {what}; the models are {known}", errors=errors
        ) from None


def pinned(options: ClipOptions, catalog: Catalog) -> str | None:
    """SHA-256 of the weights asked for, as they are now; None: there are none, or none yet. Raises ProblemError."""
    return None if options.model == AUTO else enhancer(options, catalog).sha256


def _scale(options: ClipOptions, display_height: int, settings: Settings, catalog: Catalog) -> int:
    try:
        if options.model == AUTO:
            return check_auto(options, catalog.enhancers(), settings.default_model, display_height)
        return check(options, enhancer(options, catalog), display_height)
    except OptionError as error:
        errors = [{"field": error.field, "detail": str(error)}]
        raise ProblemError(error.code, str(error), errors=errors) from None
