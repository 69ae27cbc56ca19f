"""Training of the texture bank, a StyleGAN2 generator of scenes at all scales: `gleaner train bank`.

It grows: most pictures are seen at 64 pixels, where a step is cheap, fewer at 128 and 256. Stopped at any step and
started again with the same command, a run on a CPU goes on exactly. Knows its data and networks, nothing of GLEAN.
"""

from __future__ import annotations

import logging
import math
import pickle
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from models.devices import resolve
from models.registry import AVERAGE
from models.stylegan2 import SMALLEST, NoiseMode, StyleGan2, StyleGan2Sizes
from models.stylegan2_discriminator import StyleGan2Discriminator
from models.training import adversarial, average, checkpoint, export
from models.training.ahead import Ahead
from models.training.augment import Strength, augment
from models.training.checkpoint import CheckpointError
from models.training.grow import grow_judge, grow_maker
from models.training.journal import Journal
from models.training.pace import Pace
from models.training.pictures import Pictures, crop, open_pictures
from models.training.precision import autocast, lay_out, set_up
from models.training.sheets import write_sheet
from models.training.textures import distances

WEIGHTS = "bank.safetensors"
MAY_CHANGE = {
    "data",
    "out",
    "cache",
    "pictures",
    "minutes",
    "threads",
    "workers",
    "device",
    "save_every_s",
    "evaluate_every",
}
log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class BankConfig:
    """All a run depends on. What `MAY_CHANGE` names may change between the parts of one run."""

    data: Path  # media folder with a manifest.json
    out: Path  # checkpoint, log, sheets and weights
    cache: Path | None = None  # of decoded pictures; None: in `out`
    channels: tuple[int, ...] = (64, 64, 64, 64, 48, 24, 16)  # of the generator at 4, 8, ..., 256 pixels
    judge_channels: tuple[int, ...] = (64, 64, 64, 64, 48, 24, 16)  # of the discriminator
    style: int = 128
    mapping: int = 4  # layers
    sizes: tuple[int, ...] = (64, 128, 256)  # that the bank grows through
    pictures: tuple[int, ...] = (240_000, 60_000, 30_000)  # seen at each of them
    settle: int = 200  # steps after each growth in which only the discriminator learns
    smallest: float = 0.25  # factor by which pictures are shrunk before cropping, at least
    batch: int = 8
    rate: float = 2e-3  # Adam's
    slope_every: int = 16  # steps: R1
    slope_weight: float | None = None  # None: by size and batch
    path_every: int = 8
    path_weight: float = 2.0
    mixing: float = 0.5  # probability that a picture has two styles
    averaging: int = 4_000  # pictures after which the averaged weights have forgotten half
    strength: int = 100_000  # pictures over which augmentation may grow from never to always
    seed: int = 1
    share_alike: bool = True  # False: leave out CC BY-SA pictures
    device: str = "auto"
    threads: int = 1
    workers: int = 0  # threads that cut pictures ahead; 0: the run does it
    minutes: float | None = None  # stop (and leave a checkpoint) after so long
    save_every_s: float = 300
    evaluate_every: int = 10_000  # pictures
    measured: int = 256  # pictures that quality is measured on

    def stage(self, seen: int) -> int | None:
        """Index of the size to train after so many pictures; None when all are done."""
        for index, end in enumerate(np.cumsum(self.pictures).tolist()):
            if seen < end:
                return index
        return None


@dataclass(frozen=True, slots=True)
class BankResult:
    pictures: int  # seen
    size: int  # of the bank now, pixels
    finished: bool


def train(config: BankConfig, stop: Callable[[], bool] = lambda: False) -> BankResult:
    """Train, resuming where `out` has a checkpoint, until all is seen, the minutes are over or `stop()`.

    Raises DataError without data, CheckpointError where `out` holds another run, DeviceError.
    """
    device = resolve(config.device)
    set_up(device, config.threads)
    config.out.mkdir(parents=True, exist_ok=True)
    pictures = open_pictures(config.data, config.cache or config.out, share_alike=config.share_alike)
    run = _Run(config, pictures, device)
    journal = Journal(config.out, run.seen)
    pace = Pace(run.save, stop, config.minutes, config.save_every_s)
    with Ahead(run.batch, config.workers) as batches:
        while (stage := config.stage(run.seen)) is not None:
            while run.stage < stage:
                run.grow(run.stage + 1)
            run.advance(batches(run.step))
            if run.seen % config.evaluate_every < config.batch:
                run.evaluate(journal)
            if pace.over():
                break
    run.save()
    return BankResult(run.seen, run.size, config.stage(run.seen) is None)


