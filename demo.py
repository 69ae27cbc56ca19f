"""`make demo`: the whole service on a synthetic clip, as a new user would use it.

Draws the sample clip, starts `gleaner serve`, uploads the clip through the REST API, shows progress, fetches the
enhanced clip and its report, makes a before/after picture, and stops what it started.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import cv2
import numpy as np
import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

from media.limits import ProbeLimits
from media.probe import probe
from media.reader import VideoReader
from media.sample import write_sample
from media.types import Image
from pipeline.limits import probe_limits
from pipeline.settings import Settings
from service.client import Client

OUT = Path("demo-output")
SHOWN = 24  # number of the frame in the before/after picture
CROP = (430, 250, 360, 270)  # left, top, width, height of the enlarged detail, pixels of the enhanced clip
START_S = 60.0

console = Console()


def main(out: Path = OUT) -> None:
    """Run the demonstration and leave its files in OUT."""
    out.mkdir(parents=True, exist_ok=True)
    sample, clean = out / "sample.mp4", out / "clean.mkv"
    console.print("Drawing the sample clip (a street scene as a cheap camera would deliver it) …")
    write_sample(sample, clean)
    with _service() as url, Client(url) as client:
        client.wait_until_ready(START_S)
        console.print(f"The service listens on {url}; its API document is {url}/openapi.json")
        job = client.submit(sample, {"model": "espcn-x4"})  # the default model takes minutes on two cores
        with Progress(TextColumn("{task.description:<10}"), BarColumn(), MofNCompleteColumn(), console=console) as bar:
            task = bar.add_task(job["state"], total=None)
            for now in client.follow(job["id"]):
                job = now
                bar.update(task, description=job["state"], completed=job["frames_done"], total=job["frames_total"])
        if job["state"] != "done":
            console.print(f"[red]The job is {job['state']}: {(job.get('problem') or {}).get('detail')}")
            raise typer.Exit(1)
        client.download(job["id"], "result", out / "enhanced.mp4")
        client.download(job["id"], "report", out / "report.json")
        reuse = job["reuse_share"] or 0.0
    picture = out / "before-after.png"
    cv2.imwrite(str(picture), before_after(sample, out / "enhanced.mp4", clean)[..., ::-1])
    console.print(f"{job['frames_done']} frames; {reuse:.0%} of all tiles had not changed and were reused.")
    for name in ("sample.mp4", "enhanced.mp4", "report.json", "before-after.png"):
        console.print(f"  {out / name}")


def before_after(before: Path, after: Path, truth: Path) -> Image:
    """The same frame of three clips side by side: the source enlarged by bicubic interpolation, enhanced, and truth."""
    enhanced = _frame(after, SHOWN)
    height, width = enhanced.shape[:2]
    enlarged = cv2.resize(_frame(before, SHOWN), (width, height), interpolation=cv2.INTER_CUBIC)
    left, top, w, h = CROP
    panels = []
    for image, label in ((enlarged, "camera, bicubic"), (enhanced, "Gleaner"), (_frame(truth, SHOWN), "truth")):
        panel = image[top : top + h, left : left + w].astype(np.uint8).copy()
        for colour, thickness in (((0, 0, 0), 4), ((255, 255, 255), 1)):
            cv2.putText(panel, label, (8, h - 10), cv2.FONT_HERSHEY_SIMPLEX, 0.6, colour, thickness, cv2.LINE_AA)
        panels.append(panel)
    gap = np.full((h, 6, 3), 255, np.uint8)
    return np.concatenate([panels[0], gap, panels[1], gap, panels[2]], axis=1)


def _frame(clip: Path, number: int) -> Image:
    limits: ProbeLimits = probe_limits(Settings(), max_bytes=None)
    with VideoReader(clip, probe(clip, limits)) as reader:
        for index, frame in enumerate(reader):
            if index == number:
                return frame.image
    raise ValueError(f"{clip.name} has no frame {number}")


@contextmanager
def _service() -> Iterator[str]:
    """`gleaner serve` on a free port with a data folder of its own; stopped at the end."""
    with socket.socket() as probe_socket:
        probe_socket.bind(("127.0.0.1", 0))
        port = probe_socket.getsockname()[1]
    with tempfile.TemporaryDirectory(prefix="gleaner-demo-") as data:
        env = os.environ | {
            "GLEANER_DATA_DIR": data,
            "GLEANER_PORT": str(port),
            "GLEANER_LOG_LEVEL": "warning",
            "GLEANER_FRAME_STORE_DIR": f"/dev/shm/{Path(data).name}",
        }
        env.pop("REDIS_URL", None)
        process = subprocess.Popen([sys.executable, "-m", "gleaner", "serve"], env=env)
        try:
            yield f"http://127.0.0.1:{port}"
        finally:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(timeout=60)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


if __name__ == "__main__":
    typer.run(main)
