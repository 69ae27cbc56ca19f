"""Trained weights as files that `gleaner models import` takes: tensors, and facts that say what they are."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from models import facts_json, weights_io
from models.facts import ModelFacts
from models.library import METADATA
from models.stylegan2 import StyleGan2Sizes
from models.stylegan2_ops import PixelNormForm
from models.training import about
from models.training.fidelity import Gain

BATCH = 8  # tiles computed at once: the last bits of such networks depend on it
DOMAIN = "general scenes and surveillance footage, day and infrared"


def write(state: Mapping[str, Tensor], path: Path, facts: ModelFacts, more: Mapping[str, str]) -> None:
    """more: what is told of the run beside the facts."""
    weights_io.save(state, path, {METADATA: facts_json.dump(facts), **more})


def halve(source: Path, target: Path) -> str:
    """Write weights as float16 with all they say of themselves, and as the model that the file is named after.

    Returns the new file's SHA-256. What they are read as (float32 again) differs from the source by at most 2^-11 of
    each value, or 2^-25. Raises WeightsError where the source is no safetensors file or holds what float16 cannot.
    """
    state = weights_io.read(source)
    halves = {key: tensor.half() if tensor.is_floating_point() else tensor for key, tensor in state.items()}
    for key, tensor in halves.items():
        if tensor.is_floating_point() and not bool(torch.isfinite(tensor).all()):
            raise weights_io.WeightsError(f"{source.name}: {key} has values that float16 cannot hold: ship it as it is")
    return weights_io.save(halves, target, weights_io.metadata(source) | {"model": target.stem})


def glean_facts(
    architecture: str,
    config: Mapping[str, Any],
    licences: Mapping[str, int],
    gains: Mapping[str, Gain],
    goal: str = "faithful",
) -> ModelFacts:
    in_size, scale = int(config["in_size"]), int(config["out_size"]) // int(config["in_size"])
    slim = architecture == "glean-light"  # its trunk is convolutional: `python -m benchmarks.halo` of the x4 that ships
    halo, ramp = (2, 6) if slim else (in_size // 8, in_size // 8 + 2)
    measured = "; ".join(f"{name} {gain.mean:+.2f} dB RGB PSNR over bicubic" for name, gain in gains.items())
    return ModelFacts(
        name=f"{architecture}-x{scale}",
        title=f"GLEAN x{scale}, {goal}: {in_size} to {config['out_size']} pixels, trained for surveillance",
        scales=(scale,),
        tile=in_size,
        halo=halo,
        ramp=min(ramp, (in_size - 2 * halo) // 3),
        learned=True,
        domain=DOMAIN,
        dtypes=("float32",),
        licence=about.licence(licences),
        trained_on=about.trained_on(licences),
        envelope=f"middles of dev stills while training: {measured}",
        architecture=architecture,
        config=_plain(config),
        batch=BATCH,
    )


def bank_facts(sizes: StyleGan2Sizes, licences: Mapping[str, int], envelope: str) -> ModelFacts:
    return ModelFacts(
        name="bank",
        title=f"StyleGAN2 bank of {sizes.size} pixels, scenes and textures: explored, never served as an enhancer",
        scales=(1,),
        tile=sizes.size,
        halo=0,
        ramp=0,
        learned=True,
        domain="crops of everyday scenes at all scales",
        dtypes=("float32",),
        licence=about.licence(licences),
        trained_on=about.trained_on(licences),
        envelope=envelope,
        role="bank",
        architecture="stylegan2",
        config=_plain(asdict(sizes) | {"norm": PixelNormForm.MMAGIC.value, "clamp": None}),
    )


def _plain(config: Mapping[str, Any]) -> dict[str, Any]:
    """As JSON gives it back."""
    return {key: list(value) if isinstance(value, tuple) else value for key, value in config.items()}
