"""Training of GLEAN and its slim form around a frozen bank, faithful to the picture: `gleaner train glean`.

The slim form may begin without a bank: whatever lies outside the bank is trained first, on crops of any size, and from
the step `join` on the bank's features take part. Stopped at any step and started again with the same command, a run on
a CPU goes on exactly. Knows its data and networks; nothing of the service.
"""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from models import glean_silent, weights_io
from models.devices import resolve
from models.glean import Glean, GleanConfig
from models.glean_light import GleanLight, GleanLightConfig
from models.registry import AVERAGE
from models.training import average, checkpoint, export
from models.training.ahead import Ahead
from models.training.fidelity import Gain, Scene, dev_scenes, gains, whole
from models.training.journal import Journal
from models.training.pace import Pace, let_down
from models.training.pairs import DRAWN, MIX, pair
from models.training.pictures import Pictures, open_pictures
from models.training.precision import autocast, hasten, lay_out, set_up
from models.training.sheets import write_sheet
from models.training.structure import structure_loss

WEIGHTS = "best.safetensors"
GOALS = ("faithful", "vivid")
LATEST = "latest.safetensors"
SHOWN = 6  # scenes on a sheet
MAY_CHANGE = {"data", "out", "cache", "bank", "join", "steps", "cooldown", "minutes", "threads", "workers", "device"}
MAY_CHANGE |= {"compiled", "save_every_s", "evaluate_every", "mix", "drawn", "smooth", "structure"}
MAY_CHANGE |= {"goal", "start", "judge", "warm"}  # what a run began from it knows by other means
log = logging.getLogger(__name__)


class TrainingError(Exception):
    """The settings of a run do not fit one another."""


@dataclass(frozen=True, slots=True)
class GleanTraining:
    """All a run depends on. What `MAY_CHANGE` names may change between the parts of one run."""

    data: Path  # media folder with a manifest.json
    out: Path  # checkpoint, log, sheets and weights
    cache: Path | None = None  # of decoded pictures; None: in `out`
    goal: str = "faithful"  # "vivid" has settings of its own, see vivid.py
    architecture: str = "glean-light"  # or "glean"
    network: Mapping[str, Any] = field(default_factory=dict)  # of GleanLightConfig or GleanConfig
    warm: Path | None = None  # weights to begin from, of any scale: what fits by name and shape is taken
    bank: Path | None = None  # weights of `gleaner train bank`; None: none yet (slim form only)
    join: int = 0  # step from which the bank takes part
    steps: int = 100_000
    batch: int = 8
    crop: int = 40  # low-resolution pixels, while there is no bank
    joined_batch: int = 4  # of whole tiles, with the bank
    rate: float = 5e-4  # Adam's, held, then let down by a cosine over the last `cooldown` of the steps
    cooldown: float = 0.6
    warm_up: int = 200  # steps
    clip: float = 0.5  # bound of the gradient's norm
    smooth: float = 1e-3  # errors below count by their square, above by their size (Charbonnier's epsilon, of [0, 1])
    structure: float = 0.0  # weight of the loss on edges, see structure.py
    averaging: float = 0.999  # of the exponential moving average of the weights
    mix: Mapping[str, float] = field(default_factory=lambda: dict(MIX))  # degradation profiles by share
    drawn: float = DRAWN  # share of pairs with plates, signs, clocks or textures that are drawn
    seed: int = 1
    share_alike: bool = True  # False: leave out CC BY-SA pictures
    device: str = "auto"
    compiled: bool | None = None  # by torch.compile; None: on GPUs
    threads: int = 1
    workers: int = 0  # threads that make pairs ahead; 0: the run does it
    minutes: float | None = None  # stop (and leave a checkpoint) after so long
    save_every_s: float = 300
    evaluate_every: int = 1000  # steps


@dataclass(frozen=True, slots=True)
class GleanResult:
    step: int
    finished: bool
    best: float  # mean gain over bicubic of the weights kept, dB


def train(config: GleanTraining, stop: Callable[[], bool] = lambda: False) -> GleanResult:
    """Train, resuming where `out` has a checkpoint, until the last step, the minutes or `stop()`.

    Raises what `train_by` does.
    """
    return train_by(Run, config, stop)


def train_by(
    kind: Callable[[Any, Pictures, torch.device], Run], config: GleanTraining, stop: Callable[[], bool]
) -> GleanResult:
    """As `train`, with a run of that kind, which takes these settings.

    Raises TrainingError, DataError without data, CheckpointError where `out` holds another run, WeightsError for the
    bank, DeviceError.
    """
    device = resolve(config.device)
    set_up(device, config.threads)
    config.out.mkdir(parents=True, exist_ok=True)
    pictures = open_pictures(config.data, config.cache or config.out, share_alike=config.share_alike)
    run = kind(config, pictures, device)
    scenes = dev_scenes(config.data, run.scale, run.tile)
    journal = Journal(config.out, run.step)
    pace = Pace(run.save, stop, config.minutes, config.save_every_s)
    with Ahead(run.batch, config.workers) as batches:
        while run.step < config.steps:
            losses = run.advance(*batches(run.step))
            if run.step % config.evaluate_every == 0 or run.step == config.steps:
                run.evaluate(scenes, journal, losses)
            if pace.over():
                break
    run.save()
    return GleanResult(run.step, run.step >= config.steps, run.best)


