"""Networks that are always run on the same number of tiles: filling up, recovery, memory."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from models.catalog import MODELS
from models.enhancer import EnhanceError, Enhancer

FACTS = replace(MODELS["espcn-x2"], batch=4)
CPU = torch.device("cpu")


class Counting(nn.Module):
    """Nearest neighbour x2. `room`: tiles it has memory for."""

    def __init__(self, room: int = 99) -> None:
        super().__init__()
        self.calls: list[tuple[int, bool]] = []  # (batch, autocast on)
        self.room = room

    def forward(self, x: Tensor) -> Tensor:
        low_precision = torch.is_autocast_enabled("cpu")
        self.calls.append((len(x), low_precision))
        if len(x) > self.room:
            raise torch.OutOfMemoryError("CUDA out of memory")
        y = x.repeat_interleave(2, 2).repeat_interleave(2, 3)
        if low_precision:
            y[x[:, 0, 0, 0] == 1] = torch.nan  # tiles that begin with a white pixel
        return y


def enhancer(network: nn.Module, dtype: torch.dtype = torch.float32, fixed: int = 4) -> Enhancer:
    """As on a GPU, which computes `batch` tiles at once; a CPU computes one."""
    model = Enhancer(FACTS, 2, network, CPU, dtype)
    assert model._fixed == 1
    model._fixed = fixed
    return model


def tiles(count: int) -> np.ndarray:
    return np.random.default_rng(1).integers(60, 250, (count, 16, 16, 3), np.uint8)


@pytest.mark.parametrize(("count", "batches"), [(1, 1), (4, 1), (5, 2), (11, 3)])
def test_every_batch_is_full(count: int, batches: int) -> None:
    network = Counting()
    result = enhancer(network).enhance(tiles(count))
    assert network.calls == [(4, False)] * batches
    assert np.array_equal(result.pixels[:, ::2, ::2], tiles(count))


def test_on_a_cpu_tiles_go_one_by_one() -> None:
    network = Counting()
    Enhancer(FACTS, 2, network, CPU, torch.float32).enhance(tiles(3))
    assert network.calls == [(1, False)] * 3


def test_what_is_redone_in_float32_is_a_full_batch_too() -> None:
    network = Counting()
    batch = tiles(6)
    batch[[1, 5], 0, 0] = 255
    result = enhancer(network, torch.bfloat16).enhance(batch)
    assert network.calls == [(4, True), (4, True), (4, False)]
    assert result.redone.tolist() == [False, True, False, False, False, True]
    assert np.array_equal(result.pixels[:, ::2, ::2], batch)


def test_a_batch_that_does_not_fit_is_halved_once_and_for_all() -> None:
    network = Counting(room=2)
    model = enhancer(network)
    assert model.enhance(tiles(3)).halved == 1
    assert network.calls[0] == (4, False)
    assert set(network.calls[1:]) == {(2, False)}
    network.calls.clear()
    result = model.enhance(tiles(5))
    assert result.halved == 0
    assert network.calls == [(2, False)] * 3
    assert np.array_equal(result.pixels[:, ::2, ::2], tiles(5))


def test_a_single_tile_that_does_not_fit_into_a_full_batch_is_tried_in_smaller_ones() -> None:
    network = Counting(room=1)
    result = enhancer(network).enhance(tiles(1))
    assert [size for size, _ in network.calls] == [4, 2, 1]
    assert result.halved == 2
    with pytest.raises(EnhanceError, match="ran out of memory on cpu with a single tile"):
        enhancer(Counting(room=0)).enhance(tiles(2))
