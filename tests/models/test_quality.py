"""The weights that ship do what they are for."""

import cv2
import numpy as np
import pytest

from benchmarks.quality import flat_shift, upscaler
from models import registry
from models.degradation import surveillance
from models.degradation.resize import shrink
from models.training.evaluate import Pair, mean_psnr


def street(seed: int) -> np.ndarray:
    """Muted shapes and letters with soft edges, as a lens gives them, (240, 320, 3) uint8."""
    rng = np.random.default_rng(seed)
    image = np.full((480, 640, 3), rng.integers(80, 160), np.uint8)
    for _ in range(40):
        x, y = int(rng.integers(0, 640)), int(rng.integers(0, 480))
        colour, ink = (np.clip(rng.integers(20, 236) + rng.integers(-25, 26, 3), 0, 255).tolist() for _ in range(2))
        cv2.rectangle(image, (x, y), (x + int(rng.integers(10, 120)), y + int(rng.integers(10, 90))), colour, -1)
        cv2.putText(image, "GB 4711", (y, x), cv2.FONT_HERSHEY_SIMPLEX, 1.2, ink, 3, cv2.LINE_AA)
    return cv2.resize(image, (320, 240), interpolation=cv2.INTER_AREA)


@pytest.mark.parametrize(("name", "scale"), [("espcn-x2", 2), ("espcn-x4", 4)])
@pytest.mark.parametrize("condition", ["bicubic", "area", "surveillance"])
def test_learned_models_are_nearer_to_the_truth_than_lanczos(name: str, scale: int, condition: str) -> None:
    gains = []
    for seed in range(4):
        image = street(seed)
        if condition == "surveillance":
            low, target = surveillance.degrade(image, scale, seed)
        else:
            low, target = surveillance.to_bytes(shrink(surveillance.to_float(image), scale, condition)), image
        pair = Pair("street", "still", condition, low, target)
        ours, theirs = (mean_psnr([pair], upscaler(registry.load(n, scale, "cpu")), scale) for n in (name, "lanczos"))
        gains.append(ours[condition] - theirs[condition])
    assert np.mean(gains) > 0.15


@pytest.mark.parametrize(("name", "scale"), [("espcn-x2", 2), ("espcn-x4", 4)])
def test_flat_areas_keep_their_colour_to_a_level(name: str, scale: int) -> None:
    anything, grey = flat_shift(upscaler(registry.load(name, scale, "cpu")))
    assert anything <= 1
    assert grey <= 1
