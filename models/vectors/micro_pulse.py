"""PULSE's operations with the inputs that a micro vector implies. Knows nothing of comparing."""

from __future__ import annotations

import re

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from models.pulse.downscale import bicubic_taps, downscale
from models.pulse.losses import geocross, l1, l2
from models.pulse.schedule import Schedule, factor
from models.pulse.settings import Inner
from models.pulse.spherical import Spherical
from models.vectors.micro import Operation, Source
from models.vectors.recipe import CaseError

# Shapes of the format's description, for results of one number, which tell nothing of their inputs.
_LATENT = (2, 18, 512)
_PICTURES = (2, 3, 8, 8)
_STEPS = 100
_FACTORS = {"l2_clamped": 0.02, "l2": 0.2, "l1": 0.2}  # of the difference, where the text does not say


def _downscale(s: Source, name: re.Match[str]) -> Tensor:
    scale = int(name["factor"])
    n, c, h, w = s.shape(4)
    pictures = s.unit(f"pulse_im{scale}", (n, c, h * scale, w * scale))
    return downscale(torch.from_numpy(pictures), scale)


def _taps(_s: Source, name: re.Match[str]) -> NDArray[np.float64]:
    return bicubic_taps(int(name["factor"]))


def _geocross(s: Source, _name: re.Match[str]) -> Tensor:
    return geocross(s.normal("pulse_latent", s.told_shape(_LATENT)))


def _pixels(s: Source, name: re.Match[str]) -> Tensor:
    """The loss between a and a + factor · d; the absolute one has no text and shares the pictures of `l2`."""
    shape = s.told_shape(_PICTURES)
    said = re.search(r"b\s*=\s*a\s*\+\s*([\d.]+)\s*\*\s*d", s.text() or s.text("pulse_l2"))
    apart = float(said[1]) if said else _FACTORS[name["loss"]]
    a = torch.from_numpy(s.unit("pulse_a", shape))
    b = a + apart * s.normal("pulse_d", shape)
    loss = l1 if name["loss"] == "l1" else l2
    return loss(b, a, s.told(r"eps=([\d.e-]+)", 2e-3))


def _schedule(s: Source, name: re.Match[str]) -> NDArray[np.float64]:
    (steps,) = s.shape(1)
    return np.array([factor(Schedule(name["name"]), step, steps) for step in range(steps)])


def _spherical(s: Source, name: re.Match[str]) -> Tensor:
    """The variable after so many steps with fixed gradients; each is rescaled for itself."""
    latent = name["variable"] == "p"
    variable = s.normal("pulse_param" if latent else "pulse_noise", s.expected.shape).requires_grad_()
    words = s.text() + s.text(f"pulse_sph_p_step{name['step']}")  # what is said of the latents holds for the noise
    said = re.search(r"lr=(\d*\.?\d+)", words)
    schedule = next((each for each in sorted(Schedule, key=len, reverse=True) if each in words), None)
    if schedule is None:
        raise CaseError("the text names no known schedule")
    optimiser = Spherical([variable], Inner.ADAM, float(said[1]) if said else 0.4)
    for step in range(int(name["step"]) + 1):
        variable.grad = s.normal(f"pulse_grad_{name['variable']}{step}", s.expected.shape)
        optimiser.step(factor(schedule, step, _schedule_steps(s)))
    return variable.detach()


def _schedule_steps(s: Source) -> int:
    said = re.search(r"steps=(\d+)", s.text("pulse_lr_linear1cycledrop"))
    return int(said[1]) if said else _STEPS


OPERATIONS: dict[str, Operation] = {
    r"pulse_bicubic_x(?P<factor>\d+)": _downscale,
    r"pulse_bicubic_kernel_x(?P<factor>\d+)": _taps,
    r"pulse_geocross": _geocross,
    r"pulse_(?P<loss>l2_clamped|l2|l1)": _pixels,
    r"pulse_lr_(?P<name>linear1cycledrop|linear1cycle|fixed)": _schedule,
    r"pulse_sph_(?P<variable>[pq])_step(?P<step>\d+)": _spherical,
}
