"""Answers for names that end in .test, in every Python process that has this folder on PYTHONPATH.

The file that TEST_NAMES names has a line for each: the name and its addresses. It is read anew at each look-up, so a
test can let a name move. Nothing else is looked up differently.
"""

import os
import socket
from pathlib import Path

_look_up = socket.getaddrinfo


def _answer(host, port, *arguments, **named):  # type: ignore[no-untyped-def]
    name = host.decode() if isinstance(host, bytes) else host
    if not (isinstance(name, str) and name.endswith(".test")):
        return _look_up(host, port, *arguments, **named)
    for line in Path(os.environ["TEST_NAMES"]).read_text().splitlines():
        known, *addresses = line.split()
        if known == name:
            return [answer for address in addresses for answer in _look_up(address, port, type=socket.SOCK_STREAM)]
    raise socket.gaierror(socket.EAI_NONAME, "no such name")


socket.getaddrinfo = _answer
