"""Log lines as they are written."""

import subprocess
import sys

PROGRAM = r"""
import structlog
from pipeline.logs import configure
configure("info")
structlog.get_logger().info("request", path="/a\x1b[31m\x00\nlevel=error event=fake", status=404)
"""


def test_what_a_client_sent_cannot_forge_a_line_or_drive_a_terminal() -> None:
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, check=True)
    lines = done.stderr.decode().splitlines()
    assert len(lines) == 1
    assert lines[0].isprintable()
    assert r"x1b[31m\\x00\nlevel=error event=fake" in lines[0]
    assert lines[0].endswith("status=404")
