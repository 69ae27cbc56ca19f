"""Two trainings of one network and what lies between: interpolated exactly, both files checked, partners matched."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from models import facts_json, registry, weights_io
from models.catalog import MODELS, Catalog
from models.checkpoints.errors import CheckpointError
from models.importing import import_model
from models.registry import DetailError
from models.weights_io import WeightsError
from tests.models.model_maker import light, write_glean, write_light

FAITHFUL, VIVID = light(0).state_dict(), light(1).state_dict()


@pytest.fixture
def catalog(tmp_path: Path) -> Catalog:
    """With the model "both" of two trainings, and "one" of the first alone."""
    found = Catalog(tmp_path / "models")
    first, second = write_light(tmp_path / "first.pth", 0), write_light(tmp_path / "second.pth", 1)
    import_model(first, "both", found, vivid=second)
    import_model(first, "one", found)
    import_model(second, "other", found)
    return found


def tiles() -> np.ndarray:
    return np.random.default_rng(3).integers(60, 200, (2, 16, 16, 3), np.uint8)


def pixels(catalog: Catalog, name: str, detail: float = 0.0) -> np.ndarray:
    return registry.load(name, 4, "cpu", detail=detail, catalog=catalog).enhance(tiles()).pixels


def test_none_is_the_faithful_training_and_all_is_the_vivid_one(catalog: Catalog) -> None:
    faithful, vivid = pixels(catalog, "one"), pixels(catalog, "other")
    assert np.abs(faithful.astype(int) - vivid).mean() > 1
    assert np.array_equal(pixels(catalog, "both"), faithful)
    assert np.array_equal(pixels(catalog, "both", 1.0), vivid)


@pytest.mark.parametrize("detail", [0.0, 0.25, 0.5, 1.0])
def test_every_floating_tensor_is_interpolated(detail: float, catalog: Catalog) -> None:
    given = registry.read_state(catalog, catalog.facts("both"), detail)
    assert given.keys() == FAITHFUL.keys()
    for key, tensor in given.items():
        wanted = (1 - detail) * FAITHFUL[key].double() + detail * VIVID[key].double()
        largest = max(FAITHFUL[key].abs().max(), VIVID[key].abs().max())
        assert (tensor.double() - wanted).abs().max() <= largest * 2**-23, key  # two roundings
    if detail in (0.0, 1.0):
        assert all(torch.equal(given[key], (VIVID if detail else FAITHFUL)[key]) for key in given)


def test_the_half_is_the_network_of_the_mean_weights(catalog: Catalog, tmp_path: Path) -> None:
    mean = {key: (tensor + VIVID[key]) / 2 for key, tensor in FAITHFUL.items()}
    torch.save({"state_dict": {f"generator.{key}": tensor for key, tensor in mean.items()}}, tmp_path / "mean.pth")
    import_model(tmp_path / "mean.pth", "mean", catalog)
    assert np.array_equal(pixels(catalog, "both", 0.5), pixels(catalog, "mean"))


@pytest.mark.parametrize("detail", [-0.01, 1.01, float("nan")])
def test_detail_out_of_range_is_refused(detail: float, catalog: Catalog) -> None:
    with pytest.raises(DetailError, match=r"wanted 0 \(faithful\) to 1 \(vivid\)"):
        registry.load("both", 4, "cpu", detail=detail, catalog=catalog)


@pytest.mark.parametrize(("name", "scale"), [("one", 4), ("lanczos", 4), ("espcn-x4", 4)])
def test_a_model_without_a_vivid_training_has_no_detail(name: str, scale: int, catalog: Catalog) -> None:
    with pytest.raises(DetailError, match=f"model {name} has no vivid training: detail must be 0, not 0.3"):
        registry.load(name, scale, "cpu", detail=0.3, catalog=catalog)


def test_facts_tell_of_the_vivid_training(catalog: Catalog, tmp_path: Path) -> None:
    facts = catalog.facts("both")
    file = tmp_path / "models" / "both.vivid"
    assert (facts.vivid, facts.vivid_sha256) == ("both.vivid", weights_io.sha256(file))
    assert facts_json.parse(facts_json.dump(facts)) == replace(facts, weights=None, sha256=None, vivid=None)
    digests = (tmp_path / "models" / "both.sha256").read_text()
    assert digests == f"{facts.sha256}  both.safetensors\n{facts.vivid_sha256}  both.vivid\n"
    assert (catalog.facts("one").vivid, catalog.facts("one").vivid_sha256) == (None, None)
    assert [found.name for found in catalog.enhancers() if found.name not in MODELS] == ["both", "one", "other"]
    catalog.remove("both")
    assert not list((tmp_path / "models").glob("both*"))


def test_facts_written_before_there_were_vivid_trainings_are_still_read() -> None:
    text = facts_json.dump(MODELS["espcn-x2"])
    before = text.replace(', "vivid_sha256": null', "")
    assert before != text
    assert facts_json.parse(before) == facts_json.parse(text)
    with pytest.raises(facts_json.FactsError, match="vivid_sha256"):
        facts_json.parse(text.replace('"vivid_sha256": null', '"vivid_sha256": "../other"'))


def test_a_model_imported_again_from_our_file_alone_has_no_vivid_training(catalog: Catalog, tmp_path: Path) -> None:
    import_model(tmp_path / "models" / "both.safetensors", "copy", catalog)
    assert (catalog.facts("copy").vivid, catalog.facts("copy").vivid_sha256) == (None, None)
    import_model(
        tmp_path / "models" / "both.safetensors", "two", catalog, vivid=tmp_path / "models" / "other.safetensors"
    )
    assert np.array_equal(pixels(catalog, "two", 1.0), pixels(catalog, "other"))


def test_a_vivid_file_that_was_changed_or_lost_is_not_loaded(catalog: Catalog, tmp_path: Path) -> None:
    path = tmp_path / "models" / "both.vivid"
    data = path.read_bytes()
    path.write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
    with pytest.raises(WeightsError, match=r"both\.vivid has SHA-256"):
        registry.load("both", 4, "cpu", detail=0.5, catalog=catalog)
    path.unlink()
    with pytest.raises(WeightsError, match=r"both\.vivid is missing"):
        registry.load("both", 4, "cpu", detail=0.5, catalog=catalog)
    assert np.array_equal(pixels(catalog, "both"), pixels(catalog, "one"))  # the faithful training is whole


def test_a_vivid_training_of_another_network_is_refused_and_nothing_kept(catalog: Catalog, tmp_path: Path) -> None:
    other = write_glean(tmp_path / "other.pth")
    with pytest.raises(CheckpointError, match=r"other\.pth cannot be the vivid training of first\.pth: its arch"):
        import_model(tmp_path / "first.pth", "mixed", catalog, vivid=other)
    assert not list((tmp_path / "models").glob("*mixed*"))


def changed(key: str, tensor: Tensor | None) -> dict[str, Tensor]:
    state = {"a": torch.ones(2), "n": torch.tensor([1, 2])}
    return {k: t for k, t in (state | {key: tensor}).items() if t is not None}


@pytest.mark.parametrize(
    ("vivid", "words"),
    [
        (changed("a", None), "missing: a"),
        (changed("b", torch.ones(1)), "unexpected: b"),
        (changed("a", torch.ones(3)), r"a is \(3,\) torch.float32, not \(2,\) torch.float32"),
        (changed("a", torch.ones(2).double()), "a is .* torch.float64, not"),
        (changed("n", torch.tensor([1, 3])), "n has other values"),
    ],
)
def test_partners_have_the_same_keys_shapes_and_types(vivid: dict[str, Tensor], words: str) -> None:
    faithful = changed("a", torch.zeros(2))
    for detail in (0.5, 1.0):
        with pytest.raises(WeightsError, match=f"v.safetensors is no training of the same network: .*{words}"):
            weights_io.interpolated(faithful, vivid, detail, "v.safetensors")


def test_float16_on_the_disk_is_float32_in_the_network(tmp_path: Path) -> None:
    halves = {key: tensor.half() for key, tensor in FAITHFUL.items()}
    weights_io.save(halves | {"n": torch.tensor([7])}, tmp_path / "half.safetensors", {})
    given = weights_io.read(tmp_path / "half.safetensors")
    assert all(
        torch.equal(given[key], half.float()) and given[key].dtype == torch.float32 for key, half in halves.items()
    )
    assert given["n"].dtype == torch.int64


def test_our_own_file_in_float16_is_imported(catalog: Catalog, tmp_path: Path) -> None:
    own = tmp_path / "models" / "one.safetensors"
    halves = {key: tensor.half() for key, tensor in weights_io.read(own).items()}
    weights_io.save(halves, tmp_path / "half.safetensors", weights_io.metadata(own))
    facts = import_model(tmp_path / "half.safetensors", "half", catalog).facts
    given = registry.read_state(catalog, facts)
    assert all(torch.equal(given[key], half.float()) for key, half in halves.items())
