"""Where a model fails, as a picture for its card: `python -m benchmarks.failures --data MEDIA --out docs/failures.png`.

Under each profile the still of the dev split that gains least over bicubic, and of it the place that gains least. Only
stills whose licence asks for no more than to be named are shown, a scene once; what is printed names them. Last a place
that is chosen, for its small lettering.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from models.catalog import Catalog
from models.degradation.profiles import degrade
from models.enhancer import Enhancer
from models.evaluation import bicubic
from models.evaluation.sheet import Sheet, most, write
from models.evaluation.sources import Source, read, sources
from models.registry import load
from models.training.data import items
from workers.evaluate import SEED, enlarge

ROOT = Path(__file__).resolve().parents[1]
PROFILES = ("classical-bd", "low-bitrate-h264", "second-order")
LETTERING = ("azure_shelf.webp", "surveillance-crf28", (80, 128))  # of its middle 512 pixels
LICENCES = ("MIT", "Apache-2.0", "BSD-2-Clause", "CC0", "CC BY 4.0")  # beginnings
CELL = 128  # pixels of the truth that are shown, each way

Bytes = NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class Failure:
    source: Source
    profile: str
    gain: float  # dB of PSNR over bicubic, of the whole still
    place: tuple[int, int]  # left, top of what is shown
    there: float  # the same of that place
    low: Bytes
    columns: list[tuple[str, Bytes]]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=ROOT.parent / "shared" / "media", help="media folder")
    parser.add_argument("--model", default="glean-s-x4")
    parser.add_argument("--profiles", nargs="*", default=list(PROFILES))
    parser.add_argument("--out", type=Path, default=ROOT / "docs" / "failures.png")
    args = parser.parse_args()
    catalog = Catalog()
    enhancer = load(args.model, catalog.enhancer(args.model).scales[0], "cpu", threads=1, catalog=catalog)
    licences = {item.path: item.licence for item in items(args.data, "dev")}
    stills = [source for source in sources(args.data) if _may_be_shown(source, licences)]
    sheet, shown = Sheet(cell=CELL), set[str]()

    def show(one: Failure) -> None:
        sheet.add(one.source.scene, one.profile, one.low, one.columns, one.place)
        name, licence = one.source.path.name, licences[one.source.path]
        gains = f"{one.gain:+.2f} dB over bicubic, {one.there:+.2f} dB where it is shown"
        print(f"{one.profile}: {name} ({licence}), {gains}")

    for profile in args.profiles:
        left = [source for source in stills if source.scene not in shown]
        worst = min((measured(enhancer, source, profile) for source in left), key=lambda one: one.gain)
        shown.add(worst.source.scene)
        show(worst)
    name, profile, place = LETTERING
    show(measured(enhancer, next(source for source in stills if source.path.name == name), profile, place))
    write(sheet, args.out)


def measured(enhancer: Enhancer, source: Source, profile: str, place: tuple[int, int] | None = None) -> Failure:
    """place: left and top of what is shown; None: where squared errors grew most beyond bicubic's."""
    truth = read(source, enhancer.scale, 1)[0]
    worse = degrade(truth, profile, enhancer.scale, SEED + source.number)
    plain = bicubic.enlarge(worse.low, enhancer.scale)
    ours, _ = enlarge(worse.low, enhancer)
    errors = [_squares(image, worse.target) for image in (plain, ours)]
    x, y = place or most(errors[1] - errors[0], CELL)
    inside = [each[y : y + CELL, x : x + CELL] for each in errors]
    columns = [("bicubic", plain), (enhancer.facts.name, ours), ("truth", worse.target)]
    return Failure(source, profile, _gain(*errors), (x, y), _gain(*inside), worse.low, columns)


def _may_be_shown(source: Source, licences: dict[Path, str]) -> bool:
    return source.kind == "still" and licences[source.path].startswith(LICENCES)


def _squares(image: Bytes, truth: Bytes) -> NDArray[np.float64]:
    """(H, W): squared error, mean of the channels."""
    return np.asarray(((image.astype(np.float64) - truth) ** 2).mean(axis=2))


def _gain(before: NDArray[np.float64], after: NDArray[np.float64]) -> float:
    return float(10 * np.log10(before.mean() / after.mean()))


if __name__ == "__main__":
    main()
