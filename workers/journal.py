"""What a live stream's loop says of each frame, to whoever keeps it. Types only."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from workers.live_frames import Shown


class Journal(Protocol):
    """None of these may wait. Frames come in the order in which they are shown; times are Unix seconds."""

    def shown(self, shown: Shown, encoded_s: float) -> None:
        """A frame went out. encoded_s: from its arrival until it was encoded."""
        ...

    def available(self, pts: int, lag_s: float) -> None:
        """A frame can be fetched, or was pushed, `lag_s` after its arrival."""
        ...

    def dropped(self, count: int) -> None:
        """Frames that are not shown."""
        ...

    def event(self, kind: str, at: float, data: Mapping[str, Any]) -> None: ...

    def look(self) -> None:
        """The loop has come round."""
        ...


class NoJournal:
    """Keeps nothing."""

    def shown(self, shown: Shown, encoded_s: float) -> None:
        pass

    def available(self, pts: int, lag_s: float) -> None:
        pass

    def dropped(self, count: int) -> None:
        pass

    def event(self, kind: str, at: float, data: Mapping[str, Any]) -> None:
        pass

    def look(self) -> None:
        pass
