"""TCP ports of loopback: one that is free, and whether one is listened on. Not a test file."""

from __future__ import annotations

import socket
from pathlib import Path

LISTENING = "0A"  # Linux, include/net/tcp_states.h


def free_port() -> int:
    """A port nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def is_listening(port: int) -> bool:
    """Whether a process listens on the TCP port, without connecting to it: FFmpeg listens for one connection only."""
    lines = Path("/proc/net/tcp").read_text().splitlines()[1:]
    return any(int(line.split()[1].partition(":")[2], 16) == port and line.split()[3] == LISTENING for line in lines)
