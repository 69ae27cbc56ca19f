"""Interlaced frames made whole, one for one. Knows fields and FFmpeg's bwdif filter; knows no files and no colour."""

from __future__ import annotations

from collections import deque
from fractions import Fraction
from typing import Generic, TypeVar

import av
import av.error
import av.filter

# Decoders that say of each frame whether it is interlaced and which field comes first. For the others only the
# container knows, and its word is put on every frame. HEVC codes single fields as pictures, which bwdif cannot weave.
FLAGGING_CODECS = frozenset(("h264", "mpeg2video", "mpeg4", "vc1", "wmv3", "dvvideo", "prores"))
FIELD_ORDERS = {2: "tff", 3: "bff", 4: "bff", 5: "tff"}  # AVFieldOrder: TT, BB, TB, BT; the field shown first counts
NEVER = frozenset({"hevc"})

Tag = TypeVar("Tag")


def top_field_first(frame: av.VideoFrame) -> bool:
    """Whether an interlaced frame shows its top field first. PyAV has no accessor for the flag; `select` reads it."""
    graph = av.filter.Graph()
    source = graph.add_buffer(width=frame.width, height=frame.height, format=frame.format, time_base=Fraction(1, 25))
    graph.link_nodes(source, graph.add("select", "eq(interlace_type,TOPFIRST)"), graph.add("buffersink")).configure()
    graph.vpush(frame)
    graph.vpush(None)
    try:
        graph.vpull()
    except (BlockingIOError, av.error.EOFError):
        return False
    return True


class Deinterlacer(Generic[Tag]):
    """bwdif, one frame out for each frame in, frames not flagged as interlaced unchanged. Not thread-safe.

    Each frame travels with a tag of the caller's (its pts, say), because the filter's own clock has half the ticks.
    A frame comes out when its successor went in: the filter looks at both neighbours.
    """

    def __init__(self, order: str, codec: str) -> None:
        """order: "tff" or "bff", used where the codec's decoder does not flag frames."""
        self._setfield = None if codec in FLAGGING_CODECS else order
        self._graph: av.filter.Graph | None = None
        self._shape: tuple[int, int, str] | None = None
        self._inside: deque[tuple[av.VideoFrame, Tag]] = deque()
        self._count = 0

    def push(self, frame: av.VideoFrame, tag: Tag) -> list[tuple[av.VideoFrame, Tag]]:
        shape = (frame.width, frame.height, frame.format.name)
        done = self.flush() if self._shape not in (None, shape) else []
        if self._graph is None:
            self._graph, self._shape = self._build(frame), shape
        frame.pts, frame.time_base = self._count, Fraction(1, 25)
        self._count += 1
        self._inside.append((frame, tag))
        self._graph.vpush(frame)
        return done + self._pull()

    def flush(self) -> list[tuple[av.VideoFrame, Tag]]:
        """What is still inside. The next frame starts afresh."""
        if self._graph is None:
            return []
        self._graph.vpush(None)
        done = self._pull()
        done += [(frame, tag) for frame, tag in self._inside]  # should the filter keep one: better combed than lost
        self._inside.clear()
        self._graph = self._shape = None
        return done

    def _build(self, frame: av.VideoFrame) -> av.filter.Graph:
        graph = av.filter.Graph()
        nodes = [
            graph.add_buffer(width=frame.width, height=frame.height, format=frame.format, time_base=Fraction(1, 25))
        ]
        if self._setfield is not None:
            nodes.append(graph.add("setfield", self._setfield))
        nodes += [graph.add("bwdif", "mode=send_frame:parity=auto:deint=interlaced"), graph.add("buffersink")]
        graph.link_nodes(*nodes).configure()
        return graph

    def _pull(self) -> list[tuple[av.VideoFrame, Tag]]:
        assert self._graph is not None
        done: list[tuple[av.VideoFrame, Tag]] = []
        while self._inside:
            try:
                frame = self._graph.vpull()
            except (BlockingIOError, av.error.EOFError):
                break
            done.append((frame, self._inside.popleft()[1]))
        return done
