"""What the latent bank brings: equal trainings with it, without it, and with its cost spent elsewhere.

    python -m benchmarks.ablation --data MEDIA --runs RUNS --bank bank.safetensors --train --page docs/ablation.md

--train makes the runs, or goes on with them; without it their weights are measured as they are. At the scale that a
CPU can do: slim GLEANs of 16 to 64 pixels. All arms see the same pairs in the same order, as many steps, one recipe.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from models import weights_io
from models.catalog import Catalog
from models.evaluation.gain import LEVEL, RESAMPLES, Gain
from models.evaluation.results import BICUBIC, Evaluation
from models.facts import ModelFacts
from models.glean_light import GleanLight, GleanLightConfig
from models.glean_silent import mute
from models.importing import import_model
from models.macs import cost
from models.registry import build, read_state
from models.stylegan2 import StyleGan2, StyleGan2Sizes
from models.training.glean import LATEST, GleanTraining, train
from models.training.settings import configure
from models.training.stopping import stop_signals
from workers.evaluate import EvaluationPlan, evaluate

ROOT = Path(__file__).resolve().parents[1]
CONFIGS = ROOT / "models" / "training" / "runs"
PROFILES = ("clean-bicubic", "surveillance-crf28")


@dataclass(frozen=True, slots=True)
class Arm:
    name: str
    config: str  # in CONFIGS
    bank: str | None  # "trained", "random" or none
    words: str


ARMS = (
    Arm("bank", "ablation.toml", "trained", "the bank's features join the decoder, as in GLEAN"),
    Arm("zeroed", "ablation.toml", None, "the same network, trained with the bank's features zeroed"),
    Arm("plain", "ablation-plain.toml", None, "no bank; as many MACs, spent on a deeper trunk of RRDBs"),
    Arm("random", "ablation.toml", "random", "as the first, around a bank of random weights, frozen too"),
)
# Which differences are told, the second taken from the first.
PAIRS = (("bank", "zeroed"), ("bank", "plain"), ("bank", "random"), ("plain", "zeroed"))
DIGITS = {"psnr": 2, "ssim": 4, "vif": 4, "gmsd": 4, "haarpsi": 4}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=ROOT.parent / "shared" / "media", help="media folder")
    parser.add_argument("--runs", type=Path, required=True, help="a folder for each arm in it, by its name")
    parser.add_argument("--bank", type=Path, help="weights of `gleaner train bank` at 64 pixels, for --train")
    parser.add_argument("--train", action="store_true", help="make the runs first, or go on with them")
    parser.add_argument("--cache", type=Path, help="of decoded pictures; by default in RUNS")
    parser.add_argument("--arms", nargs="*", default=[arm.name for arm in ARMS], help="which")
    parser.add_argument("--every", type=int, default=3, help="measure only every so many files")
    parser.add_argument("--edge", type=int, default=256, help="pixels of a truth that are measured, each way")
    parser.add_argument("--frames", type=int, default=2, help="consecutive frames taken of a clip")
    parser.add_argument("--page", type=Path, help="write the tables as Markdown to this file too")
    args = parser.parse_args()
    arms = [arm for arm in ARMS if arm.name in args.arms]
    if args.train:
        if args.bank is None:
            parser.error("--train needs --bank")
        for arm in arms:
            teach(arm, args.data, args.runs, args.bank, args.cache)
    with tempfile.TemporaryDirectory() as folder:
        catalog = Catalog(Path(folder))
        facts = [*imported(arms, args.runs, catalog)]
        torch.set_num_threads(1)
        names = tuple(each.name for each in facts)
        plan = EvaluationPlan(
            names, args.data, PROFILES, 4, args.every, args.frames, edge=args.edge, detect=False, threads=1
        )
        found = evaluate(plan, catalog, lambda done, total: print(f"{done} of {total} sources", file=sys.stderr))
        text = "\n".join(page(arms, args.runs, facts, found, catalog)) + "\n"
    print(text)
    if args.page is not None:
        args.page.write_text(text, "utf-8")


def teach(arm: Arm, data: Path, runs: Path, bank: Path, cache: Path | None) -> None:
    """The arm's run, from its checkpoint where there is one."""
    runs.mkdir(parents=True, exist_ok=True)
    options = {"data": data, "out": runs / arm.name, "cache": cache or runs}
    options["bank"] = {"trained": bank, "random": runs / "random.safetensors", None: None}[arm.bank]
    config = configure(GleanTraining, CONFIGS / arm.config, options)
    if arm.bank == "random":
        _random_bank(config, runs / "random.safetensors")
    with stop_signals() as stopped:
        if not train(config, stopped).finished:
            sys.exit(f"{arm.name} stopped: the same command goes on")


