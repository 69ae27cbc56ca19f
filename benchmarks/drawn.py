"""What a drawn picture costs: `python -m benchmarks.drawn`. Processor time of one thread, a mean of many pictures."""

from __future__ import annotations

import argparse
import time

import cv2
import numpy as np

from models.training.drawn.clocks import overlay
from models.training.drawn.picture import drawn_picture


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", type=int, default=192)
    parser.add_argument("--scale", type=int, default=4)
    parser.add_argument("--count", type=int, default=300)
    args = parser.parse_args()
    cv2.setNumThreads(1)
    size, scale, low = args.size, args.scale, args.size // args.scale
    ground = np.random.default_rng(0).integers(0, 256, (size, size, 3), np.uint8)
    makers = {
        "on a plain ground": lambda rng: drawn_picture(rng, size, scale),
        "into a photograph": lambda rng: drawn_picture(rng, size, scale, ground),
        "recorder's writing": lambda rng: overlay(rng, low, low, scale),
    }
    for name, make in makers.items():
        for seed in range(args.count // 3):  # signs that are drawn once are kept
            make(np.random.default_rng((1, seed)))
        began = time.process_time()
        for seed in range(args.count):
            make(np.random.default_rng((0, seed)))
        print(f"{name}: {(time.process_time() - began) / args.count * 1000:.1f} ms for {size} pixels, x{scale}")


if __name__ == "__main__":
    main()
