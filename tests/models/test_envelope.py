"""Facts say where a model was measured, and footage beyond it is told in words."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from media.estimate.degradation import Degradation
from models import facts_json
from models.catalog import MODELS
from models.envelope import Gained, Limits, outside_envelope
from models.facts_json import FactsError
from models.measured import MEASURED

MILD = Degradation(
    frames=9, noise=3.0, blur=0.6, blockiness=0.5, combing=0.0, grey=False, level=90.0, contrast=140.0, quantiser=27.0
)
STRICT = Limits(noise=12, blur=1.2, blockiness=6, quantiser=39, interlaced=False, grey=False)


def test_footage_inside_is_passed_over_in_silence() -> None:
    assert outside_envelope("net", STRICT, MILD) == []
    assert outside_envelope("net", STRICT, replace(MILD, blur=None, quantiser=None)) == []


def test_noise_beyond_is_told_with_both_figures() -> None:
    words = outside_envelope("net", STRICT, replace(MILD, noise=21.2))
    assert words == ["noise of about 21 levels; net was measured up to 12"]


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"noise": 13.0}, "noise"),
        ({"blur": 2.0}, "blur"),
        ({"blockiness": 7.0}, "blocks"),
        ({"quantiser": 45.0}, "QP"),
        ({"combing": 0.1}, "fields"),
        ({"grey": True}, "grey"),
    ],
)
def test_each_way_out_has_a_sentence_unless_nothing_is_stated(change: dict[str, float], word: str) -> None:
    found = replace(MILD, **change)  # type: ignore[arg-type]
    words = outside_envelope("net", STRICT, found)
    assert len(words) == 1
    assert word in words[0]
    assert "net" in words[0]
    assert outside_envelope("net", Limits(), found) == []
    assert outside_envelope("net", None, found) == []


def test_nothing_estimated_is_nothing_said() -> None:
    assert outside_envelope("net", STRICT, None) == []


def test_shipped_networks_state_limits_and_lanczos_none() -> None:
    assert MODELS["lanczos"].limits is None
    assert all(facts.limits is not None for facts in MODELS.values() if facts.name.startswith("espcn"))


def test_figures_in_the_table_are_of_the_weights_that_ship() -> None:
    assert set(MEASURED) <= MODELS.keys()
    for name, found in MEASURED.items():
        assert found.sha256 == MODELS[name].sha256, f"measure {name} again: python -m benchmarks.mismatch --record"
        assert (MODELS[name].limits, MODELS[name].gains) == (found.limits, found.gains)
        assert set(found.gains) <= set(MODELS[name].scales)


def test_limits_survive_json_and_older_facts_have_none() -> None:
    kept = replace(MODELS["espcn-x4"], weights=None, sha256=None)
    text = facts_json.dump(kept)
    assert facts_json.parse(text) == kept
    older = {key: value for key, value in json.loads(text).items() if key != "limits"}
    assert facts_json.parse(json.dumps(older)) == replace(kept, limits=None)


def test_gains_survive_json_and_older_facts_have_none() -> None:
    gains = {4: {"clean-bicubic": Gained(0.75, 0.61, 0.9, 1.0)}, 2: {"noise-only": Gained(-0.1, -0.3, 0.1, 0.25)}}
    kept = replace(MODELS["espcn-x4"], weights=None, sha256=None, gains=gains)
    text = facts_json.dump(kept)
    assert facts_json.parse(text) == kept
    older = {key: value for key, value in json.loads(text).items() if key != "gains"}
    assert facts_json.parse(json.dumps(older)) == replace(kept, gains={})


GOOD = {"mean": 0.5, "low": 0.4, "high": 0.6, "share": 1.0}


@pytest.mark.parametrize(
    "wrong",
    [
        5,
        {"0": {}},
        {"x4": {}},
        {"99": {}},
        {"4": [GOOD]},
        {"4": {"p": GOOD | {"low": 0.51}}},
        {"4": {"p": GOOD | {"high": 1e9}}},
        {"4": {"p": GOOD | {"share": 1.1}}},
        {"4": {"p": GOOD | {"mean": "0.5"}}},
        {"4": {"p": GOOD | {"more": 1}}},
        {"4": {"p": {}}},
        {"4": {"a\nb": GOOD}},
    ],
)
def test_gains_that_are_none_are_refused(wrong: object) -> None:
    values = json.loads(facts_json.dump(MODELS["espcn-x4"]))
    with pytest.raises(FactsError, match="gains"):
        facts_json.parse(json.dumps(values | {"gains": wrong}))


@pytest.mark.parametrize("wrong", [5, {}, {"noise": -1.0}, {"noise": "12"}, {"noise": 1e9}, {"grey": 1}, {"more": 1}])
def test_limits_that_are_none_are_refused(wrong: object) -> None:
    values = json.loads(facts_json.dump(MODELS["espcn-x4"]))
    changed = values["limits"] | wrong if isinstance(wrong, dict) and wrong else wrong
    with pytest.raises(FactsError, match="limits"):
        facts_json.parse(json.dumps(values | {"limits": changed}))