class _Run:
    """The state that a checkpoint holds. A step depends on it, the step's number and the pictures alone."""

    def __init__(self, config: BankConfig, pictures: Pictures, device: torch.device) -> None:
        self.config, self.pictures, self.device = config, pictures, device
        self.identity: dict[str, Any] = {
            k: list(v) if isinstance(v, tuple) else v for k, v in asdict(config).items() if k not in MAY_CHANGE
        }
        self.step = self.stage = self.since = 0  # since: the last growth
        self.path_mean = self.seconds = 0.0
        self.strength = Strength(config.strength)
        self.told: dict[str, float] = {}  # what was last lost, each by its name: some come every few steps only
        state = checkpoint.load(config.out, run=self.identity)
        if state is not None:
            self.step, self.stage, self.since = state["step"], state["stage"], state["since"]
            wanted = config.stage(self.seen)
            if wanted is not None and wanted < self.stage:
                raise CheckpointError(
                    f"the bank in {config.out} has grown to {self.size} pixels, which after {self.seen} pictures the"
                    f" settings do not ask for yet: let the first {self.stage} entries of pictures sum up to less"
                )
        torch.manual_seed(config.seed)
        self._build()
        if state is not None:
            self.maker.load_state_dict(state["maker"])
            self.judge.load_state_dict(state["judge"])
            self.average = {key: value.to(self.device) for key, value in state["average"].items()}
            self.maker_adam.load_state_dict(state["maker_adam"])
            self.judge_adam.load_state_dict(state["judge_adam"])
            self.path_mean, self.seconds = state["path_mean"], state["seconds"]
            self.told = state["told"]
            self.strength = Strength(config.strength, *state["strength"])
            log.info("the bank goes on at %d pictures, %d pixels", self.seen, self.size)

    @property
    def seen(self) -> int:
        return self.step * self.config.batch

    @property
    def size(self) -> int:
        return self.config.sizes[self.stage]

    def sizes(self) -> StyleGan2Sizes:
        count = (self.size // SMALLEST).bit_length()
        return StyleGan2Sizes(self.config.channels[:count], self.config.style, self.config.style, self.config.mapping)

    def grow(self, stage: int) -> None:
        """Go on with the next size; the optimisers start anew."""
        old = self.maker.state_dict(), self.judge.state_dict(), self.average
        self.stage, self.since, self.path_mean = stage, self.step, 0.0
        torch.manual_seed(self.config.seed + stage)
        self._build()
        grow_maker(old[0], self.maker)
        grow_judge(old[1], self.judge)
        self.average = average.start(self.maker)
        self.average.update({key: value for key, value in old[2].items() if key in self.average})
        log.info("the bank grew to %d pixels after %d pictures", self.size, self.seen)

    def _build(self) -> None:
        c = self.config
        self.maker = lay_out(StyleGan2(self.sizes()), self.device)
        self.judge = lay_out(StyleGan2Discriminator(c.judge_channels[: len(self.maker.sizes.channels)]), self.device)
        self.average = average.start(self.maker)
        self.maker_adam = adversarial.adam(self.maker, c.rate, c.path_every if c.path_weight else 0)
        self.judge_adam = adversarial.adam(self.judge, c.rate, c.slope_every)

    def batch(self, step: int) -> Tensor:
        """Real pictures of a step, (N, 3, size, size) uint8, each flipped half the time."""
        rng = np.random.default_rng((self.config.seed, step))
        stage = self.config.stage(step * self.config.batch)
        edge = self.config.sizes[-1 if stage is None else stage]
        found = [crop(self.pictures, rng, edge, self.config.smallest) for _ in range(self.config.batch)]
        found = [image[:, ::-1] if rng.random() < 0.5 else image for image in found]
        return torch.from_numpy(np.stack(found).transpose(0, 3, 1, 2).copy())

    def advance(self, real: Tensor) -> None:
        """One step of both networks."""
        began, c = time.monotonic(), self.config
        draw = torch.Generator(self.device).manual_seed(c.seed * 2**40 + self.step)
        pictures = real.to(self.device, non_blocking=True).float().div_(127.5).sub_(1)
        self.told |= self._teach_judge(pictures, draw)
        if self.step - self.since >= c.settle or self.stage == 0:
            self.told |= self._teach_maker(draw)
            ramp = min(c.averaging, 0.05 * self.seen + 1)
            average.follow(self.average, self.maker, 0.5 ** (c.batch / ramp))
        self.step += 1
        self.seconds += time.monotonic() - began

    def _teach_judge(self, pictures: Tensor, draw: torch.Generator) -> dict[str, float]:
        c, p = self.config, self.strength.probability
        self.judge.requires_grad_(True)
        with torch.no_grad(), autocast(self.device):
            made = self._make(draw)[0]
        with autocast(self.device):
            real, fake = self.judge(augment(pictures, p, draw)), self.judge(augment(made.float(), p, draw))
        self.strength.hear(real)
        loss = adversarial.judge_loss(real.float(), fake.float())
        adversarial.step(self.judge_adam, loss)
        found = {"judge": float(loss.detach())}
        if self.step % c.slope_every == 0:
            weight = adversarial.slope_weight(self.size, c.batch) if c.slope_weight is None else c.slope_weight
            seen = pictures.detach().requires_grad_(True)
            penalty = adversarial.slope_penalty(self.judge(augment(seen, p, draw)), seen)
            adversarial.step(self.judge_adam, penalty * weight / 2 * c.slope_every)
            found["slope"] = float(penalty.detach())
            found["sign"] = self.strength.move()
            found["augmented"] = self.strength.probability
        return found

    def _teach_maker(self, draw: torch.Generator) -> dict[str, float]:
        c = self.config
        self.judge.requires_grad_(False)
        with autocast(self.device):
            made = self._make(draw)[0]
            logits = self.judge(augment(made.float(), self.strength.probability, draw))
        loss = adversarial.maker_loss(logits.float())
        adversarial.step(self.maker_adam, loss)
        found = {"maker": float(loss.detach())}
        if c.path_weight and self.step % c.path_every == 0:
            made, latents = self._make(draw, max(1, c.batch // 2))
            lengths = adversarial.path_lengths(made, latents, draw)
            penalty, self.path_mean = adversarial.path_penalty(lengths, self.path_mean)
            adversarial.step(self.maker_adam, penalty * c.path_weight * c.path_every)
            found["path"] = self.path_mean
        return found

    def _make(self, draw: torch.Generator, count: int | None = None) -> tuple[Tensor, Tensor]:
        """Pictures (N, 3, size, size) and their latents (N, K, D), some of two styles."""
        c, maker = self.config, self.maker
        n, layers = count or c.batch, maker.sizes.latents
        z = torch.randn(2, n, c.style, generator=draw, device=self.device)
        first, second = (maker.mix([maker.map(each)]) for each in z)
        # Where a second style begins; `layers`, and so nowhere, for those of one style.
        starts = torch.randint(1, layers, (n,), generator=draw, device=self.device)
        whole = torch.rand(n, generator=draw, device=self.device) >= c.mixing
        starts = torch.where(whole, layers, starts)
        late = torch.arange(layers, device=self.device)[None, :, None] >= starts[:, None, None]
        latents = torch.where(late, second, first)
        return maker.synthesize(latents, NoiseMode.RANDOM, generator=draw).image, latents

    @torch.no_grad()
    def evaluate(self, journal: Journal) -> None:
        """Measure the averaged weights, draw a sheet of them, and write them out."""
        c = self.config
        shadow = StyleGan2(self.sizes()).to(self.device).eval()
        shadow.load_state_dict(self.average)
        draw = torch.Generator(self.device).manual_seed(c.seed)
        z = torch.randn(c.measured, c.style, generator=draw, device=self.device)
        made = torch.cat([shadow(part).float().clamp(-1, 1).cpu() for part in torch.split(z, 16)])
        rng = np.random.default_rng((c.seed, self.size))
        real = np.stack([crop(self.pictures, rng, self.size, c.smallest) for _ in range(2 * c.measured)])
        truth = torch.from_numpy(real.transpose(0, 3, 1, 2).copy()).float().div_(127.5).sub_(1)
        found = {f"distance_{edge}": value for edge, value in distances(truth[: c.measured], made).items()}
        floor = distances(truth[: c.measured], truth[c.measured :])
        found["distance"] = math.fsum(found.values()) / len(floor)
        found["distance_of_real"] = math.fsum(floor.values()) / len(floor)
        journal.write(self.seen, self.told | found | {"size": self.size, "hours": self.seconds / 3600})
        journal.plot()
        write_sheet(c.out / f"sheet-{self.size:03d}-{self.seen:08d}.png", made[:64], 8)
        said = f"{self.seen} pictures seen; patch distance {found['distance']:.1f}"
        said += f" where real pictures have {found['distance_of_real']:.1f}"
        facts = export.bank_facts(shadow.sizes, self.pictures.licences, said)
        more = {"pictures": str(self.seen), "minutes": f"{self.seconds / 60:.0f}", "seed": str(c.seed)}
        mean = shadow.mean_latent(generator=torch.Generator(self.device).manual_seed(0))[0]
        export.write(self.average | {AVERAGE: mean}, c.out / WEIGHTS, facts, more)
        log.info("%d pictures: distance %.1f (real %.1f)", self.seen, found["distance"], found["distance_of_real"])

    def save(self) -> None:
        state: dict[str, Any] = {"run": self.identity, "step": self.step, "stage": self.stage, "since": self.since}
        state |= {"maker": self.maker.state_dict(), "judge": self.judge.state_dict(), "average": self.average}
        state |= {"maker_adam": self.maker_adam.state_dict(), "judge_adam": self.judge_adam.state_dict()}
        state |= {"path_mean": self.path_mean, "seconds": self.seconds, "told": self.told}
        state["strength"] = (self.strength.probability, self.strength.signs, self.strength.count)
        checkpoint.save(self.config.out, state)


def judge_of(path: Path) -> StyleGan2Discriminator:
    """The discriminator of a bank's run, from its checkpoint. Raises CheckpointError where it is none."""
    try:
        state: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
        run, held = state["run"], state["judge"]
        judge = StyleGan2Discriminator(tuple(run["judge_channels"][: run["sizes"][state["stage"]].bit_length() - 2]))
        judge.load_state_dict(held)
    except (OSError, KeyError, TypeError, ValueError, RuntimeError, pickle.UnpicklingError) as error:
        raise CheckpointError(f"{path.name} is no checkpoint of `gleaner train bank` ({error})") from error
    return judge
