"""The report of an enhanced clip: what went in, what was done to each frame, what came out. Pure but for writing it."""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from media.estimate.degradation import Degradation
from media.facts_json import to_json
from media.remux import JoinReport
from media.types import ClipFacts, OutputSettings
from models.envelope import outside_envelope
from models.facts import ModelFacts
from pipeline.job import CameraStretch, Reuse
from pipeline.model_choice import ModelChoice
from pipeline.version import VERSION
from workers.added import AddedSummary, map_size
from workers.framelog import frame_lines, segment_end
from workers.reuse_report import ReuseSummary
from workers.reusing import tile_for

STATEMENT_LEARNED = (
    "Made by a model that learned from other pictures: detail in it may be invented. Not evidence; "
    "the original is unchanged, and a rendition without a learned prior can be had with the model 'lanczos'."
)
STATEMENT_PLAIN = "Made without a learned prior: every pixel is a weighted mean of the source's pixels around it."
STATEMENT_VIVID = (
    " Its weights were moved towards a training that wants pictures to look real, so more of the detail is invented: "
    "with detail 0 they are those of the training that only wants them to be near the truth."
)
CONSISTENT = (
    "every tile was changed, as little as can be, until it shrinks (bicubic, anti-aliased) to the source's pixels; "
    "the source's noise and compression artefacts are part of these"
)


@dataclass(frozen=True, slots=True)
class Subject:
    """What a report is about."""

    job: str | None  # None for a clip enhanced on the command line
    source_name: str
    source_sha256: str
    source_bytes: int
    clip: ClipFacts
    model: ModelFacts
    scale: int
    output: OutputSettings
    requested: dict[str, Any]
    estimate: Degradation | None = None  # how degraded the source is, where that could be told
    choice: ModelChoice | None = None  # of model=auto: what it came to
    camera: CameraStretch | None = None  # of a clip cut from a camera's ring


def summarise(
    subject: Subject, logs: Sequence[Path], joined: JoinReport, result_sha256: str, result_bytes: int
) -> dict[str, Any]:
    """The report without its frames. `logs` are the segments' frame logs, in order."""
    hows: Counter[str] = Counter()
    pts: list[int] = []
    mode = Reuse(subject.requested.get("reuse", Reuse.EXACT))
    added = AddedSummary(*map_size(subject.clip.width, subject.clip.height, tile_for(subject.model, mode)))
    reuse = ReuseSummary(mode.value)
    for line in _lines(logs):
        frame = json.loads(line)
        reuse.add(frame)
        hows[frame["how"]] += 1
        pts = [pts[0] if pts else frame["pts"], frame["pts"]]
        if "added" in frame:
            added.add(frame["pts"], frame["added"])
    ends = [segment_end(log) for log in logs]
    tiles, reused = sum(end.tally["tiles"] for end in ends), sum(end.tally["reused"] for end in ends)
    base = subject.clip.time_base
    consistent = bool(subject.requested.get("consistency"))
    detail = subject.choice.detail if subject.choice else float(subject.requested.get("detail", 0.0))
    return {
        "v": 1,
        "job": subject.job,
        "statement": _statement(subject.model, detail),
        "source": {
            "name": subject.source_name,
            "sha256": subject.source_sha256,
            "bytes": subject.source_bytes,
            "camera": None if subject.camera is None else subject.camera.model_dump(mode="json"),
            "clip": to_json(subject.clip),
            "estimate": None if subject.estimate is None else subject.estimate.to_json(),
        },
        "outside_envelope": outside_envelope(subject.model.name, subject.model.limits, subject.estimate),
        "requested": subject.requested,
        "choice": None if subject.choice is None else subject.choice.model_dump(mode="json"),
        "model": model_json(subject.model) | {"scale": subject.scale, "detail": detail},
        "output": output_json(subject.output) | {"sha256": result_sha256, "bytes": result_bytes},
        "frames": {
            "written": sum(hows.values()),
            "enhanced": hows["enhanced"] + hows["enhanced-float32"],
            "enhanced_again_in_float32": hows["enhanced-float32"],
            "reused_whole": hows["reused"],
            "resized_only": hows["resized"],
        },
        "timing": {
            "time_base": f"{base.numerator}/{base.denominator}",
            "first_pts": pts[0] if pts else None,
            "last_pts": pts[-1] if pts else None,
        },
        "consistency": {"applied": consistent, "how": CONSISTENT if consistent else None},
        "added": added.to_json(),
        "reuse": reuse.to_json(),
        "fusion": reuse.fusion_json(applied=bool(subject.requested.get("fuse"))),
        "reuse_share": round(reused / tiles, 4) if tiles else 0.0,
        "damage": {
            "packets": sum(end.damage["packets"] for end in ends),
            "frames": sum(end.damage["frames"] for end in ends),
            "events": [event for end in ends for event in end.damage["events"]][:100],
        },
        "streams": {"kept": list(joined.kept), "dropped": list(joined.dropped)},
        "network_s": round(sum(end.tally["busy_s"] for end in ends), 3),
        "software": {"gleaner": VERSION, "torch": version("torch"), "av": version("av")},
    }


def write_report(path: Path, summary: dict[str, Any], logs: Sequence[Path]) -> None:
    """Write the report, with every frame, under a temporary name first. Memory does not grow with the clip."""
    part = path.with_name(path.name + ".part")
    try:
        with part.open("w", encoding="utf-8") as file:
            file.write(json.dumps(summary, indent=1)[:-2] + ',\n "frame_log": [')
            for number, line in enumerate(_lines(logs)):
                file.write(("," if number else "") + "\n  " + line)
            file.write("\n ]\n}\n")
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


def _statement(model: ModelFacts, detail: float) -> str:
    if not model.learned:
        return STATEMENT_PLAIN
    return STATEMENT_LEARNED + STATEMENT_VIVID if detail else STATEMENT_LEARNED


def model_json(facts: ModelFacts) -> dict[str, Any]:
    return {
        "name": facts.name,
        "title": facts.title,
        "learned": facts.learned,
        "licence": facts.licence,
        "weights_sha256": facts.sha256,
        "vivid_sha256": facts.vivid_sha256,
        "trained_on": facts.trained_on,
    }


def output_json(output: OutputSettings) -> dict[str, Any]:
    return {
        "codec": output.codec,
        "quality": output.quality,
        "container": output.container,
        "pix_fmt": output.pix_fmt,
        "width": output.width,
        "height": output.height,
        "notes": list(output.notes),
    }


def _lines(logs: Sequence[Path]) -> Iterator[str]:
    for log in logs:
        yield from frame_lines(log)
