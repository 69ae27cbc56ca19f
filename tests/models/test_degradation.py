"""Degradations: reproducible, registered, true in level."""

import numpy as np
import pytest

from models.degradation import surveillance
from models.degradation.blur import blur, gaussian_kernel, motion_kernel, sharpen
from models.degradation.codec import h264, jpeg, to_rgb, to_yuv420
from models.degradation.noise import poisson_gaussian
from models.degradation.resize import METHODS, shrink
from models.degradation.surveillance import CodecDraw, draw, to_float


def scene(height: int = 96, width: int = 128) -> np.ndarray:
    """Smooth colours with a dark square: something for codecs to look at."""
    y, x = np.mgrid[:height, :width]
    image = np.stack([60 + x, 200 - y, 90 + (x + y) // 2], axis=-1)
    image[30:60, 40:80] = 40
    return image.astype(np.uint8)


def test_equal_seeds_give_equal_bytes_and_others_do_not() -> None:
    first, again, other = (surveillance.degrade(scene(), 2, seed)[0] for seed in (5, 5, 6))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


def test_degraded_pictures_keep_size_place_and_level() -> None:
    for seed in range(6):
        low, target = surveillance.degrade(scene(98, 130), 4, seed)
        assert low.shape == (24, 32, 3)
        assert target.shape == (96, 128, 3)
        small = shrink(to_float(target), 4, "area") * 255
        assert abs(float(low.mean() - small.mean())) < 3
        assert np.corrcoef(low[..., 0].ravel(), small[..., 0].ravel())[0, 1] > 0.9


def test_an_infrared_camera_gives_grey_targets() -> None:
    seed = next(s for s in range(100) if draw(np.random.default_rng(s)).infrared)
    _, target = surveillance.degrade(scene(), 2, seed)
    assert np.ptp(target, axis=-1).max() == 0


@pytest.mark.parametrize("method", METHODS)
def test_shrinking_keeps_pictures_registered(method: str) -> None:
    ramp = np.repeat(np.linspace(0, 1, 64, dtype=np.float32)[None, :, None], 64, axis=0).repeat(3, axis=2)
    small = shrink(ramp, 4, method)
    assert np.allclose(small[4:-4, 4:-4, 0], ramp.reshape(64, 16, 4, 3).mean(2)[2:-2:4, 4:-4, 0][:8], atol=1e-4)


def test_a_size_that_is_no_multiple_is_refused() -> None:
    with pytest.raises(ValueError, match="130x98 cannot be shrunk by 4"):
        shrink(np.zeros((98, 130, 3), np.float32), 4, "area")


@pytest.mark.parametrize("kernel", [gaussian_kernel(2.0, 0.7, 0.5), motion_kernel(5.0, 1.0)])
def test_kernels_are_centred_and_sum_to_one(kernel: np.ndarray) -> None:
    ys, xs = np.mgrid[: kernel.shape[0], : kernel.shape[1]]
    assert kernel.sum() == pytest.approx(1)
    assert (kernel * xs).sum() == pytest.approx(kernel.shape[1] // 2, abs=1e-4)
    assert (kernel * ys).sum() == pytest.approx(kernel.shape[0] // 2, abs=1e-4)


def test_blur_softens_and_sharpening_leaves_a_halo() -> None:
    edge = np.full((32, 32, 3), 0.3, np.float32)
    edge[:, 16:] = 0.6
    soft = blur(edge, gaussian_kernel(1.5, 1.5, 0))
    assert np.abs(np.diff(soft, axis=1)).max() < 0.15
    assert sharpen(edge, 1.0, 1.0).max() > 0.65


def test_noise_has_the_deviation_asked_for_at_each_level() -> None:
    for level in (0.2, 0.7):
        flat = np.full((200, 200, 3), level, np.float32)
        noisy = poisson_gaussian(flat, np.random.default_rng(0), shot=0.002, read=0.01, correlation=0.5, grain=0.6)
        assert noisy.std() == pytest.approx((0.002 * level + 0.01**2) ** 0.5, rel=0.05)
        assert noisy.mean() == pytest.approx(level, abs=1e-3)
        assert np.corrcoef(noisy[..., 0].ravel(), noisy[..., 1].ravel())[0, 1] == pytest.approx(0.5, abs=0.05)


def test_h264_gives_as_many_frames_in_order_and_costs_more_quality_at_higher_crf() -> None:
    frames = [np.roll(scene(95, 127), 3 * i, axis=1) for i in range(5)]
    fine, coarse = h264(frames, crf=15), h264(frames, crf=40)
    assert len(fine) == 5
    errors = [
        [float(np.abs(a.astype(int) - b).mean()) for a, b in zip(run, frames, strict=True)] for run in (fine, coarse)
    ]
    assert max(errors[0]) < 4
    assert min(errors[1]) > max(errors[0])
    assert all(a.shape == (95, 127, 3) for a in fine)


def test_colour_conversion_of_the_codec_is_true_to_a_level() -> None:
    colours = np.random.default_rng(0).integers(0, 256, (40, 3))
    image = np.repeat(np.repeat(colours[:, None], 2, axis=0), 2, axis=1).astype(np.uint8)
    back = to_rgb(to_yuv420(np.concatenate([image] * 8, axis=1)))
    flat = np.full((16, 16, 3), (90, 140, 60), np.uint8)
    assert np.abs(to_rgb(to_yuv420(flat)).astype(int) - flat).max() <= 1
    assert abs(float(back.mean()) - float(image.mean())) < 0.5


def test_jpeg_keeps_size_and_colour_order() -> None:
    out = jpeg(scene(), 90)
    assert np.abs(out.astype(int) - scene()).mean() < 3


def test_a_picture_can_be_compressed_by_each_codec() -> None:
    run = [scene()] * surveillance.FRAMES
    kinds = [surveillance.compress(run, CodecDraw(kind, 30, 50, 2)) for kind in ("h264", "jpeg", "none")]
    assert np.array_equal(kinds[2], scene())
    assert not np.array_equal(kinds[0], kinds[1])
