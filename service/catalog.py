"""The route of the models: what can be asked for. Facts only; no network is loaded."""

from __future__ import annotations

from dataclasses import asdict

from fastapi import APIRouter

from models.facts import ModelFacts
from service.backend import Given
from service.explore_options import bank_edge
from service.schemas import BankBody, GainBody, LimitsBody, ModelBody, ModelListBody

router = APIRouter(prefix="/v1/models", tags=["models"])


@router.head("", include_in_schema=False)
@router.get("", summary="List models")
def list_models(backend: Given) -> ModelListBody:
    """What clips can be enhanced with: scales, what it was made for and trained on, and whether it invents detail.

    And the banks that regions can be explored with.
    """
    return ModelListBody(
        models=[
            ModelBody(
                name=facts.name,
                title=facts.title,
                default=facts.name == backend.settings.default_model,
                scales=list(facts.scales),
                learned=facts.learned,
                domain=facts.domain,
                licence=facts.licence,
                trained_on=facts.trained_on,
                envelope=facts.envelope,
                limits=None if facts.limits is None else LimitsBody(**asdict(facts.limits)),
                gains=_gains(facts),
                weights_sha256=facts.sha256,
                vivid_sha256=facts.vivid_sha256,
                tile=facts.tile,
            )
            for facts in backend.catalog.enhancers()
        ],
        banks=[
            BankBody(
                name=facts.name, size=size, sha256=facts.sha256, licence=facts.licence, trained_on=facts.trained_on
            )
            for facts in backend.catalog.banks()
            if (size := bank_edge(facts)) is not None
        ],
    )


def _gains(facts: ModelFacts) -> list[GainBody]:
    return [
        GainBody(scale=scale, profile=profile, **asdict(gained))
        for scale, found in sorted(facts.gains.items())
        for profile, gained in found.items()
    ]
