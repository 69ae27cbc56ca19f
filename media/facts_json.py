"""Clip facts as JSON values and back. Knows the shape of `ClipFacts`, nothing of files or processes."""

from __future__ import annotations

from dataclasses import asdict
from fractions import Fraction
from typing import Any

from media.types import ClipFacts, ColourTags, StreamFacts

FRACTIONS = ("sample_aspect_ratio", "time_base", "average_rate")


def to_json(facts: ClipFacts) -> dict[str, Any]:
    """A dict of JSON values; fractions are strings "n/d"."""
    values = asdict(facts)
    for name in FRACTIONS:
        value = values[name]
        values[name] = None if value is None else f"{value.numerator}/{value.denominator}"
    values["streams"] = list(values["streams"])
    values["warnings"] = list(values["warnings"])
    return values


def from_json(values: dict[str, Any]) -> ClipFacts:
    """The facts again. Raises TypeError, KeyError or ValueError where `values` is not what `to_json` gives."""
    fields = dict(values)
    for name in FRACTIONS:
        fields[name] = None if fields[name] is None else Fraction(fields[name])
    fields["colour"] = ColourTags(**fields["colour"])
    fields["streams"] = tuple(StreamFacts(**stream) for stream in fields["streams"])
    fields["warnings"] = tuple(fields["warnings"])
    return ClipFacts(**fields)
