"""A camera whose server is stopped, killed, restarted and frozen at random.

    python -m tests.cameras.soak --minutes 30 --out build/soak-cameras

Runs the whole service on it, plays its live view all the while, and writes samples.csv, disturbances.csv and soak.png
into a folder. Ends with a verdict, which is the exit status too: whether the stream came back by itself each time
within the backoff's bound, its times never went back, and memory and descriptors stayed flat.
"""

from __future__ import annotations

import argparse
import csv
import tempfile
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import av
import psutil

from media.ring_files import list_files
from tests.cameras.disturbances import GRACE_S, SEVERAL, Disturbance, drawn, longest_wait_s
from tests.cameras.figures import Sample, draw, means, write_csv
from tests.cameras.house import House
from tests.cameras.player import Player
from tests.cameras.sources import HOW_TO_INSTALL, CameraProcess, has_gst

LADDER = ["espcn-x4", "lanczos"]
BUDGET_S = 3.0
RING_MINUTES = 2.0
MIB = 2**20
GROWTH = 0.05  # of memory, from the second fifth of the run to the last
GROWTH_MIB = 8.0  # or so much: less than what one decoder more would take
MORE = 1.0  # descriptors or threads, on average


@dataclass(frozen=True, slots=True)
class Recovery:
    disturbance: Disturbance
    at: float  # seconds since the beginning
    took_s: float | None  # from the server's return until a new part of the live view; None: it never came
    bound_s: float
    longest_pause_s: float  # without a new part


class Sampler:
    """Looks at the service every second in a thread of its own. A context manager."""

    def __init__(self, house: House, stream_id: str, began: float) -> None:
        self.samples: list[Sample] = []
        self.processes: set[int] = set()  # that ran the camera
        self._house, self._id, self._began = house, stream_id, began
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> Sampler:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopped.set()
        self._thread.join(30)

    def _run(self) -> None:
        while not self._stopped.wait(1.0):
            try:
                self._sample()
            except psutil.NoSuchProcess:
                continue

    def _sample(self) -> None:
        jobs = self._house.camera_jobs()
        body = self._house.show(self._id)
        if not jobs:
            return
        (job,) = jobs
        self.processes.add(job.pid)
        live = body["live"]
        sample = Sample(
            t=round(time.time() - self._began, 2),
            state=body["state"],
            rung=live["rung"],
            lag_s=live["lag_s"],
            fps_in=live["fps_in"],
            fps_out=live["fps_out"],
            frames=live["frames"],
            dropped=live["dropped"],
            late=live["late"],
            reconnects=live["reconnects_1h"],
            rss_mib=round(job.memory_info().rss / MIB, 2),
            descriptors=job.num_fds(),
            threads=job.num_threads(),
            ring_mib=round(live["ring_bytes"] / MIB, 3),
            recording_mib=round(live["recording_bytes"] / MIB, 3),
        )
        self.samples.append(sample)


