"""The loss on edges: the published measure, and what it is to like and dislike."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from models.evaluation.perceptual import perceptual
from models.training.structure import gradient_similarity, structure_loss


def picture(seed: int = 1) -> torch.Tensor:
    coarse = torch.rand(1, 3, 12, 12, generator=torch.Generator().manual_seed(seed))
    return F.interpolate(coarse, size=(96, 96), mode="nearest")


def blurred(x: torch.Tensor) -> torch.Tensor:
    return F.avg_pool2d(x, 5, stride=1, padding=2, count_include_pad=False)


def test_deviation_is_that_of_another_implementation() -> None:
    ours, truth = blurred(picture()), picture()
    _, theirs, _ = perceptual(ours[0], truth[0])
    mine = float(gradient_similarity(ours, truth).flatten(1).std(dim=1, correction=0))
    assert mine == pytest.approx(theirs, rel=0.05)  # theirs pads the picture before its gradients


def test_equal_pictures_lose_nothing_and_softer_ones_more() -> None:
    truth = picture()
    same, soft, softer = (float(structure_loss(x, truth)) for x in (truth, blurred(truth), blurred(blurred(truth))))
    assert abs(same) < 1e-6
    assert 0.01 < soft < softer


def test_slopes_are_finite_on_flat_grey() -> None:
    flat = torch.full((1, 3, 32, 32), 0.5, requires_grad=True)
    structure_loss(flat, picture()[:, :, :32, :32]).backward()  # type: ignore[no-untyped-call]
    assert flat.grad is not None
    assert torch.isfinite(flat.grad).all()
