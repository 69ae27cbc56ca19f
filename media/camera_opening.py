"""The one place that connects to a camera. Knows what is let in, and what each failure means; never says where.

FFmpeg's errors hold the URL with its password, so none of them leaves this file: they end as `CameraError` codes.
"""

from __future__ import annotations

import math
import time

import av
import av.container
import av.error
import av.logging
from av.stream import Disposition
from av.video.stream import VideoStream

from media.live_types import CameraError, CameraLimits, CameraSource
from media.opening import codec_name

# By FFmpeg's names: what network cameras and gateways send. Each decoder is attack surface.
CODECS = frozenset(("h264", "hevc", "mjpeg", "mpeg4", "mpeg2video", "h263", "vp8", "vp9", "av1"))
# What a camera redirects to is opened through the protocol "rtsp", which is never on the list: it is refused.
PROTOCOLS = {("rtsp", "tcp"): "tcp", ("rtsp", "udp"): "rtp,udp,tcp", ("rtsps", "tcp"): "tcp,tls"}
ANALYSE_S = 1.0  # in search of the picture's size; what comes meanwhile is kept
RTSP_UNITS = 1_000_000  # FFmpeg's options count microseconds


def open_camera(source: CameraSource, limits: CameraLimits) -> av.container.InputContainer:
    """Connects, or listens for a gateway. Takes up to twice `connect_timeout_s`. Raises CameraError."""
    av.logging.set_level(None)  # FFmpeg's log names the URL, and PyAV's log callback takes the GIL
    options = {
        "analyzeduration": str(round(ANALYSE_S * RTSP_UNITS)),
        "fpsprobesize": "0",  # the rate is not believed anyway
        "max_pixels": str(limits.max_pixels),  # FFmpeg decodes while it connects
        "threads": "1",
    }
    if source.listen == "rtmp":
        options |= {"protocol_whitelist": "rtmp,tcp", "listen": "1"}
        options["timeout"] = str(math.ceil(source.connect_timeout_s))
    else:
        options |= {"rtsp_transport": source.transport, "allowed_media_types": "video"}
        if source.listen == "rtsp":
            options |= {"protocol_whitelist": "tcp", "rtsp_flags": "listen"}
            options["listen_timeout"] = str(math.ceil(source.connect_timeout_s))
        else:
            options["protocol_whitelist"] = protocols(source)
            options["timeout"] = str(round(max(source.connect_timeout_s, source.silence_s) * RTSP_UNITS))
    began = time.monotonic()
    failure: CameraError
    try:
        return av.open(
            source.url,
            "r",
            format="flv" if source.listen == "rtmp" else "rtsp",
            options=options,
            timeout=(source.connect_timeout_s, source.silence_s),
        )
    except av.error.FFmpegError as error:
        failure = on_opening(error, time.monotonic() - began, source)
    except (OSError, ValueError, IndexError):
        failure = CameraError("camera-broken")
    try:
        raise failure  # outside of the handlers: an exception's context would hold the URL
    finally:
        del failure  # its traceback holds this frame, and that the URL


def protocols(source: CameraSource) -> str:
    """FFmpeg's whitelist. Raises CameraError where the source is none of ours."""
    scheme = source.url.partition("://")[0].lower()
    allowed = PROTOCOLS.get((scheme, source.transport))
    if allowed is None:
        raise CameraError("camera-broken", "only rtsp:// over TCP or UDP and rtsps:// over TCP are spoken")
    return allowed


def on_opening(error: av.error.FFmpegError, elapsed_s: float, source: CameraSource) -> CameraError:
    """What went wrong while connecting. Says nothing of what FFmpeg says: its words hold the URL."""
    late = elapsed_s >= 0.9 * source.connect_timeout_s
    match error:
        case av.error.HTTPUnauthorizedError():
            return CameraError("camera-unauthorised")
        case av.error.HTTPForbiddenError():
            return CameraError("camera-forbidden")
        case av.error.HTTPNotFoundError():
            return CameraError("camera-not-found")
        case av.error.HTTPServerError():
            return CameraError("camera-refused", "it answers with an error of its own; has it too many viewers?")
        case av.error.HTTPError():
            return CameraError("camera-broken", "it does not accept our request")
        case av.error.ConnectionRefusedError():
            return CameraError("camera-refused")
        case av.error.ArgumentError() if source.listen is None:
            return CameraError("camera-redirected")  # the one thing that the whitelist refuses
    if source.listen is not None:  # a gateway is there: see `media.listen`
        return CameraError("camera-silent") if late else CameraError("camera-broken")
    if isinstance(error, av.error.ExitError | av.error.TimeoutError):  # not even connected: later it is InvalidData
        return CameraError("camera-unreachable")
    if isinstance(error, av.error.InvalidDataError) and late:
        return CameraError("camera-silent", "it accepts the connection and says nothing")
    if isinstance(error, OSError):
        return CameraError("camera-unreachable")
    return CameraError("camera-broken")


def on_reading(error: av.error.FFmpegError) -> CameraError:
    """What went wrong with a connection that stood."""
    if isinstance(error, av.error.ExitError | av.error.TimeoutError):
        return CameraError("camera-silent")
    if isinstance(error, OSError):
        return CameraError("camera-ended")
    return CameraError("camera-broken")


def choose_video(container: av.container.InputContainer, limits: CameraLimits) -> VideoStream:
    """The stream to read. Raises CameraError: "camera-no-video", "camera-unsupported-codec", "camera-too-large"."""
    streams = [s for s in container.streams.video if not s.disposition & Disposition.attached_pic]
    if not streams:
        raise CameraError("camera-no-video")
    stream = max(streams, key=lambda s: s.width * s.height)
    name = codec_name(stream) if stream.codec_context is not None else "unknown"
    if name not in CODECS:
        raise CameraError("camera-unsupported-codec", f"it is {name}")
    check_size(stream.width, stream.height, limits)
    return stream


def check_size(width: int, height: int, limits: CameraLimits) -> None:
    if width * height > limits.max_pixels:
        raise CameraError("camera-too-large", f"it is {width}x{height}, at most {limits.max_pixels} pixels")
