"""Which scale comes of the options, and what is refused in which words."""

from __future__ import annotations

from dataclasses import replace

import pytest
from pydantic import ValidationError

from models.facts import ModelFacts
from pipeline.job import ClipOptions
from pipeline.options import OptionError, check


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
