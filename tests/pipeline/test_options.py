"""Which scale comes of the options, and what is refused in which words."""

from __future__ import annotations

from dataclasses import replace

import pytest
from pydantic import ValidationError

from models.envelope import Limits
from models.facts import ModelFacts
from pipeline.job import ClipOptions
from pipeline.options import OptionError, check, check_auto


def facts(name: str, scales: tuple[int, ...], learned: bool) -> ModelFacts:
    return ModelFacts(name, name, scales, 64, 4, learned, "any", ("float32",), "MIT")


X4 = facts("x4", (4,), True)
RESAMPLE = facts("resample", (1, 2, 3, 4), False)


@pytest.mark.parametrize(
    ("model", "wanted", "height", "scale"),
    [
        (X4, {}, 288, 4),
        (RESAMPLE, {}, 288, 2),
        (X4, {"scale": 4}, 288, 4),
        (RESAMPLE, {"scale": 1}, 288, 1),
        (X4, {"target_height": 720}, 288, 4),
        (RESAMPLE, {"target_height": 576}, 288, 2),
        (RESAMPLE, {"target_height": 577}, 288, 3),
        (RESAMPLE, {"target_height": 100}, 288, 1),
        (X4, {"target_height": 1152}, 288, 4),
    ],
)
def test_scale_that_comes_of_the_options(model: ModelFacts, wanted: dict[str, int], height: int, scale: int) -> None:
    options = ClipOptions.model_validate({"model": model.name, **wanted})
    assert check(options, model, height) == scale


@pytest.mark.parametrize(
    ("model", "wanted", "code", "field", "words"),
    [
        (X4, {"scale": 2}, "unknown-scale", "scale", ["x4", "4", "target_height"]),
        (RESAMPLE, {"scale": 5}, "unknown-scale", "scale", ["1, 2, 3, 4", "target_height"]),
        (X4, {"scale": 4, "target_height": 720}, "scale-and-height", "target_height", ["4", "720"]),
        (X4, {"detail": 0.3}, "no-vivid-training", "detail", ["x4", "0.3", "leave detail out"]),
        (RESAMPLE, {"detail": 1}, "no-vivid-training", "detail", ["resample"]),
        (X4, {"target_height": 1153}, "height-out-of-reach", "target_height", ["1153", "1152", "288"]),
    ],
)
def test_what_is_refused(model: ModelFacts, wanted: dict[str, int], code: str, field: str, words: list[str]) -> None:
    options = ClipOptions.model_validate({"model": model.name, **wanted})
    with pytest.raises(OptionError) as caught:
        check(options, model, 288)
    assert (caught.value.code, caught.value.field) == (code, field)
    for word in words:
        assert word in str(caught.value)


def test_detail_is_for_models_with_a_vivid_training() -> None:
    vivid = replace(X4, vivid="x4.vivid", vivid_sha256="0" * 64)
    assert check(ClipOptions(model="x4", detail=0.3), vivid, 288) == 4
    assert check(ClipOptions(model="x4", detail=0.001), X4, 288) == 4  # which is 0.00


@pytest.mark.parametrize(("given", "kept"), [(0, 0.0), (0.256, 0.26), ("0.5", 0.5), (1, 1.0)])
def test_detail_has_two_decimals(given: object, kept: float) -> None:
    assert ClipOptions.model_validate({"model": "x4", "detail": given}).detail == kept


@pytest.mark.parametrize("given", [-0.1, 1.001, float("nan"), float("inf"), "much"])
def test_detail_out_of_range_is_refused(given: object) -> None:
    with pytest.raises(ValidationError, match="detail"):
        ClipOptions.model_validate({"model": "x4", "detail": given})


def test_facts_of_another_model_are_refused() -> None:
    with pytest.raises(OptionError) as caught:
        check(ClipOptions(model="other"), X4, 288)
    assert caught.value.code == "wrong-model"


MEASURED = replace(X4, name="net", limits=Limits(), gains={4: {}})
X8 = replace(facts("x8", (8,), True), limits=Limits(), gains={8: {}})
UNKNOWN = facts("unknown", (6,), True)  # nothing was measured of it


@pytest.mark.parametrize(
    ("wanted", "default", "scale"),
    [
        ({}, "net", 4),
        ({}, "resample", 2),
        ({"scale": 3}, "net", 3),
        ({"scale": 8}, "net", 8),
        ({"target_height": 720}, "net", 4),  # not 3, which only the method without weights has
        ({"target_height": 1200}, "net", 8),
        ({}, "gone", 2),  # as a method without weights
    ],
)
def test_the_scale_where_the_model_is_left_to_the_clip(wanted: dict[str, int], default: str, scale: int) -> None:
    options = ClipOptions.model_validate({"model": "auto", **wanted})
    assert check_auto(options, [RESAMPLE, MEASURED, X8, UNKNOWN], default, 288) == scale


@pytest.mark.parametrize(
    ("wanted", "code", "field"),
    [
        ({"scale": 6}, "unknown-scale", "scale"),  # its model would never be chosen
        ({"scale": 4, "target_height": 720}, "scale-and-height", "target_height"),
        ({"target_height": 2400}, "height-out-of-reach", "target_height"),
        ({"detail": 0.3}, "no-vivid-training", "detail"),
    ],
)
def test_what_auto_refuses(wanted: dict[str, float], code: str, field: str) -> None:
    with pytest.raises(OptionError) as caught:
        check_auto(
            ClipOptions.model_validate({"model": "auto", **wanted}), [RESAMPLE, MEASURED, X8, UNKNOWN], "net", 288
        )
    assert (caught.value.code, caught.value.field) == (code, field)


def test_auto_takes_detail_where_some_model_of_the_scale_has_it() -> None:
    vivid = replace(MEASURED, vivid="net.vivid", vivid_sha256="0" * 64)
    options = ClipOptions(model="auto", detail=0.3)
    assert check_auto(options, [RESAMPLE, vivid, X8], "net", 288) == 4
    with pytest.raises(OptionError, match="no model that enlarges by 8"):
        check_auto(options.model_copy(update={"scale": 8}), [RESAMPLE, vivid, X8], "net", 288)
