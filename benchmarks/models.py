"""Cost of the networks, seams between their tiles and the error of bfloat16: `python -m benchmarks.models`.

Writes docs/models.md. Random weights of realistic size, one tile at a time; figures of other machines are marked so.
"""

from __future__ import annotations

import argparse
import platform
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from benchmarks.realistic import realistic
from benchmarks.seams import seam_strength
from models import glean_light, registry
from models.adapters import SignedRange
from models.catalog import Catalog
from models.enhancer import Enhancer
from models.facts import ModelFacts
from models.glean import Glean, GleanConfig
from models.glean_light import GleanLight, GleanLightConfig, fold
from models.macs import cost
from models.stylegan2 import StyleGan2, StyleGan2Sizes, channel_table
from workers.canvas import Canvas
from workers.tiles import make_grid

PAGE = Path(__file__).resolve().parents[1] / "docs" / "models.md"
CALLS = 5  # of which the quickest counts
COSTS = """# What the networks cost

Written by `python -m benchmarks.models --threads {threads}` ({machine}). Do not edit.

One tile at once, channels last, the quickest of five calls (from 30 GMACs on one call, and no bfloat16), while other
work ran on the machine. Random weights: time does not depend on what a network has learned. MACs are of convolutions
and linear layers that run; FIR filters and dead branches are not counted. *Live* parameters are those that the output
depends on. The reference's MACs were counted over mmagic's own networks; its ms were measured eagerly **on another
machine** (two cores with AMX, where bfloat16 is quick), so they are no comparison of implementations.

| network | parameters M (live) | GMACs a tile | ms float32 | ms bf16 | bf16 error | reference: GMACs | its ms |
|---|---|---|---|---|---|---|---|"""
PRECISION = """
*bf16 error* is the RMS difference to float32 over the standard deviation of the output, with random weights of
realistic size. The bound is 0.05; tests hold 0.03 on small networks. On this CPU bfloat16 takes {least:.1f} to
{most:.1f} times as long as float32: {note}."""
SEAMS = """
## Seams

A GLEAN sees a whole tile, so neighbouring tiles differ where they overlap and are blended over a wide ramp. *Seam
strength* (`benchmarks/seams.py`) is the step at ends and middles of ramps, or at hard cuts, over the step elsewhere, in
pictures averaged along the border: about 1 where no grid shows; a test holds 1.4. A clip four tiles wide and high, of
one colour and of a smooth gradient, networks with random weights:

| network | halo, ramp (input pixels) | colour: ramp | colour: cut | gradient: ramp | gradient: cut |
|---|---|---|---|---|---|"""
BIG = 30.0  # GMACs from which a network is run once only, and not in bfloat16


@dataclass(frozen=True, slots=True)
class Reference:
    """The reference implementation's own network: counted by hooks over it, timed eagerly on another machine."""

    gmacs: float
    ms: str = ""


@dataclass(frozen=True, slots=True)
class Entry:
    title: str
    make: Callable[[], nn.Module]
    shape: tuple[int, ...]
    reference: Reference | None = None


def entries() -> Iterator[Entry]:
    """From the largest down; a network is made when its turn comes."""
    cap64 = {"rrdb_channels": 32, "num_rrdbs": 4, "style_channels": 128, "channel_cap": 64}
    for title, config, reference in (
        ("GLEAN cat x16 (official), 16→256", GleanConfig(16, 256), Reference(160.3)),
        ("GLEAN cat x8 (official), 32→256", GleanConfig(32, 256), Reference(167.2, "1456, bf16 609")),
        ("GLEAN m=1, 32→256", GleanConfig(32, 256, channel_multiplier=1), Reference(69.4, "703")),
        ("GLEAN cap64, 64→256", GleanConfig(64, 256, **cap64), Reference(21.8, "263, bf16 136")),
        ("GLEAN cap64, 32→256", GleanConfig(32, 256, **cap64), Reference(17.0, "222")),
        ("GLEAN cap64, 32→128", GleanConfig(32, 128, **cap64), Reference(5.46, "69–80, bf16 35")),
    ):
        yield Entry(title, lambda c=config: realistic(Glean(c)), (1, 3, config.in_size, config.in_size), reference)
    for name in ("MEDIUM_X4", "MEDIUM_X2", "MEDIUM_X2_128", "LIGHT_X4", "LIGHT_X2", "LIGHT_X2_128"):
        config = getattr(glean_light, name)
        size = f"{config.in_size}→{config.out_size}"
        shape = (1, 3, config.in_size, config.in_size)
        yield Entry(f"glean-light `{name}`, {size}", lambda c=config: realistic(GleanLight(c)), shape)
        yield Entry(f"… folded, {size}", lambda c=config: fold(realistic(GleanLight(c))), shape)
    for name in ("espcn-x2", "espcn-x4"):
        facts = Catalog().facts(name)
        yield Entry(f"{name} (ships), tile of {facts.tile}", lambda n=name: shipped(n), (1, 3, facts.tile, facts.tile))
    yield Entry("StyleGAN2 bank 256, z to picture", bank, (1, 512))


def shipped(name: str) -> nn.Module:
    catalog = Catalog()
    facts = catalog.facts(name)
    return registry.build(facts, facts.scales[0], registry.read_state(catalog, facts))


