"""What a clip's sample values mean as colour, and decoded frames as RGB. Knows nothing of files, streams or encoders.

Conversion runs through swscale with accurate rounding. Chroma is enlarged by repetition and made smaller by averaging,
so that one undoes the other exactly: colours that were not touched come back as they were. (Bicubic chroma is nearer to
a clean original, 44.2 against 42.6 dB on a Kodak photo, but each round trip then blurs it.) Measured on FFmpeg 8.1:
luma and limited-range chroma are within one half of a level of the formula, full-range chroma within one level, and the
bytes do not depend on the number of threads. Grey frames avoid swscale: their luma is scaled by the formula, exactly.
"""

from __future__ import annotations

from typing import Any

import av
import numpy as np
from av.video.reformatter import Interpolation, VideoReformatter
from numpy.typing import NDArray

from media.types import ColourTags, Image, is_grey

Samples = NDArray[Any]  # uint8 or uint16

EXACT = (
    Interpolation.ACCURATE_RND
    | Interpolation.FULL_CHR_H_INT
    | Interpolation.FULL_CHR_H_INP
    | Interpolation.BITEXACT  # the same bytes on every processor
)
FLAGS = Interpolation.POINT | EXACT
SWS_COLORSPACES = {1: 1, 4: 4, 5: 5, 6: 5, 7: 7, 9: 9, 10: 9}  # AVColorSpace -> what swscale calls it
LIMITED, FULL = 1, 2  # AVColorRange
UNSPECIFIED = 2  # of a matrix, primaries or a transfer characteristic
RGB = 0  # AVColorSpace
BT709, BT470BG, SMPTE170M = 1, 5, 6
HD_HEIGHT = 720
SD_HEIGHTS_625 = (288, 576)
THREADED_PIXELS = 1 << 20  # smaller frames are converted faster than threads start


def decide_tags(range: int, matrix: int, primaries: int, transfer: int, height: int, pix_fmt: str) -> ColourTags:
    """The colour tags of a stream, with nothing left unspecified that decides sample values.

    Arguments are FFmpeg's numbers (AVColorRange, AVColorSpace, ...), as the decoder reports them. A missing matrix is
    BT.709 from 720 lines on, else BT.601, and `assumed`. A missing range is limited, except for "yuvj" and grey
    formats, which FFmpeg reads as full range.
    """
    fmt = av.VideoFormat(pix_fmt, 16, 16)
    if fmt.is_rgb or fmt.has_palette:
        return ColourTags(True, RGB, primaries, transfer)
    full = (
        range == FULL
        or pix_fmt.startswith("yuvj")
        or (range != LIMITED and pix_fmt.startswith(("gray", "ya8", "ya16")))
    )
    if matrix in SWS_COLORSPACES:
        return ColourTags(full, matrix, primaries, transfer)
    sd = BT470BG if height in SD_HEIGHTS_625 else SMPTE170M
    return ColourTags(full, BT709 if height >= HD_HEIGHT else sd, primaries, transfer, assumed=True)


def thread_count(width: int, height: int) -> int:
    """Threads for one conversion: 0 lets swscale choose."""
    return 0 if width * height >= THREADED_PIXELS else 1


def bit_depth(fmt: av.VideoFormat) -> int:
    """Bits of the deepest component."""
    return max(component.bits for component in fmt.components)


def plane_samples(plane: av.video.plane.VideoPlane, deep: bool) -> Samples:
    """The samples of a plane with one component, (H, W): a view of the frame's memory, less the padding of lines."""
    samples: Samples = np.frombuffer(memoryview(plane), np.uint16 if deep else np.uint8)
    return samples.reshape(plane.height, -1)[:, : plane.width]


def unsited(frame: av.VideoFrame) -> av.VideoFrame:
    """A copy of a planar frame that does not say where chroma samples lie.

    Decoders of H.264 say "left", swscale then shifts chroma by half a pixel on the way to RGB but not on the way back
    (PyAV cannot tell it to), and colours would creep sideways.
    """
    copy = av.VideoFrame(frame.width, frame.height, frame.format.name)
    for plane, source in zip(copy.planes, frame.planes, strict=True):
        width = min(plane.line_size, source.line_size)  # they may be padded differently; the samples fit both
        rows = np.frombuffer(memoryview(plane), np.uint8).reshape(plane.height, plane.line_size)
        rows[:, :width] = np.frombuffer(memoryview(source), np.uint8).reshape(source.height, source.line_size)[
            :, :width
        ]
    return copy


