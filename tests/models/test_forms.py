"""Choosing a form of a network: measured once, remembered, and never one that gives other numbers."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from models import forms, registry
from models.catalog import MODELS, Catalog
from models.espcn import Espcn
from models.quick import QuickEspcn

FACTS = MODELS["espcn-x2"]


def chosen(folder: Path | None) -> str:
    network, dtype = forms.choose(Espcn(2), FACTS, 2, torch.float32, folder)
    assert dtype == torch.float32
    return type(network).__name__


def entries(folder: Path) -> dict[str, dict[str, object]]:
    found: dict[str, dict[str, object]] = json.loads((folder / forms.FILE).read_text())
    return found


def test_the_choice_is_measured_once_and_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = chosen(tmp_path)
    (entry,) = entries(tmp_path).values()
    assert entry["form"] == ("float32 quick" if first == "QuickEspcn" else "float32 plain")
    assert isinstance(entry["ms"], dict)
    assert set(entry["ms"]) == {"float32 quick", "float32 plain"}
    assert all(ms > 0 for ms in entry["ms"].values())
    before = (tmp_path / forms.FILE).read_bytes()
    monkeypatch.setattr(forms, "_measured", lambda *_: pytest.fail("measured again"))
    assert chosen(tmp_path) == first
    assert (tmp_path / forms.FILE).read_bytes() == before


@pytest.mark.parametrize("form", ["plain", "quick"])
def test_what_is_remembered_is_what_runs(form: str, tmp_path: Path) -> None:
    chosen(tmp_path)
    (key,) = entries(tmp_path)
    (tmp_path / forms.FILE).write_text(json.dumps({key: {"form": f"float32 {form}"}}))
    assert chosen(tmp_path) == ("Espcn" if form == "plain" else "QuickEspcn")
    enhancer = registry.load("espcn-x2", 2, "cpu", catalog=Catalog(tmp_path))
    assert isinstance(enhancer._network, Espcn if form == "plain" else QuickEspcn)


def test_a_damaged_file_is_written_anew_and_other_entries_stay(tmp_path: Path) -> None:
    (tmp_path / forms.FILE).write_text('{"cut off')
    chosen(tmp_path)
    assert len(entries(tmp_path)) == 1
    kept = entries(tmp_path) | {"another machine": {"form": "plain"}}
    (tmp_path / forms.FILE).write_text(json.dumps(kept))
    forms.choose(Espcn(2), FACTS, 4, torch.float32, tmp_path)
    assert set(kept) < set(entries(tmp_path))


def test_without_a_folder_nothing_is_written_and_the_quick_form_runs(tmp_path: Path) -> None:
    assert chosen(None) == chosen(tmp_path / "missing") == "QuickEspcn"
    assert not list(tmp_path.iterdir())


def test_a_file_that_cannot_be_opened_does_not_matter(tmp_path: Path) -> None:
    (tmp_path / forms.FILE).mkdir()
    assert chosen(tmp_path) == "QuickEspcn"


class Wrong(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x.repeat_interleave(2, 2).repeat_interleave(2, 3)


class Failing(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        raise RuntimeError("could not create a primitive")


@pytest.mark.parametrize("form", [Wrong(), Failing()])
@pytest.mark.parametrize("kept", [True, False])
def test_a_form_that_gives_other_numbers_or_fails_never_runs(
    form: nn.Module, kept: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(forms, "quick_form", lambda _: form)
    assert chosen(tmp_path if kept else None) == "Espcn"


def test_where_onednn_is_not_there_the_network_runs_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(forms, "takes", lambda _: False)
    assert chosen(None) == "Espcn"


def test_in_bfloat16_forms_are_measured_in_both_types(tmp_path: Path) -> None:
    """As on a CPU that has it: here both are emulated or computed in float32, and the quickest is taken."""
    network, dtype = forms.choose(Espcn(2), FACTS, 2, torch.bfloat16, tmp_path)
    (entry,) = entries(tmp_path).values()
    assert isinstance(entry["ms"], dict)
    assert set(entry["ms"]) == {f"{t} {f}" for t in ("bfloat16", "float32") for f in ("quick", "plain")}
    assert entry["form"] == f"{str(dtype).removeprefix('torch.')} {'plain' if isinstance(network, Espcn) else 'quick'}"
