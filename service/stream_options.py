"""What a client wants of a stream, made into what is kept: options, weights, URLs to be sealed. Knows no route.

Blocking: names of hosts are looked up. No message repeats a URL.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from pydantic import SecretStr, ValidationError

from models.catalog import Catalog
from models.choice import AUTO
from models.facts import ModelFacts
from pipeline.addresses import AddressError, AddressRules, CameraUrl, parse_camera_url, resolve
from pipeline.job import ClipOptions
from pipeline.options import OptionError, check
from pipeline.settings import Settings
from pipeline.stream import Stream, StreamOptions
from pipeline.usual_ladder import usual_ladder
from service.options import named
from service.problems import ProblemError, invalid
from service.stream_schemas import StreamChange, StreamRequest, StreamWishes

HIDDEN = "***"  # as CameraUrl.shown hides values
_ANY_HEIGHT = 1_000_000  # of a camera not yet seen: every target height is within reach
_APART = {"name", "url", "push_url", "new_push_key"}  # not options, or not as they are


@dataclass(frozen=True, slots=True)
class Accepted:
    """What is to be kept. `urls` are in the clear: "url" and "push_url" that are new, or None to be forgotten."""

    options: StreamOptions
    weights: dict[str, str | None]
    url_shown: str | None
    credentials: bool
    urls: dict[str, str | None] = field(repr=False)


@dataclass(frozen=True, slots=True)
class Chooser:
    """Decides by the service's settings, models and networks."""

    settings: Settings
    catalog: Catalog
    rules: AddressRules

    def new(self, wanted: StreamRequest) -> Accepted:
        """Raises ProblemError."""
        given = wanted.model_dump(exclude_unset=True, exclude=_APART)
        return self._accept({**given, "name": wanted.name}, wanted, None, {})

    def changed(self, stream: Stream, wanted: StreamChange, urls: Mapping[str, str]) -> Accepted:
        """urls: those of the stream, in the clear. Raises ProblemError."""
        given = wanted.model_dump(exclude_unset=True, exclude=_APART)
        options = stream.options.model_dump()
        if "model" in given and "ladder" not in given:
            del options["ladder"]  # the old one began with the old model
        for one, other in (("scale", "target_height"), ("target_height", "scale")):
            if given.get(one) is not None and other not in given:
                options[other] = None
        if wanted.name is not None:
            given["name"] = wanted.name
        return self._accept({**options, **given}, wanted, stream, urls)

    def _accept(
        self, options: dict[str, Any], wanted: StreamWishes, stream: Stream | None, old: Mapping[str, str]
    ) -> Accepted:
        options["model"] = options.get("model") or self.settings.default_model
        if options["model"] == AUTO:
            detail = f"model: {AUTO} chooses by a whole clip; for a stream name one of GET /v1/models"
            raise ProblemError("unknown-model", detail, errors=[{"field": "model", "detail": "a model's name"}])
        options["ladder"] = options.get("ladder") or usual_ladder(options["model"], self.catalog)
        urls: dict[str, str | None] = {}
        options["push_url"] = stream.options.push_url if stream else None
        if "push_url" in wanted.model_fields_set:
            push = self._url("push_url", wanted.push_url, options["push_url"], old)
            options["push_url"] = None if push is None else push.shown
            urls["push_url"] = None if push is None else push.whole()
        shown, credentials = (stream.url_shown, stream.credentials) if stream else (None, False)
        if "url" in wanted.model_fields_set:
            url = self._url("url", wanted.url, shown, old)
            shown, credentials = (None, False) if url is None else (url.shown, url.credentials)
            urls["url"] = None if url is None else url.whole()
        elif stream is not None and options.get("source", "pull") != "pull":
            shown, credentials, urls["url"] = None, False, None  # it was pulled, and is not any more
        kept = _options(options)
        _check_source(kept, shown)
        if (kept.source == "push" or kept.push_to_media_server) and not self.settings.media_server:
            raise _no_media_server("source" if kept.source == "push" else "push_to_media_server")
        return Accepted(kept, self._weights(kept), shown, credentials, urls)

    def _url(self, name: str, given: SecretStr | None, shown: str | None, old: Mapping[str, str]) -> CameraUrl | None:
        """The URL to be used, checked. Where user and password go on from the old one is decided here."""
        text = "" if given is None else given.get_secret_value().strip(" ")
        if not text:
            return None
        try:
            before = parse_camera_url(old[name]) if name in old else None
            if before is not None and text == shown:
                url = before
            elif HIDDEN in text:
                raise AddressError("camera-url-malformed", f"it has {HIDDEN} where a value was hidden; give it whole")
            else:
                url = _with_credentials(parse_camera_url(text), before, dropped="@" in text)
            resolve(url, self.rules)
        except AddressError as error:
            errors = [{"field": name, "detail": str(error)}]
            raise ProblemError(error.code, f"{name}: {error}", errors=errors) from None
        return url

    def _weights(self, options: StreamOptions) -> dict[str, str | None]:
        """SHA-256 of each rung's weights. Raises ProblemError where a rung is no model, or cannot do what is asked."""
        weights: dict[str, str | None] = {}
        for rung in options.ladder:
            facts = named(rung, self.catalog, "model" if rung == options.model else "ladder")
            weights[rung] = facts.sha256
            if rung == options.model:
                _check_scale(options, facts)
        return weights


def _with_credentials(url: CameraUrl, before: CameraUrl | None, *, dropped: bool) -> CameraUrl:
    """User and password go on only to the very place they were given for, and never from rtsps to rtsp.

    dropped: the URL has a user, or an empty one, which says that there is to be none.
    """
    if before is None or dropped or (url.scheme, url.host, url.port) != (before.scheme, before.host, before.port):
        return url
    return replace(url, user=before.user, password=before.password)


def _options(values: Mapping[str, Any]) -> StreamOptions:
    if values.get("scale") is not None and values.get("target_height") is not None:
        detail = f"scale ({values['scale']}) and target_height ({values['target_height']}) cannot both be met; give one"
        raise ProblemError("scale-and-height", detail, errors=[{"field": "target_height", "detail": detail}])
    try:
        return StreamOptions.model_validate(dict(values))
    except ValidationError as error:
        found = error.errors(include_input=False, include_url=False)
        raise invalid([(".".join(map(str, e["loc"])) or "ladder", e) for e in found]) from None


def _check_source(options: StreamOptions, shown: str | None) -> None:
    wants_url = options.source == "pull"
    if wants_url == (shown is not None):
        return
    detail = (
        "url: a stream that is pulled needs the camera's address, like rtsp://user:password@192.0.2.10/stream1"
        if wants_url
        else f"url: the source is {options.source}, so somebody publishes to us and there is no address; leave url out"
    )
    raise ProblemError("invalid-request", detail, errors=[{"field": "url", "detail": detail.removeprefix("url: ")}])


def _check_scale(options: StreamOptions, facts: ModelFacts) -> None:
    wanted = ClipOptions(model=options.model, scale=options.scale, target_height=options.target_height)
    try:
        check(wanted, facts, _ANY_HEIGHT)
    except OptionError as error:
        raise ProblemError(error.code, str(error), errors=[{"field": error.field, "detail": str(error)}]) from None


def _no_media_server(name: str) -> ProblemError:
    detail = (
        f"{name}: this service has no media server; set GLEANER_MEDIA_SERVER (docs/cameras.md), or let the gateway "
        "push straight to a worker with source listen-rtsp or listen-rtmp"
    )
    return ProblemError("no-media-server", detail, errors=[{"field": name, "detail": "needs a media server"}])
