"""Our networks against vectors: those of the references, others made the slow way, and ones that must not pass."""

from __future__ import annotations

import json
import pickle
import re
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from models.glean import Glean, GleanConfig
from models.vectors.compare import Comparison, crop_origin, relative_error
from models.vectors.folder import Outcome, check
from models.vectors.networks import load_glean
from models.vectors.recipe import draw, draw_uniform
from tests.models.case_maker import Case, slow_generator_case, slow_glean

ORACLE = Path(__file__).parents[3] / "shared" / "oracle"
FAST = ("glean_tiny_in8_out32_gray", "stylegan2_nvlabs_64_cap32", "stylegan2_rosinality_64_cap32", "micro")
TINY = {"in_size": 8, "out_size": 16, "rrdb_channels": 4, "num_rrdbs": 1, "style_channels": 8, "num_mlps": 1}


def tiny(salt: str = "own:", **changed: Any) -> Case:
    case = slow_glean(salt, (2, 3, 8, 8), (6, 6, 6), TINY)
    case.recipe |= {"channel_cap": 6} | changed
    return case


def outcomes(folder: Path) -> dict[str, Outcome]:
    return {outcome.name: outcome for outcome in check(folder)}


@pytest.mark.skipif(not ORACLE.is_dir(), reason="the reference's vectors are not here")
def test_the_references_cases_pass(tmp_path: Path) -> None:
    """The small ones; `gleaner models check-vectors` runs all."""
    for name in FAST:
        for suffix in (".json", ".npz"):
            (tmp_path / f"{name}{suffix}").symlink_to(ORACLE / "public" / f"{name}{suffix}")
    (tmp_path / "list.json").symlink_to(ORACLE / "manifest" / "stylegan2_generator_512_cm2.json")
    found = outcomes(tmp_path)
    with np.load(ORACLE / "public" / "micro.npz") as arrays:
        assert len(found) == len(arrays.files) + len(FAST)  # the micro case is a line an operation; a key list
    assert [outcome for outcome in found.values() if not outcome.passed] == []


def test_gleans_of_other_sizes_and_salts_pass(tmp_path: Path) -> None:
    grey = {**TINY, "out_size": 64, "img_channels": 1, "num_rrdbs": 2, "num_mlps": 3, "channel_multiplier": 1}
    case = slow_glean("соль/β🎈 ", (3, 1, 8, 8), (5, 5, 5, 5, 5), grey)
    case.recipe["channel_cap"] = 5
    case.write(tmp_path / "grey.json")
    case = slow_glean("", (1, 4, 4, 4), (7, 7, 7), {**TINY, "in_size": 4, "img_channels": 4, "num_rrdbs": 0})
    case.recipe["channel_cap"] = 7
    case.recipe["kwargs"] = {**case.recipe["kwargs"], "bgr2rgb": True, "mix_prob": 0.9}
    case.write(tmp_path / "deep" / "four.json")
    found = outcomes(tmp_path)
    assert set(found) == {"grey", "deep/four"}
    assert [outcome for outcome in found.values() if not outcome.passed] == []
    assert all(outcome.error is not None and outcome.error < 5e-6 for outcome in found.values())


MMAGIC = (
    "wplus", "z", "z_trunc05", "wplus_nonoise", "wplus_noise_override", "mix_z_z2_at5", "mix_z_z2_at1_trunc03_nonoise",
)  # fmt: skip


@pytest.mark.parametrize(
    ("layout", "how"),
    [
        ("mmagic", {"channels": (6, 5, 4, 3), "style": 7, "mapping": 2, "batch": 3, "variants": MMAGIC}),
        ("rosinality", {"channels": (6, 4, 4), "style": 5, "mapping": 1, "batch": 1}),
        ("nvlabs", {"channels": (6, 6, 4), "style": 8, "latent": 5, "mapping": 2, "clamp": 0.4,
                    "variants": ("wplus", "z", "z_trunc03_w_avg", "wplus_nonoise", "z_nonoise")}),
        ("nvlabs", {"channels": (6, 6, 4), "style": 8, "clamp": 256, "variants": ("wplus", "z_trunc07")}),
    ],
)  # fmt: skip
def test_generators_of_other_sizes_clamps_and_variants_pass(layout: str, how: dict[str, Any], tmp_path: Path) -> None:
    slow_generator_case("x:", layout, **how).write(tmp_path / "case.json")
    (outcome,) = check(tmp_path)
    assert outcome.passed, outcome
    assert outcome.error is not None
    assert outcome.error < 5e-6


