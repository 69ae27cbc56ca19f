"""Enhance workers of the tests look up more often, so that stopping one takes no second."""

from __future__ import annotations

import pytest


@pytest.fixture(autouse=True)
def _short_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("workers.enhance.BLOCK_MS", 100)
