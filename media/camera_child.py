"""The process that cuts a camera's ring, or lays two snapshots side by side: `python -m media.camera_child`.

Reads {"do": "cut" | "pair", ...} from standard input. A cut writes its file and answers {"start", "end", "gaps"} or
{"error": {"code", "message"}}; a pair answers with the bytes of a JPEG. Puts itself under limits before it loads
FFmpeg; its parent is `media.camera_files`.
"""

from __future__ import annotations

import errno
import json
import signal
import sys
from fractions import Fraction
from pathlib import Path
from typing import Any

from media.probe_child import restrict

APART = 8  # black pixels between the two pictures of a pair
JPEG_WIDTH = 65535


def cut(request: dict[str, Any]) -> dict[str, Any]:
    import av.error

    from media import ring_cut
    from media.types import MediaError

    try:
        done = ring_cut.cut(Path(request["folder"]), request["start"], request["end"], Path(request["out"]))
    except MediaError as error:
        if isinstance(error.__cause__, OSError) and error.__cause__.errno == errno.EFBIG:
            return {"error": {"code": "too-large", "message": _too_large(request["max_bytes"])}}
        return {"error": {"code": error.code, "message": str(error)}}
    except av.error.FFmpegError as error:
        return {"error": {"code": "unreadable", "message": f"The stretch cannot be cut ({error.strerror})."}}
    return {"start": done.start, "end": done.end, "gaps": [list(gap) for gap in done.gaps]}


def _too_large(max_bytes: int) -> str:
    return f"The stretch has more than {max_bytes} bytes, the most that is accepted; ask for a shorter one."


def pair(source: Path, enhanced: Path) -> bytes:
    """A JPEG with the source's picture, enlarged to the enhanced one's height, on the left of it."""
    import numpy as np
    from av.video.reformatter import Interpolation

    right = _picture(enhanced)
    left = _picture(source)
    height = right.height - right.height % 2
    width = max(2, min(round(left.width * height / left.height), JPEG_WIDTH - right.width - APART))
    left = left.reformat(width=width, height=height, format="rgb24", interpolation=Interpolation.LANCZOS)
    right = right.reformat(width=right.width, height=height, format="rgb24", interpolation=Interpolation.LANCZOS)
    between = np.zeros((height, APART, 3), np.uint8)
    image = np.concatenate([left.to_ndarray(), between, right.to_ndarray()], axis=1)
    return _jpeg(image[:, : image.shape[1] - image.shape[1] % 2])


def _picture(path: Path) -> Any:
    import av

    with av.open(str(path), format="jpeg_pipe", options={"protocol_whitelist": "file"}) as container:
        return next(container.decode(video=0))


def _jpeg(image: Any) -> bytes:
    import av
    from av.video.reformatter import ColorRange

    encoder: Any = av.CodecContext.create("mjpeg", "w")
    height, width = image.shape[:2]
    encoder.width, encoder.height, encoder.pix_fmt = width, height, "yuvj420p"
    encoder.color_range = ColorRange.JPEG
    encoder.time_base = Fraction(1, 25)
    encoder.options = {"qmin": "2", "qmax": "4"}
    frame = av.VideoFrame.from_ndarray(image, format="rgb24").reformat(
        format="yuvj420p", dst_color_range=ColorRange.JPEG
    )
    frame.pts = 0
    return b"".join(bytes(packet) for packet in [*encoder.encode(frame), *encoder.encode(None)])


def main() -> None:
    request = json.load(sys.stdin)
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)  # a file that grows too large is an OSError, not a death
    restrict(request["memory_bytes"], request["timeout_s"], request.get("max_bytes", 0))
    if request["do"] == "pair":
        sys.stdout.buffer.write(pair(Path(request["source"]), Path(request["enhanced"])))
        return
    try:
        reply = cut(request)
    except (MemoryError, ImportError):  # a library that cannot be mapped is an ImportError
        memory = request["memory_bytes"] // 2**20
        message = f"Cutting the stretch takes more than {memory} MiB of memory; ask for a shorter one."
        reply = {"error": {"code": "cut-failed", "message": message}}
    json.dump(reply, sys.stdout)


if __name__ == "__main__":
    main()
