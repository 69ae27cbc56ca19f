"""The one place that opens a clip for reading. Knows what is let in; judges neither size nor length."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import av
import av.container
import av.error
import av.logging
import av.stream
from av.video.stream import VideoStream

from media.sniff import HEAD_BYTES, sniff
from media.types import MediaError

# What recorders, cameras, phones and video management systems export. Left out on purpose: HLS, DASH, concat, SDP and
# image sequences (they open other files or hosts), subtitles and text, and bare elementary streams (no timestamps).
LONG_NAMES = {"mov": "mov,mp4,m4a,3gp,3g2,mj2", "matroska": "matroska,webm"}  # as FFmpeg says when it probes itself
DEMUXERS = ("mov", "matroska", "mpegts", "mpeg", "avi", "flv", "asf")

# By FFmpeg's codec names. In: what cameras and recorders have written since about 2000, what editors and evidence tools
# exchange without loss (ffv1, huffyuv, utvideo, prores, dnxhd, raw), what the web serves (vp8, vp9, av1).
# Out: everything else FFmpeg could decode (game and screen codecs, image formats, proprietary DVR codecs), because each
# decoder is attack surface and none of them comes from a camera.
RECORDED = ("h264", "hevc", "mjpeg", "mpeg1video", "mpeg2video", "mpeg4", "h263", "msmpeg4v2", "msmpeg4v3", "dvvideo")
WINDOWS_AND_FLASH = ("wmv1", "wmv2", "wmv3", "vc1", "flv1")
EXCHANGED = ("ffv1", "huffyuv", "ffvhuff", "utvideo", "prores", "dnxhd", "rawvideo")
SERVED = ("vp8", "vp9", "av1")
CODECS = frozenset((*RECORDED, *WINDOWS_AND_FLASH, *EXCHANGED, *SERVED))


def open_input(path: Path) -> av.container.InputContainer:
    """Opens a clip. Only local files, only known containers, and the demuxer is chosen by us, not by probing.

    Raises MediaError "not-a-file", "empty-file", "unsupported-format" or "unreadable".
    """
    av.logging.set_level(None)  # FFmpeg's log names paths, and PyAV's log callback takes the GIL (PyAV #751)
    name = sniff(read_head(path))
    options = {"protocol_whitelist": "file", "format_whitelist": ",".join(DEMUXERS)}
    try:
        return av.open(str(path.resolve()), "r", format=name, options=options)
    except av.error.FFmpegError as error:
        raise MediaError("unreadable", unreadable(name, error)) from None


def read_head(path: Path) -> bytes:
    if not path.is_file():
        raise MediaError("not-a-file", "There is no such file (or it is a folder or a device).")
    try:
        with path.open("rb") as file:
            return file.read(HEAD_BYTES)
    except OSError as error:
        raise MediaError("unreadable", f"The file cannot be read: {error.strerror}.") from None


def unreadable(name: str, error: av.error.FFmpegError) -> str:
    hint = {
        "mov": "An MP4 whose recording or copy was cut off has no index (moov); repair it or export it again.",
    }.get(name, "It may be cut off or damaged; export or copy it again.")
    return f"The file looks like {name} but cannot be opened ({error.strerror}). {hint}"


def container_name(container: av.container.InputContainer) -> str:
    """FFmpeg's name of the container, e.g. "matroska,webm"; a demuxer chosen by its short name reports only that."""
    return LONG_NAMES.get(container.format.name, container.format.name)


def codec_name(stream: VideoStream) -> str:
    """FFmpeg's name of the codec (not of the decoder: "av1", not "libdav1d")."""
    return stream.codec_context.codec.canonical_name


def check_codec(stream: VideoStream) -> str:
    """The codec's name. Raises MediaError "unsupported-codec" where it is not on the list or has no decoder."""
    context = stream.codec_context
    name = codec_name(stream) if context is not None else "unknown"
    if name not in CODECS:
        raise MediaError(
            "unsupported-codec",
            f"The video is coded as {name}, which is not accepted; convert it to H.264, H.265 or FFV1 first.",
        )
    return name


@contextmanager
def open_video(path: Path, index: int) -> Iterator[tuple[av.container.InputContainer, VideoStream]]:
    """The container and its video stream number `index`, everything else discarded while reading.

    Raises as `open_input`, and MediaError "no-video" or "unsupported-codec".
    """
    with open_input(path) as container:
        stream = next((s for s in container.streams.video if s.index == index), None)
        if stream is None:
            raise MediaError("no-video", f"Stream {index} of the file is not a video stream; probe the file again.")
        check_codec(stream)
        for other in container.streams:
            if other.index != index:
                other.discard = av.stream.Discard.all
        yield container, stream
