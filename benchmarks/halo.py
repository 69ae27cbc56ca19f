"""How far a GLEAN's tiles can be trusted towards their edges: `python -m benchmarks.halo --weights FILE`.

The middle tile of each dev scene is compared with four tiles shifted by a quarter, in which the same pixels lie 16 rows
farther from an edge: by how much they differ, and how much nearer to the truth the farther ones are. The halo and the
ramp in the weights' facts are chosen by it.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from models import weights_io
from models.glean_light import FoldedGleanLight, GleanLight, GleanLightConfig
from models.glean_silent import SilentGleanLight, fold_for_service
from models.library import METADATA
from models.training.fidelity import dev_scenes

DEFAULT = Path(__file__).resolve().parents[2] / "shared" / "media"
ROWS = 12  # told of
LEVELS = 127.5  # 8-bit levels of [-1, 1]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--weights", type=Path, required=True, help="of a slim GLEAN, as training leaves or ships it")
    parser.add_argument("--data", type=Path, default=DEFAULT, help="media folder with a manifest.json")
    parser.add_argument("--every", type=int, default=4, help="take only every so manieth scene")
    given = parser.parse_args()
    torch.set_num_threads(1)
    network = _network(given.weights)
    scale, tile = network.config.scale, network.config.in_size
    sums: dict[str, list[np.ndarray]] = {}
    for scene in dev_scenes(given.data, scale, tile)[:: given.every]:
        for name, low in scene.low.items():
            sums.setdefault(name, []).append(_by_row(network, low, scene.target[name]))
    out = sys.stdout
    out.write("| row from the edge | " + " | ".join(f"{name}: difference, levels | dB lost" for name in sums) + " |\n")
    out.write("|---" * (1 + 2 * len(sums)) + "|\n")
    means = {name: np.mean(rows, axis=0) for name, rows in sums.items()}
    for row in range(ROWS):
        cells = [
            f"{means[name][row, 0] ** 0.5:.2f} | {10 * np.log10(means[name][row, 1] / means[name][row, 2]):.3f}"
            for name in means
        ]
        out.write(f"| {row} | {' | '.join(cells)} |\n")


def _network(path: Path) -> FoldedGleanLight | SilentGleanLight:
    facts = json.loads(weights_io.metadata(path)[METADATA])
    network = GleanLight(GleanLightConfig(**facts["config"])).eval()
    state = {key: value for key, value in weights_io.read(path).items() if not key.startswith("average.")}
    network.load_state_dict(state)
    return fold_for_service(network)


@torch.inference_mode()
def _by_row(network: FoldedGleanLight | SilentGleanLight, low: Tensor, target: Tensor) -> np.ndarray:
    """(ROWS, 3): mean squares of difference, of the middle tile's error and of the shifted tiles', by input row."""
    config = network.config
    tile, s = config.in_size, config.scale
    quarter, half = tile // 4, tile // 2
    middle = network(low[:, :, quarter : quarter + tile, quarter : quarter + tile])
    far = torch.empty_like(middle)
    for y in (0, 1):
        for x in (0, 1):
            shifted = network(low[:, :, y * half : y * half + tile, x * half : x * half + tile])
            there = [
                slice((quarter - v * half) * s + v * half * s, (quarter - v * half + half) * s + v * half * s)
                for v in (y, x)
            ]
            here = [slice(v * half * s, (v + 1) * half * s) for v in (y, x)]
            far[:, :, here[0], here[1]] = shifted[:, :, there[0], there[1]]
    truth = target[:, :, quarter * s : (quarter + tile) * s, quarter * s : (quarter + tile) * s]
    line = torch.arange(tile * s)
    near = torch.minimum(line, tile * s - 1 - line)
    row = torch.minimum(near[:, None], near[None, :]) // s
    squares = [((a - b) * LEVELS).square().mean(1)[0] for a, b in ((middle, far), (middle, truth), (far, truth))]
    return np.array([[float(square[row == r].mean()) for square in squares] for r in range(ROWS)])


if __name__ == "__main__":
    main()
