"""A result in the frame store: pixels and what was measured of them, and nothing else."""

from __future__ import annotations

import numpy as np
import pytest

from pipeline.tasks import FrameTask
from workers.outcome import parse, trailer


@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
@pytest.mark.parametrize("redone", [False, True])
def test_what_is_stored_is_read_back(dtype: str, redone: bool) -> None:
    task = FrameTask(job="a", segment=0, attempt=1, frame=3, model="m", scale=2, tiles=3, tile=33, dtype=dtype)
    rng = np.random.default_rng(1)
    tiles = rng.integers(0, 255, (3, 66, 66, 3)).astype(dtype)
    added = rng.random((3, 1, 1, 2), np.float32)
    added[1] = np.nan
    blob = memoryview(tiles.tobytes() + trailer(added, redone=redone, busy_s=0.125))
    outcome = parse(blob, task)
    assert np.array_equal(outcome.tiles, tiles)
    assert outcome.tiles.dtype == dtype
    assert np.array_equal(outcome.added, added, equal_nan=True)
    assert (outcome.redone, outcome.busy_s) == (redone, 0.125)


def test_what_is_no_result_of_the_task_is_refused() -> None:
    task = FrameTask(job="a", segment=0, attempt=1, frame=3, model="m", scale=2, tiles=1, tile=16)
    with pytest.raises(ValueError, match="frame 3 has 3072 bytes instead of 3089"):
        parse(memoryview(bytes(32 * 32 * 3)), task)
