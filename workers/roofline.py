"""Where the time of a clip goes, stage by stage, and how near each model comes to the machine's peak.

The stages are the parts that `gleaner enhance` is made of, walked one after the other in one thread, so that each can
be timed; there they overlap. Knows no printing.
"""

from __future__ import annotations

import statistics
import tempfile
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TypeVar

import numpy as np
import torch
from torch import Tensor, nn

from media.limits import ProbeLimits
from media.moving import write_moving
from media.output import decide, output_size
from media.probe import probe
from media.reader import VideoReader
from media.writer import VideoWriter
from models.catalog import Catalog
from models.devices import lay_out
from models.enhancer import Enhancer
from models.facts import ModelFacts
from models.macs import cost
from models.peak import Clock, MatrixPeak
from models.registry import build, read_state
from workers.canvas import Canvas
from workers.motion import ExactReuse
from workers.tiles import make_grid

STAGES = ("decode", "look", "tile", "convert", "network", "blend", "compose", "encode")
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Reach:
    """A network on tiles, against the peak measured around it."""

    model: str
    scale: int
    form: str  # the network as it runs: its class
    dtype: str
    gmacs: float  # of one tile; 0 where nothing of it is convolutions
    ms: float  # of one tile, median
    share: float | None  # of the peak of its type, median of ratios; None without MACs
    written: float | None  # the same of the network as written, in float32, without its quicker form


@dataclass(frozen=True, slots=True)
class Walk:
    """One model's clip: seconds of each stage and frames."""

    model: str
    scale: int
    frames: int
    seconds: dict[str, float]

    @property
    def total(self) -> float:
        return sum(self.seconds.values())


class Stopwatch:
    """Adds up time by stage."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self.seconds: dict[str, float] = defaultdict(float)

    def now(self) -> float:
        return self._clock.now()

    def add(self, stage: str, since: float) -> None:
        self.seconds[stage] += self._clock.now() - since

    def __call__(self, stage: str, call: Callable[[], T]) -> T:
        began = self._clock.now()
        result = call()
        self.add(stage, began)
        return result


def enhancers(catalog: Catalog, names: Sequence[str] | None) -> list[tuple[ModelFacts, int]]:
    """(facts, scale) of the models named, None: of all; scales of 2 and more, 3 where there is no other."""
    found = [catalog.enhancer(name) for name in names] if names else list(catalog.enhancers())
    pairs = []
    for facts in found:
        scales = [scale for scale in facts.scales if scale > 1]
        pairs += [(facts, scale) for scale in scales if scale != 3 or scales == [3]]
    return pairs


def reach(enhancer: Enhancer, catalog: Catalog, peaks: dict[torch.dtype, MatrixPeak], rounds: int = 7) -> Reach:
    """How near the network comes to the peak; network and peak take turns, the median of their ratios counts.

    MACs are those of the network as written: a quicker form does not count for less.
    """
    facts, clock = enhancer.facts, Clock(enhancer.device)
    network = build(facts, enhancer.scale, read_state(catalog, facts)).eval()
    each_gmacs = cost(network, (1, 3, facts.tile, facts.tile)).macs / 1e9 if facts.learned else 0.0
    lay_out(network.to(enhancer.device))
    count = enhancer.at_once(facts.tile, facts.tile) or facts.batch or 1
    x = torch.rand(count, 3, facts.tile, facts.tile, generator=torch.Generator().manual_seed(0)).to(enhancer.device)
    x = x.contiguous(memory_format=torch.channels_last)
    flops = 2e9 * each_gmacs * count
    enhancer.compute(x)
    _written(network, x)
    times, shares, written = [], [], []
    for _ in range(rounds):
        times.append(clock.seconds(lambda: enhancer.compute(x)) / count)
        if flops:
            shares.append(flops / count / times[-1] / peaks[enhancer.dtype].once())
            seconds = clock.seconds(lambda: _written(network, x))
            written.append(flops / seconds / peaks[torch.float32].once())
    return Reach(
        facts.name,
        enhancer.scale,
        type(enhancer.network).__name__,
        str(enhancer.dtype).removeprefix("torch."),
        each_gmacs,
        1000 * statistics.median(times),
        statistics.median(shares) if shares else None,
        statistics.median(written) if written else None,
    )


@torch.inference_mode()
def _written(network: nn.Module, x: Tensor) -> None:
    network(x)


def walk(enhancer: Enhancer, clip: Path, limits: ProbeLimits) -> Walk:
    """Enhance a clip, each stage timed. What remains of the enhancer's time beside the network is its conversion."""
    facts = probe(clip, limits)
    model, scale = enhancer.facts, enhancer.scale
    watch = Stopwatch(Clock(enhancer.device))
    grid = make_grid(facts.width, facts.height, model.tile, model.halo, model.ramp)
    reuse, canvas = ExactReuse(grid), Canvas(grid, scale, np.uint8)
    output = decide(facts, *output_size(facts, scale, None), "auto", "standard")
    frames = 0
    with ExitStack() as stack, VideoReader(clip, facts) as reader:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        stack.enter_context(_network_timed(enhancer, watch))
        written = stack.enter_context(ExitStack())
        writer = written.enter_context(VideoWriter(folder / f"out{output.suffix}", output, threads=1))
        decoded = iter(reader)
        while (frame := watch("decode", partial(next, decoded, None))) is not None:
            changed = watch("look", partial(reuse.changed, frame.image))
            tiles = watch("tile", partial(grid.cut, frame.image, changed))
            if len(changed):
                result = watch("convert", partial(enhancer.enhance, tiles))
                watch("blend", partial(canvas.update, changed, result.pixels))
            picture = watch("compose", partial(writer.convert, canvas.image))
            watch("encode", partial(writer.encode, picture, frame.pts))
            frames += 1
        watch("encode", written.close)  # what the encoder still held
    watch.seconds["convert"] -= watch.seconds["network"]
    return Walk(model.name, scale, frames, {stage: watch.seconds[stage] for stage in STAGES})


@contextmanager
def _network_timed(enhancer: Enhancer, watch: Stopwatch) -> Iterator[None]:
    """While the block lasts, the network's calls within `enhance` are timed as a stage of their own."""
    began: list[float] = []
    hooks = [
        enhancer.network.register_forward_pre_hook(lambda *_: began.append(watch.now())),
        enhancer.network.register_forward_hook(lambda *_: watch.add("network", began.pop())),
    ]
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()


def make_clip(folder: Path, size: str, frames: int) -> Path:
    """A clip that changes everywhere in every frame. size: WxH."""
    width, height = (int(side) for side in size.split("x"))
    write_moving(folder / "moving.mp4", width, height, frames)
    return folder / "moving.mp4"
