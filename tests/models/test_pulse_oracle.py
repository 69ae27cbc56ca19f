"""PULSE's operations against numbers of the published program; skipped where these are absent."""

import json
from functools import cache
from pathlib import Path
from zlib import crc32

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor

from models.pulse.downscale import bicubic_taps, downscale
from models.pulse.losses import geocross, l1, l2
from models.pulse.schedule import Schedule, factor
from models.pulse.settings import Inner
from models.pulse.spherical import Spherical

PUBLIC = Path(__file__).resolve().parents[3] / "shared" / "oracle" / "public"
TOLERANCE = 2e-5  # of the largest value

pytestmark = pytest.mark.skipif(not (PUBLIC / "micro.npz").exists(), reason="the oracle vectors are not here")


@cache
def vectors() -> dict[str, NDArray[np.float64]]:
    with np.load(PUBLIC / "micro.npz") as arrays:
        return {name: arrays[name] for name in arrays.files}


@cache
def salt() -> str:
    return str(json.loads((PUBLIC / "micro.json").read_text())["salt"])


def generator(name: str) -> np.random.Generator:
    return np.random.Generator(np.random.PCG64(crc32((salt() + name).encode())))


def normal(name: str, *shape: int) -> Tensor:
    return torch.from_numpy(generator(name).standard_normal(shape).astype(np.float32))


def uniform(name: str, *shape: int) -> Tensor:
    return torch.from_numpy(generator(name).random(shape).astype(np.float32))


def assert_close(found: Tensor | NDArray[np.float64], name: str) -> None:
    wanted = vectors()[name]
    numbers = np.asarray(found.detach().numpy() if isinstance(found, Tensor) else found)
    assert numbers.shape == wanted.shape
    error = float(np.abs(numbers - wanted).max() / np.abs(wanted).max())
    assert error <= TOLERANCE, f"{name}: {error:.2e} of its largest value"


@pytest.mark.parametrize("scale", [4, 8, 16])
def test_downscale_gives_the_reference_numbers(scale: int) -> None:
    assert_close(bicubic_taps(scale), f"pulse_bicubic_kernel_x{scale}")
    edge = 8 * scale
    assert_close(downscale(uniform(f"pulse_im{scale}", 1, 3, edge, edge), scale), f"pulse_bicubic_x{scale}")


def test_losses_give_the_reference_numbers() -> None:
    assert_close(geocross(normal("pulse_latent", 2, 18, 512)), "pulse_geocross")
    a, d = uniform("pulse_a", 2, 3, 8, 8), normal("pulse_d", 2, 3, 8, 8)
    assert_close(l2(a, a + 0.02 * d, eps=2e-3), "pulse_l2_clamped")
    assert_close(l2(a, a + 0.2 * d, eps=2e-3), "pulse_l2")
    assert_close(l1(a, a + 0.2 * d, eps=2e-3), "pulse_l1")


@pytest.mark.parametrize("schedule", [Schedule.LINEAR1CYCLE, Schedule.LINEAR1CYCLEDROP])
def test_schedules_give_the_reference_numbers(schedule: Schedule) -> None:
    assert_close(np.array([factor(schedule, step, 100) for step in range(100)]), f"pulse_lr_{schedule}")


def test_spherical_steps_give_the_reference_numbers() -> None:
    p = normal("pulse_param", 2, 18, 32).requires_grad_()
    q = normal("pulse_noise", 2, 1, 8, 8).requires_grad_()
    optimiser = Spherical([p, q], Inner.ADAM, 0.4)
    for step in range(3):
        p.grad, q.grad = normal(f"pulse_grad_p{step}", 2, 18, 32), normal(f"pulse_grad_q{step}", 2, 1, 8, 8)
        optimiser.step(factor(Schedule.LINEAR1CYCLEDROP, step, 100))
        assert_close(p, f"pulse_sph_p_step{step}")
        assert_close(q, f"pulse_sph_q_step{step}")
