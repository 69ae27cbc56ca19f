"""RGB images as frames for an encoder: the other direction of `media.colour`. Knows nothing of files or encoders."""

from __future__ import annotations

import av
import cv2
import numpy as np
from av.video.reformatter import Interpolation, VideoReformatter
from numpy.typing import NDArray

from media.colour import EXACT, FULL, LIMITED, SWS_COLORSPACES, Samples, bit_depth, plane_samples, thread_count
from media.types import ColourTags, Image

LUMA_WEIGHTS = {  # AVColorSpace -> (red, blue) of ITU-R BT.709, BT.601, BT.2020, FCC, SMPTE 240M
    1: (0.2126, 0.0722),
    4: (0.30, 0.11),
    5: (0.299, 0.114),
    6: (0.299, 0.114),
    7: (0.212, 0.087),
    9: (0.2627, 0.0593),
    10: (0.2627, 0.0593),
}

CHROMA_DOWN = Interpolation.AREA | EXACT


class FromRgb:
    """Converts RGB images to frames of one pixel format and one set of colour tags. Not thread-safe."""

    def __init__(self, tags: ColourTags, pix_fmt: str) -> None:
        self.tags = tags
        self.pix_fmt = pix_fmt
        self._format = av.VideoFormat(pix_fmt, 16, 16)
        self._depth = bit_depth(self._format)
        self._range = FULL if tags.full_range else LIMITED
        self._reformatter = VideoReformatter()
        self._luma_tables: dict[type[np.generic], Samples] = {}

    def __call__(self, image: Image, grey: bool = False, *, in_place: bool = False) -> av.VideoFrame:
        """image: (H, W, 3) uint8, or uint16 in 0..65535. pts and time base of the frame are the caller's to set.

        With `grey` every chroma sample is exactly neutral and the luma is that of the image, by the formula. in_place:
        the image is not copied first; there must be memory behind its last line, for swscale reads a little too far.
        """
        if grey and not self._format.is_rgb:
            return self._grey(image)
        packed = "rgb24" if image.dtype == np.uint8 else "rgb48le"
        if in_place:
            source = av.VideoFrame.from_numpy_buffer(image, packed)
        else:
            source = av.VideoFrame.from_ndarray(np.ascontiguousarray(image), format=packed)
        return self._reformatter.reformat(
            source,
            format=self.pix_fmt,
            dst_colorspace=None if self._format.is_rgb else SWS_COLORSPACES[self.tags.matrix],
            dst_color_range=None if self._format.is_rgb else self._range,
            interpolation=CHROMA_DOWN,
            threads=thread_count(source.width, source.height),
        )

    def _grey(self, image: Image) -> av.VideoFrame:
        height, width = image.shape[:2]
        frame = av.VideoFrame(width, height, self.pix_fmt)
        dtype = image.dtype.type
        table = self._luma_tables.get(dtype)
        if table is None:
            table = self._luma_tables[dtype] = level_to_luma(
                self.tags.full_range, self._depth, image.dtype.itemsize * 8
            )
        deep = self._depth > 8
        plane_samples(frame.planes[0], deep)[...] = table[grey_levels(image, self.tags.matrix)]
        for plane in frame.planes[1:]:
            plane_samples(plane, deep)[...] = 1 << (self._depth - 1)
        frame.color_range = self._range
        return frame


def grey_levels(image: Image, matrix: int) -> Samples:
    """The luma of an RGB image, (H, W), dtype kept; the level itself where the three channels are equal."""
    red, green, blue = image[..., 0], image[..., 1], image[..., 2]
    if np.array_equal(red, green) and np.array_equal(green, blue):
        return green
    kr, kb = LUMA_WEIGHTS[matrix]
    weights = np.array([[kr, 1 - kr - kb, kb]])
    levels = np.rint(cv2.transform(image.astype(np.float32), weights)).clip(0, np.iinfo(image.dtype).max)
    return levels.reshape(image.shape[:2]).astype(image.dtype)


def level_to_luma(full_range: bool, depth: int, image_depth: int) -> Samples:
    """Table from grey levels (`image_depth` 8 or 16 bits) to luma samples of `depth` bits."""
    levels: NDArray[np.float64] = np.arange(1 << image_depth) / ((1 << image_depth) - 1)
    low, span = (0.0, float((1 << depth) - 1)) if full_range else (16.0 * 2 ** (depth - 8), 219.0 * 2 ** (depth - 8))
    return np.rint(low + levels * span).astype(np.uint8 if depth <= 8 else np.uint16)
