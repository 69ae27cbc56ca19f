"""End-to-end speed against the network alone, on the same tiles in the same run: `python -m benchmarks.speed`.

The clip changes everywhere in every frame, so nothing is reused: the ratio is the cost of everything but the network.
The network is timed before and after the end-to-end run and the mean is taken, because machines are noisy.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from fractions import Fraction
from pathlib import Path

import av
import numpy as np

from media.probe import probe
from media.reader import VideoReader
from models.catalog import MODELS
from models.enhancer import Enhancer
from models.registry import load
from pipeline.job import ClipOptions
from pipeline.limits import probe_limits
from pipeline.settings import Settings
from workers.local import decide_local, enhance_local
from workers.tiles import make_grid


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", default="640x360", help="of the source, WxH")
    parser.add_argument("--frames", type=int, default=24)
    parser.add_argument("--models", nargs="*", default=sorted(MODELS))
    arguments = parser.parse_args()
    width, height = (int(side) for side in arguments.size.split("x"))
    settings = Settings()
    with tempfile.TemporaryDirectory() as folder:
        clip = _moving_clip(Path(folder) / "moving.mp4", width, height, arguments.frames)
        print(f"{arguments.size}, {arguments.frames} frames, all of every frame changing\n")
        print("| model | scale | network alone, fps | end to end, fps | end to end ÷ network |")
        print("|---|---|---|---|---|")
        for name in arguments.models:
            for scale in [s for s in MODELS[name].scales if s in (2, 4)]:
                enhancer = load(name, scale, settings.device, threads=settings.threads or None)
                before = _network_fps(enhancer, clip, settings)
                end_to_end = _end_to_end_fps(name, scale, clip, settings, Path(folder) / f"{name}-{scale}.mp4")
                network = 2 / (1 / before + 1 / _network_fps(enhancer, clip, settings))
                print(
                    f"| {name} | ×{scale} | {network:.2f} | {end_to_end:.2f} | {end_to_end / network:.2f} |", flush=True
                )


def _network_fps(enhancer: Enhancer, clip: Path, settings: Settings) -> float:
    facts = probe(clip, probe_limits(settings, max_bytes=None))
    grid = make_grid(facts.width, facts.height, enhancer.facts.tile, enhancer.facts.halo, enhancer.facts.ramp)
    with VideoReader(clip, facts) as reader:
        frames = [grid.cut(frame.image, np.arange(grid.count)) for frame in reader]
    tiles = np.concatenate(frames)
    enhancer.enhance(tiles[: settings.batch_tiles])  # warm
    began = time.perf_counter()
    for at in range(0, len(tiles), settings.batch_tiles):
        enhancer.enhance(tiles[at : at + settings.batch_tiles])
    return len(frames) / (time.perf_counter() - began)


def _end_to_end_fps(name: str, scale: int, clip: Path, settings: Settings, out: Path) -> float:
    plan = decide_local(clip, out, ClipOptions(model=name, scale=scale), settings)
    began = time.perf_counter()
    summary = enhance_local(clip, out, plan, settings, None, on_frame=lambda _: None)
    assert summary["reuse_share"] == 0.0, "the clip was to change everywhere"
    return float(summary["frames"]["written"]) / (time.perf_counter() - began)


def _moving_clip(path: Path, width: int, height: int, frames: int) -> Path:
    """Textured noise that shifts by a few pixels a frame."""
    rng = np.random.default_rng(1)
    texture = np.clip(rng.normal(128, 30, (height * 2, width * 2, 3)), 0, 255).astype(np.uint8)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=Fraction(25), options={"crf": "23", "preset": "ultrafast"})
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        for i in range(frames):
            picture = np.ascontiguousarray(texture[3 * i % height :][:height, 5 * i % width :][:, :width])
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, "rgb24")))
        container.mux(stream.encode(None))
    return path


if __name__ == "__main__":
    main()
