"""How near the estimate of a clip's degradation comes to degradations that are known.

    python -m benchmarks.estimate --data STILLS --every 2

Stills shrunk by area to a quarter, three frames each: white grey noise, soft-grained noise, Gaussian blur, and fields
of two times woven while the picture moves by 7 sharp pixels a frame. Medians and the 10th and 90th percentiles over
the stills; one seed.
"""

from __future__ import annotations

import argparse
import time
from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np

from media.estimate.degradation import Degradation
from media.estimate.frames import estimate_frames
from media.scene import scene
from models.degradation.noise import gain
from models.degradation.profiles import degrade_frames

EDGE, SCALE, RUN = 1024, 4, 3


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="a folder of stills, searched deeply")
    parser.add_argument("--every", type=int, default=1, help="every n-th still by name")
    asked = parser.parse_args()
    cv2.setNumThreads(1)
    files = sorted(path for path in asked.data.rglob("*") if path.suffix in (".png", ".jpg", ".webp"))[:: asked.every]
    sharp = [cut(cv2.imread(str(path), cv2.IMREAD_COLOR_RGB)) for path in files]
    low = [cv2.resize(one, None, fx=1 / SCALE, fy=1 / SCALE, interpolation=cv2.INTER_AREA) for one in sharp]
    rng = np.random.default_rng(1)
    print(f"{len(files)} stills\n\n| degradation | read, median | 10th to 90th percentile |\n|---|---|---|")
    row("none: noise", [estimate_frames([[one] * RUN]).noise for one in low])
    for grain in (0.0, 0.8):
        for sigma in (5, 10, 20):
            row(
                f"noise of {sigma} levels, grain {grain:g}",
                [estimate_frames([[noisy(one, sigma, grain, rng) for _ in range(RUN)]]).noise for one in low],
            )
    row(
        "noise of 10 levels, grain 0.8, one frame",
        [estimate_frames([[noisy(one, 10, 0.8, rng)]]).noise for one in low],
    )
    row("none: blur", [estimate_frames([[one]]).blur for one in low])
    for sigma in (1.0, 1.5, 2.0, 3.0):
        row(
            f"blur of {sigma:g} pixels",
            [estimate_frames([[cv2.GaussianBlur(one, (0, 0), sigma)]]).blur for one in low],
        )
    soft = [cv2.GaussianBlur(one, (0, 0), 2.0) for one in low]
    row("blur of 2 pixels, noise of 10 levels", [estimate_frames([[noisy(one, 10, 0, rng)]]).blur for one in soft])
    for profile in ("surveillance-interlaced", "surveillance-day", "low-bitrate-h264", "noise-only"):
        found = [panned(one, profile, seed) for seed, one in enumerate(sharp)]
        print(f"| {profile}, moving | {sum(one.interlaced for one in found)} of {len(found)} called interlaced | |")
    clip = [scene(640, 360, 1).draw(Fraction(index, 25)) for index in range(9)]
    began = time.process_time()
    estimate_frames([clip[:3], clip[3:6], clip[6:]])
    print(f"\n9 frames of 640x360: {time.process_time() - began:.2f} s of one core")


def cut(picture: np.ndarray) -> np.ndarray:
    top, left = (max(0, (size - EDGE) // 2) for size in picture.shape[:2])
    return np.ascontiguousarray(picture[top : top + EDGE, left : left + EDGE])


def noisy(picture: np.ndarray, sigma: float, grain: float, rng: np.random.Generator) -> np.ndarray:
    noise = rng.standard_normal(picture.shape[:2]).astype(np.float32)
    if grain:
        noise = cv2.GaussianBlur(noise, (0, 0), grain) / gain(grain)
    return np.clip(np.rint(picture + sigma * noise[..., None]), 0, 255).astype(np.uint8)


def panned(picture: np.ndarray, profile: str, seed: int) -> Degradation:
    frames = [np.roll(picture, 7 * index, axis=1) for index in range(RUN)]
    return estimate_frames([degrade_frames(frames, profile, SCALE, seed).low])


def row(name: str, found: list[float | None]) -> None:
    told = [value for value in found if value is not None]
    low, middle, high = np.quantile(told, (0.1, 0.5, 0.9))
    unknown = "" if len(told) == len(found) else f"; {len(found) - len(told)} not told"
    print(f"| {name} | {middle:.2f} | {low:.2f} to {high:.2f}{unknown} |")


if __name__ == "__main__":
    main()
