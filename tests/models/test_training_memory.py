"""A run's memory has a bound: beyond it the run ends with words, and the process goes on."""

from __future__ import annotations

import resource

import pytest
import torch

from models.training.memory import MemoryBoundError, memory_bound


def test_beyond_the_bound_is_a_clear_error_and_the_bound_ends_with_the_run() -> None:
    before = resource.getrlimit(resource.RLIMIT_DATA)
    wanted = r"more memory than the 4 GB of --memory.*smaller batch"
    with pytest.raises(MemoryBoundError, match=wanted), memory_bound(4):
        torch.zeros(5 * 10**9, dtype=torch.uint8)
    assert resource.getrlimit(resource.RLIMIT_DATA) == before
    assert torch.zeros(10**6).sum() == 0


def test_other_errors_pass_and_a_bound_is_positive() -> None:
    with pytest.raises(RuntimeError, match="shape"), memory_bound(64):
        torch.zeros(2, 3) @ torch.zeros(2, 3)
    with pytest.raises(ValueError, match="positive"), memory_bound(0):
        pass
