"""Our networks against the reference implementations' stored vectors, and the check against itself."""

from __future__ import annotations

import dataclasses
import json
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from models.glean import Glean, GleanConfig
from models.vectors import CaseError, Comparison, draw, draw_uniform, load_glean, relative_error, run_case
from models.vectors_micro import OPERATIONS, run_micro

ORACLE = Path(__file__).parents[3] / "shared" / "oracle" / "public"
CASES = sorted(path.stem for path in ORACLE.glob("*.json") if path.stem != "micro")
TINY = {"in_size": 8, "out_size": 16, "rrdb_channels": 4, "num_rrdbs": 1, "style_channels": 8, "num_mlps": 1}
SALT = "own:tiny:"


@pytest.mark.skipif(not CASES, reason="the reference's vectors are not here")
@pytest.mark.parametrize("name", CASES)
def test_a_network_gives_the_references_output(name: str) -> None:
    results = run_case(ORACLE / f"{name}.json")
    assert results
    assert [result for result in results if not result.passed] == []


@pytest.mark.skipif(not CASES, reason="the reference's vectors are not here")
def test_operations_give_the_references_output_and_the_rest_is_named() -> None:
    report = run_micro(ORACLE / "micro.json")
    assert {result.name for result in report.compared} == set(OPERATIONS)
    assert [result for result in report.compared if not result.passed] == []
    assert "pulse_geocross" in report.not_covered
    assert not set(OPERATIONS) & set(report.not_covered)


def test_tensors_are_drawn_as_the_vectors_format_says() -> None:
    """Known answers of the format's own description."""
    name = "pub:tiny:encoder.0.0.conv_first.weight"
    assert zlib.crc32(name.encode()) == 586382241
    assert draw(name, [4]).tolist() == pytest.approx([0.54478786, 0.61582799, 1.77824686, -0.04637644], abs=1e-7)
    uniform = np.array([0.96309318, 0.89574341, 0.68527036, 0.81895034])
    assert draw_uniform("pub:tiny:input", [2, 2]).flatten().tolist() == pytest.approx(list(2 * uniform - 1), abs=1e-6)


def entry(key: str, tensor: Tensor) -> dict[str, Any]:
    """One line of a recipe; kernels are constants, the rest is normal and small enough to stay finite."""
    kind = "fir" if key.endswith("kernel") else "normal"
    scale = 0.2 if key.endswith(".weight") else 1.0
    return {"key": key, "shape": list(tensor.shape), "kind": kind, "offset": 0.0, "scale": scale}


def layers(network: Glean, x: Tensor) -> dict[str, Tensor]:
    """What two layers of the network give, and its output."""
    found: dict[str, Tensor] = {}
    for name in ("encoder.0.0", "decoder.0"):
        network.get_submodule(name).register_forward_hook(lambda _m, _i, out, name=name: found.update({name: out}))
    with torch.no_grad():
        found["output"] = network(x)
    return found