class ToRgb:
    """Converts decoded frames of one stream to RGB by its tags, whatever the frames themselves claim. Not thread-safe.

    One reformatter is kept for the stream: a new one for every frame retains megabytes (PyAV 18, fixed in 19).
    """

    def __init__(self, tags: ColourTags) -> None:
        self.tags = tags
        self._reformatter = VideoReformatter()
        self._unpacker = VideoReformatter()
        self._luma_tables: dict[int, Samples] = {}

    def __call__(self, frame: av.VideoFrame) -> tuple[Image, bool]:
        """(image, grey). image: (H, W, 3), uint8, or uint16 in 0..65535 for sources deeper than 8 bits.

        grey: the format has no chroma, or every chroma sample is exactly neutral; the three channels are then equal.
        """
        fmt = frame.format
        if fmt.is_rgb or fmt.has_palette:
            image = self._convert(frame, rgb=True)
            return image, is_grey(image)
        frame = self._planar(frame)
        depth = bit_depth(frame.format)
        if self._neutral(frame, depth):
            return self._grey(frame, depth), True
        return self._convert(frame, rgb=False), False

    def _convert(self, frame: av.VideoFrame, rgb: bool) -> Image:
        image: Image = self._reformatter.reformat(
            frame if rgb else unsited(frame),
            format="rgb24" if bit_depth(frame.format) <= 8 else "rgb48le",
            src_colorspace=None if rgb else SWS_COLORSPACES[self.tags.matrix],
            src_color_range=None if rgb else (FULL if self.tags.full_range else LIMITED),
            interpolation=FLAGS,
            threads=thread_count(frame.width, frame.height),
        ).to_ndarray()
        return image

    def _planar(self, frame: av.VideoFrame) -> av.VideoFrame:
        """The frame itself where it has one plane a component, else a copy that has: nv12, p010, yuyv422, ya8, ..."""
        name = frame.format.name
        if name.startswith(("yuv4", "yuvj4", "yuva4")) or name in (
            "gray",
            "gray10le",
            "gray12le",
            "gray14le",
            "gray16le",
        ):
            return frame
        deep = bit_depth(frame.format) > 8
        if name.startswith(("gray", "ya", "mono")):
            target = "gray16le" if deep else "gray"
        else:
            target = "yuv444p16le" if deep else "yuv444p"
        color_range = FULL if self.tags.full_range else LIMITED
        return self._unpacker.reformat(
            frame,
            format=target,
            src_color_range=color_range,
            dst_color_range=color_range,
            interpolation=FLAGS,
            threads=1,
        )

    @staticmethod
    def _neutral(frame: av.VideoFrame, depth: int) -> bool:
        neutral = 1 << (depth - 1)
        for plane in frame.planes[1:3]:
            samples = plane_samples(plane, depth > 8)
            middle = samples[samples.shape[0] // 2]  # a coloured frame mostly shows in one line
            if (middle != neutral).any() or (samples != neutral).any():
                return False
        return True

    def _grey(self, frame: av.VideoFrame, depth: int) -> Image:
        table = self._luma_tables.get(depth)
        if table is None:
            table = self._luma_tables[depth] = luma_to_level(self.tags.full_range, depth)
        luma = plane_samples(frame.planes[0], depth > 8)
        if depth > 8:
            luma = np.minimum(luma, (1 << depth) - 1)
        image: Image = np.empty((*luma.shape, 3), table.dtype)  # not cv2: the API imports this file and has no OpenCV
        image[...] = table[luma][..., None]
        return image


def luma_to_level(full_range: bool, depth: int) -> Samples:
    """Table from luma samples of `depth` bits to grey levels: uint8 for 8 bits, else uint16 in 0..65535."""
    top, dtype = (255, np.uint8) if depth <= 8 else (65535, np.uint16)
    luma = np.arange(1 << depth, dtype=np.float64)
    low, span = (0.0, float((1 << depth) - 1)) if full_range else (16.0 * 2 ** (depth - 8), 219.0 * 2 ** (depth - 8))
    table: Samples = np.rint(np.clip((luma - low) / span, 0, 1) * top).astype(dtype)
    return table
