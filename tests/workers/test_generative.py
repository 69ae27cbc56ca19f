"""Networks that take tiles of one size and see all of a tile: through both loops, and no grid in the picture."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from redis import Redis

from benchmarks.seams import seam_strength
from media.probe import probe
from media.reader import VideoReader
from models.catalog import Catalog
from models.enhancer import Enhancer
from models.registry import load
from pipeline.frames_shared import SharedFrameStore
from pipeline.job import ClipOptions
from pipeline.settings import Settings
from pipeline.tasks import SegmentKey
from tests.media.clips import LIMITS, write_clip
from tests.models.generative import CONFIGS, import_all
from tests.workers.rig import Rig
from workers.canvas import Canvas
from workers.loaded import LoadedModels
from workers.local import decide_local, enhance_local
from workers.tiles import make_grid

SHOWS = 1.4  # seam strength above which a grid would be seen; measured: ramps 0.6 to 1.15, hard cuts 1.8 to 7


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of imported models."""
    return import_all(tmp_path_factory.mktemp("generative"))


@pytest.fixture(scope="module")
def catalog(folder: Path) -> Catalog:
    return Catalog(folder)


def scenes(width: int, height: int) -> dict[str, np.ndarray]:
    """(height, width, 3) uint8: one colour, and a gradient across both axes."""
    y, x = np.mgrid[0:height, 0:width] / (width, height)[0]
    gradient = np.stack([40 + 150 * x, 60 + 120 * y, 50 + 40 * (x + y)], axis=-1)
    return {"colour": np.full((height, width, 3), (90, 130, 160), np.uint8), "gradient": gradient.astype(np.uint8)}


def blended(enhancer: Enhancer, image: np.ndarray, halo: int, ramp: int) -> float:
    """Seam strength of the picture enhanced in tiles with this halo and ramp."""
    height, width, _ = image.shape
    grid = make_grid(width, height, enhancer.facts.tile, halo, ramp)
    canvas = Canvas(grid, enhancer.scale, image.dtype)
    every = np.arange(grid.count)
    canvas.update(every, enhancer.enhance(grid.cut(image, every)).pixels)
    assert canvas.image.std() > 3  # there is texture to compare with
    return seam_strength(canvas.image, grid, enhancer.scale)


@pytest.mark.parametrize("name", ["glean-16", "glean-32", "light-32"])
def test_no_grid_shows_with_the_models_own_ramp_and_one_does_with_hard_cuts(name: str, catalog: Catalog) -> None:
    enhancer = load(name, 4, "cpu", catalog=catalog)
    facts = enhancer.facts
    edge = 3 * facts.tile
    for kind, image in scenes(edge, edge).items():
        assert blended(enhancer, image, facts.halo, facts.ramp) < SHOWS, kind
        assert blended(enhancer, image, facts.halo, 0) > SHOWS, kind


def test_the_measure_sees_a_step_of_one_level_in_noise_and_nothing_where_there_is_none() -> None:
    grid = make_grid(104, 104, 32, 4, 0)
    noise = np.random.default_rng(0).normal(128, 2, (416, 416, 3))
    assert seam_strength(noise, grid, 4) < SHOWS
    tile = np.zeros(104)
    for i, cell in enumerate(grid.x.cells):
        tile[cell.lo : cell.hi] = i % 2
    stepped = noise + tile.repeat(4)[:, None] + tile.repeat(4)[:, None, None]
    assert seam_strength(stepped, grid, 4) > 2 * SHOWS