class Soak:
    """One run over a running service."""

    def __init__(self, house: House, camera: CameraProcess, out: Path) -> None:
        self._house, self._camera, self._out = house, camera, out
        self._pause = threading.Event().wait
        self.recoveries: list[Recovery] = []

    def run(self, planned: list[Disturbance], seconds: float) -> list[str]:
        """Returns what is wrong, in words; nothing where all is well."""
        record = {"hours": 0.1, "gigabytes": 0.05}
        id = self._house.add(
            "yard",
            self._camera.url(),
            model=LADDER[0],
            ladder=LADDER,
            budget_s=BUDGET_S,
            ring=RING_MINUTES,
            record=record,
        )
        self._house.wait_online(id, 120)
        began = time.time()
        with Player(self._house.service.url, id) as player, Sampler(self._house, id, began) as sampler:
            for disturbance in planned:
                if time.time() - began > seconds:
                    break
                self._pause(disturbance.calm_s)
                self.recoveries.append(self._disturb(disturbance, player, began))
                self._say(self.recoveries[-1])
                self._write(sampler.samples)
            self._pause(max(5.0, seconds - (time.time() - began)))
            state = self._house.show(id)["state"]
        self._write(sampler.samples)
        print(
            f"frames that overlap the next: {sum(each > 0 for each in player.overlaps_s)} of {len(player.overlaps_s)}"
        )
        wrong = [f"the stream ended {state}"] * (state != "online")
        wrong += [f"playlist: {problem}" for problem in player.problems]
        wrong += [f"{len(sampler.processes)} processes ran the camera, one after the other"] * (
            len(sampler.processes) > 1
        )
        ring = self._house.service.data / "streams" / id / "ring"
        return wrong + self._late() + ring_problems(ring, RING_MINUTES) + self._growth(sampler.samples) + self._said()

    def _disturb(self, disturbance: Disturbance, player: Player, began: float) -> Recovery:
        at = time.time()
        if disturbance.kind == "freeze":
            self._camera.freeze()
            self._pause(disturbance.away_s)
            self._camera.thaw()
        else:
            if disturbance.kind == "stop":
                self._camera.stop()
            else:
                self._camera.kill()
            self._pause(disturbance.away_s)
            self._camera.start()
        back = time.time()
        bound_s = longest_wait_s(back - at) + GRACE_S
        took_s = None
        while took_s is None and time.time() - back < 2 * bound_s:
            fresh = [seen.at for seen in player.parts()[-8:] if seen.begins + seen.lasts > back and seen.at > back]
            if fresh:
                took_s = min(fresh) - back
            self._pause(0.05)
        pause_s = player.longest_pause_s(at - 1.0, time.time())
        return Recovery(disturbance, at - began, took_s, bound_s, pause_s)

    def _late(self) -> list[str]:
        return [
            f"at {each.at:.0f} s, after {each.disturbance.kind}: back after {each.took_s} s, not {each.bound_s:.1f} s"
            for each in self.recoveries
            if each.took_s is None or each.took_s > each.bound_s
        ]

    def _growth(self, samples: list[Sample]) -> list[str]:
        wrong = []
        judged: list[tuple[str, Callable[[Sample], float], Callable[[float], float]]] = [
            ("memory, MiB", lambda sample: sample.rss_mib, lambda early: max(GROWTH * early, GROWTH_MIB)),
            ("descriptors", lambda sample: sample.descriptors, lambda _: MORE),
            ("threads", lambda sample: sample.threads, lambda _: MORE),
        ]
        for name, value, allowed in judged:
            early, late = means(samples, value)
            print(f"{name}, while online: {early:.1f} in the second fifth of the run, {late:.1f} in the last")
            if late > early + allowed(early):
                wrong.append(f"{name}: grew from {early:.1f} to {late:.1f}")
        return wrong

    def _said(self) -> list[str]:
        lines = self._house.log().splitlines()
        return [f"log: {line:.300}" for line in lines if "level=error" in line or "Traceback" in line][:5]

    def _say(self, each: Recovery) -> None:
        took = "never" if each.took_s is None else f"{each.took_s:5.2f} s"
        print(
            f"{each.at:7.1f} s  {each.disturbance.kind:8} away {each.disturbance.away_s:4.1f} s"
            f"  back after {took} (bound {each.bound_s:4.1f} s)  longest pause {each.longest_pause_s:.1f} s",
            flush=True,
        )

    def _write(self, samples: list[Sample]) -> None:
        if len(samples) < 2:
            return
        write_csv(self._out / "samples.csv", samples)
        with (self._out / "disturbances.csv").open("w", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(["t", "kind", "away_s", "took_s", "bound_s", "longest_pause_s"])
            for each in self.recoveries:
                took = "" if each.took_s is None else f"{each.took_s:.3f}"
                row = [f"{each.at:.1f}", each.disturbance.kind, f"{each.disturbance.away_s:.2f}", took]
                writer.writerow([*row, f"{each.bound_s:.2f}", f"{each.longest_pause_s:.2f}"])
        draw(
            self._out / "soak.png",
            samples,
            [(each.at, each.disturbance.kind) for each in self.recoveries],
            LADDER[::-1],
        )


def ring_problems(folder: Path, keep_minutes: float) -> list[str]:
    """What is wrong with a ring of the source, in words: its files' times, and the packets' within each."""
    files = list_files(folder)
    wrong = [] if files else ["the ring of the source is empty"]
    for before, after in pairwise(files):
        if after.start < before.end - 1e-3:
            wrong.append(f"ring: {after.name} begins {before.end - after.start:.3f} s before {before.name} ends")
    if files and files[-1].end - files[0].start > 60 * keep_minutes + 60:
        wrong.append(f"ring: {files[-1].end - files[0].start:.0f} s are kept of {60 * keep_minutes:.0f} s")
    for file in files:
        with av.open(str(folder / file.name)) as container:
            stamps = [packet.dts for packet in container.demux(video=0) if packet.dts is not None]
        if any(b <= a for a, b in pairwise(stamps)):
            wrong.append(f"ring: times within {file.name} do not rise")
    return wrong


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=30.0)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--size", default="160x120")
    parser.add_argument("--rate", type=int, default=6)
    parser.add_argument("--out", type=Path, default=Path("build/soak-cameras"))
    arguments = parser.parse_args()
    if not has_gst():
        print(f"{HOW_TO_INSTALL}; the tests' own server is used instead", flush=True)
    arguments.out.mkdir(parents=True, exist_ok=True)
    camera = CameraProcess(("yard",), arguments.size, arguments.rate, gst=has_gst())
    planned = drawn(arguments.seed, max(SEVERAL, round(arguments.minutes * 2)))
    settings = {"camera_workers": "1", "clip_workers": "1", "enhance_workers": "1"}
    with tempfile.TemporaryDirectory(prefix="gl-") as folder, camera, House(Path(folder), **settings) as house:
        soak = Soak(house, camera, arguments.out)
        try:
            wrong = soak.run(planned, 60 * arguments.minutes)
        finally:
            (arguments.out / "service.log").write_text(house.log())
    took = sorted(each.took_s for each in soak.recoveries if each.took_s is not None)
    print(f"{len(soak.recoveries)} disturbances in {arguments.minutes:g} minutes, seed {arguments.seed}; ", end="")
    print(f"back after {took[len(took) // 2]:.1f} s (median), {took[-1]:.1f} s (longest)" if took else "none survived")
    if arguments.minutes >= SEVERAL and len(soak.recoveries) < SEVERAL:
        wrong.append(f"only {len(soak.recoveries)} disturbances fitted in, not {SEVERAL}")
    for each in wrong:
        print(f"WRONG: {each}")
    print("verdict:", "failed" if wrong else "passed")
    raise SystemExit(bool(wrong))


if __name__ == "__main__":
    main()
