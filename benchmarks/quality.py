"""Quality of the models that ship, as a table: `python -m benchmarks.quality [--data MEDIA]`.

What the model card claims is printed here.
Low-resolution pictures are made of the development split of a media folder: by clean bicubic or area shrinking, and by
the surveillance profile (blur, noise, sharpening, H.264). Enhancers work on whole pictures with repeated edges, as they
do on the tiles of a frame.
"""

from __future__ import annotations

import argparse
import itertools
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from statistics import fmean

import cv2
import numpy as np
import torch

from models import registry
from models.catalog import MODELS
from models.enhancer import Enhancer
from models.metrics import Scores, compare
from models.training.drawings import drawn_pair
from models.training.evaluate import CONDITIONS, Bytes, Upscale, bicubic_upscale, dev_pairs, mean, measure
from models.training.pack import MARGIN

DEFAULT = Path(__file__).resolve().parents[2] / "shared" / "media"
FLAT_LEVELS = (0, 64, 128, 192, 255)  # of each channel
DRAWINGS = 60
GREYS = (*FLAT_LEVELS, 16, 96, 160, 224, 235)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=DEFAULT, help="media folder with a manifest.json")
    parser.add_argument("--scales", type=int, nargs="*", default=[2, 4])
    parser.add_argument("--every", type=int, default=1, help="take only every so many pictures")
    parser.add_argument("--methods", nargs="*", help="only these, by default bicubic and all models of the scale")
    parser.add_argument("--threads", type=int, default=1)
    args = parser.parse_args()
    if not (args.data / "manifest.json").is_file():
        sys.exit("There is no media folder to measure on: name one that has a manifest.json with --data.")
    torch.set_num_threads(args.threads)
    cv2.setNumThreads(args.threads)
    for scale in args.scales:
        for line in table(args.data, scale, args.every, args.methods):
            print(line, flush=True)


def table(data: Path, scale: int, every: int, only: Sequence[str] | None = None) -> Iterator[str]:
    """Lines of Markdown for one scale."""
    pairs = dev_pairs(data, scale, every=every)
    stills, frames = (len({p.name for p in pairs if p.kind == kind}) for kind in ("still", "clip"))
    yield f"\n### x{scale}: {stills} stills, {frames} frames of clips\n"
    yield "| method | " + " | ".join(f"{c}: PSNR | PSNR-Y | SSIM | SSIM-Y" for c in CONDITIONS) + " |"
    yield "|---" * (1 + 4 * len(CONDITIONS)) + "|"
    for kind in ("still", "clip"):
        for name, upscale in methods(scale, only):
            chosen = [pair for pair in pairs if pair.kind == kind]
            scores = measure(chosen, upscale, scale)
            cells = [cell(mean(chosen, scores, condition=condition)) for condition in CONDITIONS]
            yield f"| {name}, {kind}s | " + " | ".join(cells) + " |"
    for name, upscale in methods(scale, only):
        worst, grey = flat_shift(upscale)
        yield f"\n{name}: largest mean shift on flat colours {worst:.2f} levels, on flat greys {grey:.2f}"
        yield f"{name}: {drawings(upscale, scale):.2f} dB RGB PSNR on drawings of any colours, shrunk cleanly"


def methods(scale: int, only: Sequence[str] | None) -> Sequence[tuple[str, Upscale]]:
    """Name and function of each method at this scale: OpenCV's bicubic, then what ships."""
    shipped = [(name, upscaler(registry.load(name, scale, "cpu"))) for name, f in MODELS.items() if scale in f.scales]
    return [(n, f) for n, f in [("bicubic", bicubic_upscale(scale)), *shipped] if only is None or n in only]


def upscaler(enhancer: Enhancer) -> Upscale:
    """Whole pictures through an enhancer: one tile, edges repeated by its halo."""
    halo, scale = enhancer.facts.halo, enhancer.scale

    def upscale(low: Bytes) -> Bytes:
        padded = np.pad(low, ((halo, halo), (halo, halo), (0, 0)), mode="edge")
        result = enhancer.enhance(padded[None])
        if not result.ok:
            raise RuntimeError(f"{enhancer.facts.name} gave a broken picture of shape {low.shape}")
        inner = slice(halo * scale, -halo * scale)
        return np.ascontiguousarray(result.pixels[0, inner, inner])

    return upscale


def flat_shift(upscale: Upscale) -> tuple[float, float]:
    """Largest difference in level between a flat picture and its enlargement's mean: of a cube of colours, of greys."""
    cube = [shift(upscale, colour) for colour in itertools.product(FLAT_LEVELS, repeat=3)]
    greys = [shift(upscale, (level, level, level)) for level in GREYS]
    return max(cube + greys), max(greys)


def drawings(upscale: Upscale, scale: int) -> float:
    """Mean PSNR in dB over synthetic graphics with saturated edges, which photographs hardly hold."""
    edge = MARGIN * scale
    found = []
    for seed in range(DRAWINGS):
        low, high = drawn_pair(np.random.default_rng((DRAWINGS, seed)), scale)
        found.append(compare(upscale(low)[edge:-edge, edge:-edge], high).psnr)
    return fmean(found)


def shift(upscale: Upscale, colour: tuple[int, ...]) -> float:
    """Largest difference of a channel's mean after enlarging a flat picture of this colour."""
    out = upscale(np.broadcast_to(np.array(colour, np.uint8), (16, 16, 3)).copy())
    return float(np.abs(out.reshape(-1, 3).mean(0) - colour).max())


def cell(scores: Scores) -> str:
    return f"{scores.psnr:.2f} | {scores.psnr_y:.2f} | {scores.ssim:.4f} | {scores.ssim_y:.4f}"


if __name__ == "__main__":
    main()
