"""Where a job's files lie under the data directory. Knows names only: not what is in the files, nor who writes them.

    data_dir/uploads/<token>.part            uploads on their way in
    data_dir/jobs/<id>/source                the clip as it was sent
                       plan.json             its segments
                       segments/00000.mp4    one enhanced segment (any suffix), 00000.jsonl its frame log
                       result.mp4            the result (any suffix)
                       report.json
                       preview/0-before.png  dry run: sample pictures
                       exploration/sheet.png an exploration's pictures (it has no source: it reads its clip's)

Every path is made from a checked id and numbers, so nothing a client sends can name another place.
"""

from __future__ import annotations

import contextlib
import re
import shutil
import time
from pathlib import Path

ID_PATTERN = re.compile(r"[0-9a-z][0-9a-z-]{0,63}")
_SUFFIX_PATTERN = re.compile(r"\.[0-9a-z]{1,8}")
_WHICH_PATTERN = re.compile(r"[a-z]{1,16}")
MAX_SEGMENTS = 100_000  # five digits in the names, so that they sort

STALE_UPLOAD_S = 3600.0  # an upload nobody wrote to for this long was given up


def check_id(job_id: str) -> str:
    """The id itself. Raises ValueError unless it is 1 to 64 of 0-9, a-z and '-' and does not start with '-'."""
    if not isinstance(job_id, str) or not ID_PATTERN.fullmatch(job_id):
        raise ValueError(f"{job_id!r:.80} is no job id: 1 to 64 of 0-9, a-z and '-', starting with a letter or digit")
    return job_id


class JobFiles:
    """Names below one data directory. Makes folders when asked for a path to write to; opens no file."""

    def __init__(self, data_dir: Path) -> None:
        self.data_dir = data_dir

    def folder(self, job_id: str) -> Path:
        return self.data_dir / "jobs" / check_id(job_id)

    def create(self, job_id: str) -> Path:
        """Makes the job's folders (private to the service's user) and returns the job's own. May be repeated."""
        folder = self.folder(job_id)
        for path in (folder, folder / "segments", folder / "preview"):
            path.mkdir(mode=0o700, parents=True, exist_ok=True)
        return folder

    def source(self, job_id: str) -> Path:
        return self.folder(job_id) / "source"

    def plan(self, job_id: str) -> Path:
        return self.folder(job_id) / "plan.json"

    def segment(self, job_id: str, segment: int, suffix: str = ".mp4") -> Path:
        return self.folder(job_id) / "segments" / f"{_number(segment):05d}{_suffix(suffix)}"

    def segment_log(self, job_id: str, segment: int) -> Path:
        return self.segment(job_id, segment, ".jsonl")

    def result(self, job_id: str, suffix: str = ".mp4") -> Path:
        return self.folder(job_id) / f"result{_suffix(suffix)}"

    def report(self, job_id: str) -> Path:
        return self.folder(job_id) / "report.json"

    def preview(self, job_id: str, number: int, which: str) -> Path:
        """Sample picture `number`; `which` says which one of a pair, e.g. "before" or "after"."""
        if not _WHICH_PATTERN.fullmatch(which):
            raise ValueError(f"{which!r:.80} names no preview picture: use letters a-z, e.g. 'before'")
        return self.folder(job_id) / "preview" / f"{_number(number)}-{which}.png"

    def create_exploration(self, job_id: str) -> Path:
        """Makes the folder of an exploration's pictures, private to the service's user. May be repeated."""
        folder = self.folder(job_id) / "exploration"
        for path in (folder.parent, folder):
            path.mkdir(mode=0o700, parents=True, exist_ok=True)
        return folder

    def exploration(self, job_id: str, which: str, number: int | None = None) -> Path:
        """A picture of an exploration: "sheet" or "spread", or with a number "candidate"."""
        if not _WHICH_PATTERN.fullmatch(which):
            raise ValueError(f"{which!r:.80} names no picture of an exploration: use letters a-z, e.g. 'sheet'")
        name = which if number is None else f"{which}-{_number(number)}"
        return self.folder(job_id) / "exploration" / f"{name}.png"

    def clear_segments(self, job_id: str) -> None:
        """Removes the segments of a finished job: the result holds them."""
        shutil.rmtree(self.folder(job_id) / "segments", ignore_errors=True)

    def remove(self, job_id: str) -> None:
        """Removes all of a job's files. Files that vanish meanwhile, and a job that has none, are fine.

        The folder is first renamed, so that a worker still writing finds it gone instead of filling it again.
        """
        folder = self.folder(job_id)
        with contextlib.suppress(FileNotFoundError):
            folder.rename(folder.with_name(f".removed-{job_id}-{time.time_ns()}"))
        for doomed in folder.parent.glob(f".removed-{job_id}-*"):  # with what an interrupted removal left
            shutil.rmtree(doomed, ignore_errors=True)

    def job_ids(self) -> set[str]:
        """Ids of the jobs that have a folder."""
        with contextlib.suppress(FileNotFoundError):
            return {entry.name for entry in (self.data_dir / "jobs").iterdir() if ID_PATTERN.fullmatch(entry.name)}
        return set()

    def changed_at(self, job_id: str) -> float:
        """When the job's folder was last changed, Unix seconds; now where there is none."""
        try:
            return self.folder(job_id).stat().st_mtime
        except FileNotFoundError:
            return time.time()

    def upload(self, token: str) -> Path:
        """Where an upload grows until checked (its folder is made); on the disk of the jobs: move it by rename."""
        folder = self.data_dir / "uploads"
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        return folder / f"{check_id(token)}.part"

    def clean_uploads(self, *, older_than_s: float = STALE_UPLOAD_S, now: float | None = None) -> int:
        """Removes uploads not written to for `older_than_s` seconds; returns how many."""
        limit = (time.time() if now is None else now) - older_than_s
        removed = 0
        for path in (self.data_dir / "uploads").glob("*.part"):
            with contextlib.suppress(FileNotFoundError):
                if path.stat().st_mtime < limit:
                    path.unlink()
                    removed += 1
        return removed

    def free_bytes(self) -> int:
        """Space left on the data disk for an unprivileged writer. Creates the data directory if it is not there."""
        self.data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        return shutil.disk_usage(self.data_dir).free


def _number(number: int) -> int:
    if isinstance(number, bool) or not isinstance(number, int) or not 0 <= number < MAX_SEGMENTS:
        raise ValueError(f"{number!r:.80} is no segment or picture number: 0 to {MAX_SEGMENTS - 1}")
    return number


def _suffix(suffix: str) -> str:
    if not _SUFFIX_PATTERN.fullmatch(suffix):
        raise ValueError(f"{suffix!r:.80} is no file suffix: a dot and 1 to 8 of 0-9, a-z")
    return suffix
