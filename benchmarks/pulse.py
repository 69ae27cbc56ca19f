"""What exploring a region does on a bank whose answer is known: a picture drawn from it, made small, searched for.

`python -m benchmarks.pulse` prints the table of docs/evidence.md. The bank has random weights, so that anyone can run
it; a trained bank's pictures are more alike and are searched no worse.
"""

from __future__ import annotations

import argparse
import os
import time

import numpy as np
import torch
from numpy.typing import NDArray

from models.pulse.downscale import downscale
from models.pulse.search import Exploration, SearchSettings, explore
from models.stylegan2 import NoiseMode, StyleGan2, StyleGan2Sizes

IMAGE_STD = 0.4  # of a bank's pictures, in [-1, 1]: like photographs
NOISE_STRENGTH = 0.1
LOOKED_AT = 64  # pictures, to set the contrast by


def random_bank(size: int, channels: int = 16, style: int = 64, seed: int = 0) -> StyleGan2:
    """A bank of random weights that draws pictures of `size` pixels with the contrast of photographs."""
    # A network draws its first weights from the global generator: the caller's is put back.
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        torch.manual_seed(seed)
        sizes = StyleGan2Sizes((channels,) * (size.bit_length() - 2), style, style, mapping_layers=4)
        bank = StyleGan2(sizes).eval().requires_grad_(False)
        for name, parameter in bank.named_parameters():
            if name.endswith("noise_injector.weight"):
                parameter.fill_(NOISE_STRENGTH)
        contrast = bank(torch.randn(LOOKED_AT, style)).std()
        for rgb in (bank.to_rgb1, *bank.to_rgbs):
            rgb.conv.weight_orig *= IMAGE_STD / contrast
    return bank


def drawn(bank: StyleGan2, seed: int) -> NDArray[np.float32]:
    """(1, 3, S, S) in [0, 1]: a picture of the bank, with noise of its own."""
    generator = torch.Generator().manual_seed(seed)
    z = torch.randn(1, bank.sizes.latent_dim, generator=generator)
    with torch.no_grad():
        latents = bank.mix([bank.map(z)])
        image = bank.synthesize(latents, NoiseMode.RANDOM, generator=generator).image
    return np.asarray(((image + 1) / 2).clamp(0, 1).numpy())


def observed(picture: NDArray[np.float32], factor: int) -> NDArray[np.uint8]:
    """(h, h, 3): the picture made small and rounded to 8 bits, as a camera's would be."""
    small = downscale(torch.from_numpy(picture), factor)[0].permute(1, 2, 0).numpy()
    return np.asarray(np.rint(small.clip(0, 1) * 255), np.uint8)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=4)
    parser.add_argument("--steps", type=int, default=100)
    parser.add_argument("--sizes", type=int, nargs="+", default=[32, 64])
    parser.add_argument("--factors", type=int, nargs="+", default=[4, 8])
    parser.add_argument("--device", default="cpu")
    arguments = parser.parse_args()
    settings = SearchSettings(steps=arguments.steps)
    print(f"{os.cpu_count()} cores, {torch.get_num_threads()} threads, {arguments.device}; eps {settings.eps:g}")
    for size in arguments.sizes:
        bank = random_bank(size)
        picture = drawn(bank, seed=7)
        bank.to(arguments.device)
        for factor in arguments.factors:
            began = time.perf_counter()
            found = explore(bank, observed(picture, factor), arguments.count, settings)
            report(f"{size // factor} -> {size}", found, time.perf_counter() - began)


def report(title: str, found: Exploration, seconds: float) -> None:
    best = found.candidates[0].curve
    apart = found.distances[np.triu_indices(len(found.candidates), 1)]
    marks = [step for step in (1, 10, 25, 50, 75, 100, 200, 500, 1000) if step <= len(best)]
    errors = [each.error for each in found.candidates]
    runs = sum(each.runs for each in found.candidates)
    print(f"\n{title}: {found.explaining} of {len(errors)} explain the pixels, {runs} runs, {seconds:.1f} s")
    print("  best candidate's error after step", ", ".join(f"{step}: {best[step - 1]:.4f}" for step in marks))
    print("  errors", ", ".join(f"{error:.2e}" for error in errors), f"; mean {np.mean(errors):.2e}")
    if len(apart):
        print(f"  pairwise distances (RMS, full scale 1): {apart.min():.3f} to {apart.max():.3f}", end="; ")
        print(f"spread {found.spread.mean():.3f} on average")


if __name__ == "__main__":
    main()
