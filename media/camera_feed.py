"""A camera's packets, read on a thread of their own so that nobody waits for the network. Decodes nothing.

The thread is what may hang: FFmpeg gives control back only when a packet comes or a timeout ends. Its reader never
does; one that stops leaves the thread to its timeout, after which it closes the connection and ends.
"""

from __future__ import annotations

import struct
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction

import av.container
import av.error
from av.codec.context import CodecContext
from av.packet import Packet
from av.video.codeccontext import VideoCodecContext
from av.video.stream import VideoStream

from media.camera_opening import choose_video, on_reading, open_camera
from media.colour import decide_tags
from media.listen import await_publisher
from media.live_types import CameraError, CameraFacts, CameraLimits, CameraSource
from media.opening import codec_name

OnPacket = Callable[["Packet[VideoStream]", CameraFacts, float], None]
CLOCK_SET_S = 1.0
MICROSECONDS = 1_000_000


@dataclass(frozen=True, slots=True)
class Origin:
    """When a packet came. It travels through the decoder, and holds no packet, which would then never be freed."""

    at: float  # Unix seconds by our clock
    utc: float | None  # Unix seconds of its capture, as the camera says


@dataclass(frozen=True, slots=True)
class Arrived:
    packet: Packet[VideoStream]
    origin: Origin
    after_loss: bool = False  # packets before it were given up: it is a key frame to begin anew with


@dataclass(frozen=True, slots=True)
class Opened:
    """What is known once the connection stands. The decoder is of its own, so that it outlives the connection."""

    decoder: VideoCodecContext
    codec: str
    time_base: Fraction
    facts: CameraFacts  # as announced, until a picture tells


class OurClock:
    """Unix time that does not jump with small corrections, for arrivals."""

    def __init__(self) -> None:
        self._base = time.time() - time.monotonic()

    def now(self) -> float:
        now = self._base + time.monotonic()
        if abs(time.time() - now) > CLOCK_SET_S:
            self._base = time.time() - time.monotonic()
            return self._base + time.monotonic()
        return now


class CameraFeed:
    """Connects and reads on its own thread, from `start` on. `get` may be called on another, `stop` on any."""

    def __init__(self, source: CameraSource, limits: CameraLimits, on_packet: OnPacket | None) -> None:
        self.opened: Opened | None = None  # set before the first packet is there
        self.facts: CameraFacts | None = None  # what `on_packet` is told; the decoder's side keeps it true
        self.packets = self.dropped = 0
        self._source, self._limits, self._on_packet = source, limits, on_packet
        self._changed = threading.Condition()
        self._queue: deque[Arrived] = deque()
        self._bytes = 0
        self._awaiting_key = self._lost = False
        self._ended = self._stopped = False
        self._failure: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="camera", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        with self._changed:
            self._stopped = True
            self._queue.clear()
            self._bytes = 0
            self._failure = None
            self._changed.notify_all()

    def join(self, timeout_s: float) -> bool:
        """Whether the thread has ended."""
        if self._thread.is_alive():
            self._thread.join(timeout_s)
        return not self._thread.is_alive()

    def get(self) -> Arrived | None:
        """The next packet, as soon as there is one; None after `stop`. Raises what ended the connection."""
        with self._changed:
            while not (self._queue or self._ended or self._stopped):
                self._changed.wait()
            if self._stopped:
                return None
            if self._queue:
                arrived = self._queue.popleft()
                self._bytes -= arrived.packet.size
                return arrived
            # Handed over for good: kept here too, it would hold by its traceback the decoder, its pictures and the
            # connection in a circle until the garbage collector finds it, which in a large process is seldom.
            failure, self._failure = self._failure or CameraError("camera-ended"), None
        try:
            raise failure
        finally:
            del failure

    def _run(self) -> None:
        failure: BaseException
        try:
            self._read()
            failure = CameraError("camera-ended")
        except CameraError as error:
            failure = error
        except av.error.FFmpegError as error:
            failure = on_reading(error)
        except Exception as error:  # of `on_packet`: it is for the reader to see
            failure = error
        with self._changed:
            self._failure, self._ended = None if self._stopped else failure, True
            self._changed.notify_all()
        del failure  # its traceback holds this frame

    def _read(self) -> None:
        if self._source.listen is None:
            self._read_from(self._source)
            return
        publisher = await_publisher(self._source, self._is_stopped)
        if publisher is not None:
            with publisher:
                self._read_from(publisher.source)

    def _read_from(self, source: CameraSource) -> None:
        clock = OurClock()
        with open_camera(source, self._limits) as container:
            if self._is_stopped():
                return
            stream = choose_video(container, self._limits)
            self.opened = opened(container, stream, self._limits)
            self.facts = self.opened.facts
            for packet in container.demux(stream):
                if self._is_stopped():
                    return
                if packet.size:
                    self._arrived(Arrived(packet, Origin(clock.now(), capture_time(packet))))

    def _is_stopped(self) -> bool:
        return self._stopped

    def _arrived(self, arrived: Arrived) -> None:
        self.packets += 1
        if self._on_packet is not None and self.facts is not None:
            self._on_packet(arrived.packet, self.facts, arrived.origin.at)
        with self._changed:
            if self._awaiting_key and not arrived.packet.is_keyframe:
                self.dropped += 1
                return
            if self._awaiting_key:
                arrived = Arrived(arrived.packet, arrived.origin, after_loss=True)
                self._awaiting_key = False
            self._queue.append(arrived)
            self._bytes += arrived.packet.size
            late = arrived.origin.at - self._queue[0].origin.at > self._limits.queue_s
            if late or self._bytes > self._limits.queue_bytes:  # nobody keeps up: newest wins, from a key frame on
                self.dropped += len(self._queue)
                self._queue.clear()
                self._bytes = 0
                self._awaiting_key = True
            self._changed.notify_all()


def opened(container: av.container.InputContainer, stream: VideoStream, limits: CameraLimits) -> Opened:
    source = stream.codec_context
    decoder = CodecContext.create(source.codec.name, "r")
    assert isinstance(decoder, VideoCodecContext)
    if source.extradata:
        decoder.extradata = source.extradata
    decoder.thread_count = 1  # more of them hold frames back
    decoder.copy_opaque = True  # a frame tells which packet it came of, whatever its timestamps say
    decoder.options = {"max_pixels": str(2 * limits.max_pixels)}  # so that most of what is too large can be named
    rate = stream.average_rate or stream.guessed_rate
    audio = next((s.codec_context.codec.canonical_name for s in container.streams.audio if s.codec_context), None)
    pix_fmt = source.pix_fmt or "yuv420p"
    facts = CameraFacts(
        codec=codec_name(stream),
        width=stream.width,
        height=stream.height,
        pix_fmt=pix_fmt,
        nominal_rate=Fraction(rate) if rate else None,
        audio=audio,
        colour=decide_tags(0, 2, 2, 2, stream.height, pix_fmt),
        interlaced="progressive",
    )
    return Opened(decoder, facts.codec, Fraction(stream.time_base or Fraction(1, 90_000)), facts)


def capture_time(packet: Packet[VideoStream]) -> float | None:
    """Unix seconds UTC of the packet's capture, which FFmpeg works out from RTCP sender reports."""
    if not packet.has_sidedata("prft"):
        return None
    data = bytes(packet.get_sidedata("prft"))
    return float(struct.unpack_from("=q", data)[0]) / MICROSECONDS if len(data) >= 8 else None
