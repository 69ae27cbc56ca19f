"""The folder of imported models: NAME.safetensors with the facts in its metadata, NAME.sha256 beside it. No torch.

A second training of the same network, which `detail` goes towards, lies in NAME.vivid, a safetensors file too.

The header is parsed here, so that a process without torch can list what there is. A model is there whole or not at all.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
import re
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import structlog

from models import facts_json
from models.choice import AUTO
from models.envelope import Measured
from models.facts import ModelFacts

log = structlog.get_logger(__name__)

SUFFIX = ".safetensors"
VIVID = ".vivid"  # not .safetensors: it is no model of its own
METADATA = "gleaner"  # the entry of a file's metadata that holds the facts
MAX_HEADER = 8 << 20  # bytes; the largest GLEAN has 0.2 MiB
_NAME = re.compile(r"[a-z0-9][a-z0-9.-]{0,63}")
_SHA256 = re.compile(r"[0-9a-f]{64}")

_Stamp = tuple[int, ...]


class LibraryError(Exception):
    """A model cannot be added, removed or read; the message names it and the remedy."""


class Library:
    """Models of a folder, which need not exist. Threads may share an instance."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._seen: dict[str, tuple[_Stamp, ModelFacts | None]] = {}

    def all(self) -> tuple[ModelFacts, ...]:
        """Facts of all models by name, read anew where a file has changed. What is damaged or foreign is left out."""
        found = []
        for name in self._names():
            with contextlib.suppress(FileNotFoundError):  # removed since
                if (facts := self._look(name)) is not None:
                    found.append(facts)
        return tuple(found)

    def add(
        self, name: str, state: Mapping[str, Any], facts: ModelFacts, vivid: Mapping[str, Any] | None = None
    ) -> ModelFacts:
        """Keep a model under a name that is free; returns its facts with that name, its files and their SHA-256.

        state, vivid: float32 or integer arrays, or tensors on the CPU, of the same keys and shapes. What the facts say
        of another vivid training than the one given is not kept. Raises LibraryError, OSError.
        """
        check_name(name)
        facts = replace(facts, name=name, vivid=None, vivid_sha256=None)
        facts_json.parse(facts_json.dump(facts))
        file, part, vivid_part = self._file(name), self.folder / f".{name}.part", self.folder / f".{name}{VIVID}.part"
        with self._alone():
            self.check_free(name)
            try:
                lines = ""
                if vivid is not None:
                    digest = _write(vivid, vivid_part, {}, name)
                    facts, lines = replace(facts, vivid_sha256=digest), f"{digest}  {name}{VIVID}\n"
                sha256 = _write(state, part, {METADATA: facts_json.dump(facts)}, name)
                # What belongs to it first: a model without a digest would be passed over, one alone does no harm.
                self._digest(name).write_text(f"{sha256}  {file.name}\n{lines}")
                mode = self._digest(name).stat().st_mode & 0o777  # as any new file, for a service of another user
                if vivid is not None:
                    vivid_part.chmod(mode)
                    vivid_part.replace(self._vivid(name))
                part.chmod(mode)
                part.replace(file)
            finally:
                part.unlink(missing_ok=True)
                vivid_part.unlink(missing_ok=True)
        return read_facts(file)

    def check_free(self, name: str) -> None:
        """Raises LibraryError where there is a file of that name."""
        if self._file(name).exists():
            raise LibraryError(f"there is a model {name} already: remove it first, or choose another name")

    def record(self, name: str, measured: Measured) -> ModelFacts:
        """Put limits and gains into a model's facts; tensors stay byte for byte, the file's SHA-256 changes.

        Gains of scales that are not measured anew are kept. Raises LibraryError, FactsError, OSError.
        """
        file, part = self._file(name), self.folder / f".{name}.part"
        with self._alone():
            if not _NAME.fullmatch(name) or not file.is_file():
                raise LibraryError(f"there is no imported model {name!r}: `gleaner models` lists them")
            facts = read_facts(file)
            facts = replace(facts, limits=measured.limits, gains={**facts.gains, **measured.gains})
            text = facts_json.dump(facts)
            facts_json.parse(text)
            digest = self._digest(name)
            vivid_lines = digest.read_text("utf-8").splitlines(keepends=True)[1:]
            try:
                sha256 = _rewrite(file, part, text)
                part.chmod(file.stat().st_mode & 0o777)
                # Between these two whoever loads it finds a file that is not its digest's, and refuses it.
                digest.write_text("".join([f"{sha256}  {file.name}\n", *vivid_lines]))
                part.replace(file)
            finally:
                part.unlink(missing_ok=True)
        return read_facts(file)

    def remove(self, name: str) -> None:
        """Raises LibraryError where there is no such file."""
        if not _NAME.fullmatch(name) or not self._file(name).is_file():
            raise LibraryError(f"there is no imported model {name!r}: `gleaner models` lists them")
        with self._alone():
            for path in (self._file(name), self._vivid(name), self._digest(name)):
                path.unlink(missing_ok=True)

    def _names(self) -> list[str]:
        try:
            found = [
                entry.name.removesuffix(SUFFIX) for entry in os.scandir(self.folder) if entry.name.endswith(SUFFIX)
            ]
        except FileNotFoundError:
            return []
        except OSError as error:
            log.warning("models folder cannot be read", error=error.strerror)
            return []
        return sorted(found)

    def _look(self, name: str) -> ModelFacts | None:
        file = self._file(name)
        stamp = _stamp(file)
        seen = self._seen.get(name)
        if seen is not None and seen[0] == stamp:
            return seen[1]
        try:
            if not _NAME.fullmatch(name) or name == AUTO:
                raise LibraryError(f"{file.name} has a name that no model has")
            facts: ModelFacts | None = read_facts(file)
        except FileNotFoundError:
            raise
        except (LibraryError, OSError) as error:
            log.warning("model passed over", file=file.name, reason=str(error))
            facts = None
        self._seen[name] = stamp, facts
        return facts

    def _file(self, name: str) -> Path:
        return self.folder / f"{name}{SUFFIX}"

    def _digest(self, name: str) -> Path:
        return self.folder / f"{name}.sha256"

    def _vivid(self, name: str) -> Path:
        return self.folder / f"{name}{VIVID}"

    @contextlib.contextmanager
    def _alone(self) -> Iterator[None]:
        """Nobody else adds or removes meanwhile."""
        self.folder.mkdir(parents=True, exist_ok=True)
        with (self.folder / ".lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield


def check_name(name: str) -> None:
    """Raises LibraryError where no imported model may have the name."""
    if name == AUTO:
        raise LibraryError(f"{name!r} stands for the choice of a model by the clip: choose another name")
    if not _NAME.fullmatch(name):
        raise LibraryError(
            f"{name!r} cannot be a model's name: at most 64 of a-z, 0-9, dot and dash, beginning with a letter or digit"
        )


def read_facts(file: Path) -> ModelFacts:
    """Facts of an imported model's file, of which only the header is read.

    Raises LibraryError where it is not whole or not written by us, FileNotFoundError.
    """
    header, size = _header(file)
    metadata = header.get("__metadata__")
    text = metadata.get(METADATA) if isinstance(metadata, dict) else None
    if not isinstance(text, str):
        raise LibraryError(f"{file.name} carries no facts: import it with `gleaner models import`")
    ends = [_end(file, key, entry) for key, entry in header.items() if key != "__metadata__"]
    if max(ends, default=0) != size:
        raise LibraryError(f"{file.name} holds {size} bytes of tensors, its header says {max(ends, default=0)}")
    try:
        facts = facts_json.parse(text)
    except facts_json.FactsError as error:
        raise LibraryError(f"{file.name}: {error}") from None
    if facts.name != file.name.removesuffix(SUFFIX):
        raise LibraryError(f"{file.name} holds the model {facts.name}: it was renamed; import it under its new name")
    digest = file.with_suffix(".sha256")
    words = digest.read_text("utf-8", "replace")[:200].split() if digest.is_file() else []
    if not words or not _SHA256.fullmatch(words[0]):
        raise LibraryError(f"{file.name} has no SHA-256 beside it in {digest.name}: import it again")
    vivid = None if facts.vivid_sha256 is None else f"{facts.name}{VIVID}"
    return replace(facts, weights=file.name, sha256=words[0], vivid=vivid)


def _write(state: Mapping[str, Any], part: Path, metadata: dict[str, str], name: str) -> str:
    """Write tensors to the disk; returns the file's SHA-256. Raises LibraryError."""
    import numpy as np
    from safetensors import SafetensorError
    from safetensors.numpy import save_file

    arrays = {key: np.asarray(value, order="C") for key, value in state.items()}
    try:
        save_file(arrays, part, metadata=metadata)
    except SafetensorError as error:
        raise LibraryError(f"{name} cannot be written: {error}") from error
    with part.open("rb") as written:
        os.fsync(written.fileno())
        return hashlib.file_digest(written, "sha256").hexdigest()


def _rewrite(file: Path, part: Path, facts: str) -> str:
    """A copy of a safetensors file with other facts in its header; returns its SHA-256."""
    header, size = _header(file)
    header["__metadata__"] = header["__metadata__"] | {METADATA: facts}
    raw = json.dumps(header, ensure_ascii=False).encode()
    raw += b" " * (-len(raw) % 8)  # tensors begin at a multiple of 8 bytes
    with file.open("rb") as source, part.open("wb") as written:
        source.seek(-size, os.SEEK_END)
        written.write(len(raw).to_bytes(8, "little") + raw)
        shutil.copyfileobj(source, written)
        written.flush()
        os.fsync(written.fileno())
    with part.open("rb") as copied:
        return hashlib.file_digest(copied, "sha256").hexdigest()


def _header(file: Path) -> tuple[dict[str, Any], int]:
    """The header of a safetensors file, and how many bytes follow it."""
    with file.open("rb") as opened:
        total = os.fstat(opened.fileno()).st_size
        length = int.from_bytes(opened.read(8), "little")
        if total < 8 or length > min(MAX_HEADER, total - 8):
            raise LibraryError(f"{file.name} is no safetensors file, or is cut short")
        raw = opened.read(length)
    try:
        header = json.loads(raw)
    except (ValueError, RecursionError) as error:
        raise LibraryError(f"{file.name} has a damaged header ({error})") from None
    if not isinstance(header, dict):
        raise LibraryError(f"{file.name} has a damaged header")
    return header, total - 8 - length


def _end(file: Path, key: str, entry: object) -> int:
    offsets = entry.get("data_offsets") if isinstance(entry, dict) else None
    if not isinstance(offsets, list) or len(offsets) != 2 or not all(type(at) is int and at >= 0 for at in offsets):
        raise LibraryError(f"{file.name} has a damaged header: {key!r:.80}")
    return int(offsets[1])


def _stamp(file: Path) -> _Stamp:
    """Changes whenever a file is replaced or its digest is."""
    found: list[int] = []
    for path in (file, file.with_suffix(".sha256")):
        try:
            stat = path.stat()
        except FileNotFoundError:
            if path is file:
                raise
            found += [0, 0, 0]
        else:
            found += [stat.st_mtime_ns, stat.st_size, stat.st_ino]
    return tuple(found)
