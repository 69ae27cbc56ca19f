"""Packets of one video stream, read past damage, and the time each is known by. Decodes nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import av.container
import av.error
from av.packet import Packet
from av.video.stream import VideoStream

from media.opening import container_name

READ_ERRORS = 64  # in a row, without a packet between: what follows is not a clip any longer

# Containers that time packets in decoding order only; FFmpeg's pts there are guesses.
DECODE_ORDER = frozenset({"avi"})


def timed_by_decoding(container: av.container.InputContainer) -> bool:
    return container_name(container) in DECODE_ORDER


def reorders(stream: VideoStream) -> bool:
    """Whether the decoder holds frames back, that is, whether decoding order is not presentation order."""
    return bool(stream.codec_context.has_b_frames)


def packet_time(packet: Packet[VideoStream], by_decoding: bool) -> int | None:
    """The time the packet's frame is known by: its pts, or its dts in containers that know no other."""
    return packet.dts if by_decoding else packet.pts


def read_packets(
    container: av.container.InputContainer, stream: VideoStream, on_error: Callable[[str], None]
) -> Iterator[Packet[VideoStream]]:
    """Every packet of the stream that carries data, from where the container stands.

    A read error is told to `on_error` and reading goes on behind it. Empty packets are left out: to a decoder they mean
    the end, and PyAV adds them as end markers.
    """
    errors = 0
    while True:
        try:
            for packet in container.demux(stream):
                if packet.size:
                    errors = 0
                    yield packet
            return
        except MemoryError:
            raise
        except (av.error.EOFError, IndexError):
            # IndexError: PyAV 18 trips over its own end markers where damage made streams appear while reading.
            return
        except av.error.FFmpegError as error:
            errors += 1
            on_error(f"packet could not be read ({error.strerror})")
            if errors >= READ_ERRORS:
                return
