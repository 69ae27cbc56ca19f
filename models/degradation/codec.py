"""Real compression, in memory: H.264 over a short run of pictures, JPEG for one. Knows nothing of files or profiles."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from models.degradation.video_codec import CodecError, Encoding, transcode

Bytes = NDArray[np.uint8]  # (H, W, 3) RGB

_TO_YUV = np.array(
    [[65.481, 128.553, 24.966], [-37.797, -74.203, 112.0], [112.0, -93.786, -18.214]], np.float32
) / np.float32(255)  # BT.601, from R'G'B' in 0..255


def h264(
    frames: Sequence[Bytes], *, crf: float, preset: str = "veryfast", gop: int = 12, b_frames: int = 2
) -> list[Bytes]:
    """Encode and decode a run of equal pictures with x264 in 4:2:0; as many come back, in order.

    crf: x264's constant rate factor. Sizes are padded to even by repeating the last row and column and cropped again.
    One thread, so equal input gives equal bytes. Raises CodecError where frames went missing.
    """
    height, width, _ = frames[0].shape
    even = [np.pad(frame, ((0, height % 2), (0, width % 2), (0, 0)), mode="edge") for frame in frames]
    encoding = Encoding("h264", crf=crf, preset=preset, gop=gop, b_frames=b_frames, looks_ahead=True)
    decoded = transcode(map(to_yuv420, even), width + width % 2, height + height % 2, encoding)
    return [np.ascontiguousarray(to_rgb(planes)[:height, :width]) for planes in decoded]


def to_yuv420(image: NDArray[Any]) -> Bytes:
    """(H, W, 3) RGB in 0..255, even sizes -> (H·3/2, W) uint8 planar 4:2:0: BT.601, studio range, chroma centred.

    Done here and not by swscale, whose default rounding darkens green by a level: training must not learn that.
    """
    height, width, _ = image.shape
    yuv = image.astype(np.float32, copy=False) @ _TO_YUV.T + np.array([16, 128, 128], np.float32)
    chroma = cv2.resize(yuv[..., 1:], (width // 2, height // 2), interpolation=cv2.INTER_AREA)
    planes = [yuv[..., 0].ravel(), chroma[..., 0].ravel(), chroma[..., 1].ravel()]
    return np.clip(np.concatenate(planes) + 0.5, 0, 255).astype(np.uint8).reshape(height * 3 // 2, width)


def to_rgb(planes: NDArray[Any]) -> Bytes:
    """The inverse of `to_yuv420`, chroma enlarged bilinearly."""
    rows, width = planes.shape
    height = rows * 2 // 3
    flat = planes.reshape(-1).astype(np.float32)
    quarter = height * width // 4
    luma = flat[: height * width].reshape(height, width) - 16
    chroma = [flat[height * width + i * quarter :][:quarter].reshape(height // 2, width // 2) for i in (0, 1)]
    big = [cv2.resize(plane - 128, (width, height), interpolation=cv2.INTER_LINEAR) for plane in chroma]
    rgb = np.stack([luma, *big], axis=-1) @ np.linalg.inv(_TO_YUV.astype(np.float64)).astype(np.float32).T
    return np.asarray(np.clip(rgb + 0.5, 0, 255), dtype=np.uint8)


def jpeg(image: Bytes, quality: int) -> Bytes:
    """Encode and decode one picture, 4:2:0, quality 1..100."""
    done, data = cv2.imencode(".jpg", image[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, quality])
    if not done:
        raise CodecError(f"OpenCV could not write a JPEG of shape {image.shape}")
    return np.ascontiguousarray(np.asarray(cv2.imdecode(data, cv2.IMREAD_COLOR), dtype=np.uint8)[..., ::-1])
