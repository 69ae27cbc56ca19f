"""The models a worker process has loaded, each at most once."""

from __future__ import annotations

from models.enhancer import Enhancer
from models.registry import load


class LoadedModels:
    """Loads on first use and keeps, per (model, scale)."""

    def __init__(self, device: str) -> None:
        self._device = device
        self._loaded: dict[tuple[str, int], Enhancer] = {}

    def get(self, model: str, scale: int) -> Enhancer:
        """Raises models.catalog.UnknownModel, or ValueError for a scale the model has not."""
        if (model, scale) not in self._loaded:
            self._loaded[model, scale] = load(model, scale, self._device)
        return self._loaded[model, scale]
