"""Tiles through networks: bytes, batches, broken results, memory."""

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from models import registry
from models.catalog import MODELS
from models.consistency import degrade
from models.enhancer import EnhanceError, Enhancer, TileError

LEARNED = MODELS["espcn-x2"]
CPU = torch.device("cpu")


def tiles(count: int, edge: int = 24, dtype: type = np.uint8) -> np.ndarray:
    top = int(np.iinfo(dtype).max)
    return np.random.default_rng(1).integers(top // 5, top, (count, edge, edge, 3)).astype(dtype)


def pictures(dtype: type) -> np.ndarray:
    """(3, 64, 64, 3): smooth shapes with edges, within the range."""
    coarse = torch.rand(3, 3, 12, 12, generator=torch.Generator().manual_seed(1)) * 0.6 + 0.2
    image = F.interpolate(coarse, size=(64, 64), mode="bicubic")
    image[:, :, 10:30, 20:40] = 0.75
    return (image.permute(0, 2, 3, 1).numpy() * np.iinfo(dtype).max).astype(dtype)


class Doubling(nn.Module):
    """Nearest-neighbour x2, faulty in chosen ways; a real network as the enhancer sees it."""

    def __init__(self) -> None:
        super().__init__()
        self.calls: list[tuple[int, bool]] = []  # (batch, autocast on)

    def forward(self, x: Tensor) -> Tensor:
        low_precision = torch.is_autocast_enabled("cpu")
        self.calls.append((len(x), low_precision))
        y = x.repeat_interleave(2, 2).repeat_interleave(2, 3)
        return self.spoil(y, low_precision)

    def spoil(self, y: Tensor, low_precision: bool) -> Tensor:
        return y


class OverflowingInLowPrecision(Doubling):
    def spoil(self, y: Tensor, low_precision: bool) -> Tensor:
        if low_precision:
            y[1, 0, 3, 3] = float("inf")
        return y


class BlackInLowPrecision(Doubling):
    def spoil(self, y: Tensor, low_precision: bool) -> Tensor:
        if low_precision:
            y[2, :, :16, :16] = 0
        return y


class AlwaysNan(Doubling):
    def spoil(self, y: Tensor, low_precision: bool) -> Tensor:
        return torch.where(y.mean((1, 2, 3), keepdim=True) > 0.5, y, torch.nan)


class Hungry(Doubling):
    """Runs out of memory with more than `room` tiles, in the CPU allocator's words."""

    def __init__(self, room: int) -> None:
        super().__init__()
        self.room = room

    def spoil(self, y: Tensor, low_precision: bool) -> Tensor:
        if len(y) > self.room:
            raise RuntimeError("[enforce fail at alloc_cpu.cpp:116] DefaultCPUAllocator: can't allocate memory")
        return y


def enhancer(network: nn.Module, dtype: torch.dtype = torch.float32) -> Enhancer:
    return Enhancer(LEARNED, 2, network, CPU, dtype)


@pytest.mark.parametrize(("name", "scale"), [("lanczos", 2), ("lanczos", 3), ("espcn-x2", 2), ("espcn-x4", 4)])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_tiles_come_back_larger_in_their_own_dtype(name: str, scale: int, dtype: type) -> None:
    result = registry.load(name, scale, "cpu").enhance(tiles(2, dtype=dtype))
    assert result.pixels.shape == (2, 24 * scale, 24 * scale, 3)
    assert result.pixels.dtype == dtype
    assert result.ok
    assert not result.redone.any()


@pytest.mark.parametrize(("name", "scale"), [("lanczos", 4), ("espcn-x2", 2), ("espcn-x4", 4)])
def test_a_tile_has_the_same_bytes_in_every_batch(name: str, scale: int) -> None:
    model = registry.load(name, scale, "cpu")
    model._most = None  # the CPU would cut the batch into pieces, which the test is not about
    batch = tiles(16, 48)
    alone = np.concatenate([model.enhance(batch[i : i + 1]).pixels for i in range(16)])
    for size in (3, 8, 16):
        assert np.array_equal(model.enhance(batch[:size]).pixels, alone[:size])
        assert np.array_equal(model.enhance(batch[::-1][:size]).pixels, alone[::-1][:size])


def test_a_batch_larger_than_the_cpu_takes_at_once_is_whole() -> None:
    model = registry.load("espcn-x2", 2, "cpu")
    batch = tiles(5, 16)
    together = model.enhance(batch).pixels
    model._most = 2 * 16 * 16
    assert np.array_equal(model.enhance(batch).pixels, together)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_scale_one_returns_the_input_bit_for_bit(dtype: type) -> None:
    batch = tiles(3, dtype=dtype)
    assert np.array_equal(registry.load("lanczos", 1, "cpu").enhance(batch).pixels, batch)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_sixteen_bits_keep_more_levels_than_eight(dtype: type) -> None:
    result = enhancer(Doubling()).enhance(tiles(1, dtype=dtype))
    assert np.array_equal(result.pixels[:, ::2, ::2], tiles(1, dtype=dtype))


def test_halves_are_rounded_up_and_values_beyond_the_range_clamped() -> None:
    class Levels(Doubling):
        def spoil(self, y: Tensor, low_precision: bool) -> Tensor:
            y[0, 0, 0, :4] = torch.tensor([100.4999, 100.5001, 300.0, -7.0]) / 255
            return y

    assert enhancer(Levels()).enhance(tiles(1)).pixels[0, 0, :4, 0].tolist() == [100, 101, 255, 0]


def test_grey_tiles_come_back_exactly_grey_and_others_do_not_lose_colour() -> None:
    batch = tiles(3)
    batch[1] = batch[1, ..., :1]
    for name, scale in (("espcn-x2", 2), ("espcn-x4", 4), ("lanczos", 2)):
        out = registry.load(name, scale, "cpu").enhance(batch).pixels
        assert np.ptp(out[1], axis=-1).max() == 0
        assert np.ptp(out[0], axis=-1).max() > 50


def test_a_tile_that_is_not_finite_is_redone_in_float32() -> None:
    network = OverflowingInLowPrecision()
    result = enhancer(network, torch.bfloat16).enhance(tiles(4))
    assert result.redone.tolist() == [False, True, False, False]
    assert result.ok
    assert network.calls == [(4, True), (1, False)]
    assert np.array_equal(result.pixels[:, ::2, ::2], tiles(4))


def test_a_black_block_where_the_source_is_not_dark_is_redone() -> None:
    result = enhancer(BlackInLowPrecision(), torch.bfloat16).enhance(tiles(4))
    assert result.redone.tolist() == [False, False, True, False]
    assert result.ok
    assert np.array_equal(result.pixels[:, ::2, ::2], tiles(4))


def test_black_footage_may_stay_black() -> None:
    result = enhancer(Doubling()).enhance(np.zeros((2, 16, 16, 3), np.uint8))
    assert not result.redone.any()
    assert not result.pixels.any()


def test_a_tile_broken_in_float32_too_is_marked_and_the_others_are_kept() -> None:
    batch = tiles(3)
    batch[0] //= 4  # mean below one half: not a number in any precision
    result = enhancer(AlwaysNan(), torch.bfloat16).enhance(batch)
    assert result.failed.tolist() == [True, False, False]
    assert result.redone.tolist() == [True, False, False]
    assert not result.ok
    assert np.array_equal(result.pixels[1:, ::2, ::2], batch[1:])


def test_a_batch_too_large_for_memory_is_halved_until_it_fits_with_equal_bytes() -> None:
    network = Hungry(room=2)
    result = enhancer(network).enhance(tiles(5))
    assert [size for size, _ in network.calls] == [5, 2, 3, 1, 2]
    assert result.halved == 2
    assert np.array_equal(result.pixels, enhancer(Doubling()).enhance(tiles(5)).pixels)


def test_memory_that_does_not_do_for_one_tile_is_an_error() -> None:
    with pytest.raises(EnhanceError, match="ran out of memory on cpu with a single tile"):
        enhancer(Hungry(room=0)).enhance(tiles(3))


def test_other_errors_are_not_taken_for_lack_of_memory() -> None:
    class Wrong(Doubling):
        def spoil(self, y: Tensor, low_precision: bool) -> Tensor:
            raise RuntimeError("shapes do not match")

    with pytest.raises(RuntimeError, match="shapes do not match"):
        enhancer(Wrong()).enhance(tiles(2))


@pytest.mark.parametrize(
    "bad", [np.zeros((4, 8, 8), np.uint8), np.zeros((1, 8, 8, 4), np.uint8), np.zeros((1, 8, 8, 3))]
)
def test_other_input_is_refused_with_its_shape_and_dtype(bad: np.ndarray) -> None:
    with pytest.raises(TileError, match=str(bad.dtype)):
        enhancer(Doubling()).enhance(bad)


@pytest.mark.parametrize(("name", "scale"), [("lanczos", 1), ("lanczos", 3), ("espcn-x2", 2), ("espcn-x4", 4)])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_consistent_tiles_shrink_to_their_input_within_half_a_level(name: str, scale: int, dtype: type) -> None:
    model, batch = registry.load(name, scale, "cpu"), pictures(dtype)
    peak = np.iinfo(dtype).max

    def errors(consistency: bool) -> list[float]:
        large = torch.from_numpy(model.enhance(batch, consistency=consistency).pixels.astype(np.float32) / peak)
        small = degrade(large.permute(0, 3, 1, 2), scale).permute(0, 2, 3, 1).numpy()
        return [float(e) for e in 255 * np.sqrt(np.square(small - batch / peak).mean((1, 2, 3)))]

    assert max(errors(True)) < 0.5
    if scale > 1:
        assert max(errors(False)) > 1.0


def test_a_consistent_tile_has_the_same_bytes_in_every_batch_and_grey_stays_grey() -> None:
    model, batch = registry.load("espcn-x2", 2, "cpu"), pictures(np.uint8)
    batch[1] = batch[1, ..., :1]
    together = model.enhance(batch, consistency=True)
    assert np.ptp(together.pixels[1], axis=-1).max() == 0
    for n in range(len(batch)):
        alone = model.enhance(batch[n : n + 1], consistency=True)
        assert np.array_equal(alone.pixels[0], together.pixels[n])
        assert np.array_equal(alone.added[0], together.added[n])


def test_consistency_makes_no_difference_to_what_is_redone_or_failed() -> None:
    batch = tiles(3)
    batch[0] //= 4
    result = enhancer(AlwaysNan(), torch.bfloat16).enhance(batch, consistency=True)
    assert result.failed.tolist() == [True, False, False]
    assert not result.pixels[0].any()
    assert result.pixels[1:].any()
    assert np.isnan(result.added[0]).all()
    assert np.isfinite(result.added[1:]).all()


def test_added_detail_is_of_the_result_as_it_is_given_out() -> None:
    """A consistent result is as far from its input, degraded again, as rounding and black and white leave it."""
    model, batch = registry.load("espcn-x4", 4, "cpu"), pictures(np.uint8)
    plain, consistent = (model.enhance(batch, consistency=c).added for c in (False, True))
    assert plain.shape == consistent.shape == (3, 4, 4, 2)
    assert consistent[..., 0].max() < 0.5 < plain[..., 0].mean()
    assert plain[..., 1].mean() > 0.3


def test_no_tiles_give_no_tiles() -> None:
    assert enhancer(Doubling()).enhance(np.zeros((0, 8, 8, 3), np.uint8)).pixels.shape == (0, 16, 16, 3)
