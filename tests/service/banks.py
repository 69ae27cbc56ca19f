"""Imported models as files made of bytes, for where no torch and no safetensors are. Not a test file."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

from models import facts_json
from models.facts import ModelFacts
from models.library import METADATA


def write_bank(folder: Path, name: str = "toy", size: int = 32, **config: Any) -> ModelFacts:
    """Facts of a bank that draws `size` pixels, with a few bytes for weights. It can be asked for, not run."""
    channels = [8] * (size.bit_length() - 2)
    facts = ModelFacts(
        name=name,
        title="A toy",
        scales=(1,),
        tile=size,
        halo=0,
        learned=True,
        domain="nothing",
        dtypes=("float32",),
        licence="CC0",
        trained_on="nothing",
        role="bank",
        architecture="stylegan2",
        config={"channels": channels, "style_dim": 8, "latent_dim": 8, "mapping_layers": 1} | config,
    )
    return write_model(folder, facts)


def write_model(folder: Path, facts: ModelFacts) -> ModelFacts:
    """A model of these facts, with a few bytes for weights. It can be asked for, not run."""
    tensors = {"w": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}}
    header = json.dumps({"__metadata__": {METADATA: facts_json.dump(facts)}, **tensors}).encode()
    content = len(header).to_bytes(8, "little") + header + bytes(4)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{facts.name}.sha256").write_text(hashlib.sha256(content).hexdigest())
    (folder / f"{facts.name}.safetensors").write_bytes(content)
    return facts
