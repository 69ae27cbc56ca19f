"""`gleaner models`: which models there are."""

from __future__ import annotations


def models() -> None:
    """List the models and what was measured of them."""
    from rich.console import Console
    from rich.table import Table

    from models.catalog import MODELS

    table = Table("model", "scales", "learned", "what it is", "measured", box=None)
    for facts in MODELS.values():
        scales = ", ".join(f"×{scale}" for scale in facts.scales)
        table.add_row(facts.name, scales, "yes" if facts.learned else "no", facts.title, facts.envelope)
    Console().print(table)
