"""A bound on a training run's memory: beyond it an allocation fails, and the run ends with words.

Counts what the process has for itself (heap, stacks, private maps); pictures mapped from a file are the kernel's and
not counted. Knows no particular run.
"""

from __future__ import annotations

import resource
from collections.abc import Iterator
from contextlib import contextmanager

GIGABYTE = 10**9
_ALLOCATION = ("allocate memory", "not enough memory", "bad_alloc", "CUDA out of memory")


class MemoryBoundError(Exception):
    """A run wanted more memory than it may have; its last checkpoint stands."""


@contextmanager
def memory_bound(gigabytes: float | None) -> Iterator[None]:
    """Inside, the process gets at most so much (None: what the machine has). Raises MemoryBoundError beyond that.

    The bound before is put back at the end. ValueError where it is not positive.
    """
    if gigabytes is not None and not gigabytes > 0:
        raise ValueError(f"memory must be positive, not {gigabytes}: give gigabytes")
    before = resource.getrlimit(resource.RLIMIT_DATA)
    if gigabytes is not None:
        resource.setrlimit(resource.RLIMIT_DATA, (round(gigabytes * GIGABYTE), before[1]))
    try:
        yield
    except (MemoryError, RuntimeError) as error:
        if not isinstance(error, MemoryError) and not any(words in str(error) for words in _ALLOCATION):
            raise
        bound = "the machine has" if gigabytes is None else f"the {gigabytes:g} GB of --memory"
        raise MemoryBoundError(
            f"the run wants more memory than {bound}: give it more, or a smaller batch or crop; it goes on from its"
            " last checkpoint when started again"
        ) from error
    finally:
        resource.setrlimit(resource.RLIMIT_DATA, before)


def peak_gigabytes() -> float:
    """The most memory this process has held at once, mapped files included."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / GIGABYTE
