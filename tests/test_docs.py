"""What the documents list is what there is."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import typer
from typer.main import get_command

from gleaner import app
from pipeline.settings import Settings

ROOT = Path(__file__).resolve().parents[1]


def test_configuration_lists_every_setting_with_its_meaning() -> None:
    rows = re.findall(r"^\| `([A-Z_]+)` \|.*\| (.+) \|$", (ROOT / "docs/configuration.md").read_text(), re.MULTILINE)
    wanted = {
        "REDIS_URL" if name == "redis_url" else f"GLEANER_{name.upper()}": field.description
        for name, field in Settings.model_fields.items()
    }
    assert dict(rows) == wanted


def test_readme_names_every_command() -> None:
    readme = (ROOT / "README.md").read_text()
    commands = get_command(app).commands  # type: ignore[attr-defined]
    missing = [name for name in commands if f"gleaner {name}" not in readme]
    assert not missing


@pytest.mark.parametrize("document", sorted(ROOT.glob("**/*.md"), key=str))
def test_links_between_documents_lead_somewhere(document: Path) -> None:
    if ".venv" in document.parts or "demo-output" in document.parts:
        return
    for target in re.findall(r"\]\((?!https?:|#|mailto:)([^)#]+)", document.read_text()):
        assert (document.parent / target).exists(), f"{document.name} links to {target}"


def test_every_command_and_option_has_help() -> None:
    def check(command: object, path: str) -> None:
        assert getattr(command, "help", None), f"{path} has no help"
        for parameter in getattr(command, "params", []):
            if parameter.name != "help":
                assert getattr(parameter, "help", None), f"{path} {parameter.name} has no help"
        for name, child in getattr(command, "commands", {}).items():
            check(child, f"{path} {name}")

    check(get_command(app), "gleaner")
    assert isinstance(app, typer.Typer)
