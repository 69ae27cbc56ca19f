"""Threads laid out: as many for the network as were asked for, never more members than memory bears."""

import pytest

from workers.layout import MOST_MEMBERS, Layout, lay_out


@pytest.mark.parametrize(
    ("available", "network", "wanted"),
    [
        (1, 0, Layout(1, 1, 1)),
        (2, 0, Layout(2, 1, 2)),
        (16, 0, Layout(8, 2, 16)),
        (64, 0, Layout(8, 8, 64)),
        (2, 1, Layout(1, 1, 2)),
        (12, 9, Layout(8, 1, 12)),
        (11, 0, Layout(5, 2, 11)),
    ],
)
def test_on_a_cpu_the_crew_has_the_networks_threads(available: int, network: int, wanted: Layout) -> None:
    assert lay_out(available, on_cpu=True, network=network) == wanted


def test_most_processors_are_used_and_no_more_than_there_are() -> None:
    for available in range(1, 129):
        layout = lay_out(available, on_cpu=True)
        assert 0.85 * available <= layout.crew * layout.network <= available
        assert layout.crew <= MOST_MEMBERS


def test_one_thread_feeds_a_gpu() -> None:
    assert lay_out(16, on_cpu=False) == Layout(1, 16, 16)


@pytest.mark.parametrize(("available", "network"), [(0, 0), (4, -1)])
def test_nonsense_is_refused(available: int, network: int) -> None:
    with pytest.raises(ValueError, match="cannot be laid out"):
        lay_out(available, on_cpu=True, network=network)