class Run:
    """The state that a checkpoint holds. A step depends on it, the step's number and the pictures alone."""

    def __init__(self, config: GleanTraining, pictures: Pictures, device: torch.device) -> None:
        self.config, self.pictures, self.device = config, pictures, device
        self.identity: dict[str, Any] = {
            k: dict(v) if isinstance(v, Mapping) else v for k, v in asdict(config).items() if k not in MAY_CHANGE
        }
        torch.manual_seed(config.seed)
        self.network = lay_out(build(config), device)
        sizes = self.network.config
        self.tile, self.scale = sizes.in_size, sizes.scale
        self.average = average.start(self.network)
        self.adam = torch.optim.Adam((p for p in self.network.parameters() if p.requires_grad), config.rate)
        self.forward = hasten(self.enlarge, device, config.compiled)
        self.step, self.best, self.seconds = 0, -math.inf, 0.0
        self.bank: str | None = None  # SHA-256 of the bank's weights, once it has joined
        self.begin()
        state = checkpoint.load(config.out, run=self.identity)
        if state is not None:
            self.restore(state)
            log.info("goes on at step %d", self.step)

    def begin(self) -> None:
        """What weights a run begins with, and what it has of its own, before a checkpoint is looked for."""
        if (path := self.config.warm) is None:
            return
        mine = self.network.state_dict()
        taken = {
            key: value
            for key, value in weights_io.read(path).items()
            if not key.startswith("generator.") and key in mine and mine[key].shape == value.shape
        }
        if not taken:
            raise TrainingError(f"{path.name} has no tensor that fits this network: name weights of its own kind")
        self.network.load_state_dict(taken, strict=False)
        self.average = average.start(self.network)
        log.info("begins from %s: %d of %d tensors", path.name, len(taken), len(mine))

    def restore(self, state: Mapping[str, Any]) -> None:
        """Raises CheckpointError where the state is of a run of another goal."""
        if (goal := state["run"].get("goal", "faithful")) != self.config.goal:
            raise checkpoint.CheckpointError(f"{self.config.out} holds a {goal} run: use another folder")
        self.network.load_state_dict(state["network"])
        self.average = {key: value.to(self.device) for key, value in state["average"].items()}
        self.adam.load_state_dict(state["adam"])
        self.step, self.best, self.seconds, self.bank = (state[k] for k in ("step", "best", "seconds", "bank"))

    def with_bank(self, step: int) -> bool:
        return self.bank is not None or (self.config.bank is not None and step >= self.config.join)

    def batch(self, step: int) -> tuple[Tensor, Tensor]:
        """The pairs of a step, (N, 3, h, h) and (N, 3, s·h, s·h) uint8."""
        c = self.config
        return self.pairs(step, *((c.joined_batch, self.tile) if self.with_bank(step) else (c.batch, c.crop)))

    def pairs(self, step: int, count: int, edge: int) -> tuple[Tensor, Tensor]:
        rng = np.random.default_rng((self.config.seed, step))
        found = [pair(self.pictures, rng, self.scale, edge, self.config.mix, self.config.drawn) for _ in range(count)]
        low, target = (
            torch.from_numpy(np.stack(part).transpose(0, 3, 1, 2).copy()) for part in zip(*found, strict=True)
        )
        return low, target

    def advance(self, low: Tensor, target: Tensor) -> dict[str, float]:
        """One step; returns what was lost."""
        began, c = time.monotonic(), self.config
        if self.with_bank(self.step) and self.bank is None:
            self._join()
        for group in self.adam.param_groups:
            group["lr"] = rate_at(self.step, c)
        x, y = (part.to(self.device, non_blocking=True).float().div_(127.5).sub_(1) for part in (low, target))
        with autocast(self.device):
            out = self.forward(self.network, x)
        loss = charbonnier(out.float(), y, c.smooth)
        told = {"loss": float(loss.detach())}
        if c.structure:
            edges = structure_loss((out.float() + 1) / 2, (y + 1) / 2)
            told["structure"] = float(edges.detach())
            loss = loss + c.structure * edges
        self.adam.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        slope = nn.utils.clip_grad_norm_(self.network.parameters(), c.clip)
        self.adam.step()
        self.step += 1
        average.follow(self.average, self.network, min(c.averaging, (1 + self.step) / (10 + self.step)))
        self.seconds += time.monotonic() - began
        return told | {"slope": float(slope)}

    def enlarge(self, network: Glean | GleanLight, x: Tensor) -> Tensor:
        """Through the network, or before the bank has joined through what lies outside of it."""
        if self.bank is None and isinstance(network, GleanLight):
            return glean_silent.enhance(network, x)
        out: Tensor = network(x)
        return out

    def _join(self) -> None:
        """Put the bank in. What was trained without it goes on as it is: its features weigh nothing at first."""
        path = self.config.bank
        assert path is not None
        state = weights_io.read(path)
        state.pop(AVERAGE, None)
        weights_io.fill(self.network.generator, state, path.name)
        if isinstance(self.network, GleanLight):
            self.network.adopt(self.network.generator)
        self.network.generator.requires_grad_(False)
        for key, value in self.network.state_dict().items():
            if key.startswith("generator.") or key == "latents":
                self.average[key].copy_(value)
        self.bank = weights_io.sha256(path)
        log.info("the bank joined at step %d: %s", self.step, self.bank)

    def evaluate(self, scenes: list[Scene], journal: Journal, losses: dict[str, float]) -> None:
        """Measure the averaged weights on the dev scenes, draw some, and keep the weights if they are the best."""
        shadow = lay_out(build(self.config), self.device).eval()
        shadow.load_state_dict(self.average)

        def enlarge(x: Tensor) -> Tensor:
            return self.enlarge(shadow, x.to(self.device)).float().cpu()

        found = gains(scenes, enlarge, self.tile)
        told = losses | {"rate": rate_at(self.step, self.config), "hours": self.seconds / 3600}
        for name, gain in found.items():
            told |= {f"gain_{name}": gain.mean, f"better_{name}": gain.better, f"psnr_{name}": gain.psnr}
        journal.write(self.step, told)
        journal.plot()
        score = sum(gain.mean for gain in found.values()) / len(found)
        c, licences = self.config, self.pictures.licences
        facts = export.glean_facts(c.architecture, asdict(shadow.config), licences, found, c.goal)
        more = {"steps": str(self.step), "minutes": f"{self.seconds / 60:.0f}", "bank": self.bank or "none yet"}
        if self.is_kept(score):
            self.best = score
            export.write(self.average, self.config.out / WEIGHTS, facts, more)
        export.write(self.average, self.config.out / LATEST, facts, more)
        self._show(scenes, enlarge)
        log.info("step %d: %s", self.step, ", ".join(f"{n} {_words(g)}" for n, g in found.items()))

    def is_kept(self, score: float) -> bool:
        """Whether weights of this mean gain take the place of those kept."""
        return score > self.best

    @torch.no_grad()
    def _show(self, scenes: list[Scene], enlarge: Callable[[Tensor], Tensor]) -> None:
        """latest.png: a row a scene and condition, source, bicubic, ours, truth, all as large as the truth."""
        rows: list[Tensor] = []
        for scene in scenes[:: max(1, len(scenes) // SHOWN)][:SHOWN]:
            for name, low in scene.low.items():
                target = scene.target[name]
                size = target.shape[2:]
                rows.append(nn.functional.interpolate(low, size=size, mode="nearest"))
                rows.append(nn.functional.interpolate(low, size=size, mode="bicubic", align_corners=False))
                rows += [whole(low, enlarge, self.tile), target]
        write_sheet(self.config.out / "latest.png", torch.cat(rows), 4)

    def save(self) -> None:
        checkpoint.save(self.config.out, self.state())

    def state(self) -> dict[str, Any]:
        """All that `restore` wants."""
        state: dict[str, Any] = {"run": self.identity, "step": self.step, "best": self.best, "seconds": self.seconds}
        state |= {"network": self.network.state_dict(), "average": self.average, "adam": self.adam.state_dict()}
        return state | {"bank": self.bank}


def build(config: GleanTraining) -> Glean | GleanLight:
    """The network as training begins. Raises TrainingError where the settings name none or do not fit."""
    if config.goal not in GOALS:
        raise TrainingError(f"goal must be {' or '.join(GOALS)}, not {config.goal!r}")
    try:
        if config.architecture == "glean":
            network: Glean | GleanLight = Glean(GleanConfig(**config.network))
        elif config.architecture == "glean-light":
            network = GleanLight(GleanLightConfig(**config.network))
        else:
            raise TrainingError(f"architecture must be glean-light or glean, not {config.architecture!r}")
    except (TypeError, ValueError) as error:
        raise TrainingError(f"[network] does not describe a {config.architecture}: {error}") from error
    if isinstance(network, GleanLight):
        glean_silent.silence(network)
    elif config.bank is None or config.join > 0:
        raise TrainingError("a full GLEAN cannot be trained without its bank: name it with bank, and join = 0")
    network.generator.requires_grad_(False)
    return network


def charbonnier(given: Tensor, wanted: Tensor, smooth: float) -> Tensor:
    """Mean of the errors of pictures in [-1, 1], in units of [0, 1]; those below `smooth` count by their square."""
    return torch.sqrt(((given - wanted) / 2).square() + smooth**2).mean()


def rate_at(step: int, config: GleanTraining) -> float:
    """The learning rate: a short rise, held, then a half cosine down to a hundredth."""
    rise = min(1.0, (step + 1) / max(1, config.warm_up))
    return config.rate * rise * let_down(step, config.steps, config.cooldown)


def _words(gain: Gain) -> str:
    return f"{gain.mean:+.2f} dB over bicubic on {gain.better:.0%} of scenes"
