"""Training of ESPCN as published, on luma and clean MATLAB-bicubic pairs: to hold the training against a paper's table.

`gleaner train espcn --config models/training/runs/espcn-x3-y.toml`. Stopped at any step and started again with the same
command, a run goes on exactly. The test sets of the literature are not looked at. Knows its data and its network.
"""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import fmean
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from models.espcn import RADIUS, Espcn
from models.evaluation.literature import Bytes, Enlarge, Plane, bicubic, luma, pair, scores
from models.facts import ModelFacts
from models.training import about, average, checkpoint, export
from models.training.data import items, read_still
from models.training.journal import Journal
from models.training.luma import Planes, batch, open_planes
from models.training.pace import Pace, let_down
from models.training.start import start

WEIGHTS = "best.safetensors"
DOMAIN = "y"
MAY_CHANGE = {"data", "out", "cache", "steps", "cooldown", "minutes", "threads", "save_every_s", "evaluate_every"}
MIDDLE = 480  # pixels of a dev still that are measured
STILLS = 12  # dev stills that are measured
log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class LumaTraining:
    """All a run depends on. What `MAY_CHANGE` names may change between the parts of one run."""

    data: Path  # media folder with a manifest.json
    out: Path  # checkpoint, log and weights
    scale: int
    domain: str = DOMAIN  # a file that says so is one of these settings, and not of the RGB models'
    cache: Path | None = None  # of shrunk planes; None: in `out`
    steps: int = 24_000
    batch: int = 16
    crop: int = 32  # low-resolution pixels; the loss is taken on those whose window lies inside
    rate: float = 1e-3  # Adam's, held, then let down by a cosine over the last `cooldown` of the steps
    last: float = 0.1  # rate of the last layer, as a share: its weights are small (as for SRCNN, Dong et al., 2014)
    cooldown: float = 1.0
    start_pairs: int = 128  # from which the first weights are computed
    averaging: float = 0.999  # of the exponential moving average of the weights
    seed: int = 1
    share_alike: bool = True  # False: leave out CC BY-SA pictures
    threads: int = 1
    minutes: float | None = None  # stop (and leave a checkpoint) after so long
    save_every_s: float = 120
    evaluate_every: int = 1000  # steps


@dataclass(frozen=True, slots=True)
class LumaResult:
    step: int
    finished: bool
    best: float  # mean PSNR on luma over the dev stills of the weights kept, dB


def train(config: LumaTraining, stop: Callable[[], bool] = lambda: False) -> LumaResult:
    """Train, resuming where `out` has a checkpoint, until the last step, the minutes or `stop()`.

    Raises DataError without data, CheckpointError where `out` holds another run.
    """
    torch.set_num_threads(config.threads)
    config.out.mkdir(parents=True, exist_ok=True)
    planes = open_planes(config.data, config.cache or config.out, config.scale, share_alike=config.share_alike)
    run, dev = _Run(config, planes), dev_planes(config.data, config.scale)
    journal = Journal(config.out, run.step)
    if run.step == 0:
        journal.write(0, {"psnr_bicubic": mean_psnr(dev, bicubic(config.scale), config.scale)})
    pace = Pace(run.save, stop, config.minutes, config.save_every_s)
    while run.step < config.steps:
        loss = run.advance()
        if run.step % config.evaluate_every == 0 or run.step == config.steps:
            run.evaluate(dev, journal, loss)
        if pace.over():
            break
    run.save()
    return LumaResult(run.step, run.step >= config.steps, run.best)


