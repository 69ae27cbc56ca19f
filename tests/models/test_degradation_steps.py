"""Steps of profiles: every statistic that their docstrings promise."""

import json
import math
from dataclasses import asdict

import numpy as np
import pytest
from numpy.typing import NDArray

from models.degradation.firmware import Halo, HaloDrawn, WeaveDrawn
from models.degradation.optics import Defocus, DefocusDrawn, Motion, MotionDrawn, filtered, shake_kernel
from models.degradation.profiles import PROFILES, degrade, degrade_frames
from models.degradation.sampling import FILTERS, Sampling, SamplingDrawn
from models.degradation.scene import InfraredDrawn, Tone, ToneDrawn
from models.degradation.sensor import SensorDrawn, deviation
from models.degradation.steps import Drawn, Step

Floats = NDArray[np.float32]


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def flat(level: float, side: int = 160) -> Floats:
    return np.full((side, side, 3), level, np.float32)


def run(step: Drawn, frames: list[Floats], seed: int = 0) -> Floats:
    return np.stack(list(step.run(frames, rng(seed))))


def sensor(**changes: float) -> SensorDrawn:
    none = dict.fromkeys(SensorDrawn.__dataclass_fields__, 0.0)
    return SensorDrawn(**(none | changes))


@pytest.mark.parametrize(("grain", "chroma"), [(0.0, 0.0), (0.7, 0.0), (0.5, 0.8)])
@pytest.mark.parametrize("level", [0.15, 0.7])
def test_noise_grows_with_the_signal_as_the_model_says(level: float, grain: float, chroma: float) -> None:
    step = sensor(shot=0.002, read=0.01, grain=grain, chroma=chroma, chroma_grain=1.2)
    noisy = run(step, [flat(level)] * 2)
    assert noisy.std() == pytest.approx(deviation(step, level), rel=0.05)
    assert noisy.mean() == pytest.approx(level, abs=1e-3)
    assert np.corrcoef(noisy[0].ravel(), noisy[1].ravel())[0, 1] == pytest.approx(0, abs=0.02)  # new in every frame


def test_noise_follows_the_signal_within_one_picture() -> None:
    halves = flat(0.05)
    halves[:, 80:] = 0.8
    noise = run(sensor(shot=0.004, read=0.002), [halves])[0] - halves
    assert noise[:, :80].std() == pytest.approx(math.sqrt(0.004 * 0.05 + 0.002**2), rel=0.05)
    assert noise[:, 80:].std() == pytest.approx(math.sqrt(0.004 * 0.8 + 0.002**2), rel=0.05)


def test_the_share_of_noise_that_is_coloured_is_the_one_asked_for() -> None:
    noisy = run(sensor(read=0.02, chroma=1.0), [flat(0.5)])[0]
    between = np.corrcoef(noisy[..., 0].ravel(), noisy[..., 2].ravel())[0, 1]
    assert between == pytest.approx(1 / (1 + 1.0**2), abs=0.03)
    grey = run(sensor(read=0.02), [flat(0.5)])[0]
    assert np.ptp(grey, axis=-1).max() == 0


def test_the_fixed_pattern_is_the_same_in_all_frames_of_a_clip_and_another_in_the_next_clip() -> None:
    step = sensor(read=0.01, pixels=0.02, rows=0.03)
    noisy = run(step, [flat(0.5)] * 40)[..., 0]
    pattern = noisy.mean(axis=0) - 0.5
    rows = pattern.mean(axis=1)
    assert rows.std() == pytest.approx(0.03, rel=0.15)
    assert (pattern - rows[:, None]).std() == pytest.approx(math.hypot(0.02, 0.01 / math.sqrt(40)), rel=0.05)
    assert (noisy - noisy.mean(axis=0)).std() == pytest.approx(0.01, rel=0.05)
    other = run(step, [flat(0.5)] * 10, seed=1)[..., 0].mean(axis=0) - 0.5
    assert abs(np.corrcoef(pattern.ravel(), other.ravel())[0, 1]) < 0.2


def test_infrared_is_exactly_grey_and_darker_away_from_the_lamp() -> None:
    colour = rng().random((40, 60, 3), dtype=np.float32)
    step = InfraredDrawn(falloff=0.6, axis_x=0.5, axis_y=0.5)
    grey = run(step, [colour])[0]
    assert np.ptp(grey, axis=-1).max() == 0
    light = run(step, [np.ones((41, 61, 3), np.float32)])[0, ..., 0]
    assert light[20, 30] == pytest.approx(1, abs=1e-6)
    assert light[0, 0] == pytest.approx(0.4, abs=1e-5)
    assert np.all(np.diff(light[20, 30:]) < 0)
    assert np.all(np.diff(light[20:, 30]) < 0)


