"""A small bank in a folder of imported models. Not a test file."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

from benchmarks.pulse import random_bank
from models.catalog import Catalog
from models.facts import ModelFacts
from models.stylegan2 import StyleGan2


def import_bank(folder: Path, name: str = "small-bank", size: int = 16) -> StyleGan2:
    """The bank under its name in the folder, and itself."""
    bank = random_bank(size, channels=8, style=32)
    config = asdict(bank.sizes) | {"norm": "mmagic", "clamp": None}
    Catalog(folder).add(
        name,
        bank.state_dict(),
        ModelFacts(
            name=name,
            title="random weights",
            scales=(1,),
            tile=size,
            halo=0,
            learned=True,
            domain="tests",
            dtypes=("float32",),
            licence="none needed",
            role="bank",
            architecture="stylegan2",
            config=config,
        ),
    )
    return bank
