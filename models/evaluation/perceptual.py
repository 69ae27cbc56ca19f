"""Perceptual measures that need no downloaded weights: VIF, GMSD and HaarPSI, by piq. Knows no files, no models.

piq is an optional extra, imported when it is needed. It wants torchvision for measures that we do not use.
"""

from __future__ import annotations

from importlib.metadata import version
from importlib.util import find_spec

import torch
from torch import Tensor

from models.torchvision_names import import_with_torchvision

EXTRA = "requirements/evaluate.txt"
SMALLEST = 64  # pixels each way: VIF's coarsest scale needs 41


class ExtraMissing(ImportError):
    """piq is not installed here; the message says how to install it."""


def piq_version() -> str:
    """Raises ExtraMissing."""
    if find_spec("piq") is None:
        raise ExtraMissing(f"measuring needs piq: install {EXTRA}")
    return version("piq")


@torch.inference_mode()
def perceptual(image: Tensor, truth: Tensor) -> tuple[float, float, float]:
    """(VIF, GMSD, HaarPSI) of (3, H, W) RGB in [0, 1], each at least SMALLEST pixels each way.

    VIF: pixel domain, luma (Sheikh and Bovik, TIP 2006), 1 is the truth, more is possible. GMSD: luma (Xue et al., TIP
    2014), 0 is the truth and less is better. HaarPSI: luma and chroma (Reisenhofer et al., 2018), 1 is the truth.
    Raises ExtraMissing.
    """
    piq_version()
    piq = import_with_torchvision("piq")
    a, b = (picture.float()[None].contiguous() for picture in (image, truth))
    vif, gmsd, haarpsi = (float(of(a, b, data_range=1.0)) for of in (piq.vif_p, piq.gmsd, piq.haarpsi))
    return vif, gmsd, haarpsi