@pytest.mark.parametrize("seed", range(4))
def test_the_night_profile_is_exactly_grey_after_its_codec_too(seed: int) -> None:
    frames = rng(5).integers(0, 256, (3, 64, 72, 3), dtype=np.uint8)
    night = degrade_frames(frames, "surveillance-night-ir", 2, seed)
    assert np.ptp(night.low, axis=-1).max() == 0
    assert np.ptp(night.target, axis=-1).max() == 0
    assert night.low.std() > 0


def test_tone_clips_what_is_too_bright_and_narrows_the_range() -> None:
    ramp = np.linspace(0, 1, 256, dtype=np.float32)[None, :, None].repeat(3, axis=2)
    toned = run(ToneDrawn(exposure=2.0, gamma=1.0, black=0.1, white=0.9), [ramp])[0, 0, :, 0]
    assert toned.min() == pytest.approx(0.1)
    assert np.all(toned[128:] == pytest.approx(0.9))
    assert toned[64] == pytest.approx(0.1 + 0.8 * 2 * 64 / 255, abs=1e-5)
    curved = run(ToneDrawn(exposure=1.0, gamma=2.0, black=0.0, white=1.0), [ramp])[0, 0, :, 0]
    assert np.allclose(curved, np.linspace(0, 1, 256) ** 2, atol=1e-5)


def test_targets_have_the_light_of_the_scene_and_none_of_the_damage() -> None:
    image = rng().integers(0, 256, (64, 64, 3), dtype=np.uint8)
    seed = next(s for s in range(20) if Tone(0.4).draw(rng(s), 4) is not None)
    tone = Tone(0.4).draw(rng(seed), 4)
    assert tone is not None
    wanted = tone.change(np.asarray(image / 255, dtype=np.float32)) * 255
    assert np.abs(degrade(image, "surveillance-day", 4, seed).target - wanted).max() <= 0.51


def test_defocus_has_the_width_it_says() -> None:
    point = np.zeros((61, 61, 3), np.float32)
    point[30, 30] = 1
    spread = run(DefocusDrawn(3.0, 1.5, 0.0), [point])[0, ..., 0]
    xs = np.arange(61) - 30
    assert (spread.sum(axis=0) * xs**2).sum() == pytest.approx(9, rel=0.08)
    assert (spread.sum(axis=1) * xs**2).sum() == pytest.approx(2.25, rel=0.08)


def test_a_pan_blurs_along_its_direction_only() -> None:
    stripes = np.zeros((48, 48, 3), np.float32)
    stripes[:, ::6] = stripes[:, 1::6] = stripes[:, 2::6] = 1
    along = run(MotionDrawn("pan", 6.0, math.pi / 2, 0, 0, 0), [stripes])[0]
    across = run(MotionDrawn("pan", 6.0, 0.0, 0, 0, 0), [stripes])[0]
    assert np.allclose(along, stripes, atol=1e-5)
    assert across[10:-10, 10:-10].std() < 0.1 * stripes.std()


def test_an_object_is_blurred_where_it_is_and_moves() -> None:
    noise = rng().random((80, 80, 3), dtype=np.float32)
    step = MotionDrawn("object", 5.0, 0.0, place_x=0.3, place_y=0.5, size=0.15)
    first, second = (np.abs(frame - noise).mean(axis=-1) > 1e-6 for frame in run(step, [noise] * 2))
    columns = [np.flatnonzero(changed.any(axis=0)).mean() for changed in (first, second)]
    assert columns[1] - columns[0] == pytest.approx(2 * 5.0, abs=1.5)
    assert first.mean() < 0.15


def test_shaking_differs_from_frame_to_frame_and_keeps_pictures_in_place() -> None:
    draws = rng(3)
    for _ in range(20):
        kernel = shake_kernel(draws, 8.0)
        radius = kernel.shape[0] // 2
        ys, xs = np.mgrid[-radius : radius + 1, -radius : radius + 1]
        assert kernel.sum() == pytest.approx(1, abs=1e-6)
        assert abs((kernel * xs).sum()) < 1e-4
        assert abs((kernel * ys).sum()) < 1e-4
    noise = rng().random((40, 40, 3), dtype=np.float32)
    first, second = run(MotionDrawn("shake", 8.0, 0.0, 0, 0, 0), [noise] * 2)
    assert np.abs(first - second).max() > 0.05


