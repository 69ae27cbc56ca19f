"""The ladder of a stream that asks for none."""

from __future__ import annotations

import pytest

from models.catalog import Catalog
from pipeline.usual_ladder import usual_ladder


@pytest.mark.parametrize(
    ("model", "ladder"),
    [
        ("glean-s-x4", ("glean-s-x4", "espcn-x4")),
        ("espcn-x2", ("espcn-x2",)),
        ("lanczos", ("lanczos",)),
        ("nonesuch", ("nonesuch",)),
    ],
)
def test_a_dear_model_has_a_quick_one_below_it(model: str, ladder: tuple[str, ...]) -> None:
    assert usual_ladder(model, Catalog()) == ladder