def test_a_clamp_left_out_or_changed_fails(tmp_path: Path) -> None:
    case = slow_generator_case("c:", "nvlabs", (6, 6, 4), style=8, clamp=0.5)
    for clamp, passes in ((0.5, True), (0.55, False), (None, False), ("0.5", False)):
        case.recipe["kwargs"] = {"synthesis_kwargs": {"conv_clamp": clamp}}
        case.write(tmp_path / "case.json")
        (outcome,) = check(tmp_path)
        assert outcome.passed is passes, outcome


def test_an_output_stored_in_part_is_compared_by_crop_means_and_statistics(tmp_path: Path) -> None:
    case = tiny()
    output = np.asarray(case.arrays.pop("output"))
    case.recipe["output"]["stored"] = "crop [2:10, 5:13] at full size; pool: means of 4x4 blocks"
    parts = {
        "output_crop": output[:, :, 2:10, 5:13],
        "output_pool": output.reshape(2, 3, 4, 4, 4, 4).mean(axis=(3, 5)),
    }
    case.arrays |= parts
    case.write(tmp_path / "case.json")
    assert outcomes(tmp_path)["case"].passed
    wrong = (
        {"output_crop": output[:, :, 4:12, 4:12]},
        {"output_pool": parts["output_pool"] * 1.001},
        {"output_pool": np.full_like(parts["output_pool"], np.nan)},
        {"output_pool": output[:, :, :5, :5]},
    )
    for off in wrong:
        case.arrays |= parts | off
        case.write(tmp_path / "case.json")
        assert not outcomes(tmp_path)["case"].passed
    case.arrays |= parts
    case.recipe["output"]["std"] *= 1.01
    case.write(tmp_path / "case.json")
    assert "its std differs" in outcomes(tmp_path)["case"].note
    del case.arrays["output_pool"]
    case.write(tmp_path / "case.json")
    assert "neither output nor output_crop and output_pool are stored" in outcomes(tmp_path)["case"].note


@pytest.mark.parametrize(
    ("stored", "origin"),
    [
        ("crop rows 3:11, columns 7:19; pool 8x8", (3, 7)),
        ("centre crop [10, 18, 6, 18] and block means 8", (10, 6)),
        ("centre crop", (12, 10)),
        ("crop y 500..508, x 7..19", (12, 10)),  # outside: the centre
        ("", (12, 10)),
    ],
)
def test_bounds_of_a_crop_are_read_from_its_text(stored: str, origin: tuple[int, int]) -> None:
    assert crop_origin(stored, (8, 12), (32, 32)) == origin
    assert crop_origin("crop[..., 4:12, 9:17] f32", (8, 8), (32, 32)) == (4, 9)
    assert crop_origin("crop 4:12 both ways", (8, 8), (32, 32)) == (4, 4)


def changed_output(case: Case) -> None:
    output = case.arrays["output"]
    output[0, 0, 0, 0] += 3e-5 * np.abs(output).max()


def changed_layer(case: Case) -> None:
    case.probes["generator.conv1"] = case.probes["generator.conv1"] * 1.001


def changed_weight(case: Case) -> None:
    case.state.lines[5]["scale"] = 1.5


def wrong_hash(case: Case) -> None:
    case.state.lines[5]["sha256_16"] = "0" * 16


def wrong_seed(case: Case) -> None:
    case.state.lines[0]["seed"] = 7


