"""Every model under every degradation profile, as a matrix of gains over bicubic.

    python -m benchmarks.mismatch --data MEDIA --model espcn-x4 --every 6 --frames 2

--json keeps every number, and --from takes them from such a file instead of measuring. --record writes limits and gains
where the catalogue reads them, of all the models or those named: of models that ship into models/measured.py, of
imported ones into their file. With it, --conditions rewrites how the estimate reads each profile, which `model=auto`
compares clips with.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from benchmarks.measured_table import write_table
from models.catalog import MODELS, Catalog
from models.degradation.profiles import PROFILES
from models.envelope import Measured
from models.evaluation.held_out import held_out
from models.evaluation.matrix import Matrix, from_json
from models.evaluation.matrix_page import matrix_page
from models.measured import CONDITIONS, MEASURED
from pipeline.settings import Settings
from workers.mismatch import MismatchPlan, measure

ROOT = Path(__file__).resolve().parents[1]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=ROOT.parent / "shared" / "media", help="media folder, or any")
    parser.add_argument("--model", action="append", help="may be repeated; by default all that ship")
    parser.add_argument("--scales", type=int, nargs="*", default=[4], help="each with the models that have it")
    parser.add_argument("--profiles", nargs="*", default=list(PROFILES))
    parser.add_argument("--every", type=int, default=1, help="take only every so many files; seeds stay the same")
    parser.add_argument("--frames", type=int, default=12, help="consecutive frames taken of a clip")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--models-dir", type=Path, help="imported models; by default GLEANER_MODELS_DIR")
    parser.add_argument("--from", dest="numbers", type=Path, help="take the numbers of an earlier --json")
    parser.add_argument("--json", type=Path, help="write every number to this file")
    parser.add_argument("--page", type=Path, help="write the matrix as Markdown to this file, docs/mismatch.md")
    parser.add_argument("--record", nargs="*", metavar="MODEL", help="write limits and gains into the models' facts")
    parser.add_argument("--conditions", action="store_true", help="with --record: readings of the first scale too")
    args = parser.parse_args()
    settings = Settings()
    catalog = Catalog(args.models_dir or settings.models_dir)
    if args.numbers is not None:
        matrices = [from_json(values) for values in json.loads(args.numbers.read_text("utf-8"))]
    else:
        matrices = [_measured(args, scale, catalog) for scale in args.scales]
    if args.json is not None:
        args.json.write_text(json.dumps([one.to_json() for one in matrices], indent=1, allow_nan=False) + "\n", "utf-8")
    found = []
    for one in matrices:
        facts = [catalog.enhancer(name) for name in one.models]
        found.append((one, held_out(one, facts, settings.default_model) if len(one.scenes()) > 1 else None))
    text = matrix_page(found, _command(matrices))
    print(text)
    if args.page is not None:
        args.page.write_text(text, "utf-8")
    if args.record is not None:
        record(matrices, catalog, args.record, conditions=args.conditions)


def _measured(args: argparse.Namespace, scale: int, catalog: Catalog) -> Matrix:
    asked = args.model or [facts.name for facts in MODELS.values() if facts.role == "enhancer"]
    names = tuple(name for name in asked if scale in catalog.enhancer(name).scales)
    plan = MismatchPlan(names, args.data, tuple(args.profiles), scale, args.every, args.frames, threads=args.threads)
    return measure(plan, catalog, _report(scale))


def record(matrices: Sequence[Matrix], catalog: Catalog, only: Sequence[str] = (), *, conditions: bool) -> None:
    """Into models/measured.py and the files of imported models. Figures of other weights than there are go nowhere.

    only: names of models; none: all that were measured.
    """
    table = dict(MEASURED)
    if unknown := set(only) - {name for matrix in matrices for name in matrix.models}:
        sys.exit(f"nothing was measured of {', '.join(sorted(unknown))}")
    for matrix in matrices:
        for name in [name for name in matrix.models if not only or name in only]:
            facts = catalog.enhancer(name)
            if facts.sha256 != matrix.about["models"][name]:
                sys.exit(
                    f"the file of {name} is another than was measured (to record changes it too): measure it again"
                )
            new = matrix.measured(name, facts.sha256, learned=facts.learned)
            if name in MODELS:
                old = table.get(name)
                known = {} if old is None or old.sha256 != facts.sha256 else dict(old.gains)
                table[name] = replace(new, gains=dict(sorted((known | dict(new.gains)).items())))
            else:
                catalog.record(name, Measured(None, new.limits, new.gains))
            print(f"recorded: {name} ×{matrix.scale}, {len(new.gains[matrix.scale])} profiles", file=sys.stderr)
    write_table(matrices[0].conditions() if conditions else CONDITIONS, {n: table[n] for n in MODELS if n in table})


def _command(matrices: Sequence[Matrix]) -> str:
    about = matrices[0].about
    names = dict.fromkeys(name for one in matrices for name in one.models)
    words = [f"--model {name}" for name in names]
    words += [f"--scales {' '.join(str(one.scale) for one in matrices)}"]
    words += [f"--every {about['every']} --frames {about['frames_of_a_clip']} --page docs/mismatch.md"]
    if set(matrices[0].profiles) != set(PROFILES):
        words += [f"--profiles {' '.join(matrices[0].profiles)}"]
    return " ".join(["python -m benchmarks.mismatch", *words])


def _report(scale: int) -> Callable[[int, int], None]:
    return lambda done, total: print(f"x{scale}: {done} of {total} sources", file=sys.stderr)


if __name__ == "__main__":
    main()
