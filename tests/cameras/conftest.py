"""Fixtures of the cameras' suite: the whole service, and camera servers as processes."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.cameras.house import House
from tests.cameras.sources import HOW_TO_INSTALL, CameraProcess, has_gst


@pytest.fixture
def start_house() -> Iterator[Callable[..., House]]:
    """start_house(**settings): a running service; stopped after the test."""
    with contextlib.ExitStack() as stack:

        def start(**settings: str) -> House:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="gl-")))
            return stack.enter_context(House(folder, **settings))

        yield start


@pytest.fixture(params=["own", "gst"])
def camera_process(request: pytest.FixtureRequest) -> Iterator[Callable[..., CameraProcess]]:
    """camera_process(paths, size, rate, *options): a server that runs, of each kind there is."""
    gst = request.param == "gst"
    if gst and not has_gst():
        pytest.skip(HOW_TO_INSTALL)
    with contextlib.ExitStack() as stack:
        yield lambda *arguments: stack.enter_context(CameraProcess(*arguments, gst=gst))
