"""Learning-rate factors over the steps of a search, by name. Pure numbers; knows no optimiser."""

from __future__ import annotations

from enum import StrEnum

DROP = 0.9  # part of the steps after which `linear1cycledrop` only falls
HIGH, LOW = 10.0, 1000.0  # a cycle ends at 1/HIGH, the fall at 1/LOW


class Schedule(StrEnum):
    FIXED = "fixed"
    LINEAR1CYCLE = "linear1cycle"
    LINEAR1CYCLEDROP = "linear1cycledrop"


def factor(schedule: Schedule, step: int, steps: int) -> float:
    """What the learning rate is multiplied by at `step`, 0 .. steps - 1."""
    if schedule is Schedule.FIXED:
        return 1.0
    if schedule is Schedule.LINEAR1CYCLE:
        return _cycle(step / steps)
    cycle = DROP * steps
    if step < cycle:
        return _cycle(step / cycle)
    return 1 / HIGH + (step - cycle) / (steps - cycle) * (1 / LOW - 1 / HIGH)


def _cycle(part: float) -> float:
    """1/10 at 0, up to 1 at a half, down to 1/10 at 1."""
    return (9 * (1 - abs(part - 0.5) * 2) + 1) / HIGH
