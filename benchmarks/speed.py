"""End-to-end speed against the network alone, on the same tiles in the same run: `python -m benchmarks.speed`.

The clip changes everywhere in every frame, so nothing is reused: the ratio is the cost of everything but the network.
Three ways take turns, `--rounds` times, and the medians of the rounds' ratios are told, because machines are noisy:

- the network alone, run as `gleaner enhance` runs it (`workers/crew.py`), on tiles that lie ready;
- end to end in one process, as `gleaner enhance`;
- with --redis: through Redis and the frame store to an enhance worker in a process of its own.

Where other work runs on the machine those ratios say little: processes with more threads get more of it. So processor
time is told as well, which does not care: that of the network over that of the whole run (Redis itself left out). It is
what the ratio of speeds comes to where all processors are busy and none waits.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from statistics import median

import av
import numpy as np
import psutil
from redis import Redis

from media.background import BackgroundWriter
from media.output import decide
from media.probe import probe
from media.reader import VideoReader
from media.types import ClipFacts
from models.catalog import Catalog
from models.devices import resolve
from models.enhancer import Enhancer
from models.registry import load
from pipeline.connection import connect
from pipeline.embedded import EmbeddedRedis
from pipeline.frames import make_frame_store
from pipeline.heartbeat import alive
from pipeline.job import ClipOptions, Reuse
from pipeline.limits import probe_limits
from pipeline.queue import FrameQueue
from pipeline.settings import Settings
from pipeline.tasks import SegmentKey
from workers.ahead import DECODED_AHEAD, Ahead
from workers.crew import Crew
from workers.layout import Layout, cores, lay_out
from workers.local import decide_local, enhance_local
from workers.plane_redis import RedisPlane
from workers.stretch import enhance_stretch
from workers.tiles import TileGrid, make_grid

ROOT = Path(__file__).resolve().parents[1]
PATIENCE_S = 120.0


@dataclass(frozen=True, slots=True)
class Case:
    """A clip, a model and what is needed to run it."""

    clip: Path
    facts: ClipFacts
    model: str
    scale: int
    settings: Settings
    layout: Layout
    enhancer: Enhancer
    grid: TileGrid
    folder: Path
    frames: int
    worker: int | None  # its process


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", default="640x360", help="of the source, WxH")
    parser.add_argument("--frames", type=int, default=24)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--models", nargs="*", help="all enhancers there are, imported ones included, if not given")
    parser.add_argument("--redis", action="store_true", help="also through Redis and separate processes")
    arguments = parser.parse_args()
    width, height = (int(side) for side in arguments.size.split("x"))
    settings = Settings()
    layout = lay_out(cores(), on_cpu=resolve(settings.device).type == "cpu", network=settings.threads)
    catalog = Catalog(settings.models_dir)
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="gl-")))
        clip = _moving_clip(folder / "moving.mp4", width, height, arguments.frames)
        facts = probe(clip, probe_limits(settings, max_bytes=None))
        redis, worker = stack.enter_context(_worker(folder)) if arguments.redis else (None, None)
        print(f"{arguments.size}, {arguments.frames} frames, all of every frame changing; {layout}\n")
        print(
            "| model | scale | network alone, fps | end to end ÷ network | of processor time"
            " | through Redis ÷ end to end | of processor time |"
        )
        print("|---|---|---|---|---|---|---|")
        for name in arguments.models or [facts.name for facts in catalog.enhancers()]:
            for scale in [s for s in catalog.enhancer(name).scales if s in (2, 4)]:
                enhancer = load(name, scale, settings.device, threads=layout.network, catalog=catalog)
                model = enhancer.facts
                grid = make_grid(width, height, model.tile, model.halo, model.ramp)
                case = Case(
                    clip, facts, name, scale, settings, layout, enhancer, grid, folder, arguments.frames, worker
                )
                _print_row(case, arguments.rounds, redis)


@dataclass(frozen=True, slots=True)
class Cost:
    """Of one frame, in seconds: by the clock, and of processors."""

    wall_s: float
    busy_s: float


def _print_row(case: Case, rounds: int, redis: Redis | None) -> None:
    tiles = _all_tiles(case)
    _network(case, tiles[:1])  # warm
    network, ends, remote = [], [], []
    for turn in range(rounds):
        before = _network(case, tiles)
        ends.append(_end_to_end(case))
        if redis is not None:
            remote.append(_through_redis(case, redis, turn + 1))
        after = _network(case, tiles)
        network.append(Cost((before.wall_s + after.wall_s) / 2, (before.busy_s + after.busy_s) / 2))
    cells = [f"{1 / median(cost.wall_s for cost in network):.2f}", *_ratios(network, ends), *_ratios(ends, remote)]
    print(f"| {case.model} | ×{case.scale} | {' | '.join(cells)} |", flush=True)


def _ratios(one: Sequence[Cost], other: Sequence[Cost]) -> tuple[str, str]:
    """Speed and processor time of the other over those of the one."""
    if not other:
        return "", ""
    pairs = list(zip(one, other, strict=True))
    return (
        f"{median(a.wall_s / b.wall_s for a, b in pairs):.2f}",
        f"{median(a.busy_s / b.busy_s for a, b in pairs):.2f}",
    )


@contextmanager
def _clocked(frames: int, costs: list[Cost], pid: int | None = None) -> Iterator[None]:
    """pid: of a process whose processor time counts too."""

    def busy() -> float:
        other = psutil.Process(pid).cpu_times() if pid else None
        return time.process_time() + (other.user + other.system if other else 0.0)

    began, was = time.perf_counter(), busy()
    yield
    costs.append(Cost((time.perf_counter() - began) / frames, (busy() - was) / frames))


def _all_tiles(case: Case) -> list[np.ndarray]:
    with VideoReader(case.clip, case.facts) as reader:
        return [case.grid.cut(frame.image, np.arange(case.grid.count)) for frame in reader]


def _network(case: Case, tiles: Sequence[np.ndarray]) -> Cost:
    """All frames at once, so that no member of the crew waits."""
    costs: list[Cost] = []
    with Crew(case.layout.crew, case.settings.batch_tiles) as crew, _clocked(len(tiles), costs):
        for answer in [crew.begin(case.enhancer, frame) for frame in tiles]:
            answer()
    return costs[0]


def _end_to_end(case: Case) -> Cost:
    out = case.folder / "out.mp4"
    plan = decide_local(case.clip, out, ClipOptions(model=case.model, scale=case.scale, reuse=Reuse.OFF), case.settings)
    costs: list[Cost] = []
    with _clocked(case.frames, costs):
        summary = enhance_local(case.clip, out, plan, case.settings, None, on_frame=lambda _: None)
    assert summary["reuse_share"] == 0.0, "the clip was to change everywhere"
    assert summary["frames"]["written"] == case.frames
    return costs[0]


def _through_redis(case: Case, redis: Redis, turn: int) -> Cost:
    """This process does what a segment's worker does."""
    queue = FrameQueue(redis, lease_s=case.settings.lease_s, max_deliveries=3)
    store = make_frame_store(case.settings.frame_store, case.settings.frame_store_dir, redis)
    key = SegmentKey(f"benchmark-{os.getpid()}-{case.model.replace('.', '-')}-x{case.scale}", 0, turn)
    facts = case.facts
    output = decide(facts, facts.width * case.scale, facts.height * case.scale, "auto", "standard")
    costs: list[Cost] = []
    with (
        _clocked(case.frames, costs, case.worker),
        RedisPlane(queue, store, key, case.model, case.scale, 20.0) as plane,
        VideoReader(case.clip, facts) as reader,
        Ahead(reader, DECODED_AHEAD) as frames,
        BackgroundWriter(case.folder / f"redis{output.suffix}", output, threads=case.layout.encoder) as writer,
    ):
        window = case.settings.window_frames
        tally = enhance_stretch(
            frames, plane, case.grid, case.scale, writer, window, lambda _record, _tally: None, writer.going
        )
    assert not tally.resized, "a frame was not enhanced"
    return costs[0]


@contextmanager
def _worker(folder: Path) -> Iterator[tuple[Redis, int]]:
    """A Redis with an enhance worker, and that one's process."""
    server = EmbeddedRedis(folder)
    url = server.start()
    redis = connect(url)
    environment = os.environ | {"REDIS_URL": url}
    worker = subprocess.Popen([sys.executable, "gleaner.py", "worker", "enhance"], env=environment, cwd=ROOT)
    try:
        deadline = time.monotonic() + PATIENCE_S
        while not alive(redis, "enhance"):
            if time.monotonic() > deadline or worker.poll() is not None:
                raise SystemExit("the enhance worker did not start")
            time.sleep(0.1)
        yield redis, worker.pid
    finally:
        worker.terminate()
        worker.wait(60)
        redis.close()
        server.stop()


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
