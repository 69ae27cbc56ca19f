"""Small GLEANs with random weights of realistic size, imported into a folder of models. Not a test file."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import torch

from benchmarks.realistic import realistic
from models.catalog import Catalog
from models.glean import Glean, GleanConfig
from models.glean_light import GleanLight, GleanLightConfig
from models.importing import import_model
from tests.models.model_maker import mmedit

CONFIGS: dict[str, GleanConfig | GleanLightConfig] = {
    "glean-16": GleanConfig(16, 64, 3, 16, 2, 64, 1, channel_cap=32),
    "glean-32": GleanConfig(32, 128, 3, 12, 1, 48, 1, channel_cap=16),
    "glean-64": GleanConfig(64, 256, 3, 8, 1, 32, 1, channel_cap=8),
    "light-32": GleanLightConfig(
        32, 128, rrdb_channels=16, num_rrdbs=2, growth=8, channels=(32, 32, 32, 32, 24, 16), style_channels=32,
        num_mlps=1, decoder_width=16,
    ),
}  # fmt: skip


@cache
def network(name: str) -> Glean | GleanLight:
    """The network of that name; one and the same for all callers, so not to be changed."""
    config = CONFIGS[name]
    return realistic(Glean(config)) if isinstance(config, GleanConfig) else realistic(GleanLight(config))


def import_all(folder: Path) -> Path:
    """A folder of models with all of `CONFIGS`, imported from checkpoints beside it."""
    catalog = Catalog(folder / "models")
    for name in CONFIGS:
        torch.save(mmedit(network(name).state_dict()), folder / f"{name}.pth")
        import_model(folder / f"{name}.pth", name, catalog)
    return folder / "models"
