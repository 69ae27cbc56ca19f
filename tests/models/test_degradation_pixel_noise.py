"""Noise of the literature: its strength, and what channels share."""

import numpy as np

from models.degradation.pixel_noise import add_gaussian, add_poisson


def grey_steps() -> np.ndarray:
    """16 levels between 0.3 and 0.6, equal in all channels."""
    ramp = np.repeat(np.rint(np.linspace(0.3, 0.6, 16) * 255) / 255, 16).astype(np.float32)
    return ramp[None, :, None].repeat(256, axis=0).repeat(3, axis=2)


def test_gaussian_noise_has_the_deviation_asked_for() -> None:
    noise = add_gaussian(grey_steps(), np.random.default_rng(1), sigma=0.05, grey=False) - grey_steps()
    assert abs(noise.std() - 0.05) < 0.001
    assert abs(noise.mean()) < 0.001
    assert abs(np.corrcoef(noise[..., 0].ravel(), noise[..., 2].ravel())[0, 1]) < 0.02


def test_grey_noise_is_the_same_in_all_channels() -> None:
    for add, options in ((add_gaussian, {"sigma": 0.05}), (add_poisson, {"strength": 0.5})):
        noisy = add(grey_steps(), np.random.default_rng(2), grey=True, **options)
        assert np.allclose(noisy[..., 0], noisy[..., 1], atol=1e-6)
        assert np.abs(noisy - grey_steps()).max() > 0.02


def test_poisson_noise_grows_with_light_and_counts_the_levels() -> None:
    noise = add_poisson(grey_steps(), np.random.default_rng(3), strength=0.2, grey=False) - grey_steps()
    for step in (0, 8, 15):
        part, light = noise[:, step * 16 : step * 16 + 16], float(grey_steps()[0, step * 16, 0])
        assert abs(part.std() / (0.2 * np.sqrt(light / 16)) - 1) < 0.05  # 16 levels: 16 photons are white
    assert abs(noise.mean()) < 0.001
