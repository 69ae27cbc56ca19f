"""What the routes work with: settings, jobs, streams, files, queues, Redis. Opened once per app; knows no route."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import cache, partial
from typing import Annotated, Any, ParamSpec, TypeVar, cast

from anyio import CapacityLimiter, fail_after, to_thread
from fastapi import Depends, Request
from redis import Redis
from redis.asyncio import Redis as AsyncRedis
from redis.exceptions import TimeoutError as RedisTimeoutError

from models.catalog import Catalog
from pipeline.addresses import AddressRules
from pipeline.camera_queue import CameraQueue
from pipeline.connection import API_PATIENCE_S, connect, connect_async
from pipeline.files import JobFiles
from pipeline.job_reader import AsyncJobReader
from pipeline.jobs import JobStore
from pipeline.metrics import Metrics
from pipeline.rqueue import ClipQueue
from pipeline.secrets import Vault, open_vault
from pipeline.settings import Settings
from pipeline.stream_files import StreamFiles
from pipeline.stream_reader import AsyncStreamReader
from pipeline.streams import StreamStore
from service.attempts import Attempts
from service.playlists import Playlists

P = ParamSpec("P")
T = TypeVar("T")

ANSWER_S = API_PATIENCE_S + 3.0  # longest any route waits for Redis; a hanging one counts as away
REDIS_THREADS = 24  # blocking calls to Redis at once
LOOKUPS = 8  # questions to name servers at once
PROBES = 2  # probe processes at once; each may take settings.probe_memory_bytes
FOLLOWERS = 200  # event streams at once; each holds one connection to Redis


@dataclass(frozen=True, slots=True, eq=False)
class Backend:
    settings: Settings
    catalog: Catalog
    redis: Redis
    aredis: AsyncRedis
    jobs: JobStore
    reader: AsyncJobReader
    files: JobFiles
    clips: ClipQueue
    metrics: Metrics
    streams: StreamStore
    stream_reader: AsyncStreamReader
    stream_files: StreamFiles
    cameras: CameraQueue
    open_vault: Callable[[], Vault]
    rules: AddressRules
    playlists: Playlists = field(default_factory=Playlists)
    attempts: Attempts = field(default_factory=Attempts)  # wrong push keys
    lookups: CapacityLimiter = field(default_factory=lambda: CapacityLimiter(LOOKUPS))
    pictures: CapacityLimiter = field(default_factory=lambda: CapacityLimiter(1))  # so that looking costs no uploads
    reports: CapacityLimiter = field(default_factory=lambda: CapacityLimiter(1))  # of a stream's frame log
    threads: CapacityLimiter = field(default_factory=lambda: CapacityLimiter(REDIS_THREADS))
    probes: CapacityLimiter = field(default_factory=lambda: CapacityLimiter(PROBES))
    followers: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(FOLLOWERS))
    leaving: threading.Event = field(default_factory=threading.Event)  # set by a signal: what lasts is to end

    @property
    def vault(self) -> Vault:
        """Opened, and its secret made, at first use: an app starts without its data folder. Raises SecretKeyError."""
        return self.open_vault()

    async def ask(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """What a blocking function that talks to Redis returns. Raises redis.TimeoutError after ANSWER_S."""
        async with answer_time():
            return await to_thread.run_sync(
                lambda: function(*args, **kwargs), abandon_on_cancel=True, limiter=self.threads
            )


@asynccontextmanager
async def answer_time() -> AsyncIterator[None]:
    """Ends what is in it after ANSWER_S as if Redis had not answered."""
    try:
        with fail_after(ANSWER_S):  # insists, where asyncio.timeout can be lost in redis-py on Python 3.11
            yield
    except TimeoutError as error:
        raise RedisTimeoutError(f"no answer within {ANSWER_S} s") from error


@asynccontextmanager
async def open_backend(settings: Settings, redis_url: str) -> AsyncIterator[Backend]:
    """Connects on first use, so an app starts (and says 'not ready') while Redis is away."""
    plain = connect(redis_url, patience_s=API_PATIENCE_S)
    async with connect_async(redis_url) as asynchronous:
        files = JobFiles(settings.data_dir)
        await to_thread.run_sync(files.clean_uploads)
        try:
            yield Backend(
                settings=settings,
                catalog=Catalog(settings.models_dir),
                redis=plain,
                aredis=asynchronous,
                jobs=JobStore(plain),
                reader=AsyncJobReader(asynchronous),
                files=files,
                clips=ClipQueue(plain),
                metrics=Metrics(plain),
                streams=StreamStore(plain),
                stream_reader=AsyncStreamReader(asynchronous),
                stream_files=StreamFiles(settings.data_dir),
                cameras=CameraQueue(plain),
                open_vault=cache(partial(open_vault, settings.secret_key, settings.data_dir)),
                rules=AddressRules.of(settings.camera_networks, settings.camera_ports),
            )
        finally:
            plain.close()


def backend_of(request: Request) -> Backend:
    return cast(Any, request.app).state.backend  # type: ignore[no-any-return]


Given = Annotated[Backend, Depends(backend_of)]
