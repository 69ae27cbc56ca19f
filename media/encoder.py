"""The closed list of encoder options for each codec and quality. Opens no file.

Every choice serves joining segments by packet: no B frames, so that packets are in presentation order and no segment
needs timestamps before its first; closed GOPs; headers out of band, the same for every segment of a clip; the number of
threads set, because the bytes of x264 and x265 depend on it.
"""

from __future__ import annotations

import os

from av.video.stream import VideoStream

from media.types import OutputSettings

ENCODERS = {"h264": "libx264", "hevc": "libx265", "ffv1": "ffv1"}
KEY_FRAME_INTERVAL = 100  # frames at most between two points to seek to
MAX_THREADS = 16
FFV1_SLICES = 12  # lines of 2816×2304 that one thread codes: about 190

# (crf, preset). Measured on 1920×1080 pictures enlarged bicubically, Y-PSNR against them, kilobytes and processor time
# a frame: x264 superfast 24 41.0 dB 43 kB 24 ms; veryfast 20 41.7 dB 32 kB 29 ms; veryfast 15 43.2 dB 49 kB 36 ms;
# x265 ultrafast 24 38.6 dB 17 kB 64 ms, 22 39.6 dB 21 kB, 17 41.8 dB 34 kB; superfast 17 42.6 dB 32 kB 127 ms.
H264_TABLE = {"draft": ("24", "superfast"), "standard": ("20", "veryfast"), "high": ("15", "veryfast")}
HEVC_TABLE = {"draft": ("24", "ultrafast"), "standard": ("19", "ultrafast"), "high": ("16", "superfast")}


def thread_count(threads: int) -> int:
    """The number of threads to encode with; 0 stands for one on each processor that this process may use."""
    return min(threads or len(os.sched_getaffinity(0)), MAX_THREADS)


def encoder_options(settings: OutputSettings, threads: int) -> dict[str, str]:
    """Options of the encoder ENCODERS[settings.codec], for `threads` threads."""
    if settings.codec == "h264":
        crf, preset = H264_TABLE[settings.quality]
        return {"preset": preset, "crf": crf, "bf": "0", "g": str(KEY_FRAME_INTERVAL), "flags": "+cgop"}
    if settings.codec == "hevc":
        crf, preset = HEVC_TABLE[settings.quality]
        parameters = {
            "bframes": 0,
            "open-gop": 0,
            "keyint": KEY_FRAME_INTERVAL,
            "info": 0,  # no line about options and threads in the headers: they must match between hosts
            "pools": threads,
            "frame-threads": 1,
            "log-level": "none",
        }
        joined = ":".join(f"{name}={value}" for name, value in parameters.items())
        return {"preset": preset, "crf": crf, "x265-params": joined}
    return {"level": "3", "g": "1", "slicecrc": "1", "slices": str(FFV1_SLICES)}


def set_up_stream(stream: VideoStream, settings: OutputSettings, threads: int) -> None:
    """Everything of a stream and its encoder that is not in `encoder_options`. To be called before the first mux."""
    context = stream.codec_context
    context.width, context.height, context.pix_fmt = settings.width, settings.height, settings.pix_fmt
    context.time_base = stream.time_base = settings.time_base
    context.sample_aspect_ratio = settings.sample_aspect_ratio
    context.color_range = 2 if settings.colour.full_range else 1
    context.colorspace = settings.colour.matrix
    context.color_primaries = settings.colour.primaries
    context.color_trc = settings.colour.transfer
    context.thread_count = threads
    carry_geometry(stream, settings)


def carry_geometry(stream: VideoStream, settings: OutputSettings) -> None:
    """Rotation and the sample entry's name, which belong to the stream and not to the encoder."""
    if settings.codec == "hevc":
        stream.codec_tag = "hvc1"  # QuickTime and Safari play nothing else
    if settings.rotation:
        stream.set_display_rotation(settings.rotation)
