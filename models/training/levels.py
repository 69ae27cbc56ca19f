"""The last step of ESPCN's training: flat colours come out as they went in. A minute.

`python -m models.training.levels --scale 4 --data MEDIA --run RUN --out models/weights/espcn-x4.safetensors`

Without a skip connection levels are learned, and noisy gradients leave them one to three levels off along the curve of
tanh. Here its channels that carry colours are made straighter, and the last layer is solved for once more.
"""

from __future__ import annotations

import argparse
import logging
from dataclasses import dataclass
from pathlib import Path
from types import EllipsisType

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from models import weights_io
from models.espcn import RADIUS, Espcn
from models.training.espcn import BEST, batch
from models.training.pack import PackConfig, open_pack

STRENGTH = 30.0  # of true levels against unchanged pictures, both as mean squares
STRAIGHTER = 4.0
COLOURS = 4096
PAIRS = 300  # of the pack
log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class LevelsReport:
    """Root mean squares in levels of 255."""

    before: float  # of flat colours' errors
    after: float
    change: float  # of pictures, by the correction


@torch.no_grad()
def true_levels(net: Espcn, low: Tensor, rng: np.random.Generator) -> LevelsReport:
    """Straighten the pass-through channels, then solve the last layer anew: pictures and STRENGTH · flat colours.

    low: (N, 3, h, w) pictures in [0, 1]. They aim at what the network made of them before: aiming at the truth instead
    was measured and is worse by 0.06 dB, for few pictures stand for all.
    """
    flat = _flat(rng)
    kept = [net(one[None])[_inner(net)] for one in low]
    before = _rms(net(flat)[_inner(net)] - flat[..., :1, :1])
    straighten(net)
    count = net.last.in_channels * 9 + 1
    left = torch.zeros(count, count, dtype=torch.float64)
    right = torch.zeros(count, net.last.out_channels, dtype=torch.float64)
    for one, old in zip(low, kept, strict=True):
        heard = _heard(net, one[None])
        aim = F.pixel_unshuffle(old[0], net.scale).flatten(1).T.double()
        left += heard.T @ heard / (len(heard) * len(low))
        right += heard.T @ aim / (len(heard) * len(low))
    heard = _heard(net, flat)
    aim = flat[..., 0, 0].double().repeat_interleave(net.scale**2, dim=1)  # as pixel shuffle orders them
    left += STRENGTH * heard.T @ heard / COLOURS
    right += STRENGTH * heard.T @ aim / COLOURS
    left += torch.eye(count, dtype=torch.float64) * left.diagonal().mean() * 1e-9
    solution = torch.linalg.solve(left, right).float()
    assert net.last.bias is not None
    net.last.weight.copy_(solution[:-1].T.reshape(net.last.weight.shape))
    net.last.bias.copy_(solution[-1])
    after = _rms(net(flat)[_inner(net)] - flat[..., :1, :1])
    moved = _rms(torch.cat([net(a[None])[_inner(net)] - b for a, b in zip(low, kept, strict=True)]))
    return LevelsReport(before, after, moved)


def straighten(net: Espcn) -> None:
    """Let channels 0..2 of both hidden layers carry a fraction, and the next layer take it as much louder.

    Where tanh is straight nothing changes; elsewhere it becomes straighter by the fraction squared.
    """
    assert net.first.bias is not None
    assert net.second.bias is not None
    net.first.weight[:3] /= STRAIGHTER
    net.first.bias[:3] /= STRAIGHTER
    net.second.weight[:, :3] *= STRAIGHTER
    net.second.weight[:3] /= STRAIGHTER
    net.second.bias[:3] /= STRAIGHTER
    net.last.weight[:, :3] *= STRAIGHTER


def _heard(net: Espcn, x: Tensor) -> Tensor:
    """(windows, 289) float64: the last layer's inputs and a 1, only where no padding reaches."""
    hidden = torch.tanh(net.second(torch.tanh(net.first(x))))
    inner = hidden[..., RADIUS - 1 : 1 - RADIUS, RADIUS - 1 : 1 - RADIUS]
    windows = F.unfold(inner, 3).transpose(1, 2).flatten(0, 1).double()
    return torch.cat([windows, torch.ones(len(windows), 1, dtype=torch.float64)], dim=1)


def _inner(net: Espcn) -> tuple[EllipsisType, slice, slice]:
    edge = slice(RADIUS * net.scale, -RADIUS * net.scale)
    return ..., edge, edge


def _flat(rng: np.random.Generator) -> Tensor:
    """(COLOURS, 3, 9, 9): half anywhere in the cube, three eighths nearly grey, as most things are, an eighth grey."""
    colours = rng.uniform(-0.05, 1.05, (COLOURS, 3))
    half, eighth = COLOURS // 2, COLOURS // 8
    colours[:half] = rng.normal(0, 0.06, (half, 3)) + rng.uniform(-0.02, 1.02, (half, 1))
    colours[:eighth] = colours[:eighth, :1]
    flat = torch.from_numpy(colours.clip(0, 1).astype(np.float32))
    return flat[..., None, None].expand(-1, -1, 2 * RADIUS + 1, 2 * RADIUS + 1)


def _rms(difference: Tensor) -> float:
    return 255.0 * float((difference**2).mean().sqrt())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--scale", type=int, required=True)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--run", type=Path, required=True, help="folder of models.training.espcn")
    parser.add_argument("--cache", type=Path, help="folder of packed pairs, by default RUN")
    parser.add_argument("--out", type=Path, required=True, help="weights file to write")
    args = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    torch.set_num_threads(1)
    net = Espcn(args.scale)
    weights_io.load_into(net, args.run / BEST)
    pack = open_pack(args.data, args.cache or args.run, PackConfig(args.scale))
    rng = np.random.default_rng(1)
    low, _ = batch(pack, rng, PAIRS)
    report = true_levels(net, low, rng)
    facts = {**weights_io.metadata(args.run / BEST), "levels": "corrected in the last layer"}
    digest = weights_io.save(net.state_dict(), args.out, facts)
    log.info("%s\nsha256 %s", report, digest)


if __name__ == "__main__":
    main()
