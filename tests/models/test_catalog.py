"""The table of models: what it promises is true."""

import subprocess
import sys
from pathlib import Path

import pytest
import torch

from models import catalog, registry, weights_io
from models.catalog import MODELS, Catalog, UnknownModel
from models.devices import DeviceError, compute_dtype, cpu_has_bfloat16, resolve
from models.registry import ARCHITECTURES, ScaleError

ENHANCERS = [name for name, facts in MODELS.items() if facts.role == "enhancer"]


@pytest.mark.parametrize("name", ENHANCERS)
def test_every_model_loads_at_every_scale_with_the_weights_named(name: str) -> None:
    for scale in MODELS[name].scales:
        assert registry.load(name, scale, "cpu").scale == scale


@pytest.mark.parametrize("name", [name for name in ENHANCERS if MODELS[name].architecture != "glean-light"])
def test_the_halo_is_exactly_the_reach_of_the_network(name: str) -> None:
    """Gradients of one input pixel's outputs reach halo pixels away, and no further."""
    facts = MODELS[name]
    scale = facts.scales[-1]
    network = registry.build(facts, scale, registry.read_state(Catalog(), facts))
    x = torch.rand(1, 3, 21, 21, generator=torch.Generator().manual_seed(0)).mul(0.5).add(0.25).requires_grad_()
    network(x)[:, :, 10 * scale : 11 * scale, 10 * scale : 11 * scale].sum().backward()
    assert x.grad is not None
    rows = x.grad[0].abs().sum((0, 2)).nonzero().flatten().tolist()
    assert rows == list(range(10 - facts.halo, 11 + facts.halo))


@pytest.mark.parametrize("name", [name for name, facts in MODELS.items() if facts.weights])
def test_weights_carry_the_name_of_their_model(name: str) -> None:
    weights = MODELS[name].weights
    assert weights is not None
    assert weights_io.metadata(weights_io.FOLDER / weights)["model"] == name


def test_every_model_is_of_a_known_architecture() -> None:
    assert {facts.architecture for facts in MODELS.values()} <= ARCHITECTURES.keys()
    assert all(facts.name == name for name, facts in MODELS.items())


def test_an_unknown_model_lists_the_known_ones() -> None:
    with pytest.raises(UnknownModel, match=r"no model 'espcn-x5': use one of lanczos, .*espcn-x2, espcn-x4"):
        catalog.facts("espcn-x5")


def test_a_scale_the_model_lacks_is_refused() -> None:
    with pytest.raises(ScaleError, match="espcn-x4 enlarges by 4, not by 2"):
        registry.load("espcn-x4", 2, "cpu")


def test_damaged_weights_are_refused(tmp_path: Path) -> None:
    data = (weights_io.FOLDER / "espcn-x2.safetensors").read_bytes()
    damaged = tmp_path / "espcn-x2.safetensors"
    damaged.write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
    with pytest.raises(weights_io.WeightsError, match="SHA-256"):
        weights_io.read(damaged, expected_sha256=MODELS["espcn-x2"].sha256)


def test_facts_and_catalog_do_not_import_torch() -> None:
    program = "import sys; sys.modules['torch'] = None; import models.catalog; models.catalog.Catalog().all()"
    subprocess.run([sys.executable, "-c", program], cwd=Path(catalog.__file__).parents[1], check=True)


def test_evidence_is_computed_in_float32_everywhere() -> None:
    assert compute_dtype(torch.device("cpu"), MODELS["lanczos"]) == torch.float32


def test_bfloat16_is_used_only_where_the_cpu_has_it() -> None:
    dtype = compute_dtype(torch.device("cpu"), MODELS["espcn-x4"])
    assert (dtype == torch.bfloat16) == cpu_has_bfloat16()


def test_devices_that_are_not_there_are_refused_by_name() -> None:
    assert resolve("cpu") == torch.device("cpu")
    with pytest.raises(DeviceError, match="cuda:99"):
        resolve("cuda:99")
    with pytest.raises(DeviceError, match="names no device"):
        resolve("abacus")
