"""How far an exploration has come. Pure values; they are kept by `pipeline/jobs.py`."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, fields


@dataclass(frozen=True, slots=True)
class ExploreProgress:
    """Absolute values of the attempt under way; a new attempt starts again."""

    candidate: int = 0  # the one being searched for, from 1; 0 before the search begins
    count: int = 0  # candidates wanted
    run: int = 0  # of this candidate, from 1: a search that does not explain the pixels is begun anew
    runs: int = 0  # most runs of a candidate
    step: int = 0  # steps done in this run
    steps: int = 0  # steps of a run
    best_error: float | None = None  # of this candidate so far: mean squared difference of values in [0, 1]
    share: float = 0.0  # of the whole work, never falling
    elapsed_s: float = 0.0  # since the search for the first candidate began

    @property
    def eta_s(self) -> float | None:
        """Seconds the search still needs at the speed so far, None where nothing is known of it."""
        return self.elapsed_s * (1 - self.share) / self.share if self.share else None

    def to_json(self) -> bytes:
        return json.dumps(asdict(self), separators=(",", ":")).encode()

    @classmethod
    def from_json(cls, raw: bytes) -> ExploreProgress:
        known = {field.name for field in fields(cls)}
        return cls(**{name: value for name, value in json.loads(raw).items() if name in known})
