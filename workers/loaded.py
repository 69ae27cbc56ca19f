"""The models a worker process has loaded, each at most once."""

from __future__ import annotations

import numpy as np

from models.catalog import facts
from models.enhancer import Enhancer
from models.registry import load


class LoadedModels:
    """Loads on first use and keeps, per (model, scale)."""

    def __init__(self, device: str, threads: int) -> None:
        self._device, self._threads = device, threads
        self._loaded: dict[tuple[str, int], Enhancer] = {}

    def get(self, model: str, scale: int) -> Enhancer:
        """Raises models.catalog.UnknownModel, or ValueError for a scale the model has not."""
        if (model, scale) not in self._loaded:
            self._loaded[model, scale] = load(model, scale, self._device, threads=self._threads)
        return self._loaded[model, scale]

    def warm(self, model: str) -> None:
        """Load a model and run it once, so that the first frame does not wait for it."""
        known = facts(model)
        self.get(model, max(known.scales)).enhance(np.zeros((1, known.tile, known.tile, 3), np.uint8))
