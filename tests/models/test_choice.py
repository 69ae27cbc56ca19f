"""`model=auto`: the choice follows from facts and an estimate alone, keeps its promises for any, and says why."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest

from media.estimate.degradation import Degradation
from models.catalog import MODELS
from models.choice import Choice, NoModelFits, choose, expected, likeness
from models.envelope import Gained, Limits, Reading, outside_envelope
from models.facts import ModelFacts
from models.measured import CONDITIONS

MILD = Degradation(
    frames=9, noise=3.0, blur=0.6, blockiness=1.5, combing=0.0, grey=False, level=90.0, contrast=140.0, quantiser=31.0
)
TABLE = {
    "clean": Reading(0.6, 0.5, 0.6, 0.0, None),
    "crf28": Reading(2.6, 0.56, 2.0, 0.0, 31.7),
    "night": Reading(8.4, 0.5, 0.5, 0.0, 30.0),
    "woven": Reading(6.0, 0.6, 1.5, 0.05, 29.0),
    "starved": Reading(0.3, 0.7, 2.2, 0.0, 44.0),
}
PLAIN = replace(MODELS["lanczos"], name="plain", gains={4: dict.fromkeys(TABLE, Gained(0.0, -0.1, 0.1, 0.5))})


WIDE = Limits(noise=12)


def net(name: str, gain: float, limits: Limits | None = WIDE, **profiles: float) -> ModelFacts:
    means = dict.fromkeys(TABLE, gain) | profiles
    gains = {4: {profile: Gained(mean, mean - 0.05, mean + 0.05, 1.0) for profile, mean in means.items()}}
    return replace(MODELS["espcn-x4"], name=name, limits=limits, gains=gains)


def test_the_largest_measured_gain_on_the_nearest_profile_wins() -> None:
    models = [PLAIN, net("small", 0.3, night=0.9), net("large", 0.5)]
    found = choose(models, 4, MILD, "small", TABLE)
    assert (found.model, found.nearest) == ("large", "crf28")
    assert found.reason.startswith("large: ")
    assert "crf28" in found.reason
    assert "+0.50 dB over bicubic expected" in found.reason
    assert [passed.model for passed in found.others] == ["small", "plain"]
    assert "measured on crf28: +0.30, +0.25 to +0.35" in found.others[0].why
    noisy = choose(models, 4, replace(MILD, noise=9.0, blockiness=0.5), "small", TABLE)
    assert (noisy.model, noisy.nearest) == ("small", "night")


def test_profiles_nearby_count_too() -> None:
    """The nearest alone would take the one that fails beside it."""
    between = replace(MILD, noise=4.5, blur=0.53, blockiness=1.2, quantiser=30.8)
    weights = likeness(between, TABLE)
    assert weights["crf28"] == 1.0 > weights["night"] > 0.2 > weights["starved"]
    brittle, steady = net("brittle", 0.4, night=-1.0), net("steady", 0.3)
    assert choose([PLAIN, brittle, steady], 4, between, "brittle", TABLE).model == "steady"
    assert expected(steady, 4, weights) == pytest.approx(0.3)
    assert expected(steady, 2, weights) is None


def test_of_equal_gains_the_default_is_taken() -> None:
    models = [PLAIN, net("one", 0.5), net("two", 0.5)]
    assert choose(models, 4, MILD, "two", TABLE).model == "two"
    assert choose(models[::-1], 4, MILD, "else", TABLE).model == "one"


@pytest.mark.parametrize(
    ("model", "why"),
    [
        (net("net", 2.0, None), "states no limits"),
        (net("net", 2.0, Limits(noise=1)), "noise of about 3 levels; net was measured up to 1"),
        (replace(net("net", 2.0), gains={}), "not measured on crf28 at ×4"),
        (replace(net("net", 2.0), gains={2: net("net", 2.0).gains[4]}), "not measured on crf28 at ×4"),
        (net("net", -0.01), "-0.01 dB"),
    ],
)
def test_what_is_not_known_to_gain_here_is_passed_over_for_what_invents_nothing(model: ModelFacts, why: str) -> None:
    found = choose([PLAIN, model], 4, MILD, "net", TABLE)
    assert found.model == "plain"
    assert "invents nothing" in found.reason
    assert [(passed.model, why in passed.why) for passed in found.others] == [("net", True)]


def test_the_best_of_what_invents_nothing_must_be_beaten() -> None:
    better = replace(PLAIN, name="better", gains={4: dict.fromkeys(TABLE, Gained(0.9, 0.8, 1.0, 1.0))})
    assert choose([PLAIN, better, net("net", 0.5)], 4, MILD, "net", TABLE).model == "better"
    assert choose([PLAIN, better, net("net", 1.0)], 4, MILD, "net", TABLE).model == "net"


def test_where_nothing_was_estimated_the_default_is_used_if_it_has_the_scale() -> None:
    models = [PLAIN, net("one", 0.9), net("two", 0.1)]
    told = choose(models, 4, None, "two", TABLE)
    assert (told.model, told.nearest) == ("two", None)
    assert "could not be told" in told.reason
    other = choose([PLAIN, net("one", 0.9)], 2, None, "one", TABLE)
    assert other.model == "plain"
    assert "one does not enlarge by 2" in other.reason


def test_where_all_that_enlarge_so_much_learned_one_of_them_is_taken() -> None:
    assert choose([net("bad", -1.0), net("worse", -2.0)], 4, MILD, "worse", TABLE).model == "bad"
    assert choose([net("far", 1.0, Limits(noise=1))], 4, MILD, "x", TABLE).model == "far"
    with pytest.raises(NoModelFits, match="enlarges by 7"):
        choose([PLAIN], 7, MILD, "plain", TABLE)


def draw(seed: int) -> tuple[list[ModelFacts], Degradation | None]:
    rng = random.Random(seed)
    models = [PLAIN]
    for index in range(rng.randrange(5)):
        limits = rng.choice(
            [None, Limits(), Limits(noise=rng.uniform(0, 20), blur=rng.uniform(0, 2), interlaced=False)]
        )
        gains = {profile: rng.uniform(-1, 1) for profile in TABLE}
        models.append(net(f"net{index}", 0.0, limits, **gains))
    found = replace(
        MILD,
        noise=rng.uniform(0, 25),
        blur=rng.choice([None, rng.uniform(0, 3)]),
        blockiness=rng.uniform(0, 9),
        combing=rng.choice([0.0, rng.uniform(0, 0.2)]),
        quantiser=rng.choice([None, rng.uniform(0, 51)]),
    )
    return models, rng.choice([found, found, found, None])


@pytest.mark.parametrize("seed", range(150))
def test_promises_hold_for_any_models_and_any_clip(seed: int) -> None:
    models, found = draw(seed)
    choice = choose(models, 4, found, "net0", TABLE)
    chosen = next(facts for facts in models if facts.name == choice.model)
    assert choice == choose(random.Random(seed).sample(models, len(models)), 4, found, "net0", TABLE)
    assert choice.reason.startswith(f"{choice.model}: ")
    assert all(passed.why for passed in choice.others)
    if found is None:
        assert choice.model == ("net0" if len(models) > 1 else "plain")
        return
    assert {passed.model for passed in choice.others} == {facts.name for facts in models} - {choice.model}
    weights = likeness(found, TABLE)
    gain = expected(chosen, 4, weights)
    assert gain is not None
    fit = [f for f in models if f.learned and f.limits is not None and not outside_envelope("", f.limits, found)]
    assert chosen in (fit if chosen.learned else [PLAIN])
    assert gain >= (max((expected(f, 4, weights) or 0.0 for f in fit), default=0.0) if chosen.learned else 0.0)
    assert gain > 0 or not chosen.learned


@pytest.mark.parametrize("profile", TABLE)
def test_a_clip_that_reads_as_a_profile_is_nearest_to_it(profile: str) -> None:
    read = TABLE[profile]
    clip = replace(
        MILD,
        noise=read.noise,
        blur=read.blur,
        blockiness=read.blockiness,
        combing=read.combing,
        quantiser=read.quantiser,
    )
    weights = likeness(clip, TABLE)
    assert max(weights, key=lambda name: weights[name]) == profile
    assert weights == likeness(clip, dict(reversed(TABLE.items())))
    assert all(0 < weight <= 1 for weight in weights.values())


def test_without_conditions_nothing_learned_is_chosen() -> None:
    found = choose([PLAIN, net("net", 1.0)], 4, MILD, "net", {})
    assert (found.model, found.nearest) == ("plain", None)


def test_what_ships_can_be_chosen_from() -> None:
    assert set(CONDITIONS) >= {"clean-bicubic", "surveillance-crf28", "surveillance-interlaced"}
    found: Choice = choose(list(MODELS.values()), 4, MILD, "espcn-x4", CONDITIONS)
    assert found.model == "glean-s-x4"
    assert choose(list(MODELS.values()), 3, MILD, "espcn-x4", CONDITIONS).model == "lanczos"
    unmeasured = [facts for name, facts in MODELS.items() if name != "glean-s-x4"]  # on interlaced footage
    combed = choose(unmeasured, 4, replace(MILD, combing=0.1), "espcn-x4", CONDITIONS)
    assert combed.model == "lanczos"
