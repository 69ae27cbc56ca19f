"""The JPEG model: near to libjpeg, worse with falling quality."""

import numpy as np
import pytest

from models.degradation.codec import jpeg
from models.degradation.jpeg_model import jpeg_model


def scene() -> np.ndarray:
    y, x = np.mgrid[:52, :70].astype(np.float32)
    image = np.stack([0.2 + x / 100, 0.9 - y / 80, 0.4 + (x + y) / 300], axis=-1)
    image[10:30, 20:44] = 0.1
    return image


def test_on_grey_pictures_it_loses_as_much_as_libjpeg() -> None:
    # In colour libjpeg smooths the chroma that it enlarges, which the model does not.
    image = np.rint(scene()[..., :1].repeat(3, axis=2) * 255).astype(np.uint8)
    picture = image.astype(np.float32) / 255
    for quality in (20, 50, 80):
        real = jpeg(image, quality).astype(np.float32) / 255
        loss = np.sqrt(np.mean((real - picture) ** 2))
        model = jpeg_model(picture, quality)
        assert model.shape == picture.shape
        assert 0.7 < np.sqrt(np.mean((model - picture) ** 2)) / loss < 1.5


def test_a_flat_grey_moves_to_the_next_step_of_its_table() -> None:
    # At quality 50 the mean of a block is kept in steps of 16/8 = 2 levels around 128.
    flat = np.full((16, 16, 3), 133.2 / 255, np.float32)
    assert np.allclose(jpeg_model(flat, 50), 134 / 255, atol=1e-4)


def test_loss_falls_as_quality_rises() -> None:
    picture = scene()
    losses = [float(np.mean((jpeg_model(picture, quality) - picture) ** 2)) for quality in (5, 30.5, 60, 95)]
    assert losses == sorted(losses, reverse=True)


def test_the_best_quality_keeps_a_grey_picture() -> None:
    grey = scene()[..., :1].repeat(3, axis=2)
    assert np.abs(jpeg_model(grey, 100) - grey).max() < 1e-3


def test_qualities_off_the_scale_are_refused() -> None:
    with pytest.raises(ValueError, match="quality"):
        jpeg_model(scene(), 0)
