"""Which form of a network a CPU runs, as written or quick (`models/quick.py`), and in which precision.

Measured once for each network, machine and number of threads, and remembered in a file beside the imported models: all
workers that share the folder then compute alike, to the last bit. Nothing is compiled. Knows no queues and no clips.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import platform
import statistics
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import structlog
import torch
from torch import Tensor, nn

from models.devices import lay_out
from models.facts import ModelFacts
from models.quick import quick_form
from models.quick_conv import takes

log = structlog.get_logger(__name__)

FILE = "speed.json"  # in the folder of imported models
ROUNDS = 5  # of the measurement, forms taking turns; the median counts
MARGIN = 1.1  # so much quicker another form must be than the one that is preferred anyway
CLOSE = 1e-4  # greatest difference of a form to the network as written in float32, over the greatest output
CLOSE_BFLOAT16 = 0.05  # the same for bfloat16, RMS over the standard deviation

_DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16}


def choose(
    network: nn.Module, facts: ModelFacts, scale: int, dtype: torch.dtype, folder: Path | None
) -> tuple[nn.Module, torch.dtype]:
    """The form to run on the CPU and the type to compute in.

    network: of RGB in [0, 1], as `models.registry.build` gives it; dtype: the best that it is measured in and that the
    CPU has. folder: where the choice is remembered; where it is None, missing or read-only, the first form that gives
    the network's numbers is taken unmeasured, so that processes agree there too.
    """
    lay_out(network.eval())
    quick = quick_form(network) if takes(torch.float32) else None
    if quick is None:
        return network, dtype
    # Bfloat16 first where the CPU has it; quick first, for it is so on every machine measured.
    names = ["bfloat16", "float32"] if dtype == torch.bfloat16 else ["float32"]
    forms = {f"{name} {form}": net for name in names for form, net in (("quick", quick), ("plain", network))}
    key = f"{_machine()}, {torch.get_num_threads()} threads: {_network_key(facts, scale)} {'/'.join(names)}"
    x = _picture(facts.tile)
    chosen = _remembered(key, forms, network, x, folder)
    return forms[chosen], _DTYPES[chosen.split()[0]]


def _remembered(key: str, forms: Mapping[str, nn.Module], network: nn.Module, x: Tensor, folder: Path | None) -> str:
    """The form's name from the file, measured and written there if it is not in it."""
    if folder is None or not folder.is_dir():
        return _right(forms, network, x)[0]
    path = folder / FILE
    try:
        # Who comes meanwhile waits, and finds the choice made: two processes must not choose differently.
        with path.open("a+", encoding="utf-8") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            file.seek(0)
            known = _parsed(file.read())
            entry = known.get(key)
            if isinstance(entry, dict) and entry.get("form") in forms:
                return str(entry["form"])
            known[key] = entry = _measured(forms, network, x)
            text = json.dumps(known, indent=1, sort_keys=True)
            file.truncate(0)
            file.write(text + "\n")
            return str(entry["form"])
    except OSError as error:
        log.warning("choice of a network's form cannot be kept", file=FILE, error=error.strerror)
        return _right(forms, network, x)[0]


def _parsed(text: str) -> dict[str, Any]:
    try:
        known = json.loads(text or "{}")
    except ValueError:  # whatever it was, it is written anew
        known = {}
    return known if isinstance(known, dict) else {}


def _measured(forms: Mapping[str, nn.Module], network: nn.Module, x: Tensor) -> dict[str, Any]:
    """{"form": the quickest one, "ms": {form: median of a tile}}. The first, preferred, must be beaten by MARGIN."""
    names = _right(forms, network, x)
    # With one thread its CPU time, which hardly depends on what else the machine does.
    now = time.thread_time if torch.get_num_threads() == 1 else time.perf_counter
    seconds: dict[str, list[float]] = {name: [] for name in names}
    for _ in range(ROUNDS if len(names) > 1 else 0):
        for name in names:
            began = now()
            _run(forms[name], x, name)
            seconds[name].append(now() - began)
    medians = {name: statistics.median(each) for name, each in seconds.items() if each}
    best = names[0]
    for name in names[1:]:
        if medians[name] * MARGIN < medians[best]:
            best = name
    return {"form": best, "ms": {name: round(1000 * each, 2) for name, each in medians.items()}}


def _right(forms: Mapping[str, nn.Module], network: nn.Module, x: Tensor) -> list[str]:
    """The forms that give the network's numbers, in order of preference; the network itself always does."""
    wanted = _run(network, x, "float32")
    return [name for name, form in forms.items() if form is network or _gives(form, x, name, wanted)]


def _gives(form: nn.Module, x: Tensor, name: str, wanted: Tensor) -> bool:
    try:
        difference = _run(form, x, name) - wanted
    except RuntimeError as error:  # calls of oneDNN that this CPU lacks after all
        log.warning("form of a network does not run", form=name, error=str(error))
        return False
    if name.startswith("bfloat16"):
        return bool(difference.square().mean().sqrt() <= CLOSE_BFLOAT16 * wanted.std())
    return bool(difference.abs().max() <= CLOSE * wanted.abs().max())


@torch.inference_mode()
def _run(form: nn.Module, x: Tensor, name: str) -> Tensor:
    with torch.autocast("cpu", dtype=torch.bfloat16, enabled=name.startswith("bfloat16")):
        out: Tensor = form(x)
    return out.float()


def _picture(tile: int) -> Tensor:
    """(1, 3, tile, tile) in [0, 1], the same each time."""
    random = torch.Generator().manual_seed(0)
    return torch.rand(1, 3, tile, tile, generator=random).contiguous(memory_format=torch.channels_last)


def _network_key(facts: ModelFacts, scale: int) -> str:
    """Says what decides about speed: shapes, not weights."""
    shape = json.dumps([dict(facts.config), facts.tile, scale], sort_keys=True, default=str)
    return f"{facts.architecture} {facts.tile} x{scale} {hashlib.sha256(shape.encode()).hexdigest()[:12]}"


def _machine() -> str:
    name = platform.machine()
    try:
        lines = Path("/proc/cpuinfo").read_text("utf-8", "replace").splitlines()
    except OSError:
        lines = []
    for line in lines:
        if line.startswith("model name"):
            name = line.partition(":")[2].strip()
            break
    return f"{name}, {torch.backends.cpu.get_cpu_capability()}, torch {torch.__version__}"
