"""Job functions for test_rqueue.py, and a worker that runs them: `python rq_steps.py REDIS_URL [GRACE_S]`."""

from __future__ import annotations

import os
import signal
import sys

from pipeline.connection import connect
from pipeline.jobs import StaleAttempt
from pipeline.rqjobs import FUNCTIONS, HandBack, stop_flag

NAMES = frozenset(f"rq_steps.{name}" for name in ("note", "deaf", "polite", "die", "fail", "fenced"))


def note(word: str) -> None:
    with connect(os.environ["STEPS_REDIS"]) as redis:
        redis.rpush("ran", f"{word} {os.getpid()} {os.getppid()}")


def deaf(word: str) -> None:
    """Runs until told to end, whoever else asks it to stop."""
    note(word)
    with connect(os.environ["STEPS_REDIS"]) as redis:
        redis.blpop(["go"], timeout=60)
        redis.rpush("ended", word)


def polite(word: str) -> None:
    note(word)
    stopping = stop_flag()
    with connect(os.environ["STEPS_REDIS"]) as redis:
        while not redis.blpop(["go"], timeout=0.05):
            if stopping():
                raise HandBack("asked to stop")
        redis.rpush("ended", word)


def die(word: str) -> None:
    note(word)
    os.kill(os.getpid(), signal.SIGKILL)


def fail(word: str) -> None:
    note(word)
    raise RuntimeError("a bug")


def fenced(word: str) -> None:
    """As a segment does: each run is an attempt, and an attempt that is not the latest gives up."""
    note(word)
    with connect(os.environ["STEPS_REDIS"]) as redis:
        attempt = redis.incr("attempt")
        redis.blpop([f"go-{attempt}"], timeout=60)
        if redis.get("attempt") != str(attempt).encode():
            redis.rpush("gave-up", attempt)
            raise StaleAttempt("a later attempt has begun")
        redis.rpush("ended", word)


if __name__ == "__main__":
    from pipeline.rqueue import make_worker

    os.environ["STEPS_REDIS"] = sys.argv[1]
    worker = make_worker(connect(sys.argv[1]), "test", functions=NAMES | FUNCTIONS, grace_s=float(sys.argv[2]))
    worker.work(logging_level="WARNING")
