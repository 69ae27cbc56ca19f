"""A job's model, where it was left to the clip: chosen once, since a model that changed within a clip would flicker."""

from __future__ import annotations

from media.estimate.degradation import Degradation
from models.choice import AUTO, NoModelFits
from pipeline.job import Job
from pipeline.model_choice import choose_model
from workers.room import ModelGone, Room


def with_model(room: Room, job: Job, found: Degradation | None) -> Job:
    """The job with its choice and the SHA-256 of the weights chosen, not yet recorded; others as they are.

    found: how degraded the clip is; None: not known. A choice made before is kept. Raises ModelGone.
    """
    if job.options.model != AUTO or job.choice is not None:
        return job
    models = room.catalog.enhancers()
    try:
        choice = choose_model(models, job.scale, found, room.settings.default_model, job.options.detail)
    except NoModelFits as error:
        raise ModelGone("model-removed", f"{error} any more: import one that does and send the clip again") from None
    sha256 = next(facts.sha256 for facts in models if facts.name == choice.model)
    return job.model_copy(update={"choice": choice, "weights_sha256": sha256})
