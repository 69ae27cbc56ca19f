"""Training of GLEAN to look real, from a faithful run's weights: `gleaner train glean` with `goal = "vivid"`.

The same network, so that the weights of both trainings can be interpolated. A discriminator learns beside it, from the
bank run's if there is one. Stopped anywhere and started again, a run on a CPU goes on exactly.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from models import facts_json, weights_io
from models.facts_json import FactsError
from models.library import METADATA
from models.stylegan2_discriminator import StyleGan2Discriminator
from models.training import adversarial, average
from models.training.augment import Strength, augment
from models.training.bank import judge_of
from models.training.glean import GleanResult, GleanTraining, Run, TrainingError, charbonnier, rate_at, train_by
from models.training.pictures import Pictures
from models.training.precision import autocast, lay_out
from models.training.structure import structure_loss

FINEST = 16  # pixels: features of smaller sizes tell of composition, which the pixel loss holds


@dataclass(frozen=True, slots=True)
class VividTraining(GleanTraining):
    """All a vivid run depends on, beyond what a faithful one does. `crop` counts while there is no bank only."""

    goal: str = "vivid"
    start: Path | None = None  # weights of the faithful run; the network's architecture and sizes are theirs
    judge: Path | None = None  # checkpoint of the bank's run, whose discriminator is gone on with; None: a new one
    judge_channels: tuple[int, ...] = (64, 64, 64, 64, 48, 24, 16)  # of a new one, at 4, 8, ... pixels
    steps: int = 20_000
    batch: int = 4
    rate: float = 1e-4
    judge_rate: float = 1e-3
    pixel: float = 1.0  # weights of the losses
    coarse: float = 1.0
    feature: float = 0.05
    adversarial: float = 0.005
    settle: int = 200  # steps at the start in which only the discriminator learns
    slope_every: int = 16  # steps: R1
    slope_weight: float | None = None  # None: by size and batch
    strength: int = 100_000  # pictures over which augmentation may grow from never to always


def train(config: VividTraining, stop: Callable[[], bool] = lambda: False) -> GleanResult:
    """Train, resuming where `out` has a checkpoint, until the last step, the minutes or `stop()`.

    Raises TrainingError, DataError without data, CheckpointError where `out` holds another run, WeightsError for the
    weights to start from, DeviceError.
    """
    config, _ = _of_start(config)
    return train_by(VividRun, config, stop)


class VividRun(Run):
    """As a faithful run, and a discriminator with its optimiser and its augmentation."""

    config: VividTraining

    def __init__(self, config: VividTraining, pictures: Pictures, device: torch.device) -> None:
        super().__init__(config, pictures, device)

    def begin(self) -> None:
        c = self.config
        assert c.start is not None
        weights_io.fill(self.network, weights_io.read(c.start), c.start.name)
        self.average = average.start(self.network)
        self.bank = _of_start(c)[1]
        self.identity |= {"goal": c.goal, "start": weights_io.sha256(c.start)}
        judge = StyleGan2Discriminator(c.judge_channels) if c.judge is None else judge_of(c.judge)
        if judge.size != self.edge * self.scale:
            raise TrainingError(
                f"the discriminator is for pictures of {judge.size} pixels, the run makes {self.edge * self.scale}:"
                " give judge_channels for that, or a bank's run that has grown to it"
            )
        self.judge = lay_out(judge, self.device)
        self.judge_adam = adversarial.adam(judge, c.judge_rate, c.slope_every)
        self.strength = Strength(c.strength)
        self.told: dict[str, float] = {}  # what was last lost, each by its name: some come every few steps only

    def restore(self, state: Mapping[str, Any]) -> None:
        super().restore(state)
        self.judge.load_state_dict(state["judge"])
        self.judge_adam.load_state_dict(state["judge_adam"])
        self.strength = Strength(self.config.strength, *state["strength"])
        self.told = dict(state["told"])

    def state(self) -> dict[str, Any]:
        s = self.strength
        found = {"judge": self.judge.state_dict(), "judge_adam": self.judge_adam.state_dict(), "told": self.told}
        return super().state() | found | {"strength": (s.probability, s.signs, s.count)}

    def is_kept(self, score: float) -> bool:
        """The newest: the gain in PSNR falls while pictures come to look real, so its best would be the least vivid."""
        return True

    @property
    def edge(self) -> int:
        """Of the inputs, pixels: whole tiles for a bank, which knows no other; without one crops cost less."""
        return self.tile if self.bank is not None else min(self.config.crop, self.tile)

    def batch(self, step: int) -> tuple[Tensor, Tensor]:
        """The pairs of a step, (N, 3, h, h) and (N, 3, s·h, s·h) uint8."""
        return self.pairs(step, self.config.batch, self.edge)

    def advance(self, low: Tensor, target: Tensor) -> dict[str, float]:
        """One step of both networks; returns what was lost."""
        began, c = time.monotonic(), self.config
        for group in self.adam.param_groups:
            group["lr"] = rate_at(self.step, c)
        x, y = (part.to(self.device, non_blocking=True).float().div_(127.5).sub_(1) for part in (low, target))
        with autocast(self.device):
            out = self.forward(self.network, x).float()
        self.told |= self._teach_judge(y, out.detach())
        if self.step >= c.settle:
            self.told |= self._teach_network(y, out)
        self.step += 1
        self.seconds += time.monotonic() - began
        return dict(self.told)

    def _changed(self, pictures: Tensor) -> Tensor:
        """Augmented, within one step always alike: so made and true pictures of a pair stay comparable."""
        draw = torch.Generator(self.device).manual_seed(self.config.seed * 2**40 + self.step)
        return augment(pictures, self.strength.probability, draw)

    def _teach_judge(self, y: Tensor, out: Tensor) -> dict[str, float]:
        c = self.config
        self.judge.requires_grad_(True)
        with autocast(self.device):
            real, fake = self.judge(self._changed(y)), self.judge(self._changed(out))
        self.strength.hear(real)
        loss = adversarial.judge_loss(real.float(), fake.float())
        adversarial.step(self.judge_adam, loss)
        found = {"judge": float(loss.detach())}
        if self.step % c.slope_every == 0:
            weight = adversarial.slope_weight(self.judge.size, c.batch) if c.slope_weight is None else c.slope_weight
            seen = y.detach().requires_grad_(True)
            penalty = adversarial.slope_penalty(self.judge(self._changed(seen)), seen)
            adversarial.step(self.judge_adam, penalty * weight / 2 * c.slope_every)
            found |= {"slope": float(penalty.detach()), "sign": self.strength.move()}
            found["augmented"] = self.strength.probability
        return found

    def _teach_network(self, y: Tensor, out: Tensor) -> dict[str, float]:
        c = self.config
        self.judge.requires_grad_(False)
        with autocast(self.device):
            with torch.no_grad():
                wanted = self.judge.look(self._changed(y))
            given = self.judge.look(self._changed(out))
            logits = self.judge.decide(given[-1])
        small, small_y = (nn.functional.avg_pool2d(picture, self.scale) for picture in (out, y))
        pixel, coarse = charbonnier(out, y, c.smooth), charbonnier(small, small_y, c.smooth)
        feature, maker = feature_loss(given, wanted), adversarial.maker_loss(logits.float())
        self.adam.zero_grad(set_to_none=True)
        edges = structure_loss((out + 1) / 2, (y + 1) / 2)
        loss = c.pixel * pixel + c.coarse * coarse + c.structure * edges
        loss = loss + c.feature * feature + c.adversarial * maker
        loss.backward()  # type: ignore[no-untyped-call]
        slope = nn.utils.clip_grad_norm_(self.network.parameters(), c.clip)
        self.adam.step()
        average.follow(self.average, self.network, min(c.averaging, (1 + self.step) / (10 + self.step)))
        losses = {
            "loss": pixel,
            "coarse": coarse,
            "structure": edges,
            "feature": feature,
            "maker": maker,
            "gradient": slope,
        }
        losses["shift"] = (out - y).mean((0, 2, 3)).abs().max() * 127.5  # of a colour, in 8-bit levels
        return {name: float(value.detach()) for name, value in losses.items()}


def feature_loss(given: list[Tensor], wanted: list[Tensor]) -> Tensor:
    """Mean over sizes of the mean absolute difference of features (N, C, r, r), in units of the wanted ones' mean.

    Feature matching (Wang et al., pix2pixHD, 2018): the discriminator that is being trained is itself the measure.
    """
    fine = [pair for pair in zip(given, wanted, strict=True) if pair[1].shape[2] >= FINEST]
    found = [(a.float() - b.float()).abs().mean() / b.float().abs().mean().clamp(min=1e-6) for a, b in fine]
    return torch.stack(found).mean()


def _of_start(config: VividTraining) -> tuple[VividTraining, str | None]:
    """The settings with the network that `start` holds, and the SHA-256 of the bank in it, None: it had none yet."""
    if config.start is None:
        raise TrainingError("a vivid run starts from a faithful one's weights: name them with start")
    said = weights_io.metadata(config.start)
    try:
        facts = facts_json.parse(said.get(METADATA, ""))
    except FactsError as error:
        raise TrainingError(f"{config.start.name} is no file of `gleaner train glean`: {error}") from error
    if facts.architecture != "glean-light" or config.bank is not None:
        what = f"the {facts.architecture} of {config.start.name}" if config.bank is None else "a bank that joins later"
        raise TrainingError(f"{what} cannot be trained to be vivid: start from a slim GLEAN that has its bank already")
    bank = said.get("bank")
    chosen = replace(config, architecture=facts.architecture, network=dict(facts.config))
    return chosen, None if bank in (None, "none yet") else bank
