"""Writes models/measured.py, the table of what was measured of the models that ship. Measures nothing."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from models.envelope import Measured, Reading

TABLE = Path(__file__).resolve().parents[1] / "models" / "measured.py"

_HEAD = '''"""What was measured of the models that ship, and how the estimate reads each profile. Data only.

Written by `python -m benchmarks.mismatch --record`; see docs/adding-a-model.md. Not edited by hand.
"""

from __future__ import annotations

from models.envelope import Gained, Limits, Measured, Reading
'''


def write_table(conditions: Mapping[str, Reading], measured: Mapping[str, Measured], path: Path = TABLE) -> None:
    """Whole or not at all."""
    part = path.with_name(path.name + ".part")
    part.write_text("\n".join(_lines(conditions, measured)) + "\n", "utf-8")
    part.replace(path)


def _lines(conditions: Mapping[str, Reading], measured: Mapping[str, Measured]) -> Iterator[str]:
    yield _HEAD
    yield "# Medians of noise, blur, blockiness, combing and QP, by profile"
    yield "CONDITIONS: dict[str, Reading] = {"
    for profile, r in conditions.items():
        yield f'    "{profile}": Reading({r.noise!r}, {r.blur!r}, {r.blockiness!r}, {r.combing!r}, {r.quantiser!r}),'
    yield "}"
    yield ""
    yield "# By model; its gains by scale and profile: mean, low, high, share of the scenes that gain"
    yield "MEASURED: dict[str, Measured] = {"
    for model, found in measured.items():
        yield f'    "{model}": Measured('
        yield f"        sha256={_text(found.sha256)},"
        yield f"        limits={found.limits!r},"
        yield "        gains={"
        for scale, gains in found.gains.items():
            yield f"            {scale}: {{"
            for profile, g in gains.items():
                yield f'                "{profile}": Gained({g.mean!r}, {g.low!r}, {g.high!r}, {g.share!r}),'
            yield "            },"
        yield "        },"
        yield "    ),"
    yield "}"


def _text(value: str | None) -> str:
    return "None" if value is None else f'"{value}"'
