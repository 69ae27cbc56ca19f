"""What this machine can do at most: multiplications of matrices, and bytes to and from memory. Knows no model.

The peak is what the best kernels of this build of torch reach here, not a figure from a data sheet: a share of it says
how much there is still to be had.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass, field

import torch
from torch import Tensor
from torch.nn import functional as F

from models.devices import cpu_has_bfloat16

EDGE = {"cpu": 1536, "cuda": 8192}  # of the square matrices
CHANNELS, PICTURE = 128, 48  # of the convolution, which reaches more than the matrices on some CPUs
BYTES = {"cpu": 128 << 20, "cuda": 4 << 30}  # of a tensor no cache holds


@dataclass(slots=True)
class Clock:
    """Times calls on a device. With one thread of a CPU it is CPU time, which others' work hardly moves."""

    device: torch.device
    own: bool = field(init=False)

    def __post_init__(self) -> None:
        self.own = self.device.type == "cpu" and torch.get_num_threads() == 1

    @property
    def name(self) -> str:
        return "CPU time" if self.own else "wall time"

    def now(self) -> float:
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)
        return time.process_time() if self.own else time.perf_counter()

    def seconds(self, call: Callable[[], object]) -> float:
        began = self.now()
        call()
        return self.now() - began


def why_not(dtype: torch.dtype, device: torch.device) -> str | None:
    """None where the device has kernels for the type, else in words what it lacks."""
    if dtype != torch.bfloat16:
        return None
    if device.type == "cuda":
        if torch.cuda.is_bf16_supported(including_emulation=False):
            return None
        return "this GPU computes no bfloat16"
    return None if cpu_has_bfloat16() else "this CPU has neither AMX-BF16 nor AVX512-BF16: bfloat16 is emulated"


class MatrixPeak:
    """Measures FLOP/s of one type, again and again, between other measurements."""

    def __init__(self, dtype: torch.dtype, device: torch.device) -> None:
        edge = EDGE.get(device.type, EDGE["cpu"])
        self._clock = Clock(device)
        random = torch.Generator().manual_seed(0)
        self._a, self._b = (torch.rand(edge, edge, generator=random).to(device, dtype) for _ in range(2))
        weight = torch.rand(CHANNELS, CHANNELS, 3, 3, generator=random).to(device, dtype)
        x = torch.rand(1, CHANNELS, PICTURE, PICTURE, generator=random).to(device, dtype)
        self._weight, self._x = (t.contiguous(memory_format=torch.channels_last) for t in (weight, x))
        self._matrix_flops = 2 * edge**3
        self._conv_flops = 2 * 9 * CHANNELS**2 * PICTURE**2
        self._calls = max(1, self._matrix_flops // self._conv_flops // 4)
        self.once()  # warm

    @torch.inference_mode()
    def once(self) -> float:
        """FLOP/s of the better of a product of matrices and of a wide 3x3 convolution."""
        matrix = self._matrix_flops / self._clock.seconds(lambda: torch.mm(self._a, self._b))
        conv = self._calls * self._conv_flops / self._clock.seconds(self._convolve)
        return max(matrix, conv)

    def _convolve(self) -> Tensor:
        for _ in range(self._calls):
            out = F.conv2d(self._x, self._weight, padding=1)
        return out


@torch.inference_mode()
def memory_bandwidth(device: torch.device, rounds: int = 5) -> float:
    """Bytes/s read and written while a tensor that no cache holds is copied; the median."""
    clock = Clock(device)
    source = torch.ones(BYTES.get(device.type, BYTES["cpu"]) // 4, device=device)
    target = torch.empty_like(source)
    target.copy_(source)
    times = [clock.seconds(lambda: target.copy_(source)) for _ in range(rounds)]
    return 2 * source.nbytes / statistics.median(times)
