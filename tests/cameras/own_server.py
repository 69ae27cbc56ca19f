"""The tests' own RTSP server as a process that can be killed: `python -m tests.cameras.own_server --port N`.

Takes the same options as gst_server.py, as far as it can: every path is the same camera. Says "ready" once it listens.
"""

from __future__ import annotations

import argparse
import signal
import sys
import threading

from tests.media.camera_material import material
from tests.media.camera_servers import Behaviour, serve


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--paths", default="live")
    parser.add_argument("--size", default="160x120")
    parser.add_argument("--rate", type=int, default=6)
    parser.add_argument("--gop", type=int, default=12)
    parser.add_argument("--reports", action="store_true", help="RTCP sender reports")
    arguments = parser.parse_args()
    width, height = (int(side) for side in arguments.size.split("x"))
    loop = material(size=(width, height), gop=arguments.gop)
    ended = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: ended.set())
    behaviour = Behaviour(loop, rate=float(arguments.rate), reports=arguments.reports)
    with serve(behaviour, arguments.port) as server:
        sys.stdout.write("ready\n")
        sys.stdout.flush()
        ended.wait()
        server.stop()


if __name__ == "__main__":
    main()
