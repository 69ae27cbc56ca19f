"""Several pictures that all explain the same pixels, searched in a bank: what "exploring a region" is.

Which square of which frame is explored, and what becomes of the pictures, is for others.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from models.pulse.gaussian import Gaussian, fit
from models.pulse.region import SMALLEST
from models.pulse.run import Run, SearchStopped, Target, search_run
from models.pulse.settings import SearchSettings
from models.stylegan2 import StyleGan2

__all__ = ["STATEMENT", "Candidate", "Exploration", "SearchError", "SearchSettings", "SearchStopped", "Step", "explore"]

STATEMENT = (
    "Every candidate here was invented by a generative network so that, made small, it looks like the observed pixels."
    " Countless other pictures would do so too. None of them is evidence: do not identify a person or read a plate by"
    " them."
)


class SearchError(ValueError):
    """The pixels or the bank cannot be searched with. The message is for people."""


@dataclass(frozen=True, slots=True)
class Step:
    """Where a search is: `candidate` and `run` count from 0, `step` is how many steps of that run are done."""

    candidate: int
    count: int
    run: int
    runs: int  # most runs of a candidate
    step: int
    steps: int
    best_error: float  # of this candidate so far

    @property
    def fraction(self) -> float:
        """Part of the work done, never falling. It jumps where a candidate needs no further run."""
        return (self.candidate + (self.run + self.step / self.steps) / self.runs) / self.count


@dataclass(frozen=True, slots=True)
class Candidate:
    """One picture that was searched."""

    number: int  # of its start, from 0: the same for the same seed, whatever the count
    image: NDArray[np.float32]  # (S, S, 3) RGB in [0, 1]
    downscaled: NDArray[np.float32]  # (h, h, 3): the image through the downscale operator, not clamped
    error: float  # mean squared difference of `downscaled` and the observed pixels, in [0, 1]
    explains: bool  # error <= eps
    runs: int  # that it took
    diverged: bool  # one of them ended on a number that was not finite
    curve: tuple[float, ...]  # of the run the image is from: the least error so far, after each step


@dataclass(frozen=True, slots=True)
class Exploration:
    candidates: tuple[Candidate, ...]  # best first
    diverged: tuple[int, ...]  # numbers of the candidates of which no finite picture came; they are not in `candidates`
    spread: NDArray[np.float32]  # (S, S) standard deviation over the candidates, root mean square of the channels
    distances: NDArray[np.float32]  # (K, K) root mean square difference of the candidates' images, in their order
    eps: float

    @property
    def explaining(self) -> int:
        """How many candidates explain the pixels."""
        return sum(candidate.explains for candidate in self.candidates)


def explore(
    bank: StyleGan2,
    observed: NDArray[Any],
    count: int,
    settings: SearchSettings,
    on_step: Callable[[Step], bool] = lambda step: True,
) -> Exploration:
    """`count` candidates, each searched from its own start, one after the other.

    observed: (h, h, 3) RGB, uint8, uint16, or float32 in [0, 1]; h at least 4, and the bank's size a multiple of h.
    A candidate that does not explain the pixels is begun anew up to `settings.restarts` times; its best run counts.
    on_step is called after each step; False stops.

    The memory taken is that of one candidate with gradients, and a candidate depends on the seed and its number alone.
    The same seed gives the same pictures, bit for bit, on the same kind of machine. Exactly grey pixels get exactly
    grey pictures. Raises SearchError, SearchStopped.
    """
    if count < 1:
        raise SearchError(f"at least one candidate must be asked for, not {count}")
    pixels = _pixels(observed, bank.sizes.size)
    device = bank.constant_input.input.device
    target = Target.of(torch.from_numpy(pixels).permute(2, 0, 1)[None].to(device), bank.sizes.size)
    # Without this cuDNN may take sums in another order from run to run.
    with torch.backends.cudnn.flags(enabled=True, benchmark=False, deterministic=True, allow_tf32=False):
        gaussian = fit(bank, settings.samples)
        found = [_candidate(bank, gaussian, target, number, count, settings, on_step) for number in range(count)]
    candidates = sorted((each for each in found if isinstance(each, Candidate)), key=lambda each: each.error)
    if not candidates:
        raise SearchError(
            f"not one of {count} searches gave a finite picture: the bank's weights are damaged, or the learning rate"
            f" of {settings.learning_rate:g} is too large for it"
        )
    images = np.stack([each.image for each in candidates])
    return Exploration(
        candidates=tuple(candidates),
        diverged=tuple(each for each in found if isinstance(each, int)),
        spread=np.sqrt(images.var(axis=0).mean(axis=-1)),
        distances=_distances(images),
        eps=settings.eps,
    )


def _candidate(
    bank: StyleGan2,
    gaussian: Gaussian,
    target: Target,
    number: int,
    count: int,
    settings: SearchSettings,
    on_step: Callable[[Step], bool],
) -> Candidate | int:
    """The best of its runs; its number where no run gave a finite picture."""
    runs: list[Run] = []
    best = Run(None, math.inf, (), diverged=False)
    while len(runs) <= settings.restarts and best.error > settings.eps:
        seed = np.random.SeedSequence((settings.seed, number, len(runs))).generate_state(1, np.uint64)[0]
        generator = torch.Generator().manual_seed(int(seed))

        def report(step: int, error: float, run: int = len(runs), before: float = best.error) -> bool:
            least = min(error, before)
            return on_step(Step(number, count, run, settings.restarts + 1, step, settings.steps, least))

        runs.append(search_run(bank, gaussian, target, settings, generator, report))
        best = min(best, runs[-1], key=lambda run: run.error)
    if best.image is None:
        return number
    image = best.image[0].permute(1, 2, 0).contiguous().cpu().numpy()
    downscaled = target.downscaled(best.image)[0].permute(1, 2, 0).contiguous().cpu().numpy()
    diverged = any(run.diverged for run in runs)
    return Candidate(number, image, downscaled, best.error, best.error <= settings.eps, len(runs), diverged, best.curve)


def _pixels(observed: NDArray[Any], size: int) -> NDArray[np.float32]:
    """The observed pixels as float32 in [0, 1]. Raises SearchError where they are none, or not for this bank."""
    h = observed.shape[0] if observed.ndim == 3 else 0
    if observed.shape != (h, h, 3) or h < SMALLEST:
        raise SearchError(f"the observed pixels must be (h, h, 3) with h of {SMALLEST} or more, not {observed.shape}")
    if size % h or size < 2 * h:
        raise SearchError(f"a bank that draws {size} pixels cannot explain {h}: {size} must be a multiple of it")
    if observed.dtype in (np.uint8, np.uint16):
        return observed.astype(np.float32) / np.float32(np.iinfo(observed.dtype).max)
    if observed.dtype != np.float32:
        raise SearchError(f"the observed pixels must be uint8, uint16 or float32, not {observed.dtype}")
    if not (np.isfinite(observed).all() and observed.min() >= 0 and observed.max() <= 1):
        raise SearchError("the observed pixels must be finite numbers in [0, 1]")
    return observed


def _distances(images: NDArray[np.float32]) -> NDArray[np.float32]:
    """(K, K) root mean square differences of (K, S, S, 3) images."""
    rows = [np.sqrt(np.square(images - image).mean(axis=(1, 2, 3))) for image in images]
    return np.stack(rows)
