"""What all subcommands share: settings, options of a clip, progress, and errors as one line. Knows no subcommand."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pipeline.job import ClipOptions, Codec, Quality, Reuse
from pipeline.settings import RedisNotSetError, Settings

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails
    from rich.progress import Progress

ModelOption = Annotated[
    str | None, typer.Option("--model", help="`gleaner models` lists them; auto chooses by the clip.")
]
ScaleOption = Annotated[int | None, typer.Option("--scale", help="Enlargement, each way.")]
HeightOption = Annotated[int | None, typer.Option("--target-height", help="Height of the result as shown, pixels.")]
CodecOption = Annotated[Codec, typer.Option("--codec", help="auto: H.264, or HEVC for large or 10-bit video.")]
QualityOption = Annotated[Quality, typer.Option("--quality", help="Of the encoder; ffv1 is lossless anyhow.")]
ConsistencyOption = Annotated[
    bool,
    typer.Option(
        "--consistency/--no-consistency", help="Change the enlargement until it shrinks to the source's pixels."
    ),
]
ReuseOption = Annotated[
    Reuse,
    typer.Option(
        "--reuse", help="Keep enhanced tiles until they change beyond the noise (on), at all (exact), or never (off)."
    ),
]
FuseOption = Annotated[
    bool, typer.Option("--fuse/--no-fuse", help="Enhance what stands still from the mean of many frames.")
]
DetailOption = Annotated[
    float, typer.Option("--detail", min=0.0, max=1.0, help="0: near the truth; 1: looks real, more is invented.")
]
AudioOption = Annotated[bool, typer.Option("--audio/--no-audio", help="Keep the clip's sound.")]


class UnusableError(Exception):
    """Something given cannot be used; the message is for people."""


def service_settings() -> Settings:
    """The settings of a process of the service, whose log is set up by them."""
    from models.catalog import Catalog, UnknownModel
    from pipeline.logs import configure

    settings = Settings()
    configure(settings.log_level)
    try:
        Catalog(settings.models_dir).enhancer(settings.default_model)
    except UnknownModel as error:
        raise UnusableError(f"GLEANER_DEFAULT_MODEL: {error}") from None
    return settings


def clip_options(
    settings: Settings,
    model: str | None,
    scale: int | None,
    target_height: int | None,
    codec: Codec,
    quality: Quality,
    keep_audio: bool,
    consistency: bool = False,
    detail: float = 0.0,
    reuse: Reuse = Reuse.ON,
    fuse: bool = False,
) -> ClipOptions:
    return ClipOptions(
        model=model or settings.default_model,
        scale=scale,
        target_height=target_height,
        codec=codec,
        quality=quality,
        keep_audio=keep_audio,
        consistency=consistency,
        detail=detail,
        reuse=reuse,
        fuse=fuse,
    )


def progress_bars() -> Progress:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[fps]}"),
        TimeRemainingColumn(),
    )
    return Progress(*columns, console=Console(stderr=True))


@contextmanager
def clean_errors(*more: type[Exception]) -> Iterator[None]:
    """What the user gave and cannot be used becomes one line on stderr and exit code 2."""
    from pydantic import ValidationError
    from redis.exceptions import ConnectionError as RedisConnectionError
    from redis.exceptions import TimeoutError as RedisTimeoutError

    from media.types import MediaError
    from models.catalog import UnknownModel
    from pipeline.embedded import EmbeddedRedisError
    from pipeline.options import OptionError
    from pipeline.secrets import SecretKeyError
    from pipeline.standalone import AddressError
    from pipeline.targets import TargetError

    expected: tuple[type[Exception], ...] = (
        MediaError,
        OptionError,
        TargetError,
        AddressError,
        UnusableError,
        UnknownModel,
        RedisNotSetError,
        EmbeddedRedisError,
        SecretKeyError,
    )
    try:
        yield
    except (*expected, *more) as error:
        line = str(error)
    except ValidationError as error:
        line = "; ".join(_setting(error.title, one) for one in error.errors())
    except (RedisConnectionError, RedisTimeoutError) as error:
        # Its text may hold an address or a name.
        line = f"Redis does not answer ({type(error).__name__}); see that it runs and that REDIS_URL is right"
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
            line = "the disk is full; free space or choose another folder for the result"
        else:
            line = f"{error.strerror or error}{': ' + Path(str(error.filename)).name if error.filename else ''}"
    else:
        return
    typer.echo(f"gleaner: {' '.join(line.split())}", err=True)
    raise typer.Exit(2)


def _setting(title: str, error: ErrorDetails) -> str:
    """What is wrong. Of settings the variable is named; what it holds is not repeated where it may be a secret."""
    name = ".".join(map(str, error["loc"]))
    secret = "redis_url" in name.lower() or name.endswith("_key") or "@" in str(error["input"])
    shown = f"GLEANER_{name}".upper() if title == "Settings" else name
    told = f"{shown}: {error['msg'].removeprefix('Value error, ')}"
    return told if secret else f"{told} (got {error['input']!r:.80})"
