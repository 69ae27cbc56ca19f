"""Weights files: whole, as expected, every key accounted for."""

from pathlib import Path

import pytest
import torch

from models import weights_io
from models.espcn import Espcn
from models.weights_io import WeightsError


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    path = tmp_path / "net.safetensors"
    weights_io.save(Espcn(2).state_dict(), path, {"model": "espcn-x2", "steps": "7"})
    return path


def test_weights_come_back_as_they_were(tmp_path: Path) -> None:
    net, other = Espcn(2), Espcn(2)
    digest = weights_io.save(net.state_dict(), tmp_path / "a.safetensors", {})
    weights_io.load_into(other, tmp_path / "a.safetensors", expected_sha256=digest)
    assert all(torch.equal(a, b) for a, b in zip(net.parameters(), other.parameters(), strict=True))


def test_a_file_carries_its_facts(saved: Path) -> None:
    assert weights_io.metadata(saved) == {"model": "espcn-x2", "steps": "7"}


def test_a_changed_file_is_refused(saved: Path) -> None:
    data = bytearray(saved.read_bytes())
    data[-1] ^= 1
    digest = weights_io.sha256(saved)
    saved.write_bytes(data)
    with pytest.raises(WeightsError, match=digest):
        weights_io.load_into(Espcn(2), saved, expected_sha256=digest)


def test_a_cut_file_is_refused(saved: Path) -> None:
    saved.write_bytes(saved.read_bytes()[:1000])
    with pytest.raises(WeightsError, match=r"net\.safetensors is not a whole safetensors file"):
        weights_io.read(saved)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match=r"gone\.safetensors is missing"):
        weights_io.read(tmp_path / "gone.safetensors")


def test_missing_and_unexpected_keys_are_fatal_with_their_names(tmp_path: Path) -> None:
    state = Espcn(2).state_dict()
    state["other.weight"] = state.pop("second.weight")
    weights_io.save(state, tmp_path / "a.safetensors", {})
    net = Espcn(2)
    before = net.first.weight.clone()
    with pytest.raises(WeightsError, match=r"missing: second\.weight; unexpected: other\.weight"):
        weights_io.load_into(net, tmp_path / "a.safetensors")
    assert torch.equal(net.first.weight, before)


def test_weights_of_another_scale_are_refused_with_both_shapes(saved: Path) -> None:
    with pytest.raises(WeightsError, match=r"last\.weight has shape \(12, 32, 3, 3\), wanted \(48, 32, 3, 3\)"):
        weights_io.load_into(Espcn(4), saved)
