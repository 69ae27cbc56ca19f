"""Fixtures of the models' tests: pickles as NVlabs makes them, and a file that no reading may make."""

from __future__ import annotations

import pickle
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from torch import Tensor

from tests.models.checkpoint_maker import (
    nested,
)


@pytest.fixture
def nvlabs(monkeypatch: pytest.MonkeyPatch) -> Callable[..., bytes]:
    """Pickles networks as NVlabs does; the two modules stand in for theirs only while a pickle is made."""

    def _reconstruct_persistent_obj(meta: dict[str, str]) -> object:
        exec(meta["module_src"])  # as theirs does, to show that the poison is one
        return meta

    class EasyDict(dict[str, object]):
        pass

    persistence, util = ModuleType("torch_utils.persistence"), ModuleType("dnnlib.util")
    for module, thing in ((persistence, _reconstruct_persistent_obj), (util, EasyDict)):
        thing.__module__, thing.__qualname__ = module.__name__, thing.__name__
        setattr(module, thing.__name__, thing)

    def make(tensors: dict[str, Tensor], *, source: str = "", beside: object = None, protocol: int = 4) -> bytes:
        with monkeypatch.context() as patch:
            for name, module in (
                ("torch_utils", ModuleType("torch_utils")),
                ("torch_utils.persistence", persistence),
                ("dnnlib", ModuleType("dnnlib")),
                ("dnnlib.util", util),
            ):
                patch.setitem(sys.modules, name, module)
            kwargs = EasyDict(z_dim=3, img_resolution=np.int64(16), synthesis_kwargs=EasyDict(conv_clamp=256))
            network = nested(tensors, source, kwargs)
            return pickle.dumps({"G": None, "G_ema": network, "augment_pipe": beside}, protocol=protocol)

    return make


@pytest.fixture
def marker(tmp_path: Path) -> Iterator[Path]:
    """A file that no reading may make."""
    path = tmp_path / "code-was-run"
    yield path
    assert not path.exists()
