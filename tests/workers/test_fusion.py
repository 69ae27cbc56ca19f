"""Means of many frames where tiles stand still, on scenes whose truth is known."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from tests.workers.still_scene import GRID, HEIGHT, WIDTH, Frames, coded, noisy, psnr, street, with_box
from workers.alignment import shifted, shifts
from workers.canvas import Canvas
from workers.fused_reuse import FusedReuse
from workers.motion import ExactReuse
from workers.reuse import EveryTile, Look, NoisyReuse, Reuse
from workers.tile_difference import TileCutter


def enhanced(frames: Frames, reuse: Reuse) -> tuple[Frames, list[int], list[Look]]:
    """What a network that changes nothing would show."""
    canvas, pictures, counts, looks = Canvas(GRID, 1, np.uint8), [], [], []
    for frame in frames:
        changed = reuse.changed(frame)
        if len(changed):
            canvas.update(changed, reuse.tiles(frame, changed))
        pictures.append(canvas.image.copy())
        counts.append(len(changed))
        assert reuse.look is not None
        looks.append(reuse.look)
    return pictures, counts, looks


def swayed(picture: np.ndarray, x: float, y: float) -> np.ndarray:
    matrix = np.array([[1, 0, x], [0, 1, y]], np.float32)
    return cv2.warpAffine(picture, matrix, (WIDTH, HEIGHT), flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REFLECT_101)


def test_a_shift_is_told_to_a_fraction_of_a_pixel_and_taken_back() -> None:
    cutter = TileCutter(GRID)
    for x, y in ((0.4, -0.3), (-0.7, 0.15), (0.0, 0.0)):
        kept, now = (cutter.windows(f) for f in noisy([street(), swayed(street(), x, y)], 2.0))
        found = shifts(kept[..., 1], now[..., 1], np.full(GRID.count, 8.0, np.float32))
        told = found[np.abs(found).sum(axis=1) > 0]
        if not (x or y):
            assert len(told) <= 1
            continue
        assert len(told) > GRID.count / 2
        assert np.abs(np.median(told, axis=0) - (x, y)).max() < 0.12
    tile = kept[0]
    there = np.array([0.5, 0.25], np.float32)
    assert np.abs(shifted(shifted(tile, there), -there) - tile).mean() < 1


@pytest.mark.parametrize("sigma", [3.0, 8.0])
def test_noise_falls_with_the_number_of_frames(sigma: float) -> None:
    frames = noisy([street()] * 34, sigma)
    pictures, counts, looks = enhanced(frames, FusedReuse(GRID, NoisyReuse(GRID, refresh_frames=0)))
    gains = [psnr(picture, street()) - psnr(frame, street()) for picture, frame in zip(pictures, frames, strict=True)]
    assert gains[0] == 0
    assert gains[3] > 4  # of 4 frames: 6 dB
    assert gains[33] > 11  # of 32: 15 dB; the values are rounded
    assert sum(counts) < 9 * GRID.count  # enhanced again when twice as many frames are in it, not in every frame
    assert looks[33].fused == GRID.count
    assert looks[33].observations > 20
    assert looks[0].fused == 0


def test_what_drifts_by_fractions_of_a_pixel_is_laid_over_each_other() -> None:
    """A camera on a pole in the wind. Averages that took no notice would be blurred."""
    way = [(0.35 * np.sin(n / 3), 0.3 * np.cos(n / 4) - 0.3) for n in range(30)]
    truth = [swayed(street(), *place) for place in way]
    frames = noisy(truth, 6.0)
    pictures, _, looks = enhanced(frames, FusedReuse(GRID, EveryTile(GRID)))
    gain = [psnr(p, t) - psnr(f, t) for p, t, f in zip(pictures, truth, frames, strict=True)][15:]
    assert np.mean(gain) > 4
    assert looks[-1].observations > 8


@pytest.mark.parametrize("sigma", [4.0, 8.0])
@pytest.mark.parametrize("kind", [EveryTile, ExactReuse, NoisyReuse])
def test_nothing_is_lost_where_something_moves_and_much_gained_where_not(sigma: float, kind: type) -> None:
    truth = [street()] * 12 + [with_box(-20 + 14 * n, 70, colour=(150, 90, 60)) for n in range(18)]
    frames = noisy(truth, sigma)
    pictures, _, _ = enhanced(frames, FusedReuse(GRID, kind(GRID)))
    still = np.ones((HEIGHT, WIDTH), bool)
    still[50:110] = False
    gains = []
    for number in range(13, len(frames)):
        picture, frame = pictures[number], frames[number]
        x = -20 + 14 * (number - 12)
        moving = (slice(70, 94), slice(max(0, x - 14), max(1, x + 38)))
        assert psnr(picture[moving], truth[number][moving]) > psnr(frame[moving], truth[number][moving]) - 0.3
        gains.append(psnr(picture[still], truth[number][still]) - psnr(frame[still], truth[number][still]))
    assert min(gains) > 1.5
    assert np.mean(gains) > 5


@pytest.mark.parametrize(("sigma", "crf"), [(8.0, 20), (8.0, 24), (14.0, 28)])
def test_through_h264_too(sigma: float, crf: int) -> None:
    """Codecs leave noise as it is for some frames; the noise floor is read over more of them."""
    frames = coded(noisy([street()] * 36, sigma), crf=crf)
    pictures, _, _ = enhanced(frames, FusedReuse(GRID, NoisyReuse(GRID)))
    assert np.mean([psnr(p, street()) - psnr(f, street()) for p, f in zip(pictures, frames, strict=True)][18:]) > 1.5


def test_a_light_that_is_switched_leaves_nothing_of_before() -> None:
    dark = (street() * 0.6).astype(np.uint8)
    frames = noisy([street()] * 12 + [dark] * 3, 4.0)
    pictures, counts, looks = enhanced(frames, FusedReuse(GRID, NoisyReuse(GRID)))
    assert (looks[12].event, counts[12], looks[12].fused) == ("light", GRID.count, 0)
    assert np.array_equal(pictures[12], frames[12])


def test_grey_stays_grey_and_sixteen_bits_are_fused_as_eight() -> None:
    grey = [np.repeat(frame[..., 1:2], 3, axis=2) for frame in noisy([street()] * 6, 4.0)]
    pictures, _, _ = enhanced(grey, FusedReuse(GRID, EveryTile(GRID)))
    assert all(np.array_equal(p[..., 0], p[..., 1]) and np.array_equal(p[..., 1], p[..., 2]) for p in pictures)
    wide = [frame.astype(np.uint16) * 257 for frame in grey]
    reuse = FusedReuse(GRID, EveryTile(GRID))
    for frame, picture in zip(wide, pictures, strict=True):
        tiles = reuse.tiles(frame, reuse.changed(frame))
        assert tiles.dtype == np.uint16
        assert np.abs(tiles[0].astype(float) / 257 - picture[:64, :64]).max() < (64 if frame is wide[0] else 12)


def test_tiles_that_were_not_enhanced_come_back() -> None:
    reuse = FusedReuse(GRID, NoisyReuse(GRID, refresh_frames=0))
    for _ in range(40):
        reuse.changed(street())
    reuse.forget(np.array([4]))
    assert reuse.changed(street()).tolist() == [4]