def test_a_grey_picture_is_filtered_to_the_same_numbers_by_its_one_channel() -> None:
    grey = rng().random((30, 30, 1), dtype=np.float32).repeat(3, axis=2)
    kernel = shake_kernel(rng(2), 6.0)
    coloured = grey.copy()
    coloured[0, 0, 0] += 1e-6  # enough to take the other way
    assert np.allclose(filtered(grey, kernel), filtered(coloured, kernel), atol=1e-5)


@pytest.mark.parametrize("method", FILTERS)
def test_fine_stripes_alias_only_through_the_filters_that_are_said_to(method: str) -> None:
    phase = np.arange(256, dtype=np.float32) * 2 * np.pi * 0.23
    stripes = np.broadcast_to((0.5 + 0.4 * np.cos(phase))[None, :, None], (32, 256, 3)).astype(np.float32)
    small = run(SamplingDrawn(method, 4), [stripes])[0]
    assert small.shape == (8, 64, 3)
    seen = float(small[:, 8:-8].std() / stripes.std())
    assert seen > 0.6 if method in ("bilinear", "none") else seen < 0.3


def test_a_halo_overshoots_both_sides_of_an_edge_and_more_the_stronger_it_is() -> None:
    edge = flat(0.3, 32)
    edge[:, 16:] = 0.6
    overshoot = []
    for amount in (0.3, 0.8, 1.6):
        sharp = run(HaloDrawn(amount, 1.0), [edge])[0]
        overshoot.append(float(sharp.max()) - 0.6)
        assert 0.3 - sharp.min() == pytest.approx(overshoot[-1], abs=1e-5)
        assert np.allclose(sharp[:, [0, -1]], edge[:, [0, -1]], atol=1e-4)
    assert overshoot[0] > 0.02
    assert overshoot == sorted(overshoot)


@pytest.mark.parametrize("early", [0, 1])
def test_fields_are_of_two_times_by_parity_of_rows(early: int) -> None:
    frames = [flat(level, 8) for level in (0.1, 0.2, 0.3)]
    frames[0][:, 0] = 0.9
    woven = run(WeaveDrawn(early, shift=2), frames)
    late = 1 - early
    assert np.all(woven[1, late::2] == np.float32(0.2))
    assert np.array_equal(woven[1, early::2], frames[0][early::2])
    assert np.all(woven[2, late::2] == np.float32(0.3))
    assert np.all(woven[2, early::2] == np.float32(0.2))
    assert np.array_equal(woven[0, late::2], frames[0][late::2])
    assert np.all(woven[0, early::2, 2] == np.float32(0.9))  # its own, shifted by two
    assert np.all(woven[0, early::2, 0] == np.float32(0.1))


def test_interlaced_profiles_comb_what_moves_and_nothing_else() -> None:
    still = np.zeros((96, 96, 3), np.uint8)
    still[:, 40:56] = 200
    moving = np.stack([np.roll(still, 6 * index, axis=1) for index in range(4)])
    combs = []
    for frames in (np.stack([still] * 4), moving):
        low = degrade_frames(frames, "surveillance-interlaced", 2, 3).low[-1].astype(float).mean(axis=-1)
        combs.append(np.abs(low[1:-1] - (low[:-2] + low[2:]) / 2).mean())
    assert combs[1] > 3 * combs[0]


@pytest.mark.parametrize("step", [Defocus((0.1, 0.5)), Motion(1.0), Sampling(), Halo(1.0), Tone(1.0)])
def test_draws_lie_in_their_ranges_and_differ(step: Step) -> None:
    drawn = [step.draw(rng(seed), 4) for seed in range(12)]
    assert all(d is not None for d in drawn)
    texts = {json.dumps(asdict(d)) for d in drawn if d is not None}
    assert len(texts) > 1
    for d in drawn:
        if isinstance(d, DefocusDrawn):
            assert 0.1 * 4 * 0.5 <= d.sigma_y <= d.sigma_x <= 0.5 * 4
        if isinstance(d, HaloDrawn):
            assert 0.2 <= d.amount <= 1.0


def test_steps_that_are_not_always_there_are_there_as_often_as_they_say() -> None:
    assert sum(Halo(0.3).draw(rng(seed), 4) is not None for seed in range(400)) == pytest.approx(120, abs=30)


def test_a_profile_says_that_it_needs_several_frames_where_a_codec_or_fields_are_in_it() -> None:
    for name, profile in PROFILES.items():
        steps = {type(step).__name__ for step in profile.steps}
        needs = bool(steps & {"Encode", "FixedEncode", "Weave", "Surveillance"})
        assert (profile.frames > 1) == needs, name
