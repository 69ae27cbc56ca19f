"""What `model=auto` came to for one clip, as a job's record keeps it. Pure; the decision is `models/choice.py`'s."""

from __future__ import annotations

from collections.abc import Sequence

from pydantic import BaseModel, ConfigDict, Field

from media.estimate.degradation import Degradation
from models.choice import choose
from models.facts import ModelFacts
from models.measured import CONDITIONS

NO_VIVID = "; it has no vivid training, so detail is 0"


class PassedOver(BaseModel):
    """A model that was not chosen."""

    model_config = ConfigDict(frozen=True)

    model: str
    why: str = Field(description="In words.")


class ModelChoice(BaseModel):
    """The model that `auto` chose for a clip, and why."""

    model_config = ConfigDict(frozen=True)

    model: str
    detail: float = Field(description="As asked for; 0 where the model has no vivid training.")
    reason: str = Field(description="In words.")
    nearest: str | None = Field(description="The measured condition that the clip is most like; null: not told.")
    others: tuple[PassedOver, ...] = Field(description="Models of the same scale that were not chosen.")


def choose_model(
    models: Sequence[ModelFacts], scale: int, found: Degradation | None, default: str, detail: float
) -> ModelChoice:
    """The choice by the tables that ship. detail: as asked for; it is never raised. Raises NoModelFits."""
    choice = choose(models, scale, found, default, CONDITIONS)
    vivid = next(facts for facts in models if facts.name == choice.model).vivid is not None
    return ModelChoice(
        model=choice.model,
        detail=detail if vivid else 0.0,
        reason=choice.reason + ("" if vivid or not detail else NO_VIVID),
        nearest=choice.nearest,
        others=tuple(PassedOver(model=passed.model, why=passed.why) for passed in choice.others),
    )
