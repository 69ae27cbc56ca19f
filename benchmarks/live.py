"""Lag of live cameras, from a frame's arrival until it can be fetched: `python -m benchmarks.live`.

First each rung alone, with a camera that the workers can keep up with: when did each part and each segment first stand
in the playlist that a player got over HTTP, and when had its frames arrived. Then a load of several times what the
enhance worker can do: the lag of every frame beside the budget, the steps down, and the frames dropped.

A frame's arrival is told by EXT-X-PROGRAM-DATE-TIME: the benchmark's cameras send no time of their own, so it is ours.
Prints tables and draws a plot.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from models.catalog import Catalog
from models.registry import load
from tests.cameras.house import House, Listener
from tests.cameras.player import Player, Seen
from tests.cameras.sources import CameraProcess
from tests.media.clips import picture
from workers.rungs import plan_live

SETTLING_S = 5.0  # after a stream is online: the first segment is long
PATIENCE = 4  # times as long is waited at most
QUANTILES = (0.5, 0.95, 0.99, 1.0)
COLOURS = [(180, 90, 20), (40, 130, 40), (40, 40, 200), (150, 40, 150), (120, 120, 0), (0, 120, 180)]  # BGR
GREY = (60, 60, 60)
Lags = list[float]

_pause = threading.Event().wait


@dataclass(slots=True)
class Load:
    """What came of a load: per camera, lags with when they were, steps of the ladder, and counts."""

    budget_s: float
    times: float  # what the cameras ask for, as a multiple of what the worker can do
    lags: dict[str, list[tuple[float, float]]] = field(default_factory=dict)  # (seconds since the beginning, lag)
    steps: dict[str, list[tuple[float, str, str]]] = field(default_factory=dict)  # (seconds, rung, reason)
    counts: dict[str, dict[str, int]] = field(default_factory=dict)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rungs", default="espcn-x4,espcn-x2,lanczos")
    parser.add_argument("--size", default="160x120")
    parser.add_argument("--rate", type=int, default=6)
    parser.add_argument("--seconds", type=float, default=40.0, help="of each rung, and of the load")
    parser.add_argument("--budget", type=float, default=3.0)
    parser.add_argument("--times", type=float, default=3.0, help="the load, as a multiple of what the worker can do")
    parser.add_argument("--load-size", default="320x240")
    parser.add_argument("--load-model", default="espcn-x4")
    parser.add_argument("--cameras", type=int, default=2, help="of the load")
    parser.add_argument("--plot", type=Path, default=Path("docs/live-lag.png"))
    parser.add_argument("--json", type=Path)
    asked = parser.parse_args()
    rungs = [name for name in asked.rungs.split(",") if name]
    alone = {name: rung_alone(name, asked.size, asked.rate, asked.seconds, asked.budget) for name in rungs}
    print(f"one camera, {asked.size}, {asked.rate} fps, budget {asked.budget:g} s, {asked.seconds:g} s a rung\n")
    print("| rung | until | frames | p50 | p95 | p99 | longest |")
    print("|---|---|---|---|---|---|---|")
    for name, (parts, segments) in alone.items():
        for what, lags in (("its part", parts), ("its segment", segments)):
            figures = " | ".join(f"{value:.2f}" for value in np.quantile(lags, QUANTILES))
            print(f"| {name} | {what} | {len(lags)} | {figures} |")
    busy_s = seconds_a_frame(asked.load_model, asked.load_size)
    rate = max(1, round(asked.times / busy_s / asked.cameras))
    load_ = under_load(asked.load_model, asked.load_size, rate, asked.cameras, asked.seconds, asked.budget, busy_s)
    print(f"\n{asked.cameras} cameras, {asked.load_size}, {rate} fps each, {asked.load_model}: a frame takes ", end="")
    print(f"{1000 * busy_s:.0f} ms of the one enhance worker, so the load is {load_.times:.1f} times what it can do\n")
    print("| camera | frames fetched | p50 | p95 | p99 | longest | beyond the budget | dropped | late | ends on |")
    print("|---|---|---|---|---|---|---|---|---|---|")
    for name, lags in load_.lags.items():
        values = [lag for _, lag in lags]
        figures = " | ".join(f"{value:.2f}" for value in np.quantile(values, QUANTILES))
        beyond = sum(value > asked.budget for value in values)
        counts, rung = load_.counts[name], load_.steps[name][-1][1] if load_.steps[name] else asked.load_model
        print(f"| {name} | {len(values)} | {figures} | {beyond} | {counts['dropped']} | {counts['late']} | {rung} |")
    for name, steps in load_.steps.items():
        for at, rung, reason in steps:
            print(f"{name}, {at:.1f} s: {rung}, {reason}")
    draw(asked.plot, alone, load_)
    if asked.json is not None:
        asked.json.write_text(json.dumps({"alone": alone, "load": asdict(load_)}))


def rung_alone(name: str, size: str, rate: int, seconds: float, budget_s: float) -> tuple[Lags, Lags]:
    """(lags until the part, lags until the segment) of the frames of one camera that were shown on one rung."""
    height = 4 * int(size.partition("x")[2])  # the same output of every rung
    with serving(("yard",), size, rate, camera_workers="1", enhance_workers="1") as (house, camera):
        id = house.add("yard", camera.url(), model=name, ladder=[name], target_height=height, budget_s=budget_s, ring=0)
        house.wait_online(id, 120)
        _pause(SETTLING_S)
        with Listener(house.service.url, id) as listener, Player(house.service.url, id, segments=False) as player:
            began = now = time.time()
            on_rung = 0.0
            while on_rung < seconds and now < began + PATIENCE * seconds:  # a busy machine leaves the rung for a while
                _pause(1.0)
                on_rung += (time.time() - now) * (house.show(id)["live"]["rung"] == name)
                now = time.time()
        if player.problems:
            raise SystemExit(f"the playlist breaks rules: {player.problems[:3]}")
        told = zip(listener.times, listener.events, strict=True)
        steps = [(at, data["to"]) for at, (kind, data) in told if kind == "rung"]
        if steps:
            print(f"note: {name} left its rung {sum(to != name for _, to in steps)} times, the machine being busy")
        fresh = [seen for seen in player.seen if seen.begins >= began and rung_at(seen, name, steps) == name]
        parts = frame_lags([seen for seen in fresh if seen.part is not None], rate)
        return parts, frame_lags([seen for seen in fresh if seen.part is None], rate)


def rung_at(seen: Seen, first: str, steps: Sequence[tuple[float, str]]) -> str:
    """The rung on which the whole of it was shown; "" where there were several."""
    rung = first
    for at, to in steps:
        if at <= seen.begins:
            rung = to
        elif at <= seen.at:
            return ""
    return rung


def seconds_a_frame(name: str, size: str) -> float:
    """What a whole frame takes the network on one thread: the median of several."""
    width, height = (int(side) for side in size.split("x"))
    plan = plan_live(width, height, (name,), Catalog(None).facts, None, None)
    rung = plan.rungs[name]
    enhancer = load(name, rung.scale, "cpu", threads=1)
    grid = rung.grid(width, height)
    tiles = grid.cut(picture(1, width, height), np.arange(grid.count))
    took = []
    for _ in range(7):
        began = time.perf_counter()
        enhancer.enhance(tiles)
        took.append(time.perf_counter() - began)
    return float(np.median(took[2:]))


def under_load(model: str, size: str, rate: int, cameras: int, seconds: float, budget_s: float, busy_s: float) -> Load:
    names = [f"camera-{number + 1}" for number in range(cameras)]
    with serving(names, size, rate, camera_workers=str(cameras), enhance_workers="1") as (house, camera):
        result = Load(budget_s, cameras * rate * busy_s)
        with contextlib.ExitStack() as stack:
            ids, players, listeners = {}, {}, {}
            began = time.time()
            for name in names:
                options: dict[str, Any] = {"ladder": [model], "budget_s": budget_s, "ring": 0}
                id = ids[name] = house.add(name, camera.url(name), model=model, **options)
                listeners[name] = stack.enter_context(Listener(house.service.url, id))
                players[name] = stack.enter_context(Player(house.service.url, id, segments=False))
            for id in ids.values():
                house.wait_online(id, 120)
            _pause(seconds)
            for name, id in ids.items():
                live = house.show(id)["live"]
                result.counts[name] = {key: live[key] for key in ("dropped", "late", "frames")}
        for name in names:
            parts = [seen for seen in players[name].seen if seen.part is not None]
            result.lags[name] = [
                (seen.at - began, seen.at - arrival) for seen in parts for arrival in arrivals(seen, rate)
            ]
            told = zip(listeners[name].times, listeners[name].events, strict=True)
            result.steps[name] = [
                (at - began, data["to"], data["reason"]) for at, (kind, data) in told if kind == "rung"
            ]
    return result


@contextlib.contextmanager
def serving(names: Sequence[str], size: str, rate: int, **settings: str) -> Iterator[tuple[House, CameraProcess]]:
    """The service, and cameras of which every picture is another."""
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="gl-")))
        camera = stack.enter_context(CameraProcess(names, size, rate, gst=False))
        yield stack.enter_context(House(folder, **settings)), camera


def arrivals(seen: Seen, rate: int) -> list[float]:
    """Of the frames of a part or segment."""
    return [seen.begins + number / rate for number in range(max(1, round(seen.lasts * rate)))]


def frame_lags(seen: Sequence[Seen], rate: int) -> Lags:
    return [each.at - arrival for each in seen for arrival in arrivals(each, rate)]


def draw(path: Path, alone: dict[str, tuple[Lags, Lags]], load_: Load) -> None:
    """Above, the share of frames that could be fetched within a time, for each rung; below, the lag under load."""
    width, panel, left, right = 980, 250, 60, 16
    image = np.full((2 * panel + 20, width, 3), 255, np.uint8)

    def text(words: str, x: float, y: float, colour: tuple[int, int, int] = GREY) -> None:
        cv2.putText(image, words, (round(x), round(y)), cv2.FONT_HERSHEY_SIMPLEX, 0.42, colour, 1, cv2.LINE_AA)

    def place(number: int, x: float, y: float, x_end: float, y_end: float) -> tuple[int, int]:
        top, bottom = 24 + number * panel, (number + 1) * panel - 24
        return round(left + (width - left - right) * x / x_end), round(bottom - (bottom - top) * y / y_end)

    longest = 1.05 * max(max(segments) for _, segments in alone.values())
    for share in (0.0, 0.5, 0.95, 1.0):
        cv2.line(image, place(0, 0, share, longest, 1), place(0, longest, share, longest, 1), (230, 230, 230), 1)
        text(f"{share:.0%}", 8, place(0, 0, share, longest, 1)[1] + 4)
    for tick in np.arange(0, longest, 0.5 if longest < 8 else 2):
        text(f"{tick:g} s", place(0, tick, 0, longest, 1)[0] - 8, panel - 8)
    text("frames that can be fetched within so long of their arrival: in a part (thick), in a segment (thin)", 180, 14)
    for number, (name, both) in enumerate(alone.items()):
        colour = COLOURS[number % len(COLOURS)]
        for lags, thickness in zip(both, (2, 1), strict=True):
            ordered = np.sort(lags)
            points = [place(0, lag, (n + 1) / len(ordered), longest, 1) for n, lag in enumerate(ordered)]
            cv2.polylines(image, [np.array(points, np.int32)], False, colour, thickness, cv2.LINE_AA)
        text(name, width - 120, 150 + 18 * number, colour)
    end = max((at for lags in load_.lags.values() for at, _ in lags), default=1.0)
    highest = 1.2 * max(load_.budget_s, max((lag for lags in load_.lags.values() for _, lag in lags), default=1.0))
    for level in (0.0, load_.budget_s):
        colour = (60, 60, 220) if level else (230, 230, 230)
        cv2.line(image, place(1, 0, level, end, highest), place(1, end, level, end, highest), colour, 1)
        text(f"{level:g} s", 8, place(1, 0, level, end, highest)[1] + 4)
    text(
        f"{load_.times:.1f} times what the worker can do: lag of each frame until its part; >: a step of the ladder",
        200,
        panel + 14,
    )
    for tick in np.arange(0, end, 10):
        text(f"{tick:g} s", place(1, tick, 0, end, highest)[0] - 8, 2 * panel - 8)
    for number, (name, lags) in enumerate(load_.lags.items()):
        colour = COLOURS[number % len(COLOURS)]
        for at, lag in lags:
            cv2.circle(image, place(1, at, lag, end, highest), 1, colour, -1, cv2.LINE_AA)
        for at, rung, _ in load_.steps[name]:
            x, y = place(1, max(0.0, at), highest * (0.96 - 0.07 * number), end, highest)
            text(f"> {rung}", min(x, width - 90), y, colour)
        text(name, width - 120, panel + 90 + 18 * number, colour)
    path.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(path), image, [cv2.IMWRITE_PNG_COMPRESSION, 9])


if __name__ == "__main__":
    main()
