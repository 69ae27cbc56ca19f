"""Memory of every process while a long clip is enhanced: `python -m benchmarks.memory --minutes 20`.

Starts `gleaner serve`, submits a clip of the given length and samples each process's resident memory every second.
Writes a plot and prints the peak of each process, and its growth: the mean of the last fifth of the run against that of
the second fifth (the first is start-up). Memory that does not depend on the clip's length shows a growth near zero.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections import defaultdict
from pathlib import Path

import av
import cv2
import numpy as np
import psutil

from service.client import Client
from tests.system.conftest import KINDS, Service

Series = dict[str, list[tuple[float, float]]]  # process -> (seconds, MiB)
COLOURS = [(200, 80, 30), (30, 140, 30), (30, 30, 200), (160, 30, 160), (120, 120, 0)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=20.0)
    parser.add_argument("--size", default="640x360")
    parser.add_argument("--fps", type=int, default=12)
    parser.add_argument("--model", default="lanczos")
    parser.add_argument("--scale", default="2")
    parser.add_argument("--plot", type=Path, default=Path("docs/memory.png"))
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="gl-") as folder:
        clip = _long_clip(Path(folder) / "long.mp4", arguments.size, arguments.minutes, arguments.fps)
        service = Service(Path(folder), segment_s="8", lease_s="10", upload_limit_bytes=str(1 << 33))
        try:
            with Client(service.url) as client:
                client.wait_until_ready(60)
                series, job = _watch(service, client, clip, {"model": arguments.model, "scale": arguments.scale})
        finally:
            service.stop()
    wall_s = max(t for points in series.values() for t, _ in points)
    print(
        f"{arguments.minutes:g} minutes, {arguments.size}, {arguments.fps} fps, {arguments.model} ×{arguments.scale}:"
    )
    print(f"{job['frames_done']} frames in {wall_s:.0f} s; {job['reuse_share']:.0%} of tiles reused\n")
    print("| process | peak RSS, MiB | growth, second to last fifth |")
    print("|---|---|---|")
    for name, points in sorted(series.items()):
        print(f"| {name} | {max(mib for _, mib in points):.0f} | {_growth(points, wall_s):+.1%} |")
    arguments.plot.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(arguments.plot), _plot(series, wall_s))


def _watch(service: Service, client: Client, clip: Path, options: dict[str, str]) -> tuple[Series, dict[str, object]]:
    series: Series = defaultdict(list)
    began = time.monotonic()
    job = client.submit(clip, options)
    for now in client.follow(job["id"]):
        job = now
        at = time.monotonic() - began
        sums: dict[str, float] = defaultdict(float)
        for process in psutil.Process(service.process.pid).children(recursive=True):
            try:
                sums[_name(process)] += process.memory_info().rss / 2**20
            except psutil.NoSuchProcess:
                continue
        for name, mib in sums.items():
            series[name].append((at, mib))
        time.sleep(0.5)
    if job["state"] != "done":
        raise SystemExit(f"the job is {job['state']}: {job['problem']}")
    return dict(series), job


def _name(process: psutil.Process) -> str:
    command = " ".join(process.cmdline())
    parent = process.parent()
    for kind, pattern in KINDS.items():
        if pattern in command:
            return f"{kind} job" if parent and pattern in " ".join(parent.cmdline()) else kind
    return "api" if "gleaner api" in command else "other"


def _growth(points: list[tuple[float, float]], wall_s: float) -> float:
    early = [mib for t, mib in points if 0.2 * wall_s <= t < 0.4 * wall_s]
    late = [mib for t, mib in points if t >= 0.8 * wall_s]
    return float(np.mean(late) / np.mean(early) - 1) if early and late else 0.0


def _plot(series: Series, wall_s: float) -> np.ndarray:
    width, height, left, bottom = 900, 420, 70, 40
    top_mib = 1.1 * max(mib for points in series.values() for _, mib in points)
    image = np.full((height, width, 3), 255, np.uint8)

    def at(t: float, mib: float) -> tuple[int, int]:
        x = left + (width - left - 20) * t / wall_s
        return round(x), round(height - bottom - (height - bottom - 20) * mib / top_mib)

    def text(words: str, x: int, y: int, colour: tuple[int, int, int] = (60, 60, 60)) -> None:
        cv2.putText(image, words, (x, y), cv2.FONT_HERSHEY_SIMPLEX, 0.42, colour, 1, cv2.LINE_AA)

    for share in (0, 0.25, 0.5, 0.75, 1):
        cv2.line(image, at(0, share * top_mib), at(wall_s, share * top_mib), (225, 225, 225), 1)
        text(f"{share * top_mib:.0f} MiB", 4, at(0, share * top_mib)[1] + 4)
        text(f"{share * wall_s:.0f} s", at(share * wall_s, 0)[0] - 14, height - 14)
    for number, (name, points) in enumerate(sorted(series.items())):
        colour = COLOURS[number % len(COLOURS)]
        line = np.array([at(*point) for point in points], np.int32)
        cv2.polylines(image, [line], False, colour, 1, cv2.LINE_AA)
        text(name, width - 120, 24 + 18 * number, colour)
    return image


def _long_clip(path: Path, size: str, minutes: float, fps: int) -> Path:
    """A moving square over a still, noisy background, as a fixed camera sees it."""
    width, height = (int(side) for side in size.split("x"))
    rng = np.random.default_rng(1)
    still = np.clip(rng.normal(110, 25, (height, width, 3)), 0, 255).astype(np.uint8)
    with av.open(str(path), "w") as container:
        stream = container.add_stream(
            "libx264", rate=fps, options={"crf": "28", "preset": "ultrafast", "g": str(2 * fps)}
        )
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        for i in range(round(minutes * 60 * fps)):
            picture = still.copy()
            x, y = 4 * i % (width - 80), 2 * i % (height - 60)
            picture[y : y + 60, x : x + 80] = rng.integers(0, 256, (60, 80, 3), np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, "rgb24")))
        container.mux(stream.encode(None))
    return path


if __name__ == "__main__":
    main()