def bank() -> nn.Module:
    return StyleGan2(StyleGan2Sizes(channel_table(256)))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--out", type=Path, default=PAGE)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    lines = list(page(args.threads))
    args.out.write_text("\n".join(lines) + "\n")


def page(threads: int) -> Iterator[str]:
    torch_version, level = torch.__version__.split("+")[0], torch.backends.cpu.get_cpu_capability()
    yield COSTS.format(threads=threads, machine=f"{platform.machine()}, {level}, torch {torch_version}")
    slower: list[float] = []
    for entry in entries():
        row, factor = measured(entry)
        slower += [factor] if factor else []
        print(row, flush=True)
        yield row
    note = (
        "it has no fast kernels for it, and the enhancer computes in float32 there" if min(slower) > 1 else "measured"
    )
    yield PRECISION.format(least=min(slower), most=max(slower), note=note)
    yield SEAMS
    for title, network in seam_networks():
        row = seam_row(title, network)
        print(row, flush=True)
        yield row


def measured(entry: Entry) -> tuple[str, float | None]:
    """A row of the table, and how many times longer bfloat16 takes where that was tried."""
    network = entry.make().eval().requires_grad_(False)
    for parameter in network.parameters():
        if parameter.ndim == 4:
            parameter.data = parameter.data.contiguous(memory_format=torch.channels_last)
    spent = cost(network, entry.shape)
    x = example(entry.shape)
    big = spent.macs > BIG * 1e9
    wanted, plain = timed(network, x, 1 if big else CALLS)
    low, error, factor = "–", "–", None
    if not big:
        with torch.autocast("cpu", dtype=torch.bfloat16):
            given, slow = timed(network, x, 2)
        factor = slow / plain
        low, error = f"{slow:.0f}", f"{float((given.float() - wanted).square().mean().sqrt() / wanted.std()):.4f}"
    reference = entry.reference
    told = (f"{reference.gmacs:g}", reference.ms or "–") if reference else ("", "")
    sizes = f"{spent.parameters / 1e6:.2f} ({spent.effective / 1e6:.2f})"
    cells = (entry.title, sizes, f"{spent.macs / 1e9:.2f}", f"{plain:.0f}", low, error, *told)
    return f"| {' | '.join(cells)} |", factor


def example(shape: tuple[int, ...]) -> Tensor:
    """A smooth picture in [-1, 1], or a latent."""
    random = torch.Generator().manual_seed(1)
    if len(shape) == 2:
        return torch.randn(shape, generator=random)
    coarse = torch.rand(shape[0], shape[1], 6, 6, generator=random) * 2 - 1
    x = nn.functional.interpolate(coarse, size=shape[2:], mode="bicubic").clamp(-1, 1)
    return x.contiguous(memory_format=torch.channels_last)


@torch.inference_mode()
def timed(network: nn.Module, x: Tensor, calls: int) -> tuple[Tensor, float]:
    """Output, and milliseconds of the quickest call; several calls have one before them that does not count."""
    best = float("inf")
    for call in range(calls if calls == 1 else calls + 1):
        began = time.perf_counter()
        out: Tensor = network(x)
        if call or calls == 1:
            best = min(best, time.perf_counter() - began)
    return out, best * 1e3


def seam_networks() -> Iterator[tuple[str, nn.Module]]:
    for edge in (16, 32, 64):
        config = GleanConfig(edge, 4 * edge, 3, 16, 2, 64, 1, channel_cap=32)
        yield f"GLEAN cap32, {edge}→{4 * edge}", realistic(Glean(config))
    light = GleanLightConfig(32, 128, 16, 2, 8, (32, 32, 32, 32, 24, 16), 32, 1, 16)
    yield "glean-light, 32→128", fold(realistic(GleanLight(light)))
    yield "glean-light `LIGHT_X4`, 64→256", fold(realistic(GleanLight(glean_light.LIGHT_X4)))


def seam_row(title: str, network: nn.Module) -> str:
    edge, scale = network.config.in_size, network.config.scale
    halo = edge // 8
    ramp = min(halo + 2, (edge - 2 * halo) // 3)  # as models/importing.py has them
    facts = ModelFacts(title, title, (scale,), edge, halo, True, "", ("float32",), "", ramp=ramp, batch=1)
    enhancer = Enhancer(facts, scale, SignedRange(network), torch.device("cpu"), torch.float32)
    side = 4 * edge
    y, x = np.mgrid[0:side, 0:side] / side
    gradient = np.stack([40 + 150 * x, 60 + 120 * y, 50 + 40 * (x + y)], axis=-1).astype(np.uint8)
    values = []
    for image in (np.full((side, side, 3), (90, 130, 160), np.uint8), gradient):
        for width in (ramp, 0):
            grid = make_grid(side, side, edge, halo, width)
            canvas = Canvas(grid, scale, np.uint8)
            every = np.arange(grid.count)
            canvas.update(every, enhancer.enhance(grid.cut(image, every)).pixels)
            values.append(f"{seam_strength(canvas.image, grid, scale):.2f}")
    return f"| {title} | {halo}, {ramp} | {' | '.join(values)} |"


if __name__ == "__main__":
    main()
