"""The matrix of models and degradation profiles as a page of Markdown. Knows no files."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from models.choice import AUTO
from models.evaluation.gain import LEVEL, RESAMPLES, Gain
from models.evaluation.held_out import HeldOut
from models.evaluation.matrix import LOSS, Matrix
from models.evaluation.results import BICUBIC


def matrix_page(found: Sequence[tuple[Matrix, HeldOut | None]], command: str) -> str:
    """Of one matrix or several of other scales, each with what `auto` would have made of it.

    command: what prints this page, for readers to run it again.
    """
    return "\n".join(_lines(found, command)) + "\n"


def _lines(found: Sequence[tuple[Matrix, HeldOut | None]], command: str) -> Iterator[str]:
    matrix = found[0][0]
    about = matrix.about
    yield "# Degradation mismatch, measured"
    yield ""
    yield "How each model fares under degradations it was not made for. This page is written by one command:"
    yield ""
    yield f"    {command}"
    yield ""
    never = ", which is never trained on but chose among our checkpoints" if about["split"] == "dev" else ""
    yield (
        f"Data: {about['stills']} stills and {about['clips']} clips of {about['scenes']} scenes of `{about['data']}`"
        f" ({about['split']}{never}; one file in {about['every']}), cut to their middle {about['edge']}×{about['edge']}"
        f" pixels; of a clip {about['frames_of_a_clip']} frames, of which {about['scored']} are scored. Sources, seeds"
        f" ({matrix.seed} plus the source's number), tiles and edges are as in [quality.md](quality.md)."
    )
    yield ""
    yield (
        "A cell is the gain in RGB PSNR over bicubic (MATLAB's, a = -0.5), dB: the mean over scenes, its"
        f" {LEVEL:.0%} interval by bootstrap over scenes ({RESAMPLES} resamples), and the share of scenes that gain."
        f" **Bold**: worse than bicubic by more than {-LOSS:g} dB. With so few scenes intervals are wide."
    )
    yield ""
    yield (
        "`auto` is `model=auto` ([how it chooses](evidence.md#choosing-a-model-by-the-estimate)): each scene's clips"
        " were chosen for by limits, gains and readings of the other scenes only. `behind` is how far its mean lies"
        " below that of the best single model for the profile. The scene with the largest reading is thus always beyond"
        " the limits, which costs `auto` a little that it does not lose with all scenes in the facts."
    )
    yield ""
    yield ", ".join(f"{name} {version}" for name, version in about["versions"].items()) + "."
    for one, held in found:
        yield from _matrix(one, held)


def _matrix(matrix: Matrix, held: HeldOut | None) -> Iterator[str]:
    yield ""
    yield f"## ×{matrix.scale}"
    yield ""
    heads = [*matrix.models, *((AUTO, "behind", "chosen") if held else ())]
    yield "| profile | bicubic, dB | " + " | ".join(heads) + " |"
    yield "|---" * (2 + len(heads)) + "|"
    for profile in matrix.profiles:
        base = matrix.psnr(BICUBIC, profile)
        cells = [f"{sum(base.values()) / len(base):.2f}", *(_cell(matrix.gain(m, profile)) for m in matrix.models)]
        if held is not None:
            picks = ", ".join(f"{model} {count}" for model, count in sorted(held.picks[profile].items()))
            cells += [_cell(held.matrix.gain(AUTO, profile)), f"{held.behind(profile):.2f}", picks]
        yield f"| {profile} | " + " | ".join(cells) + " |"
    yield ""
    yield f"| model | worst cell | worse than bicubic by more than {-LOSS:g} dB |"
    yield "|---|---|---|"
    for method in (*matrix.models, *((AUTO,) if held else ())):
        where = matrix if held is None else held.matrix
        profile, gain = where.worst(method)
        losses = ", ".join(f"{name} ({loss.mean:+.2f})" for name, loss in where.losses(method).items())
        yield f"| {method} | {profile}: {_cell(gain)} | {losses or 'nowhere'} |"
    yield ""
    yield "What the estimate of a clip's degradation reads of each profile: medians over the sources."
    yield ""
    yield "| profile | noise, levels | blur, pixels | steps between blocks, levels | combed | QP of H.264 |"
    yield "|---|---|---|---|---|---|"
    for profile, reading in matrix.conditions().items():
        values = (reading.noise, reading.blur, reading.blockiness, reading.combing, reading.quantiser)
        digits = (1, 2, 1, 3, 0)
        shown = ("–" if v is None else f"{v:.{d}f}" for v, d in zip(values, digits, strict=True))
        yield f"| {profile} | " + " | ".join(shown) + " |"


def _cell(gain: Gain) -> str:
    mean = f"{gain.mean:+.2f}"
    text = f"{mean} ({gain.low:+.2f} to {gain.high:+.2f}), {gain.share:.0%}"
    return f"**{text}**" if gain.mean < LOSS else text
