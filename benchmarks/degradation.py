"""How fast each degradation makes training pairs on one core: `python -m benchmarks.degradation`.

A sharp frame of 256×256 becomes one of 64×64. Every figure is sharp frames a second: of stills (a profile with a codec
makes a run of up to 4 of each), and of runs of 5 moving frames.
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Callable

import cv2
import numpy as np
import torch

from models.degradation.profiles import PROFILES, degrade, degrade_frames

RUN = 5


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--profiles", nargs="*", default=list(PROFILES))
    parser.add_argument("--size", type=int, default=256, help="edge of the sharp frames, pixels")
    parser.add_argument("--seconds", type=float, default=1.0, help="measured for each figure")
    arguments = parser.parse_args()
    cv2.setNumThreads(1)
    torch.set_num_threads(1)
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    frames = _moving(arguments.size)
    print("| profile | stills/s | frames/s in runs of 5 |\n|---|---|---|")
    for name in arguments.profiles:

        def still(seed: int, name: str = name) -> int:
            degrade(frames[0], name, 4, seed)
            return 1

        def run(seed: int, name: str = name) -> int:
            return len(degrade_frames(frames, name, 4, seed).low)

        print(f"| {name} | {_rate(still, arguments.seconds):.0f} | {_rate(run, arguments.seconds):.0f} |", flush=True)


def _rate(work: Callable[[int], int], seconds: float) -> float:
    """What `work` makes a second of processor time, over many seeds: the parameters drawn differ in cost."""
    work(0)
    made, seed, began = 0, 1, time.process_time()
    while time.process_time() - began < seconds:
        made += work(seed)
        seed += 1
    return made / (time.process_time() - began)


def _moving(size: int) -> np.ndarray:
    """(RUN, size, size, 3) uint8: smooth and sharp textures that pass by 3 pixels a frame."""
    rng = np.random.default_rng(1)
    coarse = cv2.resize(rng.integers(0, 256, (12, 12, 3), dtype=np.uint8), (size, size), interpolation=cv2.INTER_CUBIC)
    fine = cv2.resize(rng.integers(-30, 31, (size // 3 + 1,) * 2 + (3,)).astype(np.float32), (size, size))
    picture = np.clip(coarse + fine, 0, 255).astype(np.uint8)
    return np.stack([np.roll(picture, 3 * index, axis=1) for index in range(RUN)])


if __name__ == "__main__":
    main()
