"""The models that ship, as one plain table. Must not import torch: the API reads it too."""

from __future__ import annotations

from models.facts import ModelFacts

_ESPCN_DATA = (
    "382 openly licensed stills and 6 clips (CC BY-SA 4.0, CC BY, CC0, Unsplash, Pexels, MIT, Apache-2.0,"
    " public domain), clean and degraded with the surveillance profile; see models/weights/README.md"
)

MODELS: dict[str, ModelFacts] = {
    facts.name: facts
    for facts in (
        ModelFacts(
            name="lanczos",
            title="Lanczos-3 resampling: invents nothing",
            scales=(1, 2, 3, 4),
            tile=128,
            halo=3,
            learned=False,
            domain="any picture; the evidential rendition and the fallback",
            dtypes=("float32",),
            licence="none needed: a published formula",
        ),
        ModelFacts(
            name="espcn-x2",
            title="ESPCN x2: small and quick, sharpens what is there",
            scales=(2,),
            tile=128,
            halo=4,
            learned=True,
            domain="general scenes and surveillance footage, day and infrared",
            dtypes=("bfloat16", "float32"),
            licence="CC BY-SA 4.0, as part of its training pictures; see models/weights/README.md",
            weights="espcn-x2.safetensors",
            sha256="8dd7f78af4f19f183ba19c3f5dcd4e550dcfc1e0b74a58484b946064ed06e5c4",
            trained_on=_ESPCN_DATA,
            envelope=(
                "RGB PSNR on dev stills: clean bicubic 31.53 dB (Lanczos 30.61),"
                " surveillance profile 27.84 dB (Lanczos 27.50); not on saturated graphics"
            ),
        ),
        ModelFacts(
            name="espcn-x4",
            title="ESPCN x4: small and quick, sharpens what is there",
            scales=(4,),
            tile=128,
            halo=4,
            learned=True,
            domain="general scenes and surveillance footage, day and infrared",
            dtypes=("bfloat16", "float32"),
            licence="CC BY-SA 4.0, as part of its training pictures; see models/weights/README.md",
            weights="espcn-x4.safetensors",
            sha256="3411c6a6c453173f62dcc934016326de3fe803286d145ff8ba8962faea7a1c44",
            trained_on=_ESPCN_DATA,
            envelope=(
                "RGB PSNR on dev stills: clean bicubic 25.95 dB (Lanczos 25.38),"
                " surveillance profile 24.10 dB (Lanczos 23.81); not on saturated graphics"
            ),
        ),
    )
}


class UnknownModel(LookupError):
    """No model of that name ships. `name` is the one asked for, `known` those there are."""

    def __init__(self, name: str, known: tuple[str, ...]) -> None:
        super().__init__(f"there is no model {name!r}: use one of {', '.join(known)}")
        self.name = name
        self.known = known


def facts(name: str) -> ModelFacts:
    """Raises UnknownModel, which lists the known names."""
    try:
        return MODELS[name]
    except KeyError:
        raise UnknownModel(name, tuple(MODELS)) from None
