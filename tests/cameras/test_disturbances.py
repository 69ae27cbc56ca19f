"""The bound that a soak asks for, against the backoff itself."""

from __future__ import annotations

import random

from tests.cameras.disturbances import KINDS, drawn, longest_wait_s
from workers.backoff import Backoff


def test_a_soak_has_each_kind_and_is_the_same_for_a_seed() -> None:
    planned = drawn(3, 20)
    assert planned == drawn(3, 20) != drawn(4, 20)
    assert {kind: sum(each.kind == kind for each in planned) for kind in KINDS} == dict.fromkeys(KINDS, 5)


def test_no_wait_is_longer_than_the_bound() -> None:
    chance = random.Random(5)
    longest = 0.0
    for seed in range(500):
        backoff, now, away_s = Backoff(seed), 0.0, chance.uniform(0, 30)
        while (now := now + backoff.failed()) < away_s:
            pass
        assert now - away_s <= longest_wait_s(away_s)
        longest = max(longest, (now - away_s) / longest_wait_s(away_s))
    assert longest > 0.3  # the bound is no idle one