def other_salt(case: Case) -> None:
    case.state.salt = "other:"


def unknown_kind(case: Case) -> None:
    case.state.lines[5]["kind"] = "orthogonal"


def missing_key(case: Case) -> None:
    del case.state.lines[-1]


def huge_shape(case: Case) -> None:
    case.state.lines[0]["shape"] = [1 << 20, 1 << 20]


def fewer_blocks(case: Case) -> None:
    case.recipe["kwargs"] = {**TINY, "num_rrdbs": 2}


def half_precision(case: Case) -> None:
    case.recipe["kwargs"] = {**TINY, "fp16_enabled": True}


def unknown_model(case: Case) -> None:
    case.recipe["model"] = "LIIF"


def model_of_other_keys(case: Case) -> None:
    case.recipe["model"] = "Generator(rosinality)"


def no_kwargs(case: Case) -> None:
    del case.recipe["kwargs"]


def unknown_array(case: Case) -> None:
    case.arrays["output2"] = case.arrays["output"]


def other_input(case: Case) -> None:
    case.arrays["input"] = case.arrays["input"] + 0.5


def nan_output(case: Case) -> None:
    case.arrays["output"] = np.full_like(case.arrays["output"], np.nan)


def wrong_maximum(case: Case) -> None:
    case.recipe["output"]["absmax"] *= 1.5


@pytest.mark.parametrize(
    ("tamper", "reason"),
    [
        (changed_output, ""),
        (changed_layer, "first layer that differs: generator.conv1 by 1.0e-03"),
        (changed_weight, "was drawn with hash"),
        (wrong_hash, "the case notes 0000000000000000"),
        (wrong_seed, "the case notes 7"),
        (other_salt, "the case notes"),
        (unknown_kind, "tensors of kind 'orthogonal' are not known"),
        (missing_key, "keys are listed|Missing key"),
        (huge_shape, "at most"),
        (fewer_blocks, r"the weights do not fit the options: .*Missing key.*encoder\.0\.0\.body\.1"),
        (half_precision, "fp16_enabled"),
        (unknown_model, "the model 'LIIF' is not known"),
        (model_of_other_keys, "the keys are of the layout glean"),
        (no_kwargs, "the field kwargs is missing"),
        (unknown_array, "output2"),
        (other_input, "the stored input is not the one drawn"),
        (nan_output, ""),
        (wrong_maximum, "its absmax differs"),
    ],
)
def test_a_case_that_was_tampered_with_fails_and_says_why(
    tamper: Callable[[Case], None], reason: str, tmp_path: Path
) -> None:
    case = tiny()
    tamper(case)
    case.write(tmp_path / "case.json")
    (outcome,) = check(tmp_path)
    assert not outcome.passed
    assert re.search(reason, outcome.note), outcome.note


class Poison:
    def __init__(self, target: Path) -> None:
        self.target = target

    def __reduce__(self) -> tuple[Any, ...]:
        return open, (str(self.target), "w")


