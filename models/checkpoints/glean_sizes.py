"""The sizes of a GLEAN, read off the shapes of its weights alone. Pure; knows no files and computes nothing.

Whether all keys and shapes agree with the sizes found is for `keys.fit` to say.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from torch import Tensor

from models.checkpoints.errors import CheckpointError
from models.checkpoints.keys import axis, generator_sizes
from models.glean import GleanConfig
from models.glean_light import GleanLightConfig

MAX_RRDBS = 64
MAX_STEPS = 10  # halvings or doublings between 4 and 1024 pixels, and one more
_BANK = "generator."


def glean_config(state: Mapping[str, Tensor]) -> GleanConfig:
    """Of mmagic's GLEANStyleGANv2, prefix off, any channel table. Raises CheckpointError naming key or size."""
    bank = generator_sizes(_bank(state))
    try:
        return GleanConfig(
            in_size=1 << _count(state, r"encoder\.(\d+)\.", MAX_STEPS),
            out_size=bank.out_size,
            img_channels=axis(state, "encoder.0.0.conv_first.weight", 4, 1),
            rrdb_channels=axis(state, "encoder.0.0.conv_first.weight", 4, 0),
            num_rrdbs=_count(state, r"encoder\.0\.0\.body\.(\d+)\.", MAX_RRDBS),
            style_channels=bank.style,
            num_mlps=bank.mapping,
            table=bank.channels,
        )
    except ValueError as error:
        raise CheckpointError(f"no GLEAN has such sizes: {error}") from error


def glean_light_config(state: Mapping[str, Tensor], *, residual: bool = True) -> GleanLightConfig:
    """Of our slim form. residual: what no shape tells. Raises CheckpointError naming key or size."""
    bank = generator_sizes(_bank(state))
    steps = _count(state, r"decoder\.(\d+)\.", MAX_STEPS) - 1
    try:
        return GleanLightConfig(
            in_size=bank.out_size >> steps,
            out_size=bank.out_size,
            rrdb_channels=axis(state, "encoder.0.conv_first.weight", 4, 0),
            num_rrdbs=_count(state, r"encoder\.0\.body\.(\d+)\.", MAX_RRDBS),
            growth=axis(state, "encoder.0.body.0.rdb1.conv1.weight", 4, 0),
            channels=bank.channels,
            style_channels=bank.style,
            num_mlps=bank.mapping,
            decoder_width=tuple(
                axis(state, f"decoder.{i}.upsample_conv.weight", 4, 0) // 4 for i in range(max(0, steps))
            ),
            residual=residual,
        )
    except ValueError as error:
        raise CheckpointError(f"no slim GLEAN has such sizes: {error}") from error


def _bank(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {key.removeprefix(_BANK): tensor for key, tensor in state.items() if key.startswith(_BANK)}


def _count(state: Mapping[str, Tensor], pattern: str, most: int) -> int:
    """Members of a list, by the largest index among the keys; 0 where there is none."""
    count = 1 + max((int(found[1]) for key in state if (found := re.match(pattern, key))), default=-1)
    if count > most:
        raise CheckpointError(f"{pattern.replace(chr(92), '')} reaches {count - 1}, wanted at most {most - 1}")
    return count