def samples(tensor: Tensor) -> list[float]:
    flat = tensor.flatten()
    return [float(flat[k * (len(flat) - 1) // 63]) for k in range(64)]


@pytest.fixture
def own_case(tmp_path: Path) -> Path:
    """A small case of our own making, right by construction."""
    config = GleanConfig(**TINY, channel_cap=6)
    recipe = {
        "model": "GLEANStyleGANv2",
        "salt": SALT,
        "kwargs": TINY,
        "channel_cap": 6,
        "input": {"name": "input", "shape": [2, 3, 8, 8]},
        "keys": [entry(key, tensor) for key, tensor in Glean(config).state_dict().items()],
    }
    path = tmp_path / "own.json"
    state = {
        line["key"]: (
            torch.outer(*[torch.tensor([1.0, 3.0, 3.0, 1.0])] * 2) / 16
            if line["kind"] == "fir"
            else draw(SALT + line["key"], line["shape"], scale=line["scale"])
        )
        for line in recipe["keys"]
    }
    found = layers(load_glean(config, state), draw_uniform(SALT + "input", [2, 3, 8, 8]))
    recipe["output"] = {"absmax": float(found["output"].abs().max())}
    path.write_text(json.dumps(recipe))
    names = ["encoder.0.0", "decoder.0"]
    values = np.array([samples(found[name]) for name in names], np.float32)
    np.savez(path.with_suffix(".npz"), output=found["output"], probe_names=names, probe_values=values)
    return path


def changed(path: Path, **arrays: Any) -> None:
    """Replace stored arrays; None takes one away."""
    with np.load(path.with_suffix(".npz")) as held:
        kept = {name: held[name] for name in held.files} | arrays
    np.savez(path.with_suffix(".npz"), **{name: array for name, array in kept.items() if array is not None})


def stored(path: Path, name: str) -> Any:
    with np.load(path.with_suffix(".npz")) as held:
        return held[name]


def test_a_right_case_passes(own_case: Path) -> None:
    (result,) = run_case(own_case)
    assert (result.case, result.name, result.first_difference) == ("own", "output", None)
    assert result.passed


def test_a_wrong_output_fails_and_the_first_layer_that_differs_is_named(own_case: Path) -> None:
    output, values = stored(own_case, "output"), stored(own_case, "probe_values")
    output[0, 0, 0, 0] += 3e-5 * np.abs(output).max()
    values[1] *= 1.01
    changed(own_case, output=output, probe_values=values)
    (result,) = run_case(own_case)
    assert not result.passed
    assert result.first_difference == "decoder.0"


def test_an_output_stored_in_part_is_compared_by_crop_and_means(own_case: Path) -> None:
    output = stored(own_case, "output")
    crop = output[:, :, 4:12, 4:12]
    pool = output.reshape(2, 3, 4, 4, 4, 4).mean(axis=(3, 5))
    changed(own_case, output=None, output_crop=crop, output_pool=pool)
    assert run_case(own_case)[0].passed
    wrong = (
        {"output_crop": crop + 0.01 * np.abs(output).max()},
        {"output_pool": pool * 1.1},
        {"output_pool": np.full_like(pool, np.nan)},
    )
    for off in wrong:
        changed(own_case, output_crop=crop, output_pool=pool)
        changed(own_case, **off)
        assert not run_case(own_case)[0].passed
    changed(own_case, output_pool=None)
    with pytest.raises(CaseError, match="neither output nor output_crop and output_pool are stored"):
        run_case(own_case)


def test_a_result_that_is_not_a_number_fails() -> None:
    error = relative_error(np.array([np.nan, 1.0]), np.array([1.0, 1.0]))
    assert not Comparison("own", "output", error).passed


def test_a_drifted_generator_of_weights_is_noticed(own_case: Path) -> None:
    recipe = json.loads(own_case.read_text())
    recipe["keys"][0]["sha256_16"] = "0" * 16
    own_case.write_text(json.dumps(recipe))
    with pytest.raises(CaseError, match=r"was drawn with hash [0-9a-f]{16}, the case notes 0000000000000000"):
        run_case(own_case)


def test_a_case_with_unknown_options_has_not_passed(own_case: Path) -> None:
    recipe = json.loads(own_case.read_text())
    recipe["kwargs"]["fp16_enabled"] = True
    own_case.write_text(json.dumps(recipe))
    with pytest.raises(CaseError, match="fp16_enabled"):
        run_case(own_case)


def test_loading_without_initialising_is_strict() -> None:
    config = GleanConfig(**TINY, channel_cap=6)
    state = Glean(config).state_dict()
    taken = state.pop("decoder.0.upsample_conv.bias")
    with pytest.raises(RuntimeError, match=r"Missing key.*decoder\.0\.upsample_conv\.bias"):
        load_glean(config, state)
    with pytest.raises(RuntimeError, match=r"size mismatch for decoder\.0\.upsample_conv\.bias"):
        load_glean(config, {**state, "decoder.0.upsample_conv.bias": taken[:-1]})
    wider = dataclasses.replace(config, num_rrdbs=2)
    with pytest.raises(RuntimeError, match=r"Missing key.*encoder\.0\.0\.body\.1"):
        load_glean(wider, {**state, "decoder.0.upsample_conv.bias": taken})
