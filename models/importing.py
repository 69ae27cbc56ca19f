"""A checkpoint of any known kind into the folder of imported models. Knows no command and no service.

Whose keys they are is `checkpoints/layouts.py`'s concern; here become of them our keys, an architecture and facts.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from models import community, facts_json, registry, weights_io
from models.catalog import Catalog
from models.checkpoints import arguments, files, glean_sizes, keys, layouts
from models.checkpoints.errors import CheckpointError, UnknownNetwork
from models.checkpoints.files import Checkpoint
from models.checkpoints.layouts import Layout, Network
from models.espcn import RADIUS
from models.facts import RAMP, ModelFacts
from models.facts_json import FactsError
from models.glean import Glean
from models.glean_light import GleanLight
from models.library import METADATA
from models.registry import AVERAGE, ArchitectureError
from models.weights_io import WeightsError

State = dict[str, Tensor]

UNSTATED = "not stated at the import; ask where the weights come from"
UNMEASURED = "not measured here"
BATCH = 8  # tiles that a GPU computes at once with a network whose last bits depend on it; a CPU computes one


@dataclass(frozen=True, slots=True)
class Imported:
    facts: ModelFacts
    ignored: tuple[str, ...]  # what else the file holds, by first name


@dataclass(frozen=True, slots=True)
class Wording:
    """What no file tells of itself, None: not given."""

    title: str | None = None
    licence: str | None = None
    trained_on: str | None = None


def import_model(
    path: Path,
    name: str,
    catalog: Catalog,
    wording: Wording = Wording(),
    *,
    vivid: Path | None = None,
    max_bytes: int = files.MAX_BYTES,
) -> Imported:
    """Read a checkpoint, check every key, run the network once, and keep it as `name`.

    vivid: checkpoint of a second training of the same network, which option `detail` goes towards. Raises LibraryError
    for the name, CheckpointError for a file (damaged, hostile, of no known network, not fitting, or giving what is no
    picture); then nothing was kept.
    """
    catalog.check_free(name)
    facts, state, ignored = _checked(path, name, wording, max_bytes)
    partner = None
    if vivid is not None:
        theirs, partner, _ = _checked(vivid, name, wording, max_bytes)
        try:
            _check_partner(facts, theirs)
            weights_io.check_partner(state, partner, vivid.name)
        except (CheckpointError, WeightsError) as error:
            raise CheckpointError(f"{vivid.name} cannot be the vivid training of {path.name}: {error}") from error
    return Imported(catalog.add(name, state, facts, partner), ignored)


def _checked(path: Path, name: str, wording: Wording, max_bytes: int) -> tuple[ModelFacts, State, tuple[str, ...]]:
    """A checkpoint's facts and tensors, of a network that was run once. Raises CheckpointError."""
    checkpoint = files.read(path, max_bytes=max_bytes)
    try:
        facts, state, ignored = _own(checkpoint) or _others(checkpoint)
        said = {key: value for key, value in asdict(wording).items() if value is not None}
        facts = replace(facts, name=name, **said)
        facts_json.parse(facts_json.dump(facts))
        _try_out(registry.build(facts, facts.scales[0], state), facts)
    except (CheckpointError, FactsError, ArchitectureError, WeightsError) as error:
        raise CheckpointError(f"{path.name}: {error}") from error
    return facts, state, ignored


def _check_partner(facts: ModelFacts, vivid: ModelFacts) -> None:
    """Raises CheckpointError where these are not facts of one network, and one that enhances."""
    if facts.role != "enhancer":
        raise CheckpointError(f"the first is of the role {facts.role}, and only what enhances has detail")
    for fact in ("architecture", "config", "scales", "tile"):
        if (ours := getattr(facts, fact)) != (theirs := getattr(vivid, fact)):
            raise CheckpointError(f"its {fact} is {theirs!r:.200}, not {ours!r:.200}")


def _own(checkpoint: Checkpoint) -> tuple[ModelFacts, State, tuple[str, ...]] | None:
    """A file that we wrote says itself what it is; its origin stays that of the first import."""
    text = checkpoint.metadata.get(METADATA)
    if text is None:
        return None
    return facts_json.parse(text), weights_io.widened(checkpoint.groups[files.TOP]), ()


def _others(checkpoint: Checkpoint) -> tuple[ModelFacts, State, tuple[str, ...]]:
    facts, state, ignored = _recognised(checkpoint)
    return replace(facts, origin=_printable(checkpoint.name), origin_sha256=checkpoint.sha256), state, ignored


def _recognised(checkpoint: Checkpoint) -> tuple[ModelFacts, State, tuple[str, ...]]:
    try:
        network = layouts.recognise(checkpoint.groups)
    except UnknownNetwork as unknown:
        try:
            return *_community(checkpoint), ()
        except (community.ExtraMissing, community.CommunityError) as error:
            raise CheckpointError(f"{unknown}; {error}") from error
    if network.layout is Layout.GLEAN:
        facts, state = _glean(network)
    elif network.layout is Layout.GLEAN_LIGHT:
        facts, state = _glean_light(network)
    elif network.layout in (Layout.ESPCN, Layout.ESPCN_PARTS):
        facts, state = _espcn(network)
    else:
        facts, state = _bank(network, checkpoint)
    return facts, state, network.ignored


