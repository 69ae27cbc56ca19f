"""`python -m pipeline.healthcheck api|clip|enhance|camera`: is this host's process of that kind well? For containers.

Exit code 0 or 1, and one line that says why. The API is asked over HTTP; a worker is well while its heartbeat in Redis
is fresh, so a worker that cannot reach Redis counts as unwell too. Knows not what workers do.
"""

from __future__ import annotations

import http.client
import socket
import sys
from collections.abc import Sequence

from pydantic import ValidationError
from redis.exceptions import RedisError

from pipeline.connection import RedisUrlError, connect, safe_name
from pipeline.heartbeat import EXPIRY_S, alive
from pipeline.queue import host_of
from pipeline.settings import RedisNotSetError, Settings, redis_url

WORKERS = ("clip", "enhance", "camera")
_TIMEOUT_S = 4.0  # whoever runs this gives up after 5 to 10 s, and then shows no line
_ANY = {"": "127.0.0.1", "0.0.0.0": "127.0.0.1", "::": "::1"}  # addresses to listen on, not to call


class Unwell(Exception):
    """What is asked for is not there, or does not answer as it should."""


def check(kind: str, settings: Settings) -> str:
    """kind: "api" or one of WORKERS. Returns what was found. Raises Unwell, RedisNotSetError, RedisUrlError."""
    if kind == "api":
        return check_api(settings.host, settings.port)
    return check_worker(kind, settings)


def check_api(host: str, port: int) -> str:
    """GET /livez. Raises Unwell."""
    if port == 0:
        raise Unwell("GLEANER_PORT is 0, so nobody knows where the API listens; give it a port")
    connection = http.client.HTTPConnection(_ANY.get(host, host), port, timeout=_TIMEOUT_S)  # no proxy between
    try:
        connection.request("GET", "/livez")
        status = connection.getresponse().status
    except (OSError, http.client.HTTPException) as error:
        raise Unwell(f"the API on port {port} does not answer: {error or type(error).__name__}") from error
    finally:
        connection.close()
    if status != 200:
        raise Unwell(f"the API on port {port} answers {status} to /livez instead of 200")
    return f"the API on port {port} answers"


def check_worker(kind: str, settings: Settings) -> str:
    """Whether a worker of that kind on this very host (in a container: in this container) was heard of lately."""
    url = redis_url(settings)
    here = socket.gethostname()
    try:
        with connect(url, patience_s=_TIMEOUT_S / 2) as redis:
            names = [one.name for one in alive(redis, kind) if host_of(one.name) == here]
    except RedisError as error:
        raise Unwell(f"Redis at {safe_name(url)} does not answer: {type(error).__name__}") from error
    if not names:
        raise Unwell(f"no {kind} worker of this host was heard of in the last {EXPIRY_S} s")
    return f"{', '.join(names)} is alive"


def main(arguments: Sequence[str]) -> int:
    """Exit code; 2 where the arguments or the settings cannot be used."""
    if len(arguments) != 1 or arguments[0] not in ("api", *WORKERS):
        sys.stdout.write("usage: python -m pipeline.healthcheck api|clip|enhance|camera\n")
        return 2
    try:
        line, code = check(arguments[0], Settings()), 0
    except (Unwell, RedisNotSetError, RedisUrlError) as error:
        line, code = str(error), 1
    except ValidationError as error:
        line, code = "; ".join(f"GLEANER_{e['loc'][0]}: {e['msg']}".upper() for e in error.errors()), 1
    sys.stdout.write(f"{' '.join(line.split())}\n")
    return code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
