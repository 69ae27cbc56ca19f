"""What happens to a camera's server in a soak, drawn from a seed, and how soon the stream must be back. Pure."""

from __future__ import annotations

import random
from dataclasses import dataclass

from workers.backoff import CAP_S, FIRST_S

KINDS = ("stop", "kill", "restart", "freeze")  # goodbye; power cut; power cut and back at once; hangs
AWAY_S = (0.5, 14.0)  # how long it is away
CALM_S = (32.0, 48.0)  # pictures until the next one: more than the backoff needs to begin anew (workers/backoff.py)
GRACE_S = 10.0  # connecting, the camera's next key frame, and a part of the live view
SEVERAL = 20


@dataclass(frozen=True, slots=True)
class Disturbance:
    kind: str
    away_s: float
    calm_s: float  # before it


def drawn(seed: int, count: int) -> list[Disturbance]:
    """Each kind as often as the others, in any order."""
    chance = random.Random(seed)
    kinds = [KINDS[number % len(KINDS)] for number in range(count)]
    chance.shuffle(kinds)
    return [
        Disturbance(kind, 0.0 if kind == "restart" else chance.uniform(*AWAY_S), chance.uniform(*CALM_S))
        for kind in kinds
    ]


def longest_wait_s(away_s: float) -> float:
    """The longest wait that the backoff can be in when a camera comes back that was away for so long.

    Waits are at least half their bound, and bounds double: n of them are over after (2^n - 1)/2 first bounds at least.
    """
    return min(CAP_S, 2 * away_s + FIRST_S)
