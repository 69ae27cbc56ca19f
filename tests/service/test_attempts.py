"""Wrong keys are counted, forgotten after a minute, and never take more than so much memory."""

from __future__ import annotations

from service.attempts import NAMES, OF_PEER, OF_PUBLISHER, WINDOW_S, Attempts


class Clock:
    """Stands still until it is set."""

    now = 1000.0

    def __call__(self) -> float:
        return self.now


def test_a_publisher_waits_until_its_first_wrong_key_is_a_minute_old() -> None:
    clock = Clock()
    attempts = Attempts(clock)
    for _ in range(OF_PUBLISHER):
        assert attempts.wait_s("peer", "a") == 0
        attempts.wrong("peer", "a")
        clock.now += 1
    assert attempts.wait_s("peer", "a") == WINDOW_S - OF_PUBLISHER
    assert attempts.wait_s("peer", "b") == attempts.wait_s("other", "a") == 0
    clock.now += WINDOW_S - OF_PUBLISHER
    assert attempts.wait_s("peer", "a") == 0
    attempts.wrong("peer", "a")
    assert attempts.wait_s("peer", "a") == 1  # the second is nearly a minute old


def test_who_asks_for_many_waits_too() -> None:
    clock = Clock()
    attempts = Attempts(clock)
    for number in range(OF_PEER):
        assert attempts.wait_s("peer", str(number)) == 0
        attempts.wrong("peer", str(number))
    assert attempts.wait_s("peer", "another") == WINDOW_S
    assert attempts.wait_s("other", "another") == 0


def test_what_is_remembered_is_bounded_and_who_asks_is_not_forgotten() -> None:
    attempts = Attempts(Clock())
    for number in range(3 * NAMES):
        attempts.wrong("peer", str(number))
    assert len(attempts._wrong) == NAMES
    assert attempts.wait_s("peer", "another") == WINDOW_S
