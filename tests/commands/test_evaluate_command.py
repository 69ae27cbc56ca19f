"""`gleaner evaluate` on generated pictures and a generated clip, with real models."""

from __future__ import annotations

import json
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
from typer.testing import CliRunner

from gleaner import app
from models.catalog import Catalog
from models.evaluation import bicubic
from models.registry import load
from workers.evaluate import enlarge


def street(seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    image = np.full((192, 224, 3), 120, np.uint8)
    for _ in range(25):
        x, y = int(rng.integers(0, 224)), int(rng.integers(0, 192))
        grey = int(rng.integers(20, 236))
        cv2.rectangle(image, (x, y), (x + int(rng.integers(8, 50)), y + int(rng.integers(8, 50))), (grey,) * 3, -1)
    return cv2.GaussianBlur(image, (0, 0), 0.8)


@pytest.fixture
def media(tmp_path: Path) -> Path:
    folder = tmp_path / "media"
    folder.mkdir()
    for seed in range(2):
        cv2.imwrite(str(folder / f"{seed}.png"), street(seed))
    with av.open(str(folder / "clip.mkv"), "w") as container:
        stream = container.add_stream("ffv1", rate=10)
        stream.width, stream.height, stream.pix_fmt = 224, 192, "bgr0"
        for _ in range(5):
            for packet in stream.encode(av.VideoFrame.from_ndarray(street(9), format="rgb24")):
                container.mux(packet)
        for packet in stream.encode():
            container.mux(packet)
    return folder


def test_every_number_is_in_the_file_and_runs_repeat(media: Path, tmp_path: Path) -> None:
    numbers, sheet, document = (tmp_path / name for name in ("n.json", "s.png", "p.md"))
    words = ["evaluate", "--model", "espcn-x4", "--data", str(media), "--frames", "3"]
    words += ["--profile", "clean-bicubic", "--profile", "surveillance-crf28"]
    done = CliRunner().invoke(
        app, [*words, "--json", str(numbers), "--sheet", str(sheet), "--page", str(document)], catch_exceptions=False
    )
    assert done.exit_code == 0, done.output
    found = json.loads(numbers.read_text())
    assert len(found["measured"]) == 2 * (3 * 3 + 1)  # profiles; sources by methods, and the clip's truth
    assert {d["seed"] for d in found["degradations"]} == {40_000, 40_001, 40_002}
    assert found["about"]["versions"]["piq"]
    assert found["about"]["models"]["espcn-x4"]["sha256"]
    clean = {s["method"]: s for s in found["summary"] if s["profile"] == "clean-bicubic"}
    gain = clean["espcn-x4"]["gain_over_bicubic"]["psnr"]
    assert gain["scenes"] == 3
    assert gain["low"] <= gain["mean"] <= gain["high"]
    assert gain["mean"] == pytest.approx(clean["espcn-x4"]["mean"]["psnr"] - clean["bicubic"]["mean"]["psnr"])
    assert gain["mean"] > 0.3
    noisy = {s["method"]: s for s in found["summary"] if s["profile"] == "surveillance-crf28"}
    assert clean["bicubic"]["flicker"]["static"] == 0  # frames that are equal come out equal
    assert noisy["bicubic"]["flicker"]["static"] > 0.3
    image = cv2.imread(str(sheet))
    assert image.shape[1] == 5 * 196  # source, bicubic, lanczos, espcn-x4, truth
    text = document.read_text()
    assert "| espcn-x4 | psnr | +" in text
    assert str(tmp_path) not in text
    again = CliRunner().invoke(app, [*words, "--every", "2"], catch_exceptions=False)
    assert "one file in 2" in again.output
    assert "| 0.png |" in again.output
    assert "| 1.png |" not in again.output


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (["--profile", "fog"], "unknown degradation 'fog'"),
        (["--model", "espcn-x9"], "there is no model 'espcn-x9'"),
        (["--model", "espcn-x2"], "espcn-x2 enlarges by 2, not by 4"),
        (["--model", "espcn-x4@lots"], "a number from 0 to 1"),
        (["--every", "0"], "use at least 1"),
        (["--sheet", "sheet.jpg"], "name it sheet.png"),
    ],
)
def test_what_cannot_be_measured_is_one_line(media: Path, change: list[str], message: str) -> None:
    words = ["evaluate", "--model", "espcn-x4", "--data", str(media), "--profile", "clean-bicubic", *change]
    done = CliRunner().invoke(app, words)
    assert done.exit_code == 2
    assert message in done.output


def test_pictures_run_through_tiles_and_canvas() -> None:
    low = cv2.resize(np.tile(street(3), (1, 4, 1)), (300, 150), interpolation=cv2.INTER_AREA)
    enhancer = load("lanczos", 4, "cpu", catalog=Catalog())
    tiled, failed = enlarge(low, enhancer)
    padded = np.pad(low, ((3, 3), (3, 3), (0, 0)), mode="edge")
    whole = enhancer.enhance(padded[None]).pixels[0, 12:-12, 12:-12]
    assert not failed
    assert tiled.shape == (600, 1200, 3)
    assert np.array_equal(tiled, whole)  # Lanczos has no seams
    assert tiled.shape == bicubic.enlarge(low, 4).shape