def _community(checkpoint: Checkpoint) -> tuple[ModelFacts, State]:
    group = next(name for name in (*layouts.GROUPS, *checkpoint.groups) if checkpoint.groups.get(name))
    state = {}
    for key, tensor in checkpoint.groups[group].items():
        state[key] = tensor.float().contiguous() if tensor.is_floating_point() else tensor.contiguous()
        if not bool(torch.isfinite(state[key]).all()):
            raise CheckpointError(f"{key} has values that are not finite")
    found = community.build(state)
    halo, enough = community.measured_halo(found)
    common = _common("spandrel", f"{found.identity} x{found.scale}, through spandrel", {"identity": found.identity})
    beyond = f"halo of {halo} pixels measured at the import" + ("" if enough else ": what is farther away still shows")
    common["envelope"] = f"{UNMEASURED}; {beyond}"
    return ModelFacts(**common, scales=(found.scale,), tile=found.tile, halo=halo, ramp=RAMP, batch=1), state


def _glean(network: Network) -> tuple[ModelFacts, State]:
    config = glean_sizes.glean_config(network.state)
    with torch.device("meta"):
        shapes = _shapes(Glean(config))
    state = keys.fit(network.state, shapes)
    title = f"GLEAN x{config.scale}: {config.in_size} to {config.out_size} pixels, invents detail from its bank"
    return _tiled("glean", title, config.in_size, config.scale, asdict(config)), state


def _glean_light(network: Network) -> tuple[ModelFacts, State]:
    config = glean_sizes.glean_light_config(network.state)
    with torch.device("meta"):
        shapes = _shapes(GleanLight(config))
    state = keys.fit(network.state, shapes)
    title = f"slim GLEAN x{config.scale}: {config.in_size} to {config.out_size} pixels, invents detail from its bank"
    return _tiled("glean-light", title, config.in_size, config.scale, asdict(config)), state


def _tiled(architecture: str, title: str, in_size: int, scale: int, config: Mapping[str, Any]) -> ModelFacts:
    """Facts of a network that takes exactly in_size pixels.

    No pixel of its output is free of any pixel of its input, so the halo is no receptive radius but a convention: an
    eighth of the tile, where zero padding shows most. Beyond the halos neighbours are blended over as much and a bit.
    """
    halo = in_size // 8
    return ModelFacts(
        **_common(architecture, title, config),
        scales=(scale,),
        tile=in_size,
        halo=halo,
        ramp=min(halo + 2, (in_size - 2 * halo) // 3),  # no pixel is taken from more than two tiles of an axis
        batch=BATCH,
    )


def _espcn(network: Network) -> tuple[ModelFacts, State]:
    found = keys.espcn_to_ours(network.layout, network.state)
    if found.channels not in (1, 3):
        raise CheckpointError(f"an ESPCN of {found.channels} channels: wanted 1 (luma) or 3 (RGB)")
    of_luma = found.channels == 1
    title = f"ESPCN x{found.scale}{' of luma, chroma bicubic' if of_luma else ''}: sharpens what is there"
    common = _common("espcn-y" if of_luma else "espcn", title, {"scale": found.scale})
    return ModelFacts(**common, scales=(found.scale,), tile=128, halo=RADIUS, ramp=RAMP), found.state


def _bank(network: Network, checkpoint: Checkpoint) -> tuple[ModelFacts, State]:
    found = keys.to_mmagic(network.layout, network.state, network.average)
    sizes = found.sizes.network
    clamp = arguments.conv_clamp(checkpoint.arguments.get(network.group, {}))
    title = f"StyleGAN2 bank of {sizes.size} pixels: explored, never served as an enhancer"
    common = _common("stylegan2", title, asdict(sizes) | {"norm": found.norm.value, "clamp": clamp})
    state = found.state if found.average is None else found.state | {AVERAGE: found.average}
    return ModelFacts(**common, scales=(1,), tile=sizes.size, halo=0, ramp=0, role="bank"), state


def _common(architecture: str, title: str, config: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "name": "",
        "title": title,
        "learned": True,
        "domain": "what it was trained on",
        "dtypes": ("float32",),  # bfloat16 is for what was measured in it
        "licence": UNSTATED,
        "trained_on": "not stated at the import",
        "envelope": UNMEASURED,
        "architecture": architecture,
        "config": _plain(config),
    }


def _plain(config: Mapping[str, Any]) -> dict[str, Any]:
    """As JSON gives it back."""
    return {key: list(value) if isinstance(value, tuple) else value for key, value in config.items()}


def _shapes(network: nn.Module) -> dict[str, tuple[int, ...]]:
    return {key: tuple(tensor.shape) for key, tensor in network.state_dict().items()}


def _printable(name: str) -> str:
    return "".join(c if c.isprintable() else "?" for c in name)[:255]


@torch.inference_mode()
def _try_out(network: nn.Module, facts: ModelFacts) -> None:
    """Run the network once on a smooth picture. Raises CheckpointError where nothing finite comes of it."""
    network.eval()
    if facts.role == "bank":
        values: Tensor = network(torch.zeros(1, facts.config["latent_dim"]))
        wanted: tuple[int, ...] = (1, 3, facts.tile, facts.tile)
    else:
        ramp = torch.linspace(0.2, 0.8, facts.tile)
        values = network(ramp[None, None, None, :].expand(1, 3, facts.tile, -1))
        wanted = (1, 3, facts.tile * facts.scales[0], facts.tile * facts.scales[0])
    if tuple(values.shape) != wanted:
        raise CheckpointError(f"the network gives {tuple(values.shape)}, its facts say {wanted}")
    if not bool(torch.isfinite(values).all()):
        raise CheckpointError("the network gives values that are not finite for a smooth picture")
