"""An evaluation as a page of Markdown: means, gains with their intervals, flicker, every scene. Knows no files."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from models.evaluation.detections import NONE, Counts
from models.evaluation.fidelity import BETTER
from models.evaluation.flicker import STILL
from models.evaluation.gain import LEVEL, RESAMPLES, Gain
from models.evaluation.results import BICUBIC, SOURCE, TRUTH, Evaluation

_HEADS = {
    "psnr": "PSNR, dB",
    "ssim": "SSIM",
    "vif": "VIF",
    "gmsd": "GMSD (less is better)",
    "haarpsi": "HaarPSI",
    "shift": "colour shift, levels (less is better)",
}
_DIGITS = {"psnr": 2, "ssim": 4, "vif": 4, "gmsd": 4, "haarpsi": 4, "shift": 2}


def page(evaluations: Sequence[Evaluation], command: str) -> str:
    """Of one evaluation or several of other scales. command: what prints this page, for readers to run it again."""
    return "\n".join(_lines(evaluations, command)) + "\n"


def _lines(evaluations: Sequence[Evaluation], command: str) -> Iterator[str]:
    about = evaluations[0].about
    yield "# Quality, measured"
    yield ""
    yield "This page is written by one command:"
    yield ""
    yield f"    {command}"
    yield ""
    never = ", which is never trained on but chose among our checkpoints" if about["split"] == "dev" else ""
    yield (
        f"Data: {about['stills']} stills and {about['clips']} clips of {about['scenes']} scenes of `{about['data']}`"
        f" ({about['split']}{never}; one file in {about['every']}). Truths are cut to their middle"
        f" {about['edge']}×{about['edge']} pixels; frames of large clips are halved first, for they are compressed"
        f" already. Of a clip {about['frames_of_a_clip']} consecutive frames are taken, of which {about['scored']} are"
        " scored. At the edges as many pixels are left out as the scale. Seed:"
        f" {evaluations[0].seed} plus the source's number in the sorted list."
    )
    yield ""
    yield (
        "Models run through the tiles and blending that clips go through, so seams count. Bicubic is MATLAB's"
        " (a = -0.5). PSNR and SSIM are of RGB; VIF, GMSD and HaarPSI are piq's; colour shift is the largest"
        " difference of a channel's mean from the truth's. Gains are over bicubic, positive is better for every"
        f" measure; their intervals are {LEVEL:.0%} by bootstrap over scenes ({RESAMPLES} resamples)."
    )
    yield ""
    yield (
        "Flicker of clips is the root mean square difference of a frame and the one before, moved along the truth's"
        f" optical flow (OpenCV's DIS), in 8-bit levels; static parts have a flow under {STILL} pixels. Blur lowers it,"
        " and on moving parts the flow's own errors are in it: read it beside the truth's."
    )
    yield ""
    yield ", ".join(f"{name} {version}" for name, version in about["versions"].items()) + "."
    if any(found.sought() for found in evaluations):
        yield ""
        yield (
            "Detections: people by OpenCV's HOG, faces and plates by its Haar cascades, against those on the truth, at"
            " an overlap (IoU) of 0.5, one frame of a clip; F1 of all scenes together, what it gains beyond bicubic"
            " with its interval over scenes. `source` repeats the source's pixels. There are few: read the counts."
        )
    elif any(found.about["detect"] for found in evaluations):
        yield ""
        yield f"{NONE[0].upper()}{NONE[1:]}."
    for found in evaluations:
        for profile in found.profiles:
            yield from _profile(found, profile)


def _profile(found: Evaluation, profile: str) -> Iterator[str]:
    yield ""
    yield f"## ×{found.scale}, {profile}"
    yield ""
    yield f"The profile: {found.about['profiles'][profile]}."
    yield ""
    yield "| method | " + " | ".join(_HEADS.values()) + " |"
    yield "|---" * (1 + len(_HEADS)) + "|"
    for method in found.methods():
        mean = found.mean(method, profile)
        yield f"| {method} | " + " | ".join(f"{getattr(mean, m):.{_DIGITS[m]}f}" for m in _HEADS) + " |"
    yield ""
    yield "| gain over bicubic | measure | mean | interval | scenes that gain |"
    yield "|---|---|---|---|---|"
    for method in found.models:
        for measure in BETTER:
            yield f"| {method} | {measure} | {_gain(found.gain(method, profile, measure), _DIGITS[measure])} |"
    yield from _flickers(found, profile)
    yield from _detections(found, profile)
    yield ""
    yield "| scene: PSNR gain, dB | " + " | ".join(found.models) + " |"
    yield "|---" * (1 + len(found.models)) + "|"
    gains = {method: found.scene_gains(method, profile) for method in found.models}
    for scene in next(iter(gains.values()), {}):
        yield f"| {scene} | " + " | ".join(f"{gains[method][scene]:+.2f}" for method in found.models) + " |"


def _gain(gain: Gain, digits: int) -> str:
    """Mean, interval, share; a gain whose interval holds 0 is none that was shown."""
    verdict = "" if gain.low > 0 else " (a loss)" if gain.high < 0 else " (no gain shown)"
    interval = f"{gain.low:+.{digits}f} to {gain.high:+.{digits}f}{verdict}"
    return f"{gain.mean:+.{digits}f} | {interval} | {gain.share:.0%} of {gain.scenes}"


def _flickers(found: Evaluation, profile: str) -> Iterator[str]:
    if not any(m.flicker for m in found.of(TRUTH, profile).values()):
        return
    yield ""
    yield "| flicker of clips | static parts | moving parts |"
    yield "|---|---|---|"
    for method in (*found.methods(), TRUTH):
        flicker = found.flicker(method, profile)
        parts = ("–" if value is None else f"{value:.2f}" for value in (flicker.static, flicker.moving))
        yield f"| {method} | " + " | ".join(parts) + " |"


def _detections(found: Evaluation, profile: str) -> Iterator[str]:
    if not found.sought():
        return
    yield ""
    yield "| detections | of | on the truth | precision | recall | F1 | beyond bicubic |"
    yield "|---|---|---|---|---|---|---|"
    for what in found.sought():
        for method in (SOURCE, *found.methods()):
            counts = sum(found.detections(method, profile, what).values(), Counts())
            verdict = found.verdict(method, profile, what)
            cells = ("–" if v is None else f"{v:.2f}" for v in (counts.precision, counts.recall, counts.f1))
            gain = verdict.words
            if verdict.gain is not None:
                gain += f": {verdict.gain:+.2f} ({verdict.low:+.2f} to {verdict.high:+.2f})"
            said = "" if method == BICUBIC else gain
            yield f"| {method} | {what} | {counts.wanted} | {' | '.join(cells)} | {said} |"
