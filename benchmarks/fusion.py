"""What fusion gains over single frames where the truth is known: `python -m benchmarks.fusion [--model NAME]`.

A drawn scene at the size of the result, in which a box crosses after a while, is reduced, gets noise of the sensor and
goes through H.264. Each frame is enhanced alone and with `--fuse`; PSNR of both is against the scene before all that.
*Best* is what the mean of all still frames would gain before the enlargement, no matter how they were found: codecs
take noise away or keep it for many frames, and then there is nothing to average.
"""

from __future__ import annotations

import argparse
from statistics import fmean

import cv2
import numpy as np
from numpy.typing import NDArray

from models.registry import load
from pipeline.job import Reuse
from pipeline.settings import Settings
from tests.workers.still_scene import Frames, coded, noisy, psnr
from workers.canvas import Canvas
from workers.reusing import make_reuse
from workers.tiles import make_grid

WIDTH, HEIGHT = 160, 96  # of the source
STILL, CROSSING = 24, 10  # frames
SETTLED = 8  # frames before gains count
NOISE = (4.0, 8.0, 14.0)
CODECS = (None, 20, 24, 28)  # CRF; None: without
BOX, STEP, TOP = 12, 10, 32  # pixels of the source


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="lanczos")
    parser.add_argument("--scale", type=int, default=2)
    arguments = parser.parse_args()
    cv2.setNumThreads(1)
    enhancer = load(arguments.model, arguments.scale, Settings().device, threads=1)
    facts, s = enhancer.facts, enhancer.scale
    grid = make_grid(WIDTH, HEIGHT, min(facts.tile, 64), facts.halo, facts.ramp)
    every = np.arange(grid.count)
    truth = scenes(s)
    sources = [cv2.resize(picture, (WIDTH, HEIGHT), interpolation=cv2.INTER_AREA) for picture in truth]
    print(f"{arguments.model} x{s}: gain of --fuse over single frames, dB\n")
    print("| noise | CRF | single frames, still | gain, still | gain, moving: mean, least | best | fused |")
    print("|---" * 7 + "|")
    for sigma in NOISE:
        for crf in CODECS:
            frames = noisy(sources, sigma)
            frames = frames if crf is None else coded(frames, crf=crf)
            reuse = make_reuse(Reuse.ON, grid, None, fuse=True)
            fused, alone = (Canvas(grid, s, np.uint8) for _ in range(2))
            still, moving, single, shown = [], [], [], []
            for number, (frame, picture) in enumerate(zip(frames, truth, strict=True)):
                changed = reuse.changed(frame)
                if len(changed):
                    fused.update(changed, enhancer.enhance(reuse.tiles(frame, changed)).pixels)
                alone.update(every, enhancer.enhance(grid.cut(frame, every)).pixels)
                if number < SETTLED:
                    continue
                calm = np.ones(picture.shape[:2], bool)
                calm[(TOP - BOX) * s : (TOP + 2 * BOX) * s] = False
                values = [psnr(canvas.image[calm], picture[calm]) for canvas in (fused, alone)]
                still.append(values[0] - values[1])
                single.append(values[1])
                if reuse.look is not None and reuse.look.fused is not None:
                    shown.append(reuse.look.fused / grid.count)
                if number > STILL:
                    x = (number - STILL) * STEP - BOX
                    box = (slice(TOP * s, (TOP + BOX) * s), slice(max(0, x - STEP) * s, (x + BOX + STEP) * s))
                    moving.append(psnr(fused.image[box], picture[box]) - psnr(alone.image[box], picture[box]))
            fields = (sigma, crf or "none", f"{fmean(single):.1f}", f"{fmean(still):+.2f}")
            best = f"{mean_gain(frames[:STILL], sources[0]):+.1f}"
            parts = (f"{fmean(moving):+.2f}, {min(moving):+.2f}", best, f"{fmean(shown):.2f}")
            print(f"| {' | '.join(map(str, (*fields, *parts)))} |", flush=True)


def scenes(scale: int) -> Frames:
    """The truth: (scale*HEIGHT, scale*WIDTH, 3) each."""
    rng = np.random.default_rng(5)
    width, height = WIDTH * scale, HEIGHT * scale
    y, x = np.mgrid[:height, :width].astype(np.float32)
    picture = np.stack([70 + 60 * y / height, 80 + 50 * x / width, 110 + 20 * (x + y) / width], axis=2)
    for _ in range(30):
        left, top = int(rng.integers(0, width - 20)), int(rng.integers(0, height - 10))
        picture[top : top + int(rng.integers(8, 40)), left : left + int(rng.integers(8, 60))] = rng.integers(40, 210, 3)
    picture = np.clip(cv2.GaussianBlur(picture, (0, 0), 0.6 * scale), 16, 235).astype(np.uint8)
    frames = [picture] * (STILL + 1)
    for number in range(1, CROSSING + 1):
        frames.append(crossed(picture, number * STEP - BOX, scale))
    return frames


def crossed(picture: NDArray[np.uint8], x: int, scale: int) -> NDArray[np.uint8]:
    out = picture.copy()
    out[TOP * scale : (TOP + BOX) * scale, max(0, x) * scale : (x + BOX) * scale] = (210, 60, 50)
    return out


def mean_gain(frames: Frames, source: NDArray[np.uint8]) -> float:
    mean = np.mean(np.stack(frames), axis=0)
    return psnr(mean, source) - fmean(psnr(frame, source) for frame in frames)


if __name__ == "__main__":
    main()