def test_files_that_are_damaged_missing_or_hostile_fail_and_the_rest_is_checked(tmp_path: Path) -> None:
    good = tiny().write(tmp_path / "z-good.json")
    arrays = good.with_suffix(".npz").read_bytes()
    recipe = good.read_text(encoding="utf-8")
    mark = tmp_path / "code-was-run"
    made = {
        "a-no-arrays": (recipe, None),
        "b-cut": (recipe, arrays[: len(arrays) // 2]),
        "c-cut-recipe": (recipe[: len(recipe) // 2], arrays),
        "d-text": ("[1, 2]", arrays),
        "e-pickle": (recipe, pickle.dumps(Poison(mark))),
        "g-no-case": ('{"a": 1}', arrays),
        "h-types": (json.dumps(json.loads(recipe) | {"keys": {"a": 1}}), arrays),
        "i-no-recipe": (None, arrays),
        "j-deep": ("[" * 100_000, arrays),
        "k-lone": (json.dumps(json.loads(recipe) | {"salt": "\ud800"}), arrays),
        "l-flipped": (recipe, arrays[:3000] + bytes(200) + arrays[3200:]),
    }
    for name, (text, data) in made.items():
        if text is not None:
            (tmp_path / f"{name}.json").write_text(text, encoding="utf-8")
        if data is not None:
            (tmp_path / f"{name}.npz").write_bytes(data)
    (tmp_path / "f-objects.json").write_text(recipe, encoding="utf-8")
    np.savez(tmp_path / "f-objects.npz", output=np.array([Poison(mark)], dtype=object))
    found = outcomes(tmp_path)
    assert [name for name, outcome in found.items() if outcome.passed] == ["z-good"]
    assert set(found) == {*made, "f-objects", "z-good"}
    assert all(outcome.note for name, outcome in found.items() if name != "z-good")
    assert not mark.exists()
    assert "Object arrays cannot be loaded" in found["f-objects"].note
    assert "a-no-arrays.npz is missing" in found["a-no-arrays"].note


def test_a_folder_without_cases_gives_nothing(tmp_path: Path) -> None:
    assert list(check(tmp_path)) == []


def test_a_key_list_is_compared_with_our_network(tmp_path: Path) -> None:
    network = Glean(GleanConfig(4, 8, num_rrdbs=23, channel_cap=2, style_channels=3, num_mlps=1, rrdb_channels=2))
    buffers = dict(network.named_buffers())
    rows = [
        [key, list(t.shape), "float32", "buffer" if key in buffers else "param"]
        for key, t in network.state_dict().items()
    ]
    facts = {"in_size": 4, "out_size": 8, "channel_cap": 2, "style_channels": 3, "num_mlps": 1, "rrdb_channels": 2}
    path = tmp_path / "list.json"
    path.write_text(json.dumps(facts | {"keys": rows, "n_keys": len(rows)}))
    assert outcomes(tmp_path)["list"].passed
    changes: list[tuple[list[Any], str]] = [
        ([*rows[:-1]], r"missing in the list: decoder\.1\.2\.bias"),
        ([*rows, ["more", [1], "float32", "param"]], "missing here: more"),
        ([[rows[0][0], [1, 1, 5, 4], *rows[0][2:]], *rows[1:]], "listed"),
        ([[*rows[0][:3], "param"], *rows[1:]], "listed"),
    ]
    for changed, reason in changes:
        path.write_text(json.dumps(facts | {"keys": changed}))
        (outcome,) = check(tmp_path)
        assert not outcome.passed
        assert re.search(reason, outcome.note), outcome.note


def test_tensors_are_drawn_as_the_vectors_format_says() -> None:
    """Known answers of the format's own description."""
    name = "pub:tiny:encoder.0.0.conv_first.weight"
    assert zlib.crc32(name.encode()) == 586382241
    assert draw(name, [4]).tolist() == pytest.approx([0.54478786, 0.61582799, 1.77824686, -0.04637644], abs=1e-7)
    uniform = np.array([0.96309318, 0.89574341, 0.68527036, 0.81895034])
    assert draw_uniform("pub:tiny:input", [2, 2]).flatten().tolist() == pytest.approx(list(2 * uniform - 1), abs=1e-6)


def test_a_result_that_is_not_a_number_fails() -> None:
    error = relative_error(np.array([np.nan, 1.0]), np.array([1.0, 1.0]))
    assert not Comparison("own", error).passed


def test_loading_without_initialising_is_strict() -> None:
    config = GleanConfig(**TINY, channel_cap=6)
    state = Glean(config).state_dict()
    taken = state.pop("decoder.0.upsample_conv.bias")
    with pytest.raises(RuntimeError, match=r"Missing key.*decoder\.0\.upsample_conv\.bias"):
        load_glean(config, state)
    with pytest.raises(RuntimeError, match=r"size mismatch for decoder\.0\.upsample_conv\.bias"):
        load_glean(config, {**state, "decoder.0.upsample_conv.bias": taken[:-1]})
