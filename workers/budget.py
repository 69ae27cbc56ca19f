"""How a live stream's budget, from a frame's arrival until it can be fetched, is shared out. Pure."""

from __future__ import annotations

PART_S = 0.5  # of HLS, or a quarter of the budget where that is shorter


def part_s(budget_s: float) -> float:
    return min(PART_S, budget_s / 4)


def allowed_s(budget_s: float, *, hls: bool) -> float:
    """The time a frame may take to the encoder: what is left of the budget when its part has been filled."""
    return budget_s - (part_s(budget_s) if hls else 0.0)
