"""The ladder of a stream for which none was asked: its model, and a quick network of the same scale where there is one.

Lanczos is added by `pipeline/stream_options.py`. Pure; reads models' facts only.
"""

from __future__ import annotations

from models.catalog import Catalog, UnknownModel

DEAR = frozenset({"glean", "glean-light", "spandrel"})  # architectures a camera's rate is often too much for
QUICK = "espcn"


def usual_ladder(model: str, catalog: Catalog) -> tuple[str, ...]:
    """Names, best first. A model there is none of stands alone: who asked for it is told elsewhere."""
    try:
        facts = catalog.enhancer(model)
    except UnknownModel:
        return (model,)
    if facts.architecture not in DEAR:
        return (model,)
    scale = max(facts.scales)
    quick = [other.name for other in catalog.enhancers() if other.architecture == QUICK and scale in other.scales]
    return (model, *quick[:1])
