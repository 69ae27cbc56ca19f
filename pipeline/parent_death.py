"""Child processes that end with the process that started them, even if that is killed. Linux only; knows no Redis."""

from __future__ import annotations

import ctypes
import os
from collections.abc import Callable

_PR_SET_PDEATHSIG = 1  # linux/prctl.h


def dies_with_parent(number: int) -> Callable[[], None]:
    """A preexec_fn: the kernel sends the child signal `number` when the thread that started it ends.

    So children are to be started by a thread that lasts, such as the main one.
    """
    prctl = ctypes.CDLL(None, use_errno=True).prctl  # looked up before the fork
    parent = os.getpid()

    def arm() -> None:
        prctl(_PR_SET_PDEATHSIG, number)
        if os.getppid() != parent:  # it ended before the signal was armed
            os.kill(os.getpid(), number)

    return arm
