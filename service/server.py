"""The HTTP server's process: uvicorn, told to end event streams when it is told to leave."""

from __future__ import annotations

from types import FrameType

import uvicorn
from fastapi import FastAPI

from service.backend import Backend

GRACE_S = 10  # for requests in hand, after the signal


class Server(uvicorn.Server):
    """Event streams last as long as their job, and uvicorn would wait for them: they end at the signal instead.

    Clients come back with Last-Event-ID, to this process's successor.
    """

    def __init__(self, app: FastAPI, host: str, port: int) -> None:
        super().__init__(
            uvicorn.Config(
                app,
                host=host,
                port=port,
                log_config=None,
                access_log=False,
                server_header=False,
                timeout_graceful_shutdown=GRACE_S,
            )
        )
        self._app = app

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        backend: Backend | None = getattr(self._app.state, "backend", None)  # none before the app has started
        if backend is not None:
            backend.leaving.set()
        super().handle_exit(sig, frame)
