"""A model's facts as JSON and back, every field checked: what an imported file says of itself. Knows no torch."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import asdict, fields
from typing import Any

from models.envelope import Gained, Limits
from models.facts import ModelFacts

VERSION = 1
MAX_CHARS = 65536
MAX_TEXT = 4000  # characters of one text field
MAX_SCALE = 64
MAX_ENTRIES = 64  # of a configuration, and of a list in it
MAX_SIZE = 8192  # a channel count, a number of blocks
MAX_LIMIT = 255  # of what an estimate of a clip's degradation can be: levels, pixels, QP
MAX_GAIN = 100  # dB, either way
MAX_TILE = 1024  # low-resolution pixels


class FactsError(ValueError):
    """Facts are not such as a model of ours has; the message names the field."""


def dump(facts: ModelFacts) -> str:
    """One line of JSON; `parse` gives the same facts. Where the weights lie and their SHA-256 are not part of it.

    The SHA-256 of a vivid training is: it is of another file than the one that holds these facts.
    """
    values = {key: value for key, value in asdict(facts).items() if key not in _OUTSIDE}
    return json.dumps({"v": VERSION} | values, sort_keys=True, ensure_ascii=False, allow_nan=False)


def parse(text: str) -> ModelFacts:
    """Raises FactsError where a field is missing, unknown or out of range."""
    if len(text) > MAX_CHARS:
        raise FactsError(f"facts have {len(text)} characters, at most {MAX_CHARS} are read")
    try:
        values = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise FactsError(f"facts are not JSON ({error})") from None
    if not isinstance(values, dict) or values.pop("v", None) != VERSION:
        raise FactsError(f"facts are not of version {VERSION}")
    known = {field.name for field in fields(ModelFacts)} - _OUTSIDE
    values = _LATER | values
    if wrong := sorted(values.keys() ^ known):
        raise FactsError(f"facts have fields too many or too few: {', '.join(wrong)}")
    for name, check in _CHECKS.items():
        if not check(values[name]):
            raise FactsError(f"the fact {name} has the value {values[name]!r:.80}, which no model has")
    tile, halo, ramp = values["tile"], values["halo"], values["ramp"]
    if values["role"] == "enhancer" and tile < max(2 * halo + 3 * ramp, 2 * halo + 1):
        raise FactsError(f"a tile of {tile} pixels is too small for a halo of {halo} and a ramp of {ramp}")
    limits = None if values["limits"] is None else Limits(**values["limits"])
    gains = {
        int(scale): {profile: Gained(**gained) for profile, gained in found.items()}
        for scale, found in values["gains"].items()
    }
    return ModelFacts(
        **values
        | {"scales": tuple(values["scales"]), "dtypes": tuple(values["dtypes"]), "limits": limits, "gains": gains}
    )


def _text(value: object) -> bool:
    return isinstance(value, str) and len(value) <= MAX_TEXT and value.isprintable()


def _whole(low: int, high: int) -> Callable[[object], bool]:
    return lambda value: type(value) is int and low <= value <= high


def _or_none(check: Callable[[object], bool]) -> Callable[[object], bool]:
    return lambda value: value is None or check(value)


def _each(check: Callable[[object], bool]) -> Callable[[object], bool]:
    return lambda value: isinstance(value, list) and 0 < len(value) <= MAX_SCALE and all(map(check, value))


def _one_of(*allowed: object) -> Callable[[object], bool]:
    return lambda value: value in allowed


def _config(value: object) -> bool:
    """Sizes and names: nothing deep, nothing that would take long to build before it is found not to fit."""
    return (
        isinstance(value, dict)
        and len(value) <= MAX_ENTRIES
        and all(_plain(entry) or (isinstance(entry, list) and len(entry) <= MAX_ENTRIES) for entry in value.values())
        and all(_plain(item) for entry in value.values() if isinstance(entry, list) for item in entry)
    )


def _limits(value: object) -> bool:
    """Bounds as they are kept: each a number from 0 to MAX_LIMIT or nothing, and what was trained for as truths."""
    if not isinstance(value, dict) or value.keys() != {field.name for field in fields(Limits)}:
        return False
    bounds = [bound for name, bound in value.items() if name not in ("interlaced", "grey")]
    return all(bound is None or (type(bound) in (int, float) and 0 <= bound <= MAX_LIMIT) for bound in bounds) and all(
        isinstance(value[name], bool) for name in ("interlaced", "grey")
    )


def _gains(value: object) -> bool:
    """By scale and profile: a mean within its interval, in dB, and a share."""
    return (
        isinstance(value, dict)
        and len(value) <= MAX_ENTRIES
        and all(re.fullmatch("[1-9][0-9]?", scale) is not None and int(scale) <= MAX_SCALE for scale in value)
        and all(isinstance(found, dict) and len(found) <= MAX_ENTRIES for found in value.values())
        and all(_text(name) and _gained(gained) for found in value.values() for name, gained in found.items())
    )


def _gained(value: object) -> bool:
    if not isinstance(value, dict) or value.keys() != {field.name for field in fields(Gained)}:
        return False
    if not all(type(number) in (int, float) for number in value.values()):
        return False
    low, mean, high = value["low"], value["mean"], value["high"]
    return bool(-MAX_GAIN <= low <= mean <= high <= MAX_GAIN and 0 <= value["share"] <= 1)


def _plain(value: object) -> bool:
    if isinstance(value, bool) or value is None:
        return True
    if isinstance(value, int | float):
        return 0 <= value <= MAX_SIZE
    return _text(value)


_OUTSIDE = {"weights", "sha256", "vivid"}  # a file can hold neither its own name nor its own digest
_LATER: dict[str, Any] = {"limits": None, "gains": {}, "vivid_sha256": None}  # facts written before there were these


def _sha256(value: object) -> bool:
    return isinstance(value, str) and re.fullmatch("[0-9a-f]{64}", value) is not None


_CHECKS: Mapping[str, Callable[[Any], bool]] = {
    "name": _text,
    "title": _text,
    "scales": _each(_whole(1, MAX_SCALE)),
    "tile": _whole(1, MAX_TILE),
    "halo": _whole(0, MAX_TILE // 2),
    "learned": lambda value: isinstance(value, bool),
    "domain": _text,
    "dtypes": _each(_one_of("float32", "bfloat16")),
    "licence": _text,
    "trained_on": _text,
    "envelope": _text,
    "limits": _or_none(_limits),
    "gains": _gains,
    "role": _one_of("enhancer", "bank"),
    "architecture": _text,
    "config": _config,
    "ramp": _whole(0, MAX_TILE // 2),
    "batch": _or_none(_whole(1, 64)),
    "origin": _text,
    "origin_sha256": _or_none(_sha256),
    "vivid_sha256": _or_none(_sha256),
}