@pytest.mark.parametrize(("name", "size"), [("glean-16", (46, 22)), ("glean-32", (52, 40)), ("glean-64", (102, 48))])
def test_a_clip_goes_through_the_local_loop(
    name: str, size: tuple[int, int], folder: Path, catalog: Catalog, tmp_path: Path
) -> None:
    """Every picture is what the network gives for its tiles, blended: also where the clip is smaller than a tile."""
    source, out = tmp_path / "in.mkv", tmp_path / "out.mkv"
    write_clip(source, codec="ffv1", pix_fmt="bgr0", size=size, frames=3)
    settings = Settings(threads=1, models_dir=folder, batch_tiles=5)
    options = ClipOptions(model=name, scale=4, codec="ffv1", reuse="exact")
    plan = decide_local(source, out, options, settings)
    summary = enhance_local(source, out, plan, settings, None, on_frame=lambda _: None)
    assert summary["frames"]["enhanced"] == summary["frames"]["written"] == 3
    enhancer = load(name, 4, "cpu", catalog=catalog)
    facts = enhancer.facts
    grid = make_grid(*size, facts.tile, facts.halo, facts.ramp)
    every = np.arange(grid.count)
    given, wanted = probe(out, LIMITS), probe(source, LIMITS)
    assert (given.width, given.height) == (4 * size[0], 4 * size[1])
    with VideoReader(source, wanted) as frames, VideoReader(out, given) as results:
        for frame, result in zip(frames, results, strict=True):
            canvas = Canvas(grid, 4, np.uint8)
            canvas.update(every, enhancer.enhance(grid.cut(frame.image, every)).pixels)
            assert np.abs(result.image.astype(int) - canvas.image).max() <= 3  # YUV and back
            assert np.abs(result.image.astype(int) - canvas.image).mean() < 1


def test_the_services_worker_gives_the_same_bytes_however_frames_fall_into_batches(
    catalog: Catalog, redis: Redis, tmp_path: Path
) -> None:
    enhancer = load("glean-16", 4, "cpu", catalog=catalog)
    tiles = np.random.default_rng(4).integers(40, 210, (7, 16, 16, 3), np.uint8)
    alone = np.concatenate([enhancer.enhance(tile[None]).pixels for tile in tiles])
    for batch in (2, 5):
        store = SharedFrameStore(tmp_path / f"frames{batch}")
        rig = Rig(redis, store, enhancer, batch_tiles=batch, models=LoadedModels("cpu", 1, catalog))
        key = SegmentKey(f"job-{batch}", 0, 1)
        with rig.leases:
            tasks = [
                rig.send(key, i, part, model="glean-16", scale=4)
                for i, part in enumerate((tiles[:3], tiles[3:4], tiles[4:]))
            ]
            while rig.left() != (0, 0):
                rig.worker.step()
        assert np.array_equal(np.concatenate([rig.result(task) for task in tasks]), alone)


@pytest.mark.parametrize("name", sorted(CONFIGS))
def test_a_tile_has_the_same_bytes_in_every_batch_and_place(name: str, catalog: Catalog) -> None:
    model = load(name, 4, "cpu", catalog=catalog)
    assert model.facts.batch is not None
    edge = model.facts.tile
    batch = np.random.default_rng(1).integers(30, 220, (3, edge, edge, 3), np.uint8)
    alone = np.concatenate([model.enhance(tile[None]).pixels for tile in batch])
    for size in (2, 3):
        assert np.array_equal(model.enhance(batch[:size]).pixels, alone[:size])
    assert np.array_equal(model.enhance(batch[::-1]).pixels, alone[::-1])


@pytest.mark.parametrize("name", ["glean-16", "light-32"])
@pytest.mark.parametrize("size", [2, 4])
def test_within_one_size_of_batch_neither_place_nor_company_matters(name: str, size: int, catalog: Catalog) -> None:
    """What the rule of fixed batches rests on: measured here on the network itself, to the last bit."""
    network = load(name, 4, "cpu", catalog=catalog)._network
    edge = CONFIGS[name].in_size
    random = torch.Generator().manual_seed(2)
    one, company = (torch.rand(size, 3, edge, edge, generator=random) for _ in range(2))
    with torch.inference_mode():
        wanted = network(one.contiguous(memory_format=torch.channels_last))
        for place in range(size):
            mixed = company.clone()
            mixed[place] = one[0]
            given = network(mixed.contiguous(memory_format=torch.channels_last))
            assert torch.equal(given[place], wanted[0])
