"""Mismatch measured on generated pictures and a clip with real models: the same figures as `gleaner evaluate`."""

from __future__ import annotations

from pathlib import Path

import av
import cv2
import numpy as np
import pytest

from models.catalog import Catalog
from models.degradation.profiles import PROFILES, UnknownProfile, draw
from workers.evaluate import EvaluationPlan, PlanError, evaluate
from workers.mismatch import QP_OVER_CRF, MismatchPlan, last_crf, measure

BOTH = ("clean-bicubic", "surveillance-crf28")


def picture(seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    image = np.full((128, 160, 3), 120, np.uint8)
    for _ in range(20):
        x, y, grey = int(rng.integers(0, 160)), int(rng.integers(0, 128)), int(rng.integers(20, 236))
        cv2.rectangle(image, (x, y), (x + int(rng.integers(8, 40)), y + int(rng.integers(8, 40))), (grey,) * 3, -1)
    return cv2.GaussianBlur(image, (0, 0), 0.8)


@pytest.fixture
def media(tmp_path: Path) -> Path:
    folder = tmp_path / "media"
    folder.mkdir()
    cv2.imwrite(str(folder / "still.png"), picture(0))
    with av.open(str(folder / "clip.mkv"), "w") as container:
        stream = container.add_stream("ffv1", rate=10)
        stream.width, stream.height, stream.pix_fmt = 160, 128, "bgr0"
        for _ in range(3):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture(1), format="rgb24")))
        container.mux(stream.encode(None))
    return folder


def test_figures_are_those_of_evaluate(media: Path) -> None:
    plan = MismatchPlan(("espcn-x4",), media, BOTH, frames=2, device="cpu", threads=1)
    told: list[tuple[int, int]] = []
    found = measure(plan, Catalog(), lambda done, total: told.append((done, total)))
    assert told == [(0, 2), (1, 2), (2, 2)]
    other = EvaluationPlan(("espcn-x4",), media, BOTH, frames=2, detect=False, device="cpu", threads=1)
    wanted = evaluate(other, Catalog(), lambda *_: None)
    for profile in BOTH:
        for method in ("bicubic", "lanczos", "espcn-x4"):
            ours = found.psnr(method, profile)
            theirs = {name: m.fidelity.psnr for name, m in wanted.of(method, profile).items() if m.fidelity}
            assert ours == pytest.approx(theirs)
            assert set(ours) == {"still.png", "clip.mkv"}
    read = found.conditions()
    assert read["clean-bicubic"].quantiser is None
    assert read["surveillance-crf28"].quantiser == pytest.approx(28 + QP_OVER_CRF)
    assert read["surveillance-crf28"].noise > read["clean-bicubic"].noise
    assert measure(plan, Catalog(), lambda *_: None) == found


def test_what_cannot_be_measured_is_refused(media: Path) -> None:
    with pytest.raises(UnknownProfile):
        measure(MismatchPlan(("espcn-x4",), media, ("fog",)), Catalog(), lambda *_: None)
    with pytest.raises(PlanError, match="without a detail"):
        measure(MismatchPlan(("espcn-x4@0.5",), media, BOTH), Catalog(), lambda *_: None)


@pytest.mark.parametrize("profile", PROFILES)
def test_the_crf_is_of_the_last_encoder_where_that_is_h264(profile: str) -> None:
    found = [last_crf(draw(profile, 4, seed).drawn) for seed in range(12)]
    if profile in ("surveillance-crf28", "low-bitrate-h264", "surveillance-interlaced"):
        assert all(crf is not None and 18 <= crf <= 44 for crf in found)
    elif profile in ("surveillance", "surveillance-day", "surveillance-night-ir", "reencoded"):
        assert None in found
        assert any(crf is not None for crf in found)
    else:
        assert set(found) == {None}
