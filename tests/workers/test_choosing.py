"""`model=auto` all the way: decided once by the clip, pinned by SHA-256, told in record, report and preview."""

from __future__ import annotations

import json
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from media.facts_json import to_json
from media.probe import probe
from models.catalog import Catalog
from models.degradation.profiles import PROFILES
from models.envelope import Gained, Limits, Measured
from models.importing import import_model
from models.registry import read_state
from pipeline.job import ClipOptions, Job, JobState
from pipeline.options import OptionError
from pipeline.settings import Settings
from tests.media.clips import LIMITS
from tests.media.noisy_clip import write_noisy
from tests.models.model_maker import write_light
from tests.workers.rig import Rig
from workers import clip
from workers.local import decide_local, enhance_local
from workers.room import ModelGone, Room
from workers.segment import enhance_segment

SIDE = 64
GAINS = {4: {profile: Gained(5.0, 4.0, 6.0, 1.0) for profile in PROFILES}}


def street(path: Path, sigma: float) -> Path:
    return write_noisy(path, sigma, (SIDE, SIDE), frames=2)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Of imported models: "tiny", of two trainings, said to gain 5 dB on footage with noise of up to 15 levels."""
    catalog = Catalog(tmp_path / "models")
    import_model(write_light(tmp_path / "one.pth", 0), "tiny", catalog, vivid=write_light(tmp_path / "two.pth", 1))
    catalog.record("tiny", Measured(None, Limits(noise=15, interlaced=False), GAINS))
    return tmp_path / "models"


def enhance(source: Path, out: Path, folder: Path, **options: Any) -> dict[str, Any]:
    settings, report = Settings(threads=1, models_dir=folder), out.with_suffix(".json")
    plan = decide_local(source, out, ClipOptions(model="auto", **options), settings)
    enhance_local(source, out, plan, settings, report, on_frame=lambda _: None)
    found: dict[str, Any] = json.loads(report.read_text())
    return found


def test_the_estimate_decides_and_the_report_says_why(folder: Path, tmp_path: Path) -> None:
    quiet = enhance(street(tmp_path / "quiet.mkv", 0), tmp_path / "a.mp4", folder, detail=0.3)
    assert (quiet["requested"]["model"], quiet["model"]["name"]) == ("auto", "tiny")
    assert quiet["model"]["weights_sha256"] == Catalog(folder).facts("tiny").sha256
    assert quiet["choice"]["model"] == "tiny"
    assert quiet["choice"]["reason"].startswith("tiny: the clip is most like ")
    assert quiet["model"]["detail"] == quiet["choice"]["detail"] == 0.3
    assert {passed["model"] for passed in quiet["choice"]["others"]} == {"lanczos", "espcn-x4", "glean-s-x4"}
    noisy = enhance(street(tmp_path / "noisy.mkv", 30), tmp_path / "b.mp4", folder, detail=0.3)
    assert noisy["model"]["name"] == "lanczos"
    assert noisy["model"]["detail"] == noisy["choice"]["detail"] == 0.0
    assert noisy["choice"]["reason"].endswith("it has no vivid training, so detail is 0")
    why = {passed["model"]: passed["why"] for passed in noisy["choice"]["others"]}
    assert "tiny was measured up to 15" in why["tiny"]
    assert noisy["statement"].startswith("Made without a learned prior")


def test_scales_are_the_default_models_unless_asked_for(folder: Path, tmp_path: Path) -> None:
    source, settings = street(tmp_path / "in.mkv", 0), Settings(models_dir=folder)

    def plan(**options: Any) -> tuple[int, str]:
        found = decide_local(source, tmp_path / "out.mp4", ClipOptions(model="auto", **options), settings)
        return found.scale, found.model

    assert plan() == (4, "tiny")
    assert plan(scale=3) == (3, "lanczos")
    assert plan(target_height=3 * SIDE + 8) == (4, "tiny")  # not 3 times, which only Lanczos has
    with pytest.raises(OptionError, match="auto has no scale 8"):
        plan(scale=8)
    with pytest.raises(OptionError, match="no model that enlarges by 3 has a vivid training"):
        plan(scale=3, detail=0.5)


def submit(room: Room, name: str, source: Path) -> None:
    """As the API keeps a job: no weights are pinned yet."""
    room.files.create(name)
    room.files.source(name).write_bytes(source.read_bytes())
    told = {"source_name": "in.mkv", "source_sha256": "0" * 64, "source_bytes": 1}
    clip_facts = to_json(probe(source, LIMITS))
    options = ClipOptions(model="auto", scale=4, detail=0.5)
    room.jobs.create(Job(id=name, options=options, scale=4, created_at=time.time(), clip=clip_facts, **told))


def test_the_service_decides_once_and_pins_the_weights(room: tuple[Room, Rig], tmp_path: Path) -> None:
    here, rig = room
    source = street(tmp_path / "in.mkv", 0)
    for name in ("whole", "done", "preview"):
        submit(here, name, source)
    with rig.running():
        clip.plan("whole")
        planned = here.jobs.get("whole")
        clip.plan("done")
        enhance_segment(here, here.jobs.get("done"), 0)
        clip.finish("done")
        clip.preview("preview")
    previewed = here.jobs.get("preview")
    sha256 = here.catalog.facts("tiny").sha256
    for job in (planned, previewed):
        assert job.choice is not None
        assert (job.model, job.detail, job.weights_sha256, job.options.model) == ("tiny", 0.5, sha256, "auto")
        assert job.outside_envelope == ()
    assert previewed.choice == planned.choice
    assert previewed.state is JobState.DONE
    report = json.loads(here.files.report("done").read_text())
    assert planned.choice is not None
    assert report["choice"] == planned.choice.model_dump(mode="json")
    assert (report["requested"]["model"], report["model"]["name"], report["model"]["detail"]) == ("auto", "tiny", 0.5)
    assert report["model"]["weights_sha256"] == sha256
    assert report["frames"]["resized_only"] == 0

    # Planned again after a loss, while something better has come: the clip stays with what it began with.
    here.catalog.add("better", *better(here.catalog))
    here.jobs.transition("whole", JobState.PLANNING)
    clip.plan("whole")
    again = here.jobs.get("whole")
    assert (again.choice, again.weights_sha256) == (planned.choice, sha256)
    here.catalog.remove("tiny")
    with pytest.raises(ModelGone, match="tiny was removed"):
        here.model(again)


def better(catalog: Catalog) -> tuple[Any, Any]:
    facts = catalog.facts("tiny")
    gains = {4: {profile: Gained(9.0, 8.0, 10.0, 1.0) for profile in PROFILES}}
    return read_state(catalog, facts), replace(facts, gains=gains)
