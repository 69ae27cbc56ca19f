"""One run of the search: from one random start to the best picture on its way. Knows neither candidates nor files.

Source: Menon et al., "PULSE: Self-Supervised Photo Upsampling via Latent Space Exploration of Generative Models", CVPR
2020. Differs from the published program: the best picture is kept, not the last; its error is that of the picture as
delivered, clamped to [0, 1]; the noise maps are counted for StyleGAN2.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from models.pulse.downscale import downscale_matrix
from models.pulse.gaussian import Gaussian
from models.pulse.losses import geocross, l1, l2, squared_error
from models.pulse.schedule import factor
from models.pulse.settings import NoiseMaps, SearchSettings
from models.pulse.spherical import Spherical
from models.stylegan2 import NoiseMode, StyleGan2

# StyleGAN had two noise maps at 4 pixels, StyleGAN2 has one, so PULSE's choice (the first five are searched, the last
# is zero) is made anew: the maps of 4, 8, 8, 16 and 16 pixels are searched, the last one of the finest size is zero.
SEARCHED = 5


class SearchStopped(Exception):
    """The caller's on_step said to stop."""


@dataclass(frozen=True, slots=True)
class Target:
    """The observed pixels, ready for comparison."""

    pixels: Tensor  # (1, 3, h, h) float32 in [0, 1]
    grey: bool  # exactly: the pictures are then grey too, means of the bank's three channels
    matrix: Tensor  # (h, S): the downscale operator from either side

    @staticmethod
    def of(pixels: Tensor, size: int) -> Target:
        """pixels (1, 3, h, h); size: edge S of the bank's pictures, a multiple of h."""
        matrix = torch.from_numpy(downscale_matrix(size, size // pixels.shape[2])).to(pixels)
        grey = torch.equal(pixels[:, 0], pixels[:, 1]) and torch.equal(pixels[:, 0], pixels[:, 2])
        return Target(pixels, grey, matrix)

    def picture(self, drawn: Tensor) -> Tensor:
        """What a bank drew, about [-1, 1], as a picture of about [0, 1], same shape."""
        image = (drawn + 1) / 2
        return image.mean(dim=1, keepdim=True).expand_as(image) if self.grey else image

    def downscaled(self, image: Tensor) -> Tensor:
        return self.matrix @ image @ self.matrix.T


@dataclass(frozen=True, slots=True)
class Run:
    image: Tensor | None  # (1, 3, S, S) in [0, 1], the one of the least error; None where not one was finite
    error: float  # mean squared difference of its downscale and the observed; inf where image is None
    curve: tuple[float, ...]  # the least error so far, after each step
    diverged: bool  # ended early on a loss that was no finite number


def search_run(
    bank: StyleGan2,
    gaussian: Gaussian,
    target: Target,
    settings: SearchSettings,
    generator: torch.Generator,
    on_step: Callable[[int, float], bool],
) -> Run:
    """`settings.steps` steps from a start drawn from `generator` (on the CPU: every device starts alike).

    on_step(steps done, least error so far) is called after each step; False raises SearchStopped.
    """
    v = _drawn(generator, target, 1, 1 if settings.tile_latent else bank.sizes.latents, bank.sizes.style_dim)
    maps = _noise(bank, settings, generator, target)
    searched = [v.requires_grad_(), *(each for each in maps if each.requires_grad)]
    optimiser = Spherical(searched, settings.optimiser, settings.learning_rate)
    best: Tensor | None = None
    least, curve = math.inf, list[float]()
    for step in range(settings.steps):
        with torch.enable_grad():
            latents = gaussian.latents(v)
            layers = latents.expand(-1, bank.sizes.latents, -1)
            image = target.picture(bank.synthesize(layers, maps or NoiseMode.NONE).image)
            loss = _loss(target.downscaled(image), latents, target.pixels, settings)
        if not torch.isfinite(loss):
            return Run(best, least, tuple(curve), diverged=True)
        shown = image.detach().clamp(0, 1)
        error = float(squared_error(target.downscaled(shown), target.pixels))
        if error < least:
            best, least = shown, error
        curve.append(least)
        if not on_step(step + 1, least):
            raise SearchStopped("the search was stopped")
        for variable, gradient in zip(searched, torch.autograd.grad(loss, searched), strict=True):
            variable.grad = gradient
        optimiser.step(factor(settings.schedule, step, settings.steps))
    return Run(best, least, tuple(curve), diverged=False)


def _loss(found: Tensor, latents: Tensor, wanted: Tensor, settings: SearchSettings) -> Tensor:
    loss = settings.l2_weight * l2(found, wanted, settings.eps) + settings.geocross_weight * geocross(latents)
    return loss + settings.l1_weight * l1(found, wanted, settings.eps) if settings.l1_weight else loss


def _noise(bank: StyleGan2, settings: SearchSettings, generator: torch.Generator, target: Target) -> list[Tensor]:
    """Start of each noise map, those that are searched with gradients; empty where there is no noise."""
    if settings.noise is NoiseMaps.ZERO:
        return []
    maps = [_drawn(generator, target, *shape) for shape in bank.noise_shapes()]
    maps[-1].zero_()
    if settings.noise is NoiseMaps.TRAINABLE:
        for each in maps[: min(SEARCHED, len(maps) - 1)]:
            each.requires_grad_()
    return maps


def _drawn(generator: torch.Generator, target: Target, *shape: int) -> Tensor:
    return torch.randn(shape, generator=generator).to(target.pixels)
