"""How long a clip will take, from a few frames that were enhanced. Pure."""

from __future__ import annotations

from dataclasses import dataclass

UNCHANGED_SHARE = 0.8  # of the tiles, at best: a still camera changes 5-20 % of them (measured on real clips)
SPREAD = 1.5  # how much longer than the sample says it may take: other jobs, busy machines


@dataclass(frozen=True, slots=True)
class Estimate:
    """Seconds of work; low and high are a band, not a promise."""

    seconds: float
    low: float
    high: float
    basis: str


def estimate(frames: int, wall_s_per_frame: float, network_s_per_frame: float, workers: int) -> Estimate:
    """Time for `frames` frames, where sample frames took `wall_s_per_frame` each, `network_s_per_frame` of it network.

    `workers`: enhance workers that share the network's part. Samples are enhanced whole; of a still camera's frames
    most tiles are reused, which is the low end.
    """
    rest = max(0.0, wall_s_per_frame - network_s_per_frame)
    network = network_s_per_frame / max(1, workers)
    seconds = frames * max(rest, network)  # the two overlap
    low = frames * max(rest, network * (1 - UNCHANGED_SHARE))
    basis = (
        f"{frames} frames at {wall_s_per_frame:.3f} s each as measured on sample frames, "
        f"{network_s_per_frame:.3f} s of it in the network, on {max(1, workers)} enhance workers"
    )
    return Estimate(round(seconds, 1), round(low, 1), round(seconds * SPREAD, 1), basis)
