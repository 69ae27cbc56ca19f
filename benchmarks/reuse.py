"""What reuse of tiles saves and costs on footage of fixed cameras: `python -m benchmarks.reuse [--data MEDIA]`.

Each clip is enhanced twice in step, with reuse and with every tile of every frame computed; PSNR is of the one against
the other, apart on what moves and on what stands still, frame by frame. Tiles are of one size for every model, of 64
pixels as a GLEAN has them. *Really changed* is the share of tiles that show a block which changed beyond the noise
since the frame before: no way of reuse can go below it for long. Times are of the processor, as ratios within the run:
the look against decoding the same frames and making RGB of them.

`--speed` enhances the clips as `gleaner enhance` does, `--reuse off` and on in turns, and tells the ratio of their fps.
"""

from __future__ import annotations

import argparse
import json
import math
import tempfile
import time
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from statistics import fmean, median

import av
import cv2
import numpy as np
from numpy.typing import NDArray

from media.probe import probe
from media.reader import VideoReader
from media.types import Image
from models.enhancer import Enhancer
from models.evaluation.flicker import flicker, motion
from models.registry import load
from pipeline.job import ClipOptions, Reuse
from pipeline.limits import probe_limits
from pipeline.settings import Settings
from workers.canvas import Canvas
from workers.change import ChangeSettings, explained, moved
from workers.local import decide_local, enhance_local
from workers.noise_floor import NoiseFloor, read_noise
from workers.reusing import make_reuse
from workers.tile_difference import TileCutter, TilePlanes, difference, levels
from workers.tiles import TileGrid, make_grid

DEFAULT = Path(__file__).resolve().parents[2] / "shared" / "media"
TILE, RAMP = 64, 6
SOFT, MOVED, AROUND = 1.5, 4.0, 9  # blur, levels from frame to frame and pixels around, by which a part moves
LEAST = 0.001  # share of the picture: a smaller part is not told of
LEAST_DB = 42.0  # of each part of each frame, as promised
FLICKER = 12  # frames whose flicker is measured


@dataclass(slots=True)
class Found:
    shares: list[float] = field(default_factory=list)
    really: list[float] = field(default_factory=list)
    still: list[float] = field(default_factory=list)
    moving: list[float] = field(default_factory=list)
    events: int = 0
    look_s: float = 0.0
    decode_s: float = 0.0
    noise: float = 0.0
    by_noise: bool = False
    flickers: tuple[float | None, float | None] = (None, None)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=DEFAULT, help="media folder with a manifest.json")
    parser.add_argument("--model", default="lanczos")
    parser.add_argument("--scale", type=int, default=2)
    parser.add_argument("--frames", type=int, default=60, help="of each clip, from its beginning")
    parser.add_argument("--skip", type=int, default=0, help="frames of each clip before them")
    parser.add_argument("--only", default="", help="a part of a clip's name")
    parser.add_argument("--speed", action="store_true", help="ratio of fps of whole runs instead")
    parser.add_argument("--rounds", type=int, default=1, help="of --speed; the median counts")
    args = parser.parse_args()
    cv2.setNumThreads(1)
    settings = Settings()
    if args.speed:
        print("| clip | frames | recomputed | fps on ÷ off |\n|---|---|---|---|")
        for path in fixed(args.data):
            if args.only in path.name:
                print(speed_row(path, args, settings), flush=True)
        return
    enhancer = load(args.model, args.scale, settings.device, threads=1)
    print("| clip | tiles | recomputed | really changed | times fewer | still: mean, least dB | "
          "moving: mean, least dB | below 42 dB | flicker, of off | noise | look / decode |")  # fmt: skip
    print("|---" * 11 + "|")
    for path in fixed(args.data):
        if args.only in path.name:
            print(row(path.stem, measured(path, enhancer, args.skip, args.frames, settings)), flush=True)


def fixed(data: Path) -> list[Path]:
    """Clips of cameras that stand still, as the manifest says."""
    files = json.loads((data / "manifest.json").read_text())["files"]
    return [data / entry["file"] for entry in files if entry["kind"] == "clip" and "fixedcam" in entry["tags"]]


def measured(path: Path, enhancer: Enhancer, skip: int, frames: int, settings: Settings) -> tuple[TileGrid, Found]:
    clip = probe(path, probe_limits(settings, max_bytes=None))
    grid = make_grid(clip.width, clip.height, TILE, enhancer.facts.halo, RAMP)
    reuse = make_reuse(Reuse.ON, grid, clip.average_rate, fuse=False)
    with_it, without = (Canvas(grid, enhancer.scale, np.uint8) for _ in range(2))
    found, before = Found(), None
    sources: list[Image] = []
    shown: tuple[list[Image], list[Image]] = ([], [])
    every, steps = np.arange(grid.count), Steps(grid)
    with VideoReader(path, clip) as reader:
        frames_of = iter(islice(reader, skip, skip + frames))
        while True:
            began = time.process_time()
            frame = next(frames_of, None)
            found.decode_s += time.process_time() - began
            if frame is None:
                break
            began = time.process_time()
            changed = reuse.changed(frame.image)
            found.look_s += time.process_time() - began
            tiles = np.concatenate(
                [enhancer.enhance(part).pixels for part in np.array_split(frame_tiles(grid, frame.image), 8)]
            )
            without.update(every, tiles)
            with_it.update(changed, tiles[changed])
            soft = cv2.GaussianBlur(cv2.cvtColor(frame.image, cv2.COLOR_RGB2GRAY), (0, 0), SOFT).astype(np.float32)
            really = steps.changed(frame.image)
            if before is not None:
                found.really.append(really)
                compare(found, with_it.image, without.image, moving(before, soft, enhancer.scale))
                found.shares.append(len(changed) / grid.count)
            if reuse.look is not None:
                found.events += reuse.look.whole
                found.noise, found.by_noise = reuse.look.noise, reuse.look.by_noise
            before = soft
            if len(sources) < FLICKER:
                sources.append(frame.image)
                for kept, canvas in zip(shown, (with_it, without), strict=True):
                    kept.append(cv2.resize(canvas.image, (grid.width, grid.height), interpolation=cv2.INTER_AREA))
    moves = motion(sources)
    found.flickers = flicker(shown[0], moves).static, flicker(shown[1], moves).static
    return grid, found


