"""`gleaner bench roofline`: what it prints and writes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from gleaner import app


def run(tmp_path: Path, *arguments: str) -> tuple[int, str]:
    result = CliRunner().invoke(
        app, ["bench", "roofline", *arguments], env={"GLEANER_DATA_DIR": str(tmp_path), "GLEANER_DEVICE": "cpu"}
    )
    return result.exit_code, result.output


def test_shares_are_printed_and_written(tmp_path: Path) -> None:
    file = tmp_path / "roofline.json"
    code, output = run(tmp_path, "--models", "espcn-x2", "--size", "64x48", "--frames", "2", "--json", str(file))
    assert code == 0, output
    figures = json.loads(file.read_text())
    (network,) = figures["networks"]
    (stages,) = figures["stages"]
    assert sum(stages["shares"].values()) == pytest.approx(1)
    assert f"{network['share']:.0%}" in output
    for stage, share in stages["shares"].items():
        assert stage in output
        assert f"{share:.1%}" in output
    assert figures["peak_flops"]["float32"] > 1e9
    assert (figures["peak_flops"]["bfloat16"] is None) == ("bfloat16" in figures["no_peak"])
    assert figures["memory_bytes_per_s"] > 1e8


@pytest.mark.parametrize(
    ("arguments", "said"), [(("--size", "63x48"), "wanted WxH"), (("--models", "none"), "there is no model 'none'")]
)
def test_what_cannot_be_used_is_one_line(tmp_path: Path, arguments: tuple[str, ...], said: str) -> None:
    code, output = run(tmp_path, *arguments)
    assert code == 2
    assert said in output
