"""Detail all the way: from the options to the pixels and the report, in one process and through Redis."""

from __future__ import annotations

import json
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from redis import Redis

from media.facts_json import to_json
from media.probe import probe
from media.reader import VideoReader
from models.catalog import Catalog
from models.importing import import_model
from models.registry import DetailError, load
from pipeline.frames_shared import SharedFrameStore
from pipeline.job import ClipOptions, Codec, Job
from pipeline.options import OptionError
from pipeline.settings import Settings
from pipeline.tasks import SegmentKey
from tests.media.clips import LIMITS, write_clip
from tests.models.model_maker import write_light
from tests.workers.rig import Doubling as AnyNetwork
from tests.workers.rig import Rig, enhancer, picture_tiles
from workers import clip
from workers.loaded import LoadedModels
from workers.local import decide_local, enhance_local
from workers.plane_redis import RedisPlane
from workers.report import STATEMENT_LEARNED, STATEMENT_VIVID
from workers.room import Room
from workers.segment import enhance_segment


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of imported models: "both" of two trainings, and each of them alone."""
    here = tmp_path_factory.mktemp("detail")
    catalog = Catalog(here / "models")
    first, second = write_light(here / "first.pth", 0), write_light(here / "second.pth", 1)
    import_model(first, "both", catalog, vivid=second)
    import_model(first, "one", catalog)
    import_model(second, "other", catalog)
    return here / "models"


def enhance(source: Path, out: Path, folder: Path, **options: Any) -> tuple[list[np.ndarray], dict[str, Any]]:
    """The pictures of the lossless result, and the report."""
    settings, report = Settings(threads=1, models_dir=folder), out.with_suffix(".json")
    plan = decide_local(source, out, ClipOptions(codec="ffv1", **options), settings)
    enhance_local(source, out, plan, settings, report, on_frame=lambda _: None)
    with VideoReader(out, probe(out, LIMITS)) as reader:
        return [frame.image.copy() for frame in reader], json.loads(report.read_text())


def test_a_clip_is_enhanced_with_the_detail_asked_for(folder: Path, tmp_path: Path) -> None:
    source = write_clip(tmp_path / "in.mp4", size=(40, 32), frames=3)
    made = {
        (name, detail): enhance(source, tmp_path / f"{name}-{detail}.mkv", folder, model=name, detail=detail)
        for name, detail in (("one", 0.0), ("other", 0.0), ("both", 0.0), ("both", 0.5), ("both", 1.0))
    }
    pictures = {wanted: found[0] for wanted, found in made.items()}
    assert np.array_equal(pictures["both", 0.0], pictures["one", 0.0])
    assert np.array_equal(pictures["both", 1.0], pictures["other", 0.0])
    for end in (0.0, 1.0):
        difference = np.abs(np.int_(pictures["both", 0.5]) - pictures["both", end])
        assert difference.mean() > 0.3
    facts = Catalog(folder).facts("both")
    for detail in (0.0, 0.5):
        report = made["both", detail][1]
        assert (report["model"]["detail"], report["requested"]["detail"]) == (detail, detail)
        assert report["model"]["vivid_sha256"] == facts.vivid_sha256 != report["model"]["weights_sha256"]
        assert report["statement"] == STATEMENT_LEARNED + (STATEMENT_VIVID if detail else "")


def test_a_model_of_one_training_refuses_detail_before_any_work(folder: Path, tmp_path: Path) -> None:
    source = write_clip(tmp_path / "in.mp4", size=(40, 32), frames=1)
    with pytest.raises(OptionError, match="model one has no vivid training"):
        enhance(source, tmp_path / "out.mkv", folder, model="one", detail=0.5)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in.mp4"]


def test_detail_goes_through_redis_to_the_worker(folder: Path, redis: Redis, tmp_path: Path) -> None:
    catalog = Catalog(folder)
    store = SharedFrameStore(tmp_path / "frames")
    rig = Rig(redis, store, enhancer(AnyNetwork()), models=LoadedModels("cpu", 1, catalog))
    tiles = picture_tiles(3)
    with rig.running():
        for segment, detail in enumerate((0.0, 0.5, 1.0)):
            key = SegmentKey("job-a", segment, 1)
            with RedisPlane(rig.queue, store, key, "both", 4, 30.0, detail=detail) as plane:
                plane.submit(0, tiles)
                done = plane.collect(30)
            wanted = load("both", 4, "cpu", detail=detail, catalog=catalog).enhance(tiles).pixels
            assert done is not None
            assert done.tiles is not None
            assert np.array_equal(done.tiles, wanted)


def test_a_worker_keeps_each_detail_apart(folder: Path) -> None:
    loaded = LoadedModels("cpu", 1, Catalog(folder))
    half = loaded.get("both", 4, 0.5)
    assert loaded.get("both", 4) is loaded.get("both", 4, 0.0) is not half
    assert loaded.get("both", 4, 0.5) is half
    with pytest.raises(DetailError):
        loaded.get("one", 4, 0.5)


def test_a_vivid_training_that_was_replaced_is_loaded_anew(tmp_path: Path) -> None:
    catalog = Catalog(tmp_path / "models")
    first = write_light(tmp_path / "first.pth", 0)
    loaded = LoadedModels("cpu", 1, catalog)
    made = []
    for seed in (1, 2):
        import_model(first, "mine", catalog, vivid=write_light(tmp_path / "second.pth", seed))
        made.append(loaded.get("mine", 4, 1.0))
        catalog.remove("mine")
    assert replace(made[0].facts, sha256=None, vivid_sha256=None) == replace(
        made[1].facts, sha256=None, vivid_sha256=None
    )
    tiles = picture_tiles(1)
    assert not np.array_equal(made[0].enhance(tiles).pixels, made[1].enhance(tiles).pixels)


def test_the_services_segments_and_previews_have_it_too(room: tuple[Room, Rig], folder: Path, tmp_path: Path) -> None:
    here, rig = room
    source = write_clip(tmp_path / "in.mp4", size=(40, 32), frames=3)
    wanted, _ = enhance(source, tmp_path / "local.mkv", folder, model="both", detail=0.5)
    facts = probe(source, LIMITS)
    for name in ("whole", "preview"):
        here.files.create(name)
        here.files.source(name).write_bytes(source.read_bytes())
        options = ClipOptions(model="both", scale=4, codec=Codec.FFV1, detail=0.5)
        told = {"source_name": "in.mp4", "source_sha256": "0" * 64, "source_bytes": 1, "clip": to_json(facts)}
        here.jobs.create(Job(id=name, options=options, scale=4, created_at=time.time(), **told))
    with rig.running():
        clip.plan("whole")
        enhance_segment(here, here.jobs.get("whole"), 0)
        clip.preview("preview")
    with VideoReader(made := here.files.segment("whole", 0, ".mkv"), probe(made, LIMITS)) as reader:
        assert all(np.array_equal(frame.image, one) for frame, one in zip(reader, wanted, strict=True))
    after = cv2.imread(str(here.files.preview("preview", 0, "after")))[..., ::-1]
    differences = [np.abs(np.int_(after) - one).mean() for one in (wanted[0], *faithful(source, tmp_path, folder))]
    assert differences[0] < 1 < min(differences[1:])  # the result has been through YUV


def faithful(source: Path, tmp_path: Path, folder: Path) -> list[np.ndarray]:
    return enhance(source, tmp_path / "faithful.mkv", folder, model="both")[0][:1]
