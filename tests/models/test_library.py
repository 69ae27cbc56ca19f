"""The folder of imported models: whole or not at all, looked at anew, and robust against what lies in it."""

from __future__ import annotations

import json
import threading
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import structlog

from models import facts_json, registry, weights_io
from models.catalog import MODELS, Catalog, UnknownModel
from models.envelope import Gained, Limits, Measured
from models.facts_json import FactsError
from models.library import LibraryError
from models.registry import ArchitectureError

GAINED = Gained(0.5, 0.4, 0.6, 1.0)
ESPCN = replace(MODELS["espcn-x2"], origin="own.pth", origin_sha256="0" * 64)


@pytest.fixture
def catalog(tmp_path: Path) -> Catalog:
    return Catalog(tmp_path / "models")


def state(seed: int = 0) -> dict[str, object]:
    """ESPCN's weights, changed a little."""
    held = weights_io.read(weights_io.FOLDER / "espcn-x2.safetensors")
    return {key: tensor + seed * 1e-3 for key, tensor in held.items()}


def names(catalog: Catalog) -> set[str]:
    return {facts.name for facts in catalog.all()} - MODELS.keys()


def test_a_model_added_is_there_for_everyone_at_once_and_gone_when_removed(catalog: Catalog, tmp_path: Path) -> None:
    other = Catalog(tmp_path / "models")
    assert names(other) == set()
    added = catalog.add("mine", state(), ESPCN)
    assert other.facts("mine") == added
    assert replace(added, name="espcn-x2", weights=ESPCN.weights, sha256=ESPCN.sha256) == ESPCN
    path = tmp_path / "models" / "mine.safetensors"
    assert added.sha256 == weights_io.sha256(path)
    assert path.with_suffix(".sha256").read_text() == f"{added.sha256}  mine.safetensors\n"  # as sha256sum -c reads it
    assert registry.load("mine", 2, "cpu", catalog=other).facts == added
    catalog.remove("mine")
    with pytest.raises(UnknownModel, match="no model 'mine': use one of lanczos"):
        other.facts("mine")
    with pytest.raises(LibraryError, match="no imported model 'mine'"):
        catalog.remove("mine")
    for name, reason in (("lanczos", "ships"), ("../models/mine", "no imported model")):
        with pytest.raises(LibraryError, match=reason):
            catalog.remove(name)


def test_figures_are_recorded_in_the_file_and_nothing_else_changes(catalog: Catalog, tmp_path: Path) -> None:
    before = catalog.add("mine", state(), replace(ESPCN, gains={3: {"old": GAINED}}), vivid=state(1))
    measured = Measured(None, Limits(noise=9.5, interlaced=False), {2: {"clean-bicubic": GAINED}})
    after = catalog.record("mine", measured)
    wanted = {3: {"old": GAINED}, 2: {"clean-bicubic": GAINED}}
    assert after == replace(before, limits=measured.limits, gains=wanted, sha256=after.sha256)
    assert Catalog(tmp_path / "models").facts("mine") == after
    folder = tmp_path / "models"
    assert after.sha256 == weights_io.sha256(folder / "mine.safetensors") != before.sha256
    assert len((folder / "mine.sha256").read_text().splitlines()) == 2
    held, kept = (weights_io.read(folder / f"mine{suffix}") for suffix in (".safetensors", ".vivid"))
    assert all(bool((held[key] == tensor).all()) for key, tensor in state().items())
    assert all(bool((kept[key] == tensor).all()) for key, tensor in state(1).items())
    registry.load("mine", 2, "cpu", detail=0.5, catalog=catalog)
    assert not list(folder.glob(".*.part"))
    for name, reason in (("lanczos", "ships"), ("other", "no imported model"), ("../models/mine", "no imported")):
        with pytest.raises(LibraryError, match=reason):
            catalog.record(name, measured)


def test_no_model_may_be_called_auto(catalog: Catalog, tmp_path: Path) -> None:
    with pytest.raises(LibraryError, match="'auto' stands for the choice"):
        catalog.add("auto", state(), ESPCN)
    catalog.add("mine", state(), ESPCN)
    folder = tmp_path / "models"
    for suffix in (".safetensors", ".sha256"):
        (folder / f"mine{suffix}").rename(folder / f"auto{suffix}")
    with structlog.testing.capture_logs() as logs:
        assert names(catalog) == set()
    assert [entry["file"] for entry in logs] == ["auto.safetensors"]


