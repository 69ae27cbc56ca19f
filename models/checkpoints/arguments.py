"""What an NVlabs snapshot says of its generator beyond the tensors. Refuses what our network does not compute."""

from __future__ import annotations

from collections.abc import Mapping

from models.checkpoints.errors import CheckpointError
from models.checkpoints.pickles import Plain

MAPPING_RATE = 0.01
# Arguments that would change the picture, and the one value that we compute.
_WANTED: Mapping[str, Mapping[str, tuple[Plain, ...]]] = {
    "": {"c_dim": (0, None), "img_channels": (3, None)},
    "mapping_kwargs": {"lr_multiplier": (MAPPING_RATE, None), "activation": ("lrelu", None)},
    "synthesis_kwargs": {"architecture": ("skip", None), "activation": ("lrelu", None), "use_noise": (True, None)},
}


def conv_clamp(arguments: Mapping[str, Plain]) -> float | None:
    """Bound of every layer's output, None where there is none. Raises CheckpointError naming what we cannot compute."""
    for part, wanted in _WANTED.items():
        given = arguments if part == "" else _part(arguments, part)
        for name, allowed in wanted.items():
            if given.get(name) not in allowed:
                where = f"{part}.{name}" if part else name
                raise CheckpointError(
                    f"the generator has {where} = {given.get(name)!r}, we compute {allowed[0]!r} only"
                )
    clamp = _part(arguments, "synthesis_kwargs").get("conv_clamp")
    if clamp is None:
        return None
    if isinstance(clamp, bool) or not isinstance(clamp, int | float) or not 0 < clamp < 1e9:
        raise CheckpointError(f"the generator has conv_clamp = {clamp!r}, wanted a number above 0")
    return float(clamp)


def _part(arguments: Mapping[str, Plain], name: str) -> Mapping[str, Plain]:
    found = arguments.get(name)
    return found if isinstance(found, dict) else {}
