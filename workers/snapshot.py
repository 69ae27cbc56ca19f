"""A pair of still pictures of a live stream: the frame as it came and as it was shown. Files appear whole."""

from __future__ import annotations

from pathlib import Path

import cv2

from media.types import Image

QUALITY = 90


def write_jpeg(image: Image, path: Path) -> None:
    """image: (H, W, 3) uint8 RGB. Raises OSError."""
    fine, data = cv2.imencode(".jpg", image[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, QUALITY])
    if not fine:
        raise OSError(f"a picture of {image.shape[1]}x{image.shape[0]} cannot be written as JPEG")
    part = path.with_name(f".{path.name}.part")
    part.write_bytes(data.tobytes())
    part.replace(path)
