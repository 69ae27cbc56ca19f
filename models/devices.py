"""Which device computes, and in what precision. Knows torch; knows no models beyond their facts."""

from __future__ import annotations

import torch
from torch import nn

from models.facts import ModelFacts


class DeviceError(Exception):
    """A device was asked for that this machine or this build of torch does not have."""


def resolve(device: str) -> torch.device:
    """The device by name: "auto" (the first GPU, else the CPU), "cpu", "cuda" or "cuda:N".

    Raises DeviceError naming what is there instead.
    """
    count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if device == "auto":
        return torch.device("cuda", 0) if count else torch.device("cpu")
    try:
        asked = torch.device(device)
    except RuntimeError as error:
        raise DeviceError(f"{device!r} names no device: use auto, cpu, cuda or cuda:N") from error
    if asked.type == "cpu":
        return asked
    if asked.type == "cuda" and (asked.index or 0) < count:
        return torch.device("cuda", asked.index or 0)
    there = f"cpu and cuda:0..{count - 1}" if count else "only the CPU"
    raise DeviceError(f"device {device!r} is not there: this machine and build of torch offer {there}")


def compute_dtype(device: torch.device, facts: ModelFacts) -> torch.dtype:
    """bfloat16 where the model is measured in it and the hardware computes in it, else float32.

    Without AMX or AVX512-BF16 a CPU emulates bfloat16, many times slower than float32. Models that are not learned
    always compute in float32: they are the evidential rendition.
    """
    if not facts.learned or "bfloat16" not in facts.dtypes:
        return torch.float32
    if device.type == "cuda":
        return torch.bfloat16 if torch.cuda.is_bf16_supported(including_emulation=False) else torch.float32
    return torch.bfloat16 if cpu_has_bfloat16() else torch.float32


def cpu_has_bfloat16() -> bool:
    """True where the CPU multiplies bfloat16 in hardware: AMX-BF16 or AVX512-BF16."""
    abilities = torch.cpu.get_capabilities()
    return bool(abilities.get("amx_bf16") or abilities.get("avx512_bf16"))


def lay_out(network: nn.Module) -> None:
    """Its convolutions' weights as kernels like them best, channels last; others, such as modulated ones, stay."""
    for parameter in network.parameters():
        if parameter.ndim == 4:
            parameter.data = parameter.data.contiguous(memory_format=torch.channels_last)