def _random_bank(config: GleanTraining, path: Path) -> None:
    """A bank as its training would begin, always the same."""
    sizes = GleanLightConfig(**config.network)
    torch.manual_seed(0)
    style = sizes.style_channels
    bank = StyleGan2(StyleGan2Sizes(sizes.channels, style, style, sizes.num_mlps))
    weights_io.save(bank.state_dict(), path, {})


def imported(arms: Sequence[Arm], runs: Path, catalog: Catalog) -> Iterator[ModelFacts]:
    """The arms' last weights as models of the catalog, and those of the bank once more with its features muted."""
    for arm in arms:
        path = runs / arm.name / LATEST
        facts = import_model(path, arm.name, catalog).facts
        yield facts
        if arm.name == "bank":
            network = GleanLight(GleanLightConfig(**facts.config))
            network.load_state_dict(weights_io.read(path))
            mute(network)
            yield catalog.add("bank-muted", network.state_dict(), facts)


def page(
    arms: Sequence[Arm], runs: Path, facts: Sequence[ModelFacts], found: Evaluation, catalog: Catalog
) -> Iterator[str]:
    about = found.about
    yield "# What the bank brings"
    yield ""
    yield "Tables written by one command; what they say is told in [training.md](training.md#what-the-bank-brings)."
    yield ""
    yield (
        "    python -m benchmarks.ablation --data MEDIA --runs RUNS --bank BANK --train"
        f" --arms {' '.join(arm.name for arm in arms)} --every {about['every']}"
        f" --frames {about['frames_of_a_clip']} --edge {about['edge']} --page docs/ablation.md"
    )
    yield ""
    yield (
        "Slim GLEANs of 16 to 64 pixels, trained equally: `models/training/runs/ablation*.toml`. Data:"
        f" {about['stills']} stills and {about['clips']} clips of {about['scenes']} scenes of `{about['data']}`"
        f" ({about['split']}), measured as in [quality.md](quality.md) on their middle {about['edge']}×{about['edge']}"
        f" pixels; seed {found.seed} plus the source's number. Intervals: {LEVEL:.0%} by bootstrap over scenes"
        f" ({RESAMPLES} resamples); they do not hold what another seed of the training would change."
    )
    yield ""
    yield "| arm | what it is | steps | minutes | MMACs a tile | live parameters, thousands |"
    yield "|---|---|---|---|---|---|"
    for arm in arms:
        spent = weights_io.metadata(runs / arm.name / LATEST)
        one = next(each for each in facts if each.name == arm.name)
        counted = cost(build(one, 4, read_state(catalog, one)), (1, 3, one.tile, one.tile))
        yield (
            f"| {arm.name} | {arm.words} | {spent['steps']} | {spent['minutes']} | {counted.macs / 1e6:.0f}"
            f" | {counted.effective / 1e3:.0f} |"
        )
    yield ""
    yield "`bank-muted` is the first arm's network with the bank's features zeroed after the training."
    for profile in found.profiles:
        yield from _profile(found, profile)


def _profile(found: Evaluation, profile: str) -> Iterator[str]:
    heads = "PSNR, dB | SSIM | VIF | GMSD | HaarPSI"
    for title, rows in (
        (f"{profile}: gain over bicubic", [(name, name, BICUBIC) for name in found.models]),
        ("one over another", [(f"{a} over {b}", a, b) for a, b in PAIRS if {a, b} <= set(found.models)]),
    ):
        if not rows:
            continue
        yield ""
        yield f"| {title} | {heads} |"
        yield "|---" * (1 + len(DIGITS)) + "|"
        for words, a, b in rows:
            cells = (_cell(found.gain(a, profile, measure, b), DIGITS[measure]) for measure in DIGITS)
            yield f"| {words} | {' | '.join(cells)} |"


def _cell(gain: Gain, digits: int) -> str:
    """Positive is better, of GMSD too."""
    return f"{gain.mean:+.{digits}f} ({gain.low:+.{digits}f} to {gain.high:+.{digits}f})"


if __name__ == "__main__":
    main()
