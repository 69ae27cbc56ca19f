"""`gleaner explore`: a region of a clip on this disk, explored in this process with no Redis."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from media.probe import probe
from models.catalog import Catalog
from models.facts import ModelFacts
from models.pulse.region import Box, check_box
from models.pulse.search import SearchSettings, Step
from models.registry import load_bank
from pipeline.limits import probe_limits
from pipeline.settings import Settings
from workers.digest import sha256_of
from workers.exploration import Found, describe, explore_frame


def explore_local(
    source: Path,
    frame: int,
    box: Box,
    count: int,
    bank: str | None,
    wanted: SearchSettings,
    settings: Settings,
    on_step: Callable[[Step], bool],
) -> tuple[Found, ModelFacts]:
    """What was found, and the facts of the bank it was found in. bank: its name, None has the first there is.

    What cannot be is refused before any work where the clip's facts tell. Raises UnknownModel, MediaError,
    RegionError, FrameMissing, WeightsError, DeviceError, SearchError.
    """
    catalog = Catalog(settings.models_dir)
    facts = catalog.banks()[0] if bank is None else catalog.bank(bank)
    clip = probe(source, probe_limits(settings, max_bytes=None))
    check_box(box, *clip.display_size)
    if settings.threads:
        torch.set_num_threads(settings.threads)
    network = load_bank(facts.name, settings.device, catalog=catalog)
    return explore_frame(source, clip, frame, box, network, count, wanted, on_step), facts


def account(found: Found, bank: ModelFacts, wanted: SearchSettings, source: Path) -> dict[str, Any]:
    """What was found and how it can be found again, as JSON values."""
    return {
        **describe(found),
        "source": {"name": source.name, "sha256": sha256_of(source)},
        "bank": {"name": bank.name, "sha256": bank.sha256, "licence": bank.licence, "trained_on": bank.trained_on},
        "seed": wanted.seed,
        "steps": wanted.steps,
        "restarts": wanted.restarts,
    }
