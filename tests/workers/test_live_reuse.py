"""What a live stream keeps of earlier frames, and what it makes of several, on scenes whose truth is known."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
from numpy.typing import NDArray

from models.facts import ModelFacts
from tests.workers.live_sim import SimPlane, facts_of, live_frame
from tests.workers.still_scene import GRID, HEIGHT, WIDTH, Frames, noisy, psnr, street
from workers.ladder import Ladder
from workers.live_frames import LiveFrames, Shown
from workers.live_log import LiveLog, LogLine
from workers.live_tally import LiveTally
from workers.reuse import REFRESH_S
from workers.rungs import LANCZOS, LivePlan, plan_live
from workers.slot import Arrived

FPS = 10.0
NEAREST = "nearest-x2"  # what the simulated workers do


class Scene:
    """Frames shown to a stream one after the other, each before the next comes, at `now` seconds."""

    def __init__(self, rung: str = NEAREST, *, fuse: bool, plane: SimPlane | None = None) -> None:
        self.plane = plane or SimPlane({NEAREST: 0.0}, workers=1)
        self._scale = 1 if rung == LANCZOS else 2
        rungs = tuple(dict.fromkeys((rung, LANCZOS)))
        self._rungs, self.ladder = rungs, Ladder(rungs, allowed_s=2.0)
        self.frames = LiveFrames(self.plane, self.ladder, self._plan, 3, fuse=fuse)
        self.now = 0.0
        self.tally = LiveTally()
        self.lines: list[LogLine] = []
        self._log = LiveLog(self.lines.append)
        self.shown: list[Shown] = []
        self.pictures: Frames = []

    def see(self, frames: Frames) -> None:
        for image in frames:
            self.now += 1 / FPS
            frame = live_frame(self.now, seed=0, width=WIDTH, height=HEIGHT)
            frame.image, frame.facts = image, replace(frame.facts, nominal_rate=Fraction(60))
            self.frames.take(Arrived(frame, self.now), self.now)
            for result in self.plane.advance(self.now + 0.01):
                self.frames.done(result, self.now + 0.01)
            (shown,) = self.frames.ready(self.now + 1.5)
            self.frames.shown(shown, self.now + 0.02)
            self.shown.append(replace(shown, image=np.zeros((0, 0, 3), np.uint8)))  # it is written over
            self.pictures.append(shown.image[:: self._scale, :: self._scale].copy())
            self.tally.shown(self.now, shown)
            self._log.shown(shown, 0.02)
        self._log.close()

    def _plan(self, width: int, height: int) -> LivePlan:
        return plan_live(width, height, self._rungs, _facts, self._scale, None)


def _facts(name: str) -> ModelFacts:
    return replace(facts_of(name), tile=64, halo=2, ramp=6)


def gain(picture: NDArray[np.uint8], frame: NDArray[np.uint8]) -> float:
    """Decibels by which a picture is nearer to the truth than the frame of which it was made."""
    return psnr(picture, street()) - psnr(frame, street())


@pytest.mark.parametrize("rung", [NEAREST, LANCZOS])
def test_of_a_noisy_camera_that_sees_nothing_move_many_frames_become_one(rung: str) -> None:
    frames = noisy([street()] * 34, 8.0)
    scene = Scene(rung, fuse=True)
    scene.see(frames)
    gains = [gain(picture, frame) for picture, frame in zip(scene.pictures, frames, strict=True)]
    assert abs(gains[0]) < 0.1
    assert gains[3] > 4  # of 4 frames: 6 dB
    assert gains[33] > 11  # of 32: 15 dB; the values are rounded
    assert {shown.how for shown in scene.shown} <= {"reused", "resized" if rung == LANCZOS else "enhanced"}
    assert [shown.look.fused == shown.tiles for shown in scene.shown] == [False] + [True] * 33
    assert scene.tally.fused_share is not None
    assert scene.tally.fused_share > 0.3
    last = scene.lines[-1].content["look"]
    assert last["fused"] == scene.shown[-1].tiles
    assert last["observations"] > 20
    assert 7 < last["noise"] < 9


def test_footage_that_moves_is_shown_frame_by_frame() -> None:
    """A camera that pans over the street, with noise."""
    wide = np.concatenate([street(), street()[:, ::-1]], axis=1)
    frames = noisy([np.ascontiguousarray(wide[:, 9 * n : 9 * n + WIDTH]) for n in range(20)], 3.0)
    scene = Scene(fuse=True)
    scene.see(frames)
    assert [shown.changed for shown in scene.shown] == [GRID.count] * len(frames)
    assert [shown.look.fused for shown in scene.shown] == [0] * len(frames)
    for picture, frame in zip(scene.pictures, frames, strict=True):
        assert np.array_equal(picture, frame)


def test_without_fusion_noise_alone_is_no_reason_to_enhance_a_tile_again() -> None:
    frames = noisy([street()] * 30, 2.0)
    scene = Scene(fuse=False)
    scene.see(frames)
    assert scene.tally.computed < 0.25 * scene.tally.tiles
    assert {shown.how for shown in scene.shown} == {"enhanced", "reused"}
    assert scene.tally.fused_share is None
    assert all("fused" not in line.content["look"] for line in scene.lines)
    resized = Scene(LANCZOS, fuse=False)  # costs the same whatever is kept, so nothing is
    resized.see(frames[:3])
    assert all(np.array_equal(picture, frame) for picture, frame in zip(resized.pictures, frames[:3], strict=True))


def test_each_tile_is_enhanced_again_within_the_refresh_at_the_rate_that_is_seen() -> None:
    """The camera says that it sends six times as many frames as it does."""
    scene = Scene(fuse=False)
    frames = noisy([street()] * 23, 2.0)
    scene.see(frames[:2])
    scene.now += REFRESH_S + 1  # a new picture, by the rate measured so far
    scene.see(frames[:1])
    assert scene.shown[-1].changed == GRID.count
    again = []
    for n in range(round(FPS * (REFRESH_S + 1))):
        scene.see([frames[n % len(frames)]])
        again.append(scene.shown[-1].changed)
    since = again[5:]  # before, the noise was not known
    assert 0.9 * GRID.count <= sum(since) <= 2 * GRID.count
    assert max(since) <= 4  # spread over the frames


@pytest.mark.parametrize("fuse", [False, True])
def test_after_a_gap_nothing_of_before_is_shown(fuse: bool) -> None:
    frames = noisy([street()] * 14, 4.0)
    scene = Scene(fuse=fuse)
    scene.see(frames[:12])
    assert scene.shown[-1].changed < GRID.count
    scene.now += REFRESH_S
    scene.see(frames[12:])
    assert scene.shown[12].changed == GRID.count
    assert np.array_equal(scene.pictures[12], frames[12])
    if fuse:
        assert [shown.look.fused == 0 for shown in scene.shown[11:]] == [False, True, False]


def test_tiles_that_came_too_late_are_not_said_to_be_fused_and_come_back() -> None:
    frames = noisy([street()] * 12, 4.0)
    scene = Scene(fuse=True)
    scene.see(frames[:3])
    assert scene.shown[-1].look.fused == GRID.count
    scene.plane.kill(0)
    scene.see(frames[3:4])  # of 4 frames: each tile is to be enhanced again
    late = scene.shown[-1]
    assert (late.how, late.changed, late.look) == ("late", GRID.count, None)
    scene.plane.revive(0, scene.now)
    scene.see(frames[4:])
    assert {shown.look.fused for shown in scene.shown[5:]} == {GRID.count}
    assert gain(scene.pictures[-1], frames[-1]) > 6
