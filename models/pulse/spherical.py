"""An optimiser whose variables stay on spheres: after each step every vector gets its first length again.

Knows no schedule and no losses: the caller sets the learning rate and calls backward.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from models.pulse.settings import Inner

MOMENTUM = 0.9  # of sgdm
NORM_EPSILON = 1e-9


_INNER: dict[Inner, Callable[[Sequence[Tensor], float], torch.optim.Optimizer]] = {
    Inner.ADAM: lambda variables, rate: torch.optim.Adam(variables, lr=rate),
    Inner.SGD: lambda variables, rate: torch.optim.SGD(variables, lr=rate),
    Inner.SGDM: lambda variables, rate: torch.optim.SGD(variables, lr=rate, momentum=MOMENTUM),
    Inner.ADAMAX: lambda variables, rate: torch.optim.Adamax(variables, lr=rate),
}


class Spherical:
    """Steps of an inner optimiser, each followed by the way back to the sphere.

    variables: leaf tensors (N, K, ...); what lies in dimensions 2 on is one vector: a latent (N, K, D) has N·K of them,
    a noise map (N, 1, r, r) one per plane. Raises ValueError on a tensor of fewer than three dimensions.
    """

    def __init__(self, variables: Sequence[Tensor], inner: Inner = Inner.ADAM, learning_rate: float = 0.4) -> None:
        for variable in variables:
            if variable.ndim < 3:
                raise ValueError(f"variables on spheres are (N, K, ...), not {tuple(variable.shape)}")
        self._variables = tuple(variables)
        self._rate = learning_rate
        self._inner = _INNER[inner](self._variables, learning_rate)
        self._radii = [_length(variable.detach()) for variable in self._variables]

    def zero_grad(self) -> None:
        self._inner.zero_grad()

    def step(self, factor: float = 1.0) -> None:
        """One step at `factor` times the learning rate, from the gradients that lie on the variables."""
        for group in self._inner.param_groups:
            group["lr"] = self._rate * factor
        self._inner.step()
        with torch.no_grad():
            for variable, radius in zip(self._variables, self._radii, strict=True):
                variable.mul_(radius / _length(variable))


def _length(x: Tensor) -> Tensor:
    """(N, K, 1, ...): length of each vector, never 0."""
    return (x.square().sum(dim=tuple(range(2, x.ndim)), keepdim=True) + NORM_EPSILON).sqrt()
