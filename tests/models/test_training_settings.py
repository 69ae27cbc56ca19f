"""A run's settings from TOML and options: names, types, what is missing."""

from __future__ import annotations

from pathlib import Path

import pytest

from models.stylegan2 import StyleGan2Sizes
from models.training import settings
from models.training.bank import BankConfig
from models.training.glean import GleanTraining, build
from models.training.pairs import MIX
from models.training.settings import SettingsError, configure
from models.training.vivid import VividTraining

RUNS = Path(settings.__file__).parent / "runs"
OPTIONS = {"data": Path("media"), "out": Path("run")}


def written(folder: Path, text: str) -> Path:
    path = folder / "run.toml"
    path.write_text(text)
    return path


def test_a_file_options_and_defaults_come_together(tmp_path: Path) -> None:
    file = written(tmp_path, 'steps = 7\nrate = 1\ncache = "packs"\nminutes = 3\n[network]\nin_size = 64\n')
    found = configure(GleanTraining, file, {**OPTIONS, "minutes": 5.0, "threads": None})
    assert (found.steps, found.rate, found.cache, found.minutes) == (7, 1.0, Path("packs"), 5.0)
    assert (dict(found.network), dict(found.mix), found.threads) == ({"in_size": 64}, dict(MIX), 1)


def test_arrays_become_tuples(tmp_path: Path) -> None:
    found = configure(BankConfig, written(tmp_path, "sizes = [16, 32]\nslope_weight = 2"), OPTIONS)
    assert (found.sizes, found.slope_weight) == ((16, 32), 2.0)
    assert configure(BankConfig, None, OPTIONS) == BankConfig(**OPTIONS)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("stepps = 7", "unknown settings stepps: there are architecture, averaging, bank"),
        ("steps = 7.5", "steps must be int, not 7.5"),
        ("steps = true", "steps must be int, not True"),
        ("bank = 3", "bank must be Path, not 3"),
        ("steps =", "run.toml is not TOML"),
    ],
)
def test_what_cannot_be_meant_is_refused(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        configure(GleanTraining, written(tmp_path, text), OPTIONS)


def test_the_settings_of_what_ships_describe_a_run_whose_bank_fits() -> None:
    bank = configure(BankConfig, RUNS / "bank.toml", OPTIONS)
    network = build(configure(GleanTraining, RUNS / "glean-s-x4.toml", OPTIONS))
    assert network.generator.sizes == StyleGan2Sizes(bank.channels, bank.style, bank.style, bank.mapping)
    assert network.config.scale == 4


def test_the_vivid_run_of_what_ships_judges_pictures_of_the_size_of_its_crops() -> None:
    vivid = configure(VividTraining, RUNS / "glean-s-x4-vivid.toml", OPTIONS)
    assert vivid.goal == "vivid"
    assert 4 * 2 ** (len(vivid.judge_channels) - 1) == 4 * vivid.crop


def test_what_is_missing_is_named() -> None:
    with pytest.raises(SettingsError, match="missing settings: out"):
        configure(GleanTraining, None, {"data": Path("media")})
