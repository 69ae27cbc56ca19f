"""Where a stream's files lie under the data directory. Knows names only: not what is in the files, nor who writes them.

    data_dir/streams/<id>/live/<epoch>/        HLS of one owner, so that one that was thought dead spoils nothing
                          ring/                the source as it came, for some minutes
                          recordings/          the enhanced stream
                          log/                 what became of each frame, by minutes
                          snapshot/source.jpg  and enhanced.jpg, made on request

Every path is made from a checked id, a number or a word, so nothing a client sends can name another place.
"""

from __future__ import annotations

import contextlib
import re
import shutil
import time
from pathlib import Path

from pipeline.files import check_id

_WHICH = re.compile(r"[a-z]{1,16}")


class StreamFiles:
    """Names below one data directory. Only `create` makes folders; opens no file."""

    def __init__(self, data_dir: Path) -> None:
        self.data_dir = data_dir

    def folder(self, stream_id: str) -> Path:
        return self.data_dir / "streams" / check_id(stream_id)

    def create(self, stream_id: str, epoch: int) -> Path:
        """Makes the folders of an owner, private to the service's user, and returns the stream's. May be repeated."""
        folder = self.folder(stream_id)
        live = self.live(stream_id, epoch)
        kept = self.ring(stream_id), self.recordings(stream_id), self.log(stream_id)
        for path in (folder, live.parent, live, *kept, folder / "snapshot"):
            path.mkdir(mode=0o700, parents=True, exist_ok=True)
        return folder

    def live(self, stream_id: str, epoch: int) -> Path:
        """HLS of one owner; which one is the latest says StreamStatus.epoch."""
        return self.folder(stream_id) / "live" / str(int(epoch))

    def ring(self, stream_id: str) -> Path:
        return self.folder(stream_id) / "ring"

    def recordings(self, stream_id: str) -> Path:
        return self.folder(stream_id) / "recordings"

    def log(self, stream_id: str) -> Path:
        return self.folder(stream_id) / "log"

    def snapshot(self, stream_id: str, which: str) -> Path:
        """`which`: "source" or "enhanced"."""
        if not _WHICH.fullmatch(which):
            raise ValueError(f"{which!r:.80} names no snapshot: use 'source' or 'enhanced'")
        return self.folder(stream_id) / "snapshot" / f"{which}.jpg"

    def clear_live(self, stream_id: str, keep: int | None = None) -> None:
        """Removes the HLS of all owners but `keep`."""
        with contextlib.suppress(FileNotFoundError):
            for path in (self.folder(stream_id) / "live").iterdir():
                if path.name != str(keep):
                    shutil.rmtree(path, ignore_errors=True)

    def remove(self, stream_id: str) -> None:
        """Removes all of a stream's files. Files that vanish meanwhile, and a stream that has none, are fine.

        The folder is first renamed, so that an owner still writing finds it gone instead of filling it again.
        """
        folder = self.folder(stream_id)
        with contextlib.suppress(FileNotFoundError):
            folder.rename(folder.with_name(f".removed-{stream_id}-{time.time_ns()}"))
        for doomed in folder.parent.glob(f".removed-{stream_id}-*"):  # with what an interrupted removal left
            shutil.rmtree(doomed, ignore_errors=True)
