"""Writes docs/quality.md: every model that ships, clean and as cameras show it: `python -m benchmarks.quality_page`.

Detections (of the first scale) need OpenCV 4, which may lie beside the installed one:
`pip install --no-deps --target opencv4 opencv-python-headless==4.14.0.94`, then PYTHONPATH=opencv4 before the command.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from pathlib import Path

from models.catalog import MODELS, Catalog
from models.evaluation.detections import detectors
from models.evaluation.page import page
from models.evaluation.sheet import Sheet, write
from workers.evaluate import LANCZOS, EvaluationPlan, evaluate

ROOT = Path(__file__).resolve().parents[1]
PROFILES = ("clean-bicubic", "surveillance-crf28")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=ROOT.parent / "shared" / "media", help="media folder")
    parser.add_argument("--scales", type=int, nargs="*", default=[4, 2])
    parser.add_argument("--every", type=int, default=4, help="take only every so many files")
    parser.add_argument("--profiles", nargs="*", default=list(PROFILES))
    parser.add_argument("--out", type=Path, default=ROOT / "docs" / "quality.md")
    parser.add_argument("--sheet", type=Path, help="contact sheet of the first scale (.png)")
    args = parser.parse_args()
    if not (args.data / "manifest.json").is_file():
        sys.exit("There is no media folder to measure on: name one that has a manifest.json with --data.")
    sheet = Sheet() if args.sheet else None
    found = []
    for scale in args.scales:
        facts = MODELS.values()
        names = tuple(f.name for f in facts if f.role == "enhancer" and scale in f.scales and f.name != LANCZOS)
        first = scale == args.scales[0]
        plan = EvaluationPlan(names, args.data, tuple(args.profiles), scale, args.every, detect=first)
        found.append(evaluate(plan, Catalog(), report(scale), sheet if first else None))
    profiles, scales = " ".join(args.profiles), " ".join(map(str, args.scales))
    command = "PYTHONPATH=opencv4 " if detectors() else ""  # as the first lines say
    command += f"python -m benchmarks.quality_page --every {args.every} --scales {scales} --profiles {profiles}"
    args.out.write_text(page(found, command), "utf-8")
    if sheet is not None:
        write(sheet, args.sheet)


def report(scale: int) -> Callable[[int, int], None]:
    return lambda done, total: print(f"x{scale}: {done} of {total} sources", file=sys.stderr)


if __name__ == "__main__":
    main()
