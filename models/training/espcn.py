"""Training of the ESPCN weights that ship: `python -m models.training.espcn --scale 4 --data MEDIA --out DIR`.

Stopped at any step and started again with the same command, a run goes on exactly as if it had not been stopped. Knows
its data and its network; nothing of the service.
"""

from __future__ import annotations

import argparse
import json
import logging
import math
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from torch import Tensor

from models import weights_io
from models.espcn import RADIUS, Espcn
from models.training import average, checkpoint
from models.training.drawings import drawn_pair, flat_colours
from models.training.evaluate import Pair, dev_pairs, mean_psnr, network_upscale
from models.training.pace import Pace, let_down
from models.training.pack import MARGIN, Pack, PackConfig, open_pack
from models.training.start import start
from models.training.stopping import stop_signals

BEST = "best.safetensors"
MAY_CHANGE = {
    "data",
    "out",
    "cache",
    "steps",
    "minutes",
    "threads",
    "save_every_s",
    "evaluate_every",
    "evaluate_one_in",
}
log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class TrainConfig:
    """All a run depends on. What `MAY_CHANGE` names may change between the parts of one run."""

    scale: int
    data: Path  # media folder with a manifest.json
    out: Path  # checkpoint, log and best weights
    cache: Path | None = None  # of packed pairs; None: in `out`
    steps: int = 12_000
    minutes: float | None = None  # stop (and leave a checkpoint) after so long; None: only at the last step
    batch: int = 16
    rate: float = 1e-3  # Adam's, held, then let down by a cosine over the last `cooldown` of the steps
    cooldown: float = 0.7
    start_pairs: int = 256  # from which the first weights are computed
    drawn_from: float = 0.5  # share of the steps before drawings and flat colours join in
    drawn: int = 2  # drawings added to each batch from then on
    levels: float = 0.2  # weight of the loss on flat colours from then on
    anchored_from: float = 0.66  # share of the steps after which that weight is tenfold: by then the rate is let down
    averaging: float = 0.999  # of the exponential moving average of the weights
    seed: int = 1
    mosaics: int = 84
    share_alike: bool = True  # False: leave out CC BY-SA pictures
    threads: int = 1
    save_every_s: float = 120
    evaluate_every: int = 500  # steps
    evaluate_one_in: int = 3  # of the dev pictures


@dataclass(frozen=True, slots=True)
class TrainResult:
    step: int
    finished: bool  # False: stopped before the last step; run again to go on
    best_psnr: float  # mean RGB PSNR over the dev pairs, dB
    weights: Path | None  # best averaged weights, None where nothing was measured yet


def train(config: TrainConfig, stop: Callable[[], bool] = lambda: False) -> TrainResult:
    """Train, resuming where the folder `out` has a checkpoint, until the last step, the minutes or `stop()`.

    Raises DataError without data, CheckpointError where `out` holds another run.
    """
    torch.set_num_threads(config.threads)
    cv2.setNumThreads(config.threads)
    config.out.mkdir(parents=True, exist_ok=True)
    packing = PackConfig(config.scale, config.mosaics, config.seed, share_alike=config.share_alike)
    pack = open_pack(config.data, config.cache or config.out, packing)
    pairs = dev_pairs(config.data, config.scale, conditions=("bicubic", "surveillance"), every=config.evaluate_one_in)
    run = _Run(config, pack)
    pace = Pace(run.save, stop, config.minutes, config.save_every_s)
    while run.step < config.steps:
        loss = run.advance(pack)
        if run.step % config.evaluate_every == 0 or run.step == config.steps:
            run.evaluate(pairs, loss)
        if pace.over():
            break
    run.save()
    best = config.out / BEST
    return TrainResult(run.step, run.step >= config.steps, run.best, best if best.is_file() else None)


