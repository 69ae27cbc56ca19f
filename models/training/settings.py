"""A run's configuration from a TOML file and from options, checked against its dataclass. Knows no particular run."""

from __future__ import annotations

import dataclasses
import tomllib
from collections import abc
from collections.abc import Mapping
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, TypeVar, get_args, get_origin, get_type_hints

T = TypeVar("T")


class SettingsError(Exception):
    """A configuration file cannot be used; the message names the entry and what it may be."""


def configure(kind: type[T], file: Path | None, options: Mapping[str, Any]) -> T:
    """`kind` (a dataclass) from the file's entries and then the options that are not None.

    Raises SettingsError for a file that is no TOML, unknown names and values of another type.
    """
    hints = get_type_hints(kind)
    entries = read(file)
    if unknown := sorted(entries.keys() - hints.keys()):
        raise SettingsError(f"unknown settings {', '.join(unknown)}: there are {', '.join(sorted(hints))}")
    entries = {name: _converted(name, value, hints[name]) for name, value in entries.items()}
    entries |= {name: value for name, value in options.items() if value is not None}
    required = [
        field.name
        for field in dataclasses.fields(kind)  # type: ignore[arg-type]
        if field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING
    ]
    if missing := [name for name in required if name not in entries]:
        raise SettingsError(f"missing settings: {', '.join(missing)}")
    return kind(**entries)


def read(file: Path | None) -> dict[str, Any]:
    """The file's entries as they stand. Raises SettingsError for a file that is no TOML."""
    if file is None:
        return {}
    try:
        return tomllib.loads(file.read_text("utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingsError(f"{file.name} is not TOML: {error}") from error


def _converted(name: str, value: Any, hint: Any) -> Any:
    """TOML's value as the field's type: whole numbers serve as floats, strings as paths, arrays as tuples."""
    choices = get_args(hint) if isinstance(hint, UnionType) else (hint,)
    for choice in choices:
        if get_origin(choice) is tuple and isinstance(value, list):
            return tuple(_converted(name, each, get_args(choice)[0]) for each in value)
        if choice is float and type(value) in (int, float):
            return float(value)
        if choice is Path and isinstance(value, str):
            return Path(value)
        if choice in (int, str, bool) and type(value) is choice:
            return value
        if get_origin(choice) is abc.Mapping and isinstance(value, dict):
            return value
    wanted = " or ".join(getattr(c, "__name__", str(c)) for c in choices if c is not NoneType)
    raise SettingsError(f"{name} must be {wanted}, not {value!r}")
