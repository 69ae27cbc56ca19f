"""A generator and its discriminator made larger by one size, keeping what they learned. Knows no training.

Layers of the sizes there were are kept; the new size's to-RGB starts at zero, so that the larger generator first makes
its smaller pictures, enlarged.
"""

from __future__ import annotations

import re

import torch
from torch import Tensor

from models.stylegan2 import StyleGan2
from models.stylegan2_discriminator import StyleGan2Discriminator


@torch.no_grad()
def grow_maker(small: dict[str, Tensor], large: StyleGan2) -> None:
    """Fill `large` from the state of a generator of half its size. Raises KeyError where it is of other channels."""
    state = large.state_dict()
    for key, value in small.items():
        if state[key].shape != value.shape:
            raise KeyError(f"{key} is {tuple(value.shape)} in the smaller generator, not {tuple(state[key].shape)}")
        state[key].copy_(value)
    state[f"to_rgbs.{len(large.to_rgbs) - 1}.conv.weight_orig"].zero_()


@torch.no_grad()
def grow_judge(small: dict[str, Tensor], large: StyleGan2Discriminator) -> None:
    """Fill `large` from a discriminator of half its size: all but its first convolution moves one block on."""
    state = large.state_dict()
    for key, value in small.items():
        found = re.fullmatch(r"convs\.(\d+)\.(.+)", key)
        if found is None:
            state[key].copy_(value)
        elif int(found[1]) > 0:
            state[f"convs.{int(found[1]) + 1}.{found[2]}"].copy_(value)
