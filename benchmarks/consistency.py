"""What consistency does and costs, as tables: `python -m benchmarks.consistency [--data MEDIA]`.

Error is that of the enlargement shrunk again (bicubic, anti-aliased) against the picture it was made of, in 8-bit
levels; PSNR is against the truth. Pictures: frames of the synthetic street, and the development stills of a media
folder where there is one; each reduced cleanly and by the surveillance profile (blur, noise, sharpening, H.264).
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path
from statistics import fmean

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from media.scene import frame
from models import added_detail, registry
from models.catalog import MODELS
from models.consistency import degrade, project
from models.degradation.matlab import weights
from models.enhancer import Enhancer
from models.metrics import compare
from models.training.evaluate import Bytes, Pair, dev_pairs
from models.training.evaluate import degrade as reduced

DEFAULT = Path(__file__).resolve().parents[2] / "shared" / "media"
CONDITIONS = ("bicubic", "area", "surveillance")
STREET = 6  # frames of the synthetic street
BORDER = 6  # input pixels at a picture's edge that are not compared
TILES = 4  # per timed call
REPEATS = 7  # of which the quickest counts
STEPS = (1, 2, 3, 5, 10)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=DEFAULT, help="media folder with a manifest.json")
    parser.add_argument("--every", type=int, default=3, help="take only every so many stills")
    parser.add_argument("--threads", type=int, default=1)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    for lines in (convergence(), cost(args.threads), quality(args.data, args.every)):
        for line in lines:
            print(line, flush=True)


def convergence() -> Iterator[str]:
    """Error after steps of y <- y + U(x - D(y)) with three U, nothing cut off, from the nearest-pixel enlargement."""
    yield "| U, x4 | " + " | ".join(f"{n} steps" for n in STEPS) + " |"
    yield "|---" * (1 + len(STEPS)) + "|"
    x = _tensor(_street(1, 4)[0].low)[:, :, :96, :96] * 0.5 + 0.25  # no step leaves the range
    start = F.interpolate(x, scale_factor=4, mode="nearest")
    for name, step in _ways(x).items():
        y, errors = start.clone(), []
        for n in range(1, max(STEPS) + 1):
            y = step(y)
            if n in STEPS:
                errors.append(f"{_rms(degrade(y, 4), x):.4f}")
        yield f"| {name} | " + " | ".join(errors) + " |"


def _ways(x: Tensor) -> dict[str, Callable[[Tensor], Tensor]]:
    def bicubic(y: Tensor) -> Tensor:
        return y + F.interpolate(x - degrade(y, 4), scale_factor=4, mode="bicubic")

    line = torch.from_numpy(weights(4 * x.shape[3], Fraction(1, 4))).float()
    size = 2 / (0.123**2 + 0.25**2)  # best for the eigenvalues of D Dᵀ, which are 0.123 to 0.25 along each axis

    def transposed(y: Tensor) -> Tensor:
        return y + size * (line.T @ (x - degrade(y, 4)) @ line)

    return {
        "bicubic enlargement": bicubic,
        "Dᵀ, best step": transposed,
        "pseudo-inverse (ours)": lambda y: project(y.clone(), x, 4, steps=1),
    }


def cost(threads: int) -> Iterator[str]:
    """Milliseconds per tile, float32."""
    yield f"\n| ms per tile of 128 x 128, {threads} thread(s) | plain | consistent | of plain: added detail |"
    yield "|---|---|---|---|"
    tiles = np.random.default_rng(0).integers(40, 215, (TILES, 128, 128, 3)).astype(np.uint8)
    for name, scale in (("lanczos", 2), ("lanczos", 4), ("espcn-x2", 2), ("espcn-x4", 4)):
        enhancer = registry.load(name, scale, "cpu", threads=threads)
        x = _tensor(tiles)
        y = torch.rand(TILES, 3, 128 * scale, 128 * scale)
        plain, consistent, measured = _quickest(
            lambda e=enhancer: e.enhance(tiles),  # type: ignore[misc]
            lambda e=enhancer: e.enhance(tiles, consistency=True),  # type: ignore[misc]
            lambda x=x, y=y, s=scale: added_detail.measure(x, y, s, 4),  # type: ignore[misc]
        )
        yield f"| {name} x{scale} | {plain:.1f} | {consistent:.1f} | {measured:.2f} ({100 * measured / plain:.1f} %) |"


def quality(data: Path, every: int) -> Iterator[str]:
    """Error and PSNR, plain and consistent, and added detail."""
    yield "\n| pictures | reduction | model | error | consistent | PSNR, dB | consistent | detail | consistent |"
    yield "|---" * 9 + "|"
    for scale in (2, 4):
        sources = {"street": _street(STREET, scale)}
        if (data / "manifest.json").is_file():
            pairs = dev_pairs(data, scale, conditions=CONDITIONS, every=every)
            sources["dev stills"] = [pair for pair in pairs if pair.kind == "still"]
        for source, pairs in sources.items():
            for condition in CONDITIONS:
                chosen = [pair for pair in pairs if pair.condition == condition]
                for name in (n for n, f in MODELS.items() if scale in f.scales):
                    yield _row(source, condition, chosen, registry.load(name, scale, "cpu"))


def _row(source: str, condition: str, pairs: list[Pair], enhancer: Enhancer) -> str:
    cells = [f"{source} ({len(pairs)})", condition, f"{enhancer.facts.name} x{enhancer.scale}"]
    found = [[_scores(pair, enhancer, consistency) for consistency in (False, True)] for pair in pairs]
    for figure, digits in ((0, 2), (1, 2), (2, 2)):
        cells += [f"{fmean(both[c][figure] for both in found):.{digits}f}" for c in (0, 1)]
    return "| " + " | ".join(cells) + " |"


def _scores(pair: Pair, enhancer: Enhancer, consistency: bool) -> tuple[float, float, float]:
    """Error, PSNR and added detail of one picture."""
    halo, scale = enhancer.facts.halo, enhancer.scale
    padded = np.pad(pair.low, ((halo, halo), (halo, halo), (0, 0)), mode="edge")
    result = enhancer.enhance(padded[None], consistency=consistency)
    image = np.ascontiguousarray(result.pixels[0, halo * scale : -halo * scale, halo * scale : -halo * scale])
    edge = slice(BORDER, -BORDER)
    error = _rms(degrade(_tensor(image), scale)[:, :, edge, edge], _tensor(pair.low)[:, :, edge, edge])
    detail = float(np.sqrt(np.nanmean(np.square(result.added[..., 1]))))
    return error, compare(image, pair.target, border=scale).psnr, detail


def _street(count: int, scale: int) -> list[Pair]:
    """Pairs of frames of the synthetic street, two seconds apart."""
    pairs = []
    for index in range(count):
        image = frame(50 * index, 160 * scale, 96 * scale, Fraction(25), seed=1 + index)
        for condition in CONDITIONS:
            low, target = reduced(np.asarray(image, np.uint8), scale, condition, 40_000 + index)
            pairs.append(Pair(f"street#{index}", "clip", condition, low, target))
    return pairs


def _quickest(*calls: Callable[[], object]) -> list[float]:
    """Milliseconds per tile of each call, taken by turns so that a noisy machine treats them alike."""
    best = [float("inf")] * len(calls)
    for _ in range(REPEATS):
        for n, call in enumerate(calls):
            began = time.perf_counter()
            call()
            best[n] = min(best[n], (time.perf_counter() - began) * 1000 / TILES)
    return best


def _tensor(image: Bytes | NDArray[np.uint8]) -> Tensor:
    """(H, W, 3) or (N, H, W, 3) -> (N, 3, H, W) in [0, 1]."""
    tiles = np.ascontiguousarray(image if image.ndim == 4 else image[None])
    return torch.from_numpy(tiles).permute(0, 3, 1, 2).float().div(255).contiguous()


def _rms(a: Tensor, b: Tensor) -> float:
    """In 8-bit levels."""
    return 255 * float((a - b).square().mean().sqrt())


if __name__ == "__main__":
    main()
