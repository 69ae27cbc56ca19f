"""Which processes `gleaner serve` starts."""

from __future__ import annotations

import pytest

from pipeline.settings import Settings
from pipeline.standalone import process_specs


def started() -> dict[str, list[str]]:
    return {spec.name: [*spec.argv] for spec in process_specs(Settings(), ["gleaner"], {})}


def test_the_workers_of_each_kind_are_as_many_as_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GLEANER_CAMERA_WORKERS", "3")
    found = started()
    assert list(found) == ["api", "clip-0", "enhance-0", "camera-0", "camera-1", "camera-2"]
    assert found["camera-2"] == ["gleaner", "worker", "camera"]
    monkeypatch.setenv("GLEANER_CAMERA_WORKERS", "0")
    assert list(started()) == ["api", "clip-0", "enhance-0"]
