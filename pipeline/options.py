"""Checks what a client asked for against what the model can do. Knows the model's facts, neither clips nor networks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from models.choice import AUTO
from models.facts import ModelFacts
from pipeline.job import ClipOptions

METHOD_SCALE = 2  # the scale of a method without weights (it has several) where the client asks for none


class OptionError(Exception):
    """Options cannot be met. `field` names the option, `code` is stable; the message is for clients."""

    def __init__(self, code: str, message: str, field: str) -> None:
        super().__init__(message)
        self.code, self.field = code, field


def check(options: ClipOptions, facts: ModelFacts, display_height: int) -> int:
    """The scale of the network for these options.

    `display_height` is the clip's height as it is shown (rotation applied), in pixels. With a target height it is the
    smallest of the model's scales that reaches it: the picture is then made smaller, never larger, than the network's.
    Raises OptionError: "unknown-scale", "scale-and-height", "height-out-of-reach", "wrong-model", "no-vivid-training".
    """
    if options.model != facts.name:
        raise OptionError("wrong-model", f"the options name {options.model}, the facts are of {facts.name}", "model")
    if options.detail and facts.vivid is None:
        message = f"model {facts.name} has no vivid training, so its detail is 0 and cannot be {options.detail:g}; "
        raise OptionError("no-vivid-training", message + "leave detail out, or use a model that has one", "detail")
    if options.scale is not None and options.target_height is not None:
        message = f"scale ({options.scale}) and target_height ({options.target_height}) cannot both be met; give one"
        raise OptionError("scale-and-height", message, "target_height")
    if options.scale is not None:
        return _by_scale(options.scale, facts)
    if options.target_height is not None:
        return _by_height(options.target_height, facts, display_height)
    return max(facts.scales) if facts.learned or METHOD_SCALE not in facts.scales else METHOD_SCALE


def check_auto(options: ClipOptions, models: Sequence[ModelFacts], default: str, display_height: int) -> int:
    """The scale where the model is left to the clip (`models/choice.py`): every one of it may then be chosen.

    What was asked for; else the default model's. For a target height a scale is preferred that a network has which may
    be chosen. Raises OptionError as `check`.
    """
    plain = {scale for facts in models if not facts.learned for scale in facts.scales}
    named = next((facts for facts in models if facts.name == default), None)
    nets = {scale for facts in models if facts.learned and facts.limits for scale in facts.gains} | set(
        named.scales if named else ()
    )
    wanted = options.model_copy(update={"detail": 0.0})
    if options.scale is None and options.target_height is None and named is not None:
        scale = check(wanted.model_copy(update={"model": default}), named, display_height)
    else:
        reach = max(nets, default=0) * display_height
        near = nets and options.target_height is not None and reach >= options.target_height
        scales = tuple(sorted(nets if near and options.scale is None else nets | plain))
        scale = check(wanted, replace(models[0], name=AUTO, scales=scales), display_height)
    if options.detail and not any(facts.vivid for facts in models if scale in facts.scales):
        message = f"no model that enlarges by {scale} has a vivid training, so detail is 0 and cannot be "
        message += f"{options.detail:g}; leave detail out"
        raise OptionError("no-vivid-training", message, "detail")
    return scale


def _by_scale(scale: int, facts: ModelFacts) -> int:
    if scale in facts.scales:
        return scale
    message = f"model {facts.name} has no scale {scale}: it has {_listed(facts.scales)}; "
    message += "for any other size give target_height instead of scale"
    raise OptionError("unknown-scale", message, "scale")


def _by_height(target_height: int, facts: ModelFacts, display_height: int) -> int:
    for scale in sorted(facts.scales):
        if display_height * scale >= target_height:
            return scale
    reach = display_height * max(facts.scales)
    message = (
        f"target_height {target_height} is out of reach: the clip is {display_height} high and model {facts.name} "
    )
    message += f"enlarges it {max(facts.scales)} times, to {reach}; "
    message += f"ask for {reach} or less, or use a model with a larger scale"
    raise OptionError("height-out-of-reach", message, "target_height")


def _listed(scales: tuple[int, ...]) -> str:
    return ", ".join(str(scale) for scale in sorted(scales))
