"""What the estimate of a clip's degradation reads over a profile: where the limits in models' facts come from.

    python -m benchmarks.envelope --data STILLS --profile surveillance --scale 4

Each still is degraded as three frames of a standing camera with a seed of its own, and estimated. The table has the
quantiles of what was read; H.264's QP is read from files of the drawn street, written at CRF 18, 28 and 35.
"""

from __future__ import annotations

import argparse
import tempfile
from collections import defaultdict
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np

from media.estimate.frames import estimate_frames
from media.estimate.quantiser import quantiser_of
from media.probe import probe
from media.scene import frame
from models.degradation.profiles import degrade_frames
from pipeline.limits import probe_limits
from pipeline.settings import Settings

QUANTILES = (0.5, 0.9, 0.95, 0.99, 1.0)
EDGE = 1024  # of the stills' middles
MEASURED = ("noise", "blur", "blockiness", "combing")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="a folder of stills, searched deeply")
    parser.add_argument("--profile", default="surveillance")
    parser.add_argument("--scale", type=int, default=4)
    parser.add_argument("--draws", type=int, default=4, help="degradations of each still")
    parser.add_argument("--every", type=int, default=1, help="every n-th still by name")
    asked = parser.parse_args()
    read: dict[str, list[float]] = defaultdict(list)
    files = sorted(path for path in asked.data.rglob("*") if path.suffix in (".png", ".jpg", ".webp"))[:: asked.every]
    for number, path in enumerate(files):
        picture = cv2.imread(str(path), cv2.IMREAD_COLOR_RGB)
        top, left = (max(0, (size - EDGE) // 2) for size in picture.shape[:2])
        still = picture[top : top + EDGE, left : left + EDGE]
        for draw in range(asked.draws):
            low = degrade_frames([still] * 3, asked.profile, asked.scale, number * asked.draws + draw).low
            found = estimate_frames([low])
            for name in MEASURED:
                if (value := getattr(found, name)) is not None:
                    read[name].append(value)
    print(f"{asked.profile} x{asked.scale}: {len(files)} stills, {asked.draws} draws each")
    for name in MEASURED:
        print(name, *(f"{q:g}: {np.quantile(read[name], q):.2f}" for q in QUANTILES), sep="  ")
    for crf in (18, 28, 35):
        print(f"CRF {crf}: mean QP {street_qp(crf):.1f}")


def street_qp(crf: int) -> float:
    """Mean QP of the first pictures of the street at 320x180, with the profile's encoder settings."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "street.mkv"
        with av.open(str(path), "w") as container:
            options = {"crf": str(crf), "preset": "veryfast", "tune": "zerolatency"}
            stream = container.add_stream("libx264", rate=25, options=options)
            stream.width, stream.height, stream.pix_fmt = 320, 180, "yuv420p"
            for index in range(3):
                picture = av.VideoFrame.from_ndarray(frame(index, 320, 180, Fraction(25)), "rgb24")
                container.mux(stream.encode(picture))
            container.mux(stream.encode(None))
        found = quantiser_of(path, probe(path, probe_limits(Settings(), max_bytes=None)), [0], 3)
    assert found is not None
    return found


if __name__ == "__main__":
    main()
