"""What images are built from: the Dockerfiles copy all that the processes import, and the compose file fits settings.

Building them takes minutes and a container engine: `make images images-check`.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from pipeline.settings import Settings

ROOT = Path(__file__).resolve().parents[1]
LOADS = {
    "service": (
        "gleaner",
        "service.app",
        "media.probe_child",
        "media.camera_child",
        "media.ring_cut",
        "pipeline.healthcheck",
    ),
    "worker": (
        "gleaner",
        "workers.clip_process",
        "workers.enhance_process",
        "workers.clip",
        "workers.explore",
        "pipeline.healthcheck",
    ),
}
# Where our modules were loaded from: the checkout may be installed in this environment, and would fill gaps.
WHERE_FROM = """
import sys
for name, module in list(sys.modules.items()):
    if name.split(".")[0] in ("gleaner", "commands", "pipeline", "media", "models", "workers", "service"):
        print(module.__file__)
"""


def copied(kind: str) -> list[tuple[list[str], str]]:
    """(sources, target) of each COPY from the repository into /app."""
    text = (ROOT / f"docker/{kind}.Dockerfile").read_text()
    return [(line.split()[:-1], target) for line, target in re.findall(r"^COPY ((?!--)\S.* (/app\S*))$", text, re.M)]


@pytest.mark.parametrize("kind", LOADS)
def test_an_image_has_all_that_its_processes_import(kind: str, tmp_path: Path) -> None:
    for sources, target in copied(kind):
        for source in sources:
            into = tmp_path / target.lstrip("/")
            if (ROOT / source).is_dir():
                shutil.copytree(ROOT / source, into, ignore=shutil.ignore_patterns("__pycache__"))
            else:
                into.mkdir(parents=True, exist_ok=True)
                shutil.copy(ROOT / source, into)
    absent = "import sys; sys.modules['torch'] = sys.modules['cv2'] = None; " if kind == "service" else ""
    done = subprocess.run(
        [sys.executable, "-P", "-c", f"{absent}import {', '.join(LOADS[kind])}\n{WHERE_FROM}"],
        env={"PYTHONPATH": str(tmp_path / "app"), "PATH": "", "PYTHONDONTWRITEBYTECODE": "1"},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    assert [file for file in done.stdout.splitlines() if not file.startswith(f"{tmp_path}/app/")] == []


@pytest.mark.parametrize("kind", LOADS)
def test_what_an_image_copies_is_let_into_the_build(kind: str) -> None:
    let_in = {line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    for sources, _ in copied(kind):
        for source in sources:
            assert source.split("/")[0] in let_in, source


def test_the_compose_file_sets_only_settings_there_are() -> None:
    text = (ROOT / "docker-compose.yml").read_text()
    known = {f"GLEANER_{name.upper()}" for name in Settings.model_fields}
    assert set(re.findall(r"^ +(GLEANER_[A-Z_]+):", text, re.M)) <= known
    for name, default in re.findall(r"^ +(GLEANER_[A-Z_]+): \$\{\1:-(.*)\}$", text, re.M):
        field = Settings.model_fields[name.removeprefix("GLEANER_").lower()]
        assert float(default) == field.default if default.isdigit() else default == field.default, name
    assert set(re.findall(r"dockerfile: (\S+)", text)) == {f"docker/{kind}.Dockerfile" for kind in LOADS}
