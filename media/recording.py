"""Records a live stream in closed MP4 files begun at key frames, and deletes what has had its time. Encodes nothing.

While it grows, a file consists of fragments, so that a crash costs the last few seconds only; closing turns it into an
ordinary MP4 (FFmpeg's hybrid_fragmented), in which every player can seek. Files are not synced: a power cut may cost
what the system had not written yet.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any, NoReturn, Self

import av
import av.error
from av.container import InputContainer
from av.packet import Packet
from av.video.stream import VideoStream

from media.fragments import mux_packet
from media.kept_files import expired
from media.live_encoder import Encoded
from media.live_types import CLOCK, TICK
from media.moments import stamped
from media.partfile import FULL
from media.recording_files import list_recordings, recording_name
from media.types import MediaError

LONGEST_S = 10.0  # a frame that lasts longer is a gap: a new file begins behind it
DEFAULT_STEP = CLOCK // 25  # of a file's only frame
MOST_AHEAD_S = 10.0  # what a camera sends at once of the past; more is a clock that was set
ASTRAY_S = 0.5  # files whose ends lie nearer to each other follow each other without a gap
GROWING = ".growing"
OPTIONS = {
    "movflags": "hybrid_fragmented+frag_keyframe+default_base_moof",
    "video_track_timescale": str(CLOCK),
    "movie_timescale": str(CLOCK),
    "flush_packets": "1",
}


class Recorder:
    """Records one stream into a folder of its own. Not thread-safe; to be closed.

    keep_s, keep_bytes: see `media.kept_files.expired`; looked at whenever a file is closed. What a crash left is
    finished at the start, and otherwise removed. `clock` gives Unix seconds. Raises MediaError: "disk-full",
    "recording-failed".
    """

    def __init__(
        self,
        folder: Path,
        keep_s: float | None,
        keep_bytes: int | None,
        segment_s: float = 60.0,
        *,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.folder = folder
        self._keep_s, self._keep_bytes, self._clock = keep_s, keep_bytes, clock
        self._segment_ticks = round(segment_s * CLOCK)
        self._file: _File | None = None
        self._reached = 0.0  # Unix seconds: where the last file ends
        folder.mkdir(parents=True, exist_ok=True)
        for path in sorted(folder.glob(f".*{GROWING}")):
            finish_leftover(path)
        self.expire()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def wants_key(self) -> bool:
        """Whether a frame that is no key frame would be left out."""
        return self._file is None

    def add(self, encoded: Encoded, wall: float) -> None:
        """Take the next frame. wall: Unix seconds when it was captured, or else arrived."""
        file = self._file
        if file is not None:
            step = encoded.pts - file.last.pts
            anew = encoded.format != file.last.format or not 0 < step <= LONGEST_S * CLOCK
            due = encoded.key and encoded.pts - file.first.pts + step // 2 >= self._segment_ticks
            if anew or due:
                self._close_file(None if anew else step)
        if self._file is None and not encoded.key:
            return
        try:
            if self._file is None:
                self._file = _File(self.folder, encoded, wall)
            else:
                self._file.add(encoded, wall)
        except (OSError, av.error.FFmpegError) as error:
            self._abandon(error)

    def close(self) -> None:
        """Close the file that grows."""
        self._close_file(None)

    def expire(self) -> None:
        """Delete what has had its time. Called by itself where frames come; else now and then by the owner."""
        for recording in expired(list_recordings(self.folder), self._clock(), self._keep_s, self._keep_bytes):
            (self.folder / recording.name).unlink(missing_ok=True)

    def _close_file(self, last_step: int | None) -> None:
        file, self._file = self._file, None
        if file is None:
            return
        try:
            self._reached = file.close(last_step, self._reached)
        except (OSError, av.error.FFmpegError) as error:
            self._file = file
            self._abandon(error)
        self.expire()

    def _abandon(self, error: OSError | av.error.FFmpegError) -> NoReturn:
        """Give the growing file up, as far as it got. Raises."""
        file, self._file = self._file, None
        if file is not None:
            file.abandon()
            finish_leftover(file.path)
        if error.errno in FULL:
            raise MediaError("disk-full", "The recording could not be written: the disk is full.") from None
        raise MediaError("recording-failed", f"The recording could not be written ({error.strerror}).") from None


class _File:
    """A file that grows. The newest frame is held back, because a packet is muxed with its duration."""

    def __init__(self, folder: Path, first: Encoded, wall: float) -> None:
        self.first = self.last = first
        self.wall = wall
        self._ahead_s = 0.0  # by how much frames came faster than they were filmed
        self.path = folder / f".{recording_name(wall, 0)}{GROWING}"
        self._step = DEFAULT_STEP
        self._container = av.open(str(self.path), "w", format="mp4", container_options=OPTIONS)
        self._container.metadata["creation_time"] = datetime.fromtimestamp(wall, UTC).isoformat()
        self._stream = self._container.add_mux_stream("h264", width=first.format.width, height=first.format.height)
        self._stream.time_base = TICK

    def add(self, encoded: Encoded, wall: float) -> None:
        step = encoded.pts - self.last.pts
        self._mux(step)
        self.last, self._step = encoded, step
        ahead_s = (encoded.pts - self.first.pts) / CLOCK - (wall - self.wall)
        if ahead_s <= MOST_AHEAD_S:
            self._ahead_s = max(self._ahead_s, ahead_s)

    def close(self, last_step: int | None, reached: float) -> float:
        """last_step: ticks that the last frame lasts, None: as long as the one before. reached: the last file's end.

        Returns where this one ends.
        """
        duration = self._step if last_step is None else last_step
        self._mux(duration)
        self._container.close()
        start = self._start(reached)
        duration_s = (self.last.pts + duration - self.first.pts) / CLOCK
        self.path.replace(self.path.with_name(recording_name(start, duration_s)))
        return start + duration_s

    def _start(self, reached: float) -> float:
        """Unix seconds. Without the camera's own times, a frame's is that of its arrival: right for the least late one.

        What came at once when the connection was made was filmed before; and network jitter is no gap.
        """
        start = self.wall - self._ahead_s
        return reached if abs(start - reached) < ASTRAY_S else max(start, min(reached, self.wall))

    def abandon(self) -> None:
        with contextlib.suppress(av.error.FFmpegError, OSError):
            self._container.close()

    def _mux(self, duration: int) -> None:
        packet = mux_packet(self.last, with_parameters=self.last is self.first)
        packet.pts = packet.dts = self.last.pts - self.first.pts
        packet.duration, packet.stream = duration, self._stream
        self._container.mux(packet)


def finish_leftover(path: Path) -> None:
    """Make a closed file of what a crash left, or remove it where no frame is whole."""
    out = path.with_name(path.name + ".tmp")
    out.unlink(missing_ok=True)
    try:
        duration_s = _remux(path, out)
        if duration_s:
            start = started(path)
            out.replace(path.with_name(recording_name(start, duration_s)))
    except (OSError, ValueError):  # FFmpeg's errors among them: damaged from the beginning, or the disk is full
        pass
    finally:
        out.unlink(missing_ok=True)
        path.unlink(missing_ok=True)


def started(path: Path) -> float:
    """Unix seconds from the name of a growing file. Raises ValueError."""
    return stamped(path.name.removeprefix(".").partition("_")[0])


def _remux(path: Path, out: Path) -> float:
    """Copies whole packets until the file breaks off. Returns the duration in seconds, 0 without any."""
    end = 0
    with av.open(str(path), format="mp4", options={"protocol_whitelist": "file"}) as source:
        video = source.streams.video[0]
        with av.open(str(out), "w", format="mp4", container_options=OPTIONS) as target:
            target.metadata.update(source.metadata)
            stream = target.add_stream_from_template(video, opaque=True)
            for packet in _whole_packets(source, video):
                assert packet.pts is not None
                end = packet.pts + (packet.duration or 0)
                packet.stream = stream
                target.mux(packet)
    return end / CLOCK


def _whole_packets(source: InputContainer, video: VideoStream) -> Iterator[Packet[Any]]:
    with contextlib.suppress(av.error.FFmpegError):  # where the file breaks off
        for packet in source.demux(video):
            if packet.size and not packet.is_corrupt and packet.pts is not None:
                yield packet
