"""How threads are laid out over the processors: the one place. Pure arithmetic; knows no networks and no encoders.

Everything but the network takes a small part of one processor, so nothing is set aside for it: the network's threads
are as many as there are processors, and the system shares them out. What counts is that no thread of the network waits
for another one that an encoder has pushed aside. So on a CPU the network runs as a crew (`workers/crew.py`): members
that take pieces of work each on its own, with one thread of torch's where there are few processors.

    thread                      number            where
    network                     crew x network    workers/crew.py, torch
    decode, and colour to RGB   1                 workers/ahead.py
    look, cut, blend, convert   1                 the caller of workers/stretch.py
    encode                      1 + encoder       media/background.py; the encoder's own threads besides
"""

from __future__ import annotations

import os
from dataclasses import dataclass

MOST_MEMBERS = 8  # each holds a network's intermediate values: up to some 100 MB with a slim GLEAN
MOSTLY = (
    0.85  # of the processors are in use where they cannot be shared out evenly: members are worth more than the rest
)


@dataclass(frozen=True, slots=True)
class Layout:
    """Numbers of threads. Results depend on `encoder` only."""

    crew: int  # members that run the network side by side
    network: int  # torch's threads in each of them
    encoder: int  # of the video encoder


def cores() -> int:
    """Processors that this process may use."""
    return len(os.sched_getaffinity(0))


def lay_out(available: int, *, on_cpu: bool, network: int = 0) -> Layout:
    """available: processors. network: threads asked for, for the network as a whole; 0: one on each processor.

    Where the network runs on a GPU one member feeds it, and torch keeps the threads that it was given.
    """
    if available < 1 or network < 0:
        raise ValueError(f"{available} processors and {network} threads cannot be laid out: from 1 and from 0")
    threads = network or available
    if not on_cpu:
        return Layout(1, threads, available)
    most = range(min(threads, MOST_MEMBERS), 0, -1)
    members = next(count for count in most if count * (threads // count) >= MOSTLY * threads)
    return Layout(members, threads // members, available)
