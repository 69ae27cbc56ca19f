"""The models that ship, as one plain table, and all there are. Must not import torch: the API reads it too."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from models.envelope import Measured
from models.facts import ModelFacts
from models.library import Library, LibraryError, check_name
from models.measured import MEASURED

WEIGHTS = Path(__file__).parent / "weights"  # of the models that ship

_LICENCE = "CC BY-SA 4.0, as part of its training pictures; see models/weights/README.md"
_CARD = "; see models/weights/README.md"
_FILES = "openly licensed stills and clips (CC BY-SA 4.0, CC BY, CC0, Unsplash, Pexels, MIT, Apache-2.0, public domain)"
_SURVEILLANCE = "general scenes and surveillance footage, day and infrared"

_ESPCN: dict[str, Any] = {
    "tile": 128,
    "halo": 4,
    "learned": True,
    "domain": _SURVEILLANCE,
    "dtypes": ("bfloat16", "float32"),
    "licence": _LICENCE,
    "architecture": "espcn",
    "trained_on": f"388 {_FILES}, clean and degraded with the surveillance profile{_CARD}",
}

_GLEAN: dict[str, Any] = {
    "tile": 64,
    "halo": 2,
    "ramp": 6,
    "batch": 8,
    "learned": True,
    "domain": _SURVEILLANCE,
    "dtypes": ("float32",),
    "licence": _LICENCE,
    "architecture": "glean-light",
    "trained_on": f"388 {_FILES}, degraded anew for each step, 17 kinds{_CARD}",
}
# The bank inside is untrained and given no weight (models/glean_silent.py): see the card.
_GLEAN_SIZES: dict[str, Any] = {
    "in_size": 64,
    "rrdb_channels": 32,
    "num_rrdbs": 4,
    "growth": 16,
    "style_channels": 128,
    "num_mlps": 4,
    "residual": True,
}


def _with_figures(facts: ModelFacts) -> ModelFacts:
    """With the limits and gains that were measured of just these weights."""
    found = MEASURED.get(facts.name)
    if found is None or found.sha256 != facts.sha256:
        return facts
    return replace(facts, limits=found.limits, gains=found.gains)


MODELS: dict[str, ModelFacts] = {
    facts.name: _with_figures(facts)
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
            architecture="lanczos",
        ),
        ModelFacts(
            name="glean-s-x4",
            title="GLEAN x4, slim, trained for surveillance: cleans and sharpens, on 64-pixel tiles",
            scales=(4,),
            weights="glean-s-x4.safetensors",
            config=_GLEAN_SIZES
            | {"out_size": 256, "channels": [64, 64, 64, 64, 48, 24, 16], "decoder_width": [32, 16]},
            sha256="3dac0037b348cfc4f0eba7746a49cf4aa087d483b7bf051d8587a4a915c40022",
            vivid="glean-s-x4-vivid.safetensors",
            vivid_sha256="99e4976fcbd994739d6a61fcf86aa9f0fe40636a5b28cfdf5eca85b1bc55c4cc",
            envelope="gain over bicubic in RGB PSNR on the dev split, by degradation: gleaner models show glean-s-x4",
            **_GLEAN,
        ),
        ModelFacts(
            name="glean-s-x2",
            title="GLEAN x2, slim, trained for surveillance: cleans and sharpens, on 64-pixel tiles",
            scales=(2,),
            weights="glean-s-x2.safetensors",
            config=_GLEAN_SIZES | {"out_size": 128, "channels": [64, 64, 64, 64, 48, 24], "decoder_width": [32]},
            sha256="cb778281365bfb802fd2ae9993f9eb5537d40c956eeec2e9b3dba997206f8f6f",
            envelope="gain over bicubic in RGB PSNR on the dev split, by degradation: gleaner models show glean-s-x2",
            **_GLEAN,
        ),
        ModelFacts(
            name="espcn-x2",
            title="ESPCN x2: small and quick, sharpens what is there",
            scales=(2,),
            weights="espcn-x2.safetensors",
            config={"scale": 2},
            sha256="8dd7f78af4f19f183ba19c3f5dcd4e550dcfc1e0b74a58484b946064ed06e5c4",
            envelope=(
                "RGB PSNR on dev stills: clean bicubic 31.53 dB (Lanczos 30.61),"
                " surveillance profile 27.84 dB (Lanczos 27.50); not on saturated graphics"
            ),
            **_ESPCN,
        ),
        ModelFacts(
            name="espcn-x4",
            title="ESPCN x4: small and quick, sharpens what is there",
            scales=(4,),
            weights="espcn-x4.safetensors",
            config={"scale": 4},
            sha256="3411c6a6c453173f62dcc934016326de3fe803286d145ff8ba8962faea7a1c44",
            envelope=(
                "RGB PSNR on dev stills: clean bicubic 25.95 dB (Lanczos 25.38),"
                " surveillance profile 24.10 dB (Lanczos 23.81); not on saturated graphics"
            ),
            **_ESPCN,
        ),
        ModelFacts(
            name="bank-64",
            title="StyleGAN2 bank of 64 pixels: surfaces and textures, no objects; explored, never an enhancer",
            scales=(1,),
            tile=64,
            halo=0,
            ramp=0,
            learned=True,
            domain="crops of everyday scenes at all scales",
            dtypes=("float32",),
            licence=_LICENCE,
            weights="bank-64.safetensors",
            role="bank",
            architecture="stylegan2",
            config={
                "channels": [64, 64, 64, 64, 48],
                "style_dim": 128,
                "latent_dim": 128,
                "mapping_layers": 4,
                "norm": "mmagic",
                "clamp": None,
            },
            sha256="8254499af21c4e0fb7ef388608733e04b620aae472d66cf66ca10e1703af32ab",
            trained_on=f"388 {_FILES}{_CARD}",
            envelope="40,000 pictures seen; patch distance 107.4 where two sets of real crops have 31.5",
        ),
    )
}


class UnknownModel(LookupError):
    """There is no model of that name. `name` is the one asked for, `known` those there are."""

    def __init__(self, name: str, known: tuple[str, ...]) -> None:
        super().__init__(f"there is no model {name!r}: use one of {', '.join(known)}")
        self.name = name
        self.known = known


def facts(name: str) -> ModelFacts:
    """Of a model that ships. Raises UnknownModel, which lists the known names."""
    try:
        return MODELS[name]
    except KeyError:
        raise UnknownModel(name, tuple(MODELS)) from None


class Catalog:
    """Every model there is now: those that ship and those imported into `folder` (None: only those that ship).

    The folder is looked at anew at each call, so that an imported model is there at once and a removed one is gone; of
    a file that has not changed since, nothing but its name, size and time is read again. A file that is damaged or not
    ours is passed over with a warning in the log. One instance a process; threads may share it.
    """

    def __init__(self, folder: Path | None = None) -> None:
        self._library = None if folder is None else Library(folder)

    @property
    def folder(self) -> Path | None:
        """Of imported models; it need not exist."""
        return None if self._library is None else self._library.folder

    def all(self) -> tuple[ModelFacts, ...]:
        """Those that ship first, then the imported ones by name."""
        imported = () if self._library is None else self._library.all()
        return (*MODELS.values(), *(facts for facts in imported if facts.name not in MODELS))

    def enhancers(self) -> tuple[ModelFacts, ...]:
        """What a clip can be enhanced with."""
        return tuple(facts for facts in self.all() if facts.role == "enhancer")

    def banks(self) -> tuple[ModelFacts, ...]:
        """StyleGAN2 generators, to be explored. Imported ones first: the first is taken where none is named."""
        found = [facts for facts in self.all() if facts.role == "bank"]
        return tuple(sorted(found, key=lambda facts: facts.name in MODELS))

    def facts(self, name: str) -> ModelFacts:
        """Of any model. Raises UnknownModel."""
        return _named(name, self.all())

    def enhancer(self, name: str) -> ModelFacts:
        """Of one that enhances clips. Raises UnknownModel, for a bank too, and lists the others."""
        return _named(name, self.enhancers())

    def bank(self, name: str) -> ModelFacts:
        """Of a bank. Raises UnknownModel, for an enhancer too, and lists the banks."""
        return _named(name, self.banks())

    def add(
        self, name: str, state: Mapping[str, Any], facts: ModelFacts, vivid: Mapping[str, Any] | None = None
    ) -> ModelFacts:
        """Import a model, see `Library.add`; never under a name that ships."""
        self.check_free(name)
        return self._folder().add(name, state, facts, vivid)

    def check_free(self, name: str) -> None:
        """Raises LibraryError where no model can be added under the name, now."""
        library = self._folder()
        check_name(name)
        if name in MODELS:
            raise LibraryError(f"{name} ships with Gleaner: choose another name")
        library.check_free(name)

    def remove(self, name: str) -> None:
        """Remove an imported model; those that ship stay. Raises LibraryError."""
        library = self._folder()
        if name in MODELS:
            raise LibraryError(f"{name} ships with Gleaner and cannot be removed")
        library.remove(name)

    def record(self, name: str, measured: Measured) -> ModelFacts:
        """Keep limits and gains in an imported model's file, see `Library.record`. Raises LibraryError."""
        library = self._folder()
        if name in MODELS:
            raise LibraryError(f"{name} ships with Gleaner: its figures lie in models/measured.py")
        return library.record(name, measured)

    def _folder(self) -> Library:
        if self._library is None:
            raise LibraryError("there is no folder for imported models: set GLEANER_MODELS_DIR")
        return self._library

    def weights(self, facts: ModelFacts) -> Path | None:
        """Where the weights of a model of this catalog lie; None where it has none."""
        return None if facts.weights is None else self._beside(facts) / facts.weights

    def vivid(self, facts: ModelFacts) -> Path | None:
        """Where the weights of its vivid training lie; None where it has none."""
        return None if facts.vivid is None else self._beside(facts) / facts.vivid

    def _beside(self, facts: ModelFacts) -> Path:
        return WEIGHTS if self._library is None or facts.name in MODELS else self._library.folder


def _named(name: str, among: tuple[ModelFacts, ...]) -> ModelFacts:
    for facts in among:
        if facts.name == name:
            return facts
    raise UnknownModel(name, tuple(facts.name for facts in among))
