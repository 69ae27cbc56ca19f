"""Where a gateway pushes straight to a camera worker: one port a stream, and a key as the path. Knows no sockets."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from redis import Redis
from redis.exceptions import WatchError

from pipeline.secrets import Vault
from pipeline.stream import Stream
from pipeline.stream_keys import PORTS, record_key

SCHEMES = {"listen-rtsp": "rtsp", "listen-rtmp": "rtmp"}  # by source


class NoListenPort(Exception):
    """All ports for gateways are taken by other streams."""


def claim_port(redis: Redis, stream: Stream, ports: Sequence[int]) -> int:
    """The stream's port, the same each time: its own, or the lowest that no listening stream has. Raises NoListenPort.

    Ports of streams that were deleted, or do not listen any more, are free.
    """
    client: Any = redis
    with client.pipeline(transaction=True) as pipe:
        while True:
            try:
                pipe.watch(PORTS)
                holders = {int(port): id.decode() for port, id in pipe.hgetall(PORTS).items()}
                own = [port for port, holder in sorted(holders.items()) if holder == stream.id and port in ports]
                if own:
                    return own[0]
                listening = _listening(pipe, set(holders.values()))
                free = [port for port in ports if holders.get(port) not in listening]
                if not free:
                    raise NoListenPort(
                        f"all {len(ports)} ports for gateways are taken; widen GLEANER_LISTEN_PORTS, or delete a stream"
                    )
                pipe.multi()
                pipe.hset(PORTS, str(free[0]), stream.id)
                pipe.execute()
                return free[0]
            except WatchError:
                continue


def listen_url(stream: Stream, port: int, vault: Vault, host: str = "0.0.0.0") -> str:
    """What the worker waits on and, with this machine's name as `host`, what the gateway pushes to.

    The path is the stream's key: whoever knows it may publish, so it is not logged. Raises KeyError for a stream that
    does not listen.
    """
    return f"{SCHEMES[stream.options.source]}://{host}:{port}/{vault.derive(f'listen {stream.id}')}"


def _listening(pipe: Any, stream_ids: set[str]) -> set[str]:
    ids = sorted(stream_ids)
    raws = pipe.mget([record_key(id) for id in ids]) if ids else []
    streams = [Stream.model_validate_json(raw) for raw in raws if raw is not None]
    return {stream.id for stream in streams if stream.options.source in SCHEMES}
