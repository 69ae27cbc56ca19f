"""Fetches the player hls.js for the test in a browser: `python -m tests.cameras.hls_js`. Not a test file.

One version, by npm from the registry it is set to, checked against the hash below, into build/. Tests do not fetch.
"""

from __future__ import annotations

import base64
import hashlib
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

VERSION = "1.7.4"
SHA512 = "3GlxGdPvT2YHvQYOt+yOzT/DEior/qJVNIylHA77kgeoBTdQQqi70GwefNEUmHQeNGyjC8U62+bruqW/Tpm+tg=="  # of the package
SCRIPT = Path(__file__).parents[2] / "build" / f"hls.js-{VERSION}" / "hls.min.js"


def fetch() -> Path:
    """The script. Raises LookupError where it cannot be had, or is not the one that was pinned."""
    if SCRIPT.is_file():
        return SCRIPT
    with tempfile.TemporaryDirectory() as folder:
        try:
            asked = subprocess.run(
                ["npm", "pack", f"hls.js@{VERSION}", "--silent"],
                cwd=folder,
                capture_output=True,
                text=True,
                timeout=120,
                check=False,
            )
        except (FileNotFoundError, subprocess.TimeoutExpired) as error:
            raise LookupError(f"npm cannot be run ({type(error).__name__}); install it (Debian: npm)") from None
        packages = list(Path(folder).glob("*.tgz"))
        if asked.returncode or not packages:
            raise LookupError(f"npm has no hls.js {VERSION}: {asked.stderr.strip()[-300:]}")
        found = base64.b64encode(hashlib.sha512(packages[0].read_bytes()).digest()).decode()
        if found != SHA512:
            raise LookupError(f"hls.js {VERSION} is not what was pinned: its SHA-512 is {found}")
        with tarfile.open(packages[0]) as package:
            member = package.extractfile("package/dist/hls.min.js")
            assert member is not None
            script = member.read()
    SCRIPT.parent.mkdir(parents=True, exist_ok=True)
    SCRIPT.write_bytes(script)
    return SCRIPT


if __name__ == "__main__":
    try:
        sys.stdout.write(f"{fetch()}\n")
    except LookupError as error:
        sys.exit(str(error))