class _Run:
    """The state that a checkpoint holds. One step depends on it, the step's number and the pack alone."""

    def __init__(self, config: TrainConfig, pack: Pack) -> None:
        self.config = config
        self.identity: dict[str, Any] = {k: v for k, v in asdict(config).items() if k not in MAY_CHANGE}
        self.network = Espcn(config.scale)
        state = checkpoint.load(config.out, run=self.identity)
        if state is None:
            pairs = batch(pack, np.random.default_rng(config.seed), config.start_pairs)
            start(self.network, *pairs, torch.Generator().manual_seed(config.seed))
        self.average = average.start(self.network)
        self.adam = torch.optim.Adam(self.network.parameters(), lr=config.rate)
        self.step = 0
        self.best = -math.inf
        self.seconds = 0.0  # spent in steps, over all parts of the run
        if state is not None:
            self.network.load_state_dict(state["network"])
            self.average = state["average"]
            self.adam.load_state_dict(state["adam"])
            self.step, self.best, self.seconds = state["step"], state["best"], state["seconds"]
            log.info("x%d goes on at step %d", config.scale, self.step)

    def advance(self, pack: Pack) -> float:
        """One step; returns its loss."""
        began = time.monotonic()
        low, high = batch(pack, np.random.default_rng((self.config.seed, self.step)), self.config.batch)
        for group in self.adam.param_groups:
            group["lr"] = self.rate()
        edge = MARGIN * self.config.scale
        late = self.step >= self.config.drawn_from * self.config.steps
        rng = np.random.default_rng((self.config.seed, self.step, 1))
        if late:
            drawn = [drawn_pair(rng, self.config.scale) for _ in range(self.config.drawn)]
            low = torch.cat([low, *(tensor(pair[0])[None] for pair in drawn)])
            high = torch.cat([high, *(tensor(pair[1])[None] for pair in drawn)])
        loss = charbonnier(self.network(low)[..., edge:-edge, edge:-edge], high)
        if late:
            flat = flat_colours(rng)
            out = self.network(flat)[..., edge:-edge, edge:-edge]
            weight = self.config.levels * (10 if self.step >= self.config.anchored_from * self.config.steps else 1)
            loss = loss + weight * charbonnier(out, flat[..., :1, :1])
        self.adam.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        self.adam.step()
        self.step += 1
        average.follow(self.average, self.network, min(self.config.averaging, (1 + self.step) / (10 + self.step)))
        self.seconds += time.monotonic() - began
        return float(loss.detach())

    def rate(self) -> float:
        """Adam's, at this step."""
        return self.config.rate * let_down(self.step, self.config.steps, self.config.cooldown)

    def evaluate(self, pairs: list[Pair], loss: float) -> None:
        """Measure the averaged weights, log, and keep them if they are the best so far."""
        shadow = Espcn(self.config.scale)
        shadow.load_state_dict(self.average)
        found = mean_psnr(pairs, network_upscale(shadow, RADIUS), self.config.scale)
        score = sum(found.values()) / len(found)
        row: dict[str, Any] = {"step": self.step, "loss": round(loss, 5), "minutes": round(self.seconds / 60, 2)}
        row |= {"rate": self.rate(), "psnr": {k: round(v, 4) for k, v in found.items()}}
        with (self.config.out / "log.jsonl").open("a") as file:
            file.write(json.dumps(row) + "\n")
        log.info("x%d %s", self.config.scale, row)
        if score > self.best:
            self.best = score
            weights_io.save(self.average, self.config.out / BEST, self.facts())

    def facts(self) -> dict[str, str]:
        """What the weights file says about itself."""
        return {
            "model": f"espcn-x{self.config.scale}",
            "architecture": "ESPCN (Shi et al., CVPR 2016), RGB",
            "scale": str(self.config.scale),
            "steps": str(self.step),
            "batch": str(self.config.batch),
            "minutes": f"{self.seconds / 60:.1f}",
            "seed": str(self.config.seed),
            "dev_psnr_rgb": f"{self.best:.3f}",
        }

    def save(self) -> None:
        state: dict[str, Any] = {"run": self.identity, "network": self.network.state_dict(), "average": self.average}
        state |= {"adam": self.adam.state_dict(), "step": self.step, "best": self.best, "seconds": self.seconds}
        checkpoint.save(self.config.out, state)


def batch(pack: Pack, rng: np.random.Generator, count: int) -> tuple[Tensor, Tensor]:
    """`count` random pairs, each flipped and turned at random: (N, 3, h, w) float32 in [0, 1] both."""
    chosen = rng.integers(len(pack), size=count)
    turns = rng.integers(8, size=count)
    low, high = (
        torch.stack([tensor(_turn(source[i], int(turn))) for i, turn in zip(chosen, turns, strict=True)])
        for source in (pack.low, pack.high)
    )
    return low, high


def tensor(image: Any) -> Tensor:
    """(h, w, 3) uint8 -> (3, h, w) float32 in [0, 1]."""
    return torch.from_numpy(np.ascontiguousarray(image.transpose(2, 0, 1))).float().div_(255)


def charbonnier(out: Tensor, target: Tensor) -> Tensor:
    """Mean of sqrt(d² + 1e-6): L1, smooth at zero."""
    return torch.sqrt((out - target) ** 2 + 1e-6).mean()


def _turn(image: Any, turn: int) -> Any:
    """One of the square's eight symmetries."""
    image = np.rot90(image, turn % 4)
    return image[:, ::-1] if turn >= 4 else image


def main() -> None:
    parser = argparse.ArgumentParser(description="Train ESPCN weights.")
    parser.add_argument("--scale", type=int, required=True, choices=(2, 3, 4))
    parser.add_argument("--data", type=Path, required=True, help="media folder with a manifest.json")
    parser.add_argument("--out", type=Path, required=True, help="checkpoint, log, weights; resumed if it holds a run")
    parser.add_argument("--cache", type=Path, help="folder of packed pairs, by default OUT")
    parser.add_argument("--steps", type=int, default=TrainConfig.__dataclass_fields__["steps"].default)
    parser.add_argument("--minutes", type=float, help="stop after so long; the same command goes on")
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--no-share-alike", action="store_true", help="leave out CC BY-SA pictures")
    parser.add_argument("--threads", type=int, default=1)
    args = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    config = TrainConfig(args.scale, args.data, args.out, args.cache, steps=args.steps, minutes=args.minutes)
    config = replace(config, batch=args.batch, share_alike=not args.no_share_alike, threads=args.threads)
    log.info("%s", run_until_signal(config))


def run_until_signal(config: TrainConfig) -> TrainResult:
    """`train`, stopped cleanly after the running step by SIGTERM or SIGINT."""
    with stop_signals() as stopped:
        return train(config, stopped)


if __name__ == "__main__":
    main()
