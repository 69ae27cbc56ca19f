"""Small networks with random weights, as files to import. Not a test file."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor, nn

from models.espcn import Espcn
from models.glean import Glean, GleanConfig
from models.glean_light import GleanLight, GleanLightConfig

TINY = GleanConfig(16, 64, rrdb_channels=6, num_rrdbs=2, style_channels=5, num_mlps=1, table=(8, 9, 10, 11, 12))
LIGHT = GleanLightConfig(
    16, 64, rrdb_channels=6, num_rrdbs=2, growth=3, channels=(8, 9, 10, 11, 12), style_channels=5, num_mlps=1,
    decoder_width=(7, 4),
)  # fmt: skip


def seeded(network: Callable[..., nn.Module], *arguments: object, seed: int = 0) -> nn.Module:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return network(*arguments)


def glean(config: GleanConfig = TINY, seed: int = 0) -> Glean:
    network = seeded(Glean, config, seed=seed)
    assert isinstance(network, Glean)
    return network


def mmedit(state: dict[str, Tensor]) -> dict[str, object]:
    """As MMEditing saves a restorer: its generator under a prefix, beside what only training needs."""
    others = {"discriminator.convs.0.weight": torch.zeros(2), "perceptual_loss.vgg.mean": torch.zeros(3)}
    return {"meta": {"epoch": 1}, "state_dict": {f"generator.{key}": t for key, t in state.items()} | others}


def write_glean(path: Path, config: GleanConfig = TINY, seed: int = 0, *, legacy: bool = True) -> Path:
    torch.save(mmedit(glean(config, seed).state_dict()), path, _use_new_zipfile_serialization=not legacy)
    return path


def port_of_espcn(scale: int) -> dict[str, Tensor]:
    """Luma only, under the common port's keys."""
    names = {"first": "first_part.0", "second": "first_part.2", "last": "last_part.0"}
    state = seeded(Espcn, scale, 1).state_dict()
    return {f"{names[key.split('.')[0]]}.{key.split('.')[1]}": tensor for key, tensor in state.items()}


def light(seed: int = 0) -> GleanLight:
    network = seeded(GleanLight, LIGHT, seed=seed)
    assert isinstance(network, GleanLight)
    return network


def write_light(path: Path, seed: int = 0) -> Path:
    torch.save(mmedit(light(seed).state_dict()), path)
    return path
