"""The models a worker process has loaded: each at most once, the least recently used forgotten."""

from __future__ import annotations

from collections import OrderedDict

import numpy as np

from models.catalog import Catalog
from models.enhancer import Enhancer
from models.registry import load

MOST = 4  # models kept; the largest GLEAN takes 0.7 GiB


class LoadedModels:
    """Loads on first use and keeps the `MOST` used last, per (model, scale, detail).

    The catalog is asked each time: a model imported meanwhile is there, one removed is not, and one that was removed
    and imported anew under its name (another SHA-256) is loaded anew.
    """

    def __init__(self, device: str, threads: int, catalog: Catalog | None = None) -> None:
        self._device, self._threads = device, threads
        self._catalog = catalog or Catalog()
        self._loaded: OrderedDict[tuple[str, int, float], Enhancer] = OrderedDict()

    def get(self, model: str, scale: int, detail: float = 0.0) -> Enhancer:
        """Raises models.catalog.UnknownModel, or ValueError for a scale or a detail the model has not."""
        key = (model, scale, detail)
        facts = self._catalog.enhancer(model)
        enhancer = self._loaded.get(key)
        if enhancer is None or enhancer.facts != facts:
            self._loaded.pop(key, None)  # before another is loaded, so that both need not fit
            while len(self._loaded) >= MOST:
                self._loaded.popitem(last=False)
            enhancer = load(model, scale, self._device, detail=detail, threads=self._threads, catalog=self._catalog)
            self._loaded[key] = enhancer
        self._loaded.move_to_end(key)
        return enhancer

    def warm(self, model: str) -> None:
        """Load a model and run it once, so that the first frame does not wait for it."""
        known = self._catalog.enhancer(model)
        self.get(model, max(known.scales)).enhance(np.zeros((1, known.tile, known.tile, 3), np.uint8))
