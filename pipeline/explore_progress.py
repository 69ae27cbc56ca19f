"""How far an exploration has come. Pure values; they are kept by `pipeline/jobs.py`."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, fields


@dataclass(frozen=True, slots=True)
class ExploreProgress:
    """Absolute values of the attempt under way; a new attempt starts again."""

    candidate: int = 0  # the one being searched for, from 1
    count: int = 0  # candidates wanted
    step: int = 0  # steps done in the search for this candidate
    steps: int = 0  # steps of each search
    best_error: float | None = None  # least mean squared difference from the observed pixels so far, both in [0, 1]
    elapsed_s: float = 0.0  # since the search for the first candidate began

    @property
    def share(self) -> float:
        """0 to 1: steps done of all."""
        total = self.count * self.steps
        return min(1.0, ((self.candidate - 1) * self.steps + self.step) / total) if total and self.candidate else 0.0

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