class _Run:
    """The state that a checkpoint holds. A step depends on it, the step's number and the planes alone."""

    def __init__(self, config: LumaTraining, planes: Planes) -> None:
        self.config, self.planes = config, planes
        self.identity: dict[str, Any] = {k: v for k, v in asdict(config).items() if k not in MAY_CHANGE}
        self.network = Espcn(config.scale, channels=1)
        state = checkpoint.load(config.out, run=self.identity)
        if state is None:
            pairs = batch(planes, np.random.default_rng(config.seed), config.start_pairs, config.crop)
            start(self.network, *pairs, torch.Generator().manual_seed(config.seed))
        self.average = average.start(self.network)
        last = [p for name, p in self.network.named_parameters() if name.startswith("last.")]
        rest = [p for name, p in self.network.named_parameters() if not name.startswith("last.")]
        self.adam = torch.optim.Adam([{"params": rest}, {"params": last}], config.rate)
        self.step, self.best, self.seconds = 0, -math.inf, 0.0
        if state is not None:
            self.network.load_state_dict(state["network"])
            self.average = state["average"]
            self.adam.load_state_dict(state["adam"])
            self.step, self.best, self.seconds = state["step"], state["best"], state["seconds"]
            log.info("goes on at step %d", self.step)

    def advance(self) -> float:
        """One step; returns its loss, the mean square on [0, 1]."""
        began, c = time.monotonic(), self.config
        low, high = batch(self.planes, np.random.default_rng((c.seed, self.step)), c.batch, c.crop)
        for group, share in zip(self.adam.param_groups, (1.0, c.last), strict=True):
            group["lr"] = share * c.rate * let_down(self.step, c.steps, c.cooldown)
        loss = F.mse_loss(inside(self.network, low), high)
        self.adam.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        self.adam.step()
        self.step += 1
        average.follow(self.average, self.network, min(c.averaging, (1 + self.step) / (10 + self.step)))
        self.seconds += time.monotonic() - began
        return float(loss.detach())

    def evaluate(self, dev: list[tuple[Plane, Bytes]], journal: Journal, loss: float) -> None:
        """Measure the averaged weights on the dev stills, log, and keep them if they are the best."""
        scale = self.config.scale
        shadow = Espcn(scale, channels=1)
        shadow.load_state_dict(self.average)
        psnr = mean_psnr(dev, enlarge_by(shadow), scale)
        rate = self.config.rate * let_down(self.step, self.config.steps, self.config.cooldown)
        told = {"loss": loss, "rate": rate, "minutes": self.seconds / 60, "psnr": psnr}
        journal.write(self.step, told)
        journal.plot()
        if psnr > self.best:
            self.best = psnr
            more = {"steps": str(self.step), "minutes": f"{self.seconds / 60:.0f}", "seed": str(self.config.seed)}
            export.write(self.average, self.config.out / WEIGHTS, facts(scale, self.planes.licences, psnr), more)
        log.info("step %d: %.3f dB", self.step, psnr)

    def save(self) -> None:
        state: dict[str, Any] = {"run": self.identity, "step": self.step, "best": self.best, "seconds": self.seconds}
        state |= {"network": self.network.state_dict(), "average": self.average, "adam": self.adam.state_dict()}
        checkpoint.save(self.config.out, state)


def inside(network: Espcn, low: Tensor) -> Tensor:
    """What the network makes of those pixels whose window lies inside: (N, C, h, w) -> (N, C, s·(h-8), s·(w-8)).

    The same numbers as the network's own, without the rim and the time for it.
    """
    x = torch.tanh(F.conv2d(low, network.first.weight, network.first.bias))
    x = torch.tanh(F.conv2d(x, network.second.weight, network.second.bias))
    return F.pixel_shuffle(F.conv2d(x, network.last.weight, network.last.bias), network.scale)


def enlarge_by(network: nn.Module) -> Enlarge:
    """Whole planes through an ESPCN of luma, edges repeated by its radius first."""

    @torch.inference_mode()
    def enlarge(low: Plane) -> Plane:
        out: Tensor = network(F.pad(torch.from_numpy(low)[None, None], (RADIUS,) * 4, mode="replicate"))
        rim = RADIUS * (out.shape[-1] // (low.shape[1] + 2 * RADIUS))
        return np.asarray(out[0, 0, rim:-rim, rim:-rim].numpy())

    return enlarge


def dev_planes(data: Path, scale: int) -> list[tuple[Plane, Bytes]]:
    """Middles of dev stills, each of another scene, by the literature's protocol."""
    stills = {item.scene or item.path.stem: item for item in items(data, "dev") if item.kind == "still"}
    chosen = list(stills.values())[:: max(1, len(stills) // STILLS)][:STILLS]
    return [pair(_middle(luma(read_still(item.path))), scale) for item in chosen]


def mean_psnr(dev: list[tuple[Plane, Bytes]], enlarge: Enlarge, scale: int) -> float:
    return fmean(scores(enlarge(low), target, scale)[0] for low, target in dev)


def facts(scale: int, licences: Mapping[str, int], psnr: float) -> ModelFacts:
    return ModelFacts(
        name=f"espcn-x{scale}-y",
        title=f"ESPCN x{scale} of luma, chroma bicubic: as published, for clean pictures",
        scales=(scale,),
        tile=128,
        halo=RADIUS,
        learned=True,
        domain="clean pictures shrunk by MATLAB's bicubic, nothing else",
        dtypes=("float32",),
        licence=about.licence(licences),
        trained_on=about.trained_on(licences),
        envelope=f"middles of dev stills while training: {psnr:.2f} dB PSNR on luma",
        architecture="espcn-y",
        config={"scale": scale},
    )


def _middle(plane: Bytes) -> Bytes:
    y, x = (max(0, side - MIDDLE) // 2 for side in plane.shape)
    return plane[y : y + MIDDLE, x : x + MIDDLE]