def test_of_two_that_add_the_same_name_one_is_refused(catalog: Catalog) -> None:
    start = threading.Barrier(4)
    refused: list[str] = []

    def add(seed: int) -> None:
        start.wait()
        try:
            catalog.add("mine", state(seed), ESPCN)
        except LibraryError as error:
            refused.append(str(error))

    threads = [threading.Thread(target=add, args=(seed,)) for seed in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(refused) == 3
    registry.load("mine", 2, "cpu", catalog=catalog)  # its digest is of itself


def test_what_cannot_be_written_leaves_nothing(catalog: Catalog, tmp_path: Path) -> None:
    with pytest.raises(LibraryError, match="dtype"):
        catalog.add("mine", {"a": object()}, ESPCN)
    with pytest.raises(FactsError, match="tile"):
        catalog.add("mine", state(), replace(ESPCN, tile=0))
    assert not [path for path in tmp_path.rglob("*") if "mine" in path.name]


def test_a_changed_file_is_not_loaded(catalog: Catalog, tmp_path: Path) -> None:
    catalog.add("mine", state(), ESPCN)
    path = tmp_path / "models" / "mine.safetensors"
    data = path.read_bytes()
    path.write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
    with pytest.raises(weights_io.WeightsError, match=r"mine\.safetensors has SHA-256"):
        registry.load("mine", 2, "cpu", catalog=catalog)


def header_of(length: int, header: object, body: bytes = b"") -> bytes:
    raw = json.dumps(header).encode()
    return (length if length >= 0 else len(raw)).to_bytes(8, "little") + raw + body


BAD = {
    "empty": b"",
    "text": b"this is no safetensors file at all",
    "huge-header": header_of(1 << 40, {}),
    "not-json": (5).to_bytes(8, "little") + b"{{{{{",
    "deep": (20000).to_bytes(8, "little") + b"[" * 20000,
    "list": header_of(-1, [1, 2]),
    "foreign": header_of(-1, {"a": {"dtype": "U8", "shape": [1], "data_offsets": [0, 1]}}, b"x"),
    "offsets": header_of(-1, {"__metadata__": {"gleaner": "{}"}, "a": {"data_offsets": ["x", -1]}}, b"x"),
    "no-facts": header_of(-1, {"__metadata__": {"gleaner": "{}"}}),
}


def test_what_is_damaged_or_foreign_is_passed_over_and_named_once_in_the_log(catalog: Catalog, tmp_path: Path) -> None:
    catalog.add("mine", state(), ESPCN)
    folder = tmp_path / "models"
    good = (folder / "mine.safetensors").read_bytes()
    bad = BAD | {"cut": good[:-1], "longer": good + b"x", "renamed": good, "Upper": good, "no-digest": good}
    for name, data in bad.items():
        (folder / f"{name}.safetensors").write_bytes(data)
        if name != "no-digest":
            (folder / f"{name}.sha256").write_text("0" * 64)
    (folder / "folder.safetensors").mkdir()
    (folder / "dangling.safetensors").symlink_to("nowhere")
    (folder / "README").write_text("not a model")
    with structlog.testing.capture_logs() as logs:
        assert names(catalog) == {"mine"}
        assert names(catalog) == {"mine"}
    passed = [entry["file"] for entry in logs if entry["event"] == "model passed over"]
    assert sorted(passed) == sorted(f"{name}.safetensors" for name in [*bad, "folder"])
    assert all(entry["log_level"] == "warning" for entry in logs)


def test_a_folder_that_is_none_has_no_models(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for folder in (tmp_path / "missing", tmp_path / "file"):
        with structlog.testing.capture_logs():
            assert Catalog(folder).all() == Catalog().all()


def test_facts_survive_json() -> None:
    for facts in MODELS.values():
        kept = replace(facts, weights=None, sha256=None, vivid=None)
        assert facts_json.parse(facts_json.dump(facts)) == kept


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"tile": -1}, "tile"), ({"tile": True}, "tile"), ({"scales": []}, "scales"), ({"scales": [0]}, "scales"),
        ({"scales": 2}, "scales"), ({"halo": 1e3}, "halo"), ({"title": "a\nb"}, "title"),
        ({"title": "x" * 5000}, "title"),
        ({"role": "judge"}, "role"), ({"dtypes": ["float16"]}, "dtypes"), ({"config": [1]}, "config"),
        ({"config": {"num_rrdbs": 10**9}}, "config"), ({"config": {"a": {"b": 1}}}, "config"), ({"batch": 0}, "batch"),
        ({"config": {"a": float("nan")}}, "config"), ({"learned": 1}, "learned"),
        ({"origin_sha256": "x"}, "origin_sha256"),
        ({"more": 1}, "more"), ({"v": 2}, "version"),
    ],
)  # fmt: skip
def test_facts_out_of_range_are_refused_by_field(change: dict[str, object], field: str) -> None:
    values = json.loads(facts_json.dump(ESPCN))
    with pytest.raises(FactsError, match=field):
        facts_json.parse(json.dumps(values | change))
    missing = {key: value for key, value in values.items() if key != field}
    if field in values:
        with pytest.raises(FactsError, match=field):
            facts_json.parse(json.dumps(missing))


@pytest.mark.parametrize(
    "change",
    [{"architecture": "espcn-z"}, {"architecture": "glean", "config": {}}, {"architecture": "stylegan2"}],
)
def test_facts_that_cannot_be_built_are_refused(change: dict[str, object], catalog: Catalog) -> None:
    catalog.add("mine", {key: np.asarray(value) for key, value in state().items()}, replace(ESPCN, **change))  # type: ignore[arg-type]
    with pytest.raises(ArchitectureError, match="mine"):
        registry.load("mine", 2, "cpu", catalog=catalog)
