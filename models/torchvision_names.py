"""Imports of packages that want torchvision, beside a build of torch that torchvision was not compiled for.

torchvision's CPU wheel is on PyTorch's own index only; its Python part does for us. Knows no package by name.
"""

from __future__ import annotations

import importlib
import sys
from types import ModuleType

import torch

# Operators of torchvision's compiled part that its Python part decorates. Nothing that we call needs them.
_OPERATORS = ("nms", "qnms")


def import_with_torchvision(name: str) -> ModuleType:
    """The package `name`, which imports torchvision; takes seconds the first time. Raises what its import raises."""
    try:
        return importlib.import_module(name)
    except RuntimeError as error:
        if "operator torchvision::" not in str(error):
            raise
    for loaded in [module for module in sys.modules if module.split(".")[0] in ("torchvision", name)]:
        del sys.modules[loaded]
    for operator in _OPERATORS:
        torch.library.define(f"torchvision::{operator}", "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    return importlib.import_module(name)
