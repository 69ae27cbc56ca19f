"""What a clip is, found out by a child process, so that a hostile file harms nobody. Knows processes, not FFmpeg."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from dataclasses import asdict
from pathlib import Path

import media
from media.facts_json import from_json
from media.limits import ProbeLimits
from media.sniff import HEAD_BYTES, sniff
from media.types import ClipFacts, MediaError

ROOT = Path(media.__file__).resolve().parent.parent
ANSWER_BYTES = 1 << 20  # an answer is a few kilobytes; a child that talks more is not ours any longer
PASSED_ON = ("PATH", "LD_LIBRARY_PATH", "SYSTEMROOT", "LANG", "LC_ALL", "VIRTUAL_ENV")


def probe(path: Path, limits: ProbeLimits) -> ClipFacts:
    """The facts of a clip. Raises MediaError whose message names what is wrong, the value, the remedy, never the path.

    Codes: "not-a-file", "empty-file", "too-large", "unsupported-format", "unreadable", "no-video", "unsupported-codec",
    "too-many-pixels", "too-long", "too-many-streams", "probe-timeout", "probe-failed".
    """
    check_file(path, limits)
    request = json.dumps({"path": str(path.resolve()), "limits": asdict(limits)})
    output, code, late = run_child(request, limits.timeout_s)
    if late:
        raise MediaError(
            "probe-timeout", f"Inspecting the clip took longer than {limits.timeout_s:g} s; convert it to a plain MP4."
        )
    if code != 0 or len(output) > ANSWER_BYTES:
        raise MediaError("probe-failed", f"Inspecting the clip failed ({ending(code)}); convert it to a plain MP4.")
    try:
        answer = json.loads(output)
        if "error" in answer:
            raise MediaError(answer["error"]["code"], answer["error"]["message"])
        return from_json(answer["facts"])
    except (ValueError, KeyError, TypeError):
        raise MediaError("probe-failed", "Inspecting the clip gave no usable answer; convert it first.") from None


def check_file(path: Path, limits: ProbeLimits) -> None:
    """The checks that need no decoder: is it a file, is it small enough, do its first bytes say video?"""
    if not path.is_file():
        raise MediaError("not-a-file", "There is no such file (or it is a folder or a device).")
    try:
        size = path.stat().st_size
        with path.open("rb") as file:
            head = file.read(HEAD_BYTES)
    except OSError as error:
        raise MediaError("unreadable", f"The file cannot be read: {error.strerror}.") from None
    if limits.max_bytes is not None and size > limits.max_bytes:
        raise MediaError(
            "too-large", f"The file has {size} bytes, at most {limits.max_bytes} are accepted; cut it into parts."
        )
    sniff(head)


def run_child(
    request: str, timeout_s: float, *, module: str = "media.probe_child", answer_bytes: int = ANSWER_BYTES
) -> tuple[bytes, int, bool]:
    """(output, exit status, whether it was killed for taking too long). The output is cut at answer_bytes + 1."""
    environment = {name: os.environ[name] for name in PASSED_ON if name in os.environ}
    environment |= {"PYTHONPATH": str(ROOT), "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1", "PYAV_LOGGING": "off"}
    child = subprocess.Popen(
        [sys.executable, "-P", "-m", module],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env=environment,
        start_new_session=True,
    )
    late = threading.Event()

    def kill() -> None:
        late.set()
        child.kill()

    timer = threading.Timer(timeout_s, kill)
    timer.start()
    try:
        assert child.stdin is not None
        assert child.stdout is not None
        with child.stdin, child.stdout:
            try:
                child.stdin.write(request.encode())
                child.stdin.close()
            except BrokenPipeError:
                pass  # it died at once; its status tells
            output = child.stdout.read(answer_bytes + 1)
            if len(output) > answer_bytes:
                child.kill()
        return output, child.wait(), late.is_set()
    finally:
        timer.cancel()
        timer.join()
        child.kill()
        child.wait()


def ending(code: int) -> str:
    """How the child ended, for people."""
    return f"it was ended by signal {-code}" if code < 0 else f"it ended with status {code}"