class Steps:
    """Tells the share of tiles that show a block which changed beyond the noise since the frame before."""

    def __init__(self, grid: TileGrid) -> None:
        self._cutter, self._noise = TileCutter(grid), NoiseFloor()
        self._weights = self._cutter.weights()
        self._before: TilePlanes | None = None

    def changed(self, image: Image) -> float:
        now, before = self._cutter.planes(image), self._before
        self._before = now
        if before is None:
            return 1.0
        level = levels(now)
        self._noise.add(read_noise(difference(now, before), level))
        noise = explained(self._noise.floor, level, np.zeros(now.count, np.float32))
        return float((moved(difference(now, before, self._weights), noise, ChangeSettings()) > 1).mean())


def speed_row(path: Path, args: argparse.Namespace, settings: Settings) -> str:
    """Of whole runs of a stretch of the clip, cut out without encoding it anew."""
    with tempfile.TemporaryDirectory(prefix="gl-") as folder:
        part = Path(folder) / f"part{path.suffix}"
        cut(path, part, args.frames)
        ratios, share, frames = [], 0.0, 0
        for _ in range(args.rounds):
            fps = {}
            for mode in (Reuse.OFF, Reuse.ON):
                out = Path(folder) / "out.mp4"
                plan = decide_local(part, out, ClipOptions(model=args.model, scale=args.scale, reuse=mode), settings)
                began = time.perf_counter()
                summary = enhance_local(part, out, plan, settings, None, on_frame=lambda _: None)
                frames = summary["frames"]["written"]
                fps[mode] = frames / (time.perf_counter() - began)
            ratios.append(fps[Reuse.ON] / fps[Reuse.OFF])
            share = summary["reuse"]["recomputed_share"]
    return f"| {path.stem} | {frames} | {share:.3f} | {median(ratios):.1f} |"


def cut(source: Path, target: Path, frames: int) -> None:
    """The first packets of a clip's pictures."""
    with av.open(str(source)) as original, av.open(str(target), "w") as container:
        stream = original.streams.video[0]
        copy = container.add_stream_from_template(stream)
        packets = (packet for packet in original.demux(stream) if packet.dts is not None)
        for packet in islice(packets, frames):
            packet.stream = copy
            container.mux(packet)


def frame_tiles(grid: TileGrid, image: Image) -> NDArray[np.uint8]:
    return np.asarray(grid.cut(image, np.arange(grid.count)), np.uint8)


def moving(before: NDArray[np.float32], now: NDArray[np.float32], scale: int) -> NDArray[np.bool_]:
    """(scale*h, scale*w): what changed since the frame before, and what is near it."""
    mask = (np.abs(now - before) > MOVED).astype(np.uint8)
    near = cv2.dilate(mask, np.ones((AROUND, AROUND), np.uint8))
    size = (near.shape[1] * scale, near.shape[0] * scale)
    return np.asarray(cv2.resize(near, size, interpolation=cv2.INTER_NEAREST) > 0, np.bool_)


def compare(found: Found, one: Image, other: Image, mask: NDArray[np.bool_]) -> None:
    apart = cv2.absdiff(one, other).astype(np.float32)
    error = np.einsum("ijk,ijk->ij", apart, apart) / 3
    for part, values in ((mask, found.moving), (~mask, found.still)):
        if part.mean() > LEAST:
            values.append(10 * math.log10(255**2 / max(float(error[part].mean()), 0.1)))  # 58 dB: the same


def row(name: str, result: tuple[TileGrid, Found]) -> str:
    grid, found = result
    share = fmean(found.shares)
    parts = [f"{fmean(v):.1f}, {min(v):.1f}" if v else "none" for v in (found.still, found.moving)]
    on, off = found.flickers
    ratio = f"{on / off:.2f}" if on is not None and off else "none"
    noise = f"{found.noise:.2f}{' (bounds)' if found.by_noise else ''}"
    look = f"{found.look_s / found.decode_s:.2f}" if found.decode_s else "none"
    below = (
        f"{sum(v < LEAST_DB for v in found.still)}, {sum(v < LEAST_DB for v in found.moving)} of {len(found.shares)}"
    )
    really = f"{fmean(found.really):.3f}"
    fields = (name, grid.count, f"{share:.3f}", really, f"{1 / share:.1f}", *parts, below, ratio, noise, look)
    return f"| {' | '.join(map(str, fields))} |"


if __name__ == "__main__":
    main()
