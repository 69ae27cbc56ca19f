"""What `model=auto` would have gained: each scene's clips chosen for by what was measured on the other scenes.

So that no model is chosen by the footage that it is then measured on. Knows no files, no networks.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from models.choice import AUTO, choose
from models.evaluation.matrix import Matrix, Score
from models.facts import ModelFacts


@dataclass(frozen=True, slots=True)
class HeldOut:
    matrix: Matrix  # with the method "auto" among its scores
    picks: Mapping[str, Counter[str]]  # by profile: how often each model was chosen

    def behind(self, profile: str) -> float:
        """How far the mean gain lies below that of the best single model for the profile, dB; below 0: above it."""
        best = max(self.matrix.gain(method, profile).mean for method in self.matrix.models)
        return best - self.matrix.gain(AUTO, profile).mean


def held_out(matrix: Matrix, models: Sequence[ModelFacts], default: str) -> HeldOut:
    """models: facts of the matrix's models; their limits and gains are replaced by what the other scenes say.

    At least two scenes are needed: raises ValueError.
    """
    if len(matrix.scenes()) < 2:
        raise ValueError("a choice is held out scene by scene: measure at least two scenes")
    scores = {(one.source, one.profile, one.method): one.psnr for one in matrix.scores}
    picks: dict[str, Counter[str]] = {profile: Counter() for profile in matrix.profiles}
    chosen: list[Score] = []
    for scene in matrix.scenes():
        rest = matrix.without(scene)
        conditions = rest.conditions()
        figures = {facts.name: rest.measured(facts.name, None, learned=facts.learned) for facts in models}
        known = [replace(f, limits=figures[f.name].limits, gains=figures[f.name].gains) for f in models]
        for one in matrix.seen:
            if one.scene == scene:
                model = choose(known, matrix.scale, one.found, default, conditions).model
                picks[one.profile][model] += 1
                chosen.append(Score(one.source, scene, one.profile, AUTO, scores[one.source, one.profile, model]))
    return HeldOut(replace(matrix, scores=[*matrix.scores, *chosen]), picks)
