"""The literature's test sets enlarged by bicubic and by an ESPCN of luma.

`python -m benchmarks.literature --weights RUN/best.safetensors` prints a Markdown table: PSNR and SSIM on Y by
the protocol of `models/evaluation/literature.py`, means of each set.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping
from pathlib import Path
from statistics import fmean

import cv2
import numpy as np
import torch

from models import weights_io
from models.espcn import Espcn
from models.evaluation.literature import Bytes, Enlarge, bicubic, luma, pair, scores
from models.training.espcn_y import enlarge_by

ROOT = Path(__file__).resolve().parents[1]
SETS = ("Set5", "Set14", "B100")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=ROOT.parent / "shared" / "media", help="folder of benchmarks/SET")
    parser.add_argument("--weights", type=Path, help="of an ESPCN of luma (.safetensors); none: bicubic alone")
    parser.add_argument("--scale", type=int, default=3)
    parser.add_argument("--sets", nargs="*", default=list(SETS))
    args = parser.parse_args()
    torch.set_num_threads(1)
    methods: dict[str, Enlarge] = {"bicubic": bicubic(args.scale)}
    if args.weights:
        network = Espcn(args.scale, channels=1)
        network.load_state_dict(weights_io.read(args.weights))
        methods["ESPCN"] = enlarge_by(network.eval())
    print(f"| set, x{args.scale} | pictures |{''.join(f' {m}: PSNR, SSIM |' for m in methods)}")
    print("|---|---|" + "---|" * len(methods))
    for name in args.sets:
        files = sorted((args.data / "benchmarks" / name).glob("*.png"))
        if not files:
            sys.exit(f"There are no pictures of {name}: name the folder that holds benchmarks/{name} with --data.")
        found = measure([read_luma(path) for path in files], methods, args.scale)
        print(f"| {name} | {len(files)} |{''.join(f' {p:.2f}, {s:.4f} |' for p, s in found.values())}")


def measure(planes: list[Bytes], methods: Mapping[str, Enlarge], scale: int) -> dict[str, tuple[float, float]]:
    """Mean PSNR (dB) and SSIM of each method."""
    found: dict[str, list[tuple[float, float]]] = {name: [] for name in methods}
    for plane in planes:
        low, target = pair(plane, scale)
        for name, enlarge in methods.items():
            found[name].append(scores(enlarge(low), target, scale))
    return {name: (fmean(p for p, _ in each), fmean(s for _, s in each)) for name, each in found.items()}


def read_luma(path: Path) -> Bytes:
    """(H, W) uint8; a file of one channel is its own luma, as the published programs take it."""
    image = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
    if image is None:
        sys.exit(f"{path.name} is not a readable picture.")
    if image.ndim == 2:
        return np.asarray(image, dtype=np.uint8)
    return luma(np.asarray(image[..., 2::-1], dtype=np.uint8))


if __name__ == "__main__":
    main()
