"""Augmentation before the discriminator, so that few pictures suffice, and how strong it must be. Knows no networks.

Source: Karras et al., "Training Generative Adversarial Networks with Limited Data" (2020), with the operations that fit
our crops: flips, quarter turns, whole-pixel shifts, and brightness, contrast and saturation.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

SHIFT = 0.125  # of the edge, at most
BRIGHTNESS = 0.2  # standard deviations, of pictures in [-1, 1]
CONTRAST = 0.5  # of log2
SATURATION = 1.0  # of log2
TARGET = 0.6  # of the mean sign of the logits of real pictures: more means the discriminator knows them by heart


def augment(x: Tensor, probability: float, generator: torch.Generator) -> Tensor:
    """(N, 3, S, S) in [-1, 1], each picture changed by each operation with this probability; gradients pass through.

    Real and made pictures both go through it, and a probability below about 0.8 does not leak into what is made.
    """
    n = x.shape[0]
    if probability <= 0:
        return x

    def applies() -> Tensor:
        return torch.rand(n, generator=generator, device=x.device) < probability

    def normal(deviation: float) -> Tensor:
        return torch.randn(n, generator=generator, device=x.device) * deviation * applies()

    flips = applies() & (torch.rand(n, generator=generator, device=x.device) < 0.5)
    x = torch.where(flips[:, None, None, None], x.flip(3), x)
    turns = torch.randint(4, (n,), generator=generator, device=x.device) * applies()
    for quarter in (1, 2, 3):
        x = torch.where((turns == quarter)[:, None, None, None], torch.rot90(x, quarter, (2, 3)), x)
    x = _shift(x, applies(), generator)
    x = x + normal(BRIGHTNESS)[:, None, None, None]
    x = x * torch.exp2(normal(CONTRAST))[:, None, None, None]
    grey = x.mean(dim=1, keepdim=True)
    return grey + (x - grey) * torch.exp2(normal(SATURATION))[:, None, None, None]


def _shift(x: Tensor, applies: Tensor, generator: torch.Generator) -> Tensor:
    """Whole pixels, edges mirrored."""
    n, _, edge, _ = x.shape
    reach = max(1, round(edge * SHIFT))
    offsets = torch.randint(-reach, reach + 1, (2, n), generator=generator, device=x.device) * applies + reach
    wide = F.pad(x, (reach,) * 4, mode="reflect")
    line = torch.arange(edge, device=x.device)
    rows, columns = (line + offset[:, None] for offset in offsets)  # (N, S) each
    picture = torch.arange(n, device=x.device)[:, None, None]
    # Axes split by a slice come out as (N, S, S, C).
    return wide[picture, :, rows[:, :, None], columns[:, None, :]].permute(0, 3, 1, 2)


@dataclass(slots=True)
class Strength:
    """The probability, moved up while the discriminator is too sure of real pictures, down while it is not."""

    pictures: int  # seen while it may go from 0 to 1
    probability: float = 0.0
    signs: float = 0.0  # summed since the last move
    count: int = 0

    def hear(self, logits: Tensor) -> None:
        """Logits of real pictures, augmented as they were judged."""
        self.signs += float(logits.detach().sign().sum())
        self.count += logits.shape[0]

    def move(self) -> float:
        """Adapt to what was heard since the last move; returns the mean sign."""
        if self.count == 0:
            return 0.0
        mean = self.signs / self.count
        step = self.count / self.pictures
        self.probability = min(1.0, max(0.0, self.probability + (step if mean > TARGET else -step)))
        self.signs, self.count = 0.0, 0
        return mean
