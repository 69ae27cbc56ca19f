"""How a device computes while training: bfloat16, channels last and compiled on GPUs, threads on CPUs.

Knows no networks.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any, TypeVar, cast

import cv2
import torch
from torch import nn

from models import devices

Network = TypeVar("Network", bound=nn.Module)
Forward = TypeVar("Forward", bound=Callable[..., Any])


def autocast(device: torch.device) -> AbstractContextManager[Any]:
    """bfloat16 for what may be, on GPUs that have it. CPUs train in float32: few have it, and none of ours."""
    fast = device.type == "cuda" and torch.cuda.is_bf16_supported(including_emulation=False)
    return torch.autocast(device.type, torch.bfloat16, enabled=fast)


def set_up(device: torch.device, threads: int) -> None:
    """For the whole process."""
    torch.set_num_threads(threads)
    cv2.setNumThreads(threads)
    if device.type == "cuda":
        torch.backends.cudnn.benchmark = True
        torch.backends.cuda.matmul.allow_tf32 = True
        torch.backends.cudnn.allow_tf32 = True


def lay_out(network: Network, device: torch.device) -> Network:
    """On the device, convolutions' weights as its kernels like them: channels last on GPUs."""
    network = network.to(device)
    if device.type == "cuda":
        devices.lay_out(network)
    return network


def hasten(forward: Forward, device: torch.device, wanted: bool | None) -> Forward:
    """Compiled by torch where that is wanted; None: on GPUs. On CPUs the convolutions are all the time there is."""
    if wanted is None:
        wanted = device.type == "cuda"
    return cast(Forward, torch.compile(forward)) if wanted else forward
