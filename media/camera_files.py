"""A camera's stored video and pictures, worked on by a child process under limits. Knows processes, not FFmpeg."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from media.probe import ending, run_child
from media.types import MediaError

_CHILD = "media.camera_child"
JPEG_BYTES = 64 << 20


@dataclass(frozen=True, slots=True)
class ChildLimits:
    memory_bytes: int  # address space
    timeout_s: float
    max_bytes: int = 0  # of the file it writes


@dataclass(frozen=True, slots=True)
class Stretch:
    """What was cut. Unix seconds; from the key frame at or before what was asked for."""

    start: float
    end: float
    gaps: tuple[tuple[float, float], ...]  # of which the camera sent nothing


def cut_stretch(folder: Path, start: float, end: float, out: Path, limits: ChildLimits) -> Stretch:
    """Writes what the ring in `folder` has between two moments into the file `out`, packet by packet.

    Raises MediaError: "no-footage", "unreadable", "too-large", "disk-full", "cut-timeout" or "cut-failed".
    """
    request = {"do": "cut", "folder": str(folder.resolve()), "start": start, "end": end, "out": str(out.resolve())}
    output = _ask(request, limits, "Cutting the stretch")
    try:
        answer = json.loads(output)
        if "error" in answer:
            raise MediaError(answer["error"]["code"], answer["error"]["message"])
        gaps = tuple((float(begin), float(finish)) for begin, finish in answer["gaps"])
        return Stretch(float(answer["start"]), float(answer["end"]), gaps)
    except (ValueError, KeyError, TypeError):
        raise MediaError("cut-failed", "Cutting the stretch gave no usable answer; ask for another stretch.") from None


def pair_pictures(source: Path, enhanced: Path, limits: ChildLimits) -> bytes:
    """A JPEG of two JPEGs side by side. Raises MediaError "cut-timeout" or "cut-failed"."""
    request = {"do": "pair", "source": str(source.resolve()), "enhanced": str(enhanced.resolve())}
    return _ask(request, limits, "Joining the pictures")


def _ask(request: Mapping[str, object], limits: ChildLimits, what: str) -> bytes:
    bounds = {"memory_bytes": limits.memory_bytes, "timeout_s": limits.timeout_s, "max_bytes": limits.max_bytes}
    text = json.dumps({**request, **bounds})
    output, code, late = run_child(text, limits.timeout_s, module=_CHILD, answer_bytes=JPEG_BYTES)
    if late:
        raise MediaError("cut-timeout", f"{what} took longer than {limits.timeout_s:g} s; ask for less, or try later.")
    if code != 0 or not output or len(output) > JPEG_BYTES:
        raise MediaError("cut-failed", f"{what} failed ({ending(code)}); try again, or ask for another stretch.")
    return output
