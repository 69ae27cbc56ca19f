"""The HTTP app runs where the workers' packages are not installed."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
PROGRAM = """
import sys
sys.modules["torch"] = None  # importing it fails, as where it is not installed
from pathlib import Path
from pipeline.settings import Settings
from service.app import create_app
app = create_app(Settings(data_dir=Path("nowhere")), "redis://localhost")
assert app.openapi()["openapi"]
wrong = [name for name in sys.modules if name.split(".")[0] in ("workers", "cv2") or name == "models.registry"]
assert not wrong, wrong
"""


def test_the_app_needs_neither_torch_nor_workers(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        cwd=tmp_path,
        env={"PYTHONPATH": str(ROOT), "PATH": ""},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert list(tmp_path.iterdir()) == []
