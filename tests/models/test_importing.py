"""Checkpoints of every kind become models that compute what their networks do, or are refused with the reason."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import torch
from torch import Tensor

from models import registry, weights_io
from models.catalog import Catalog
from models.checkpoints import glean_sizes, keys
from models.checkpoints.errors import CheckpointError
from models.checkpoints.layouts import Layout
from models.glean import GleanConfig
from models.importing import Wording, import_model
from models.library import LibraryError
from models.stylegan2 import StyleGan2
from models.stylegan2_ops import PixelNormForm
from tests.models.checkpoint_maker import Touch, goes_off, legacy, random_generator, same, write, zipped
from tests.models.model_maker import LIGHT, TINY, glean, light, mmedit, port_of_espcn, write_glean

MANIFEST = Path(__file__).parents[3] / "shared" / "oracle" / "manifest"


@pytest.fixture
def catalog(tmp_path: Path) -> Catalog:
    return Catalog(tmp_path / "models")


def tile(seed: int = 0, edge: int = 16) -> np.ndarray:
    return np.random.default_rng(seed).integers(60, 200, (1, edge, edge, 3), np.uint8)


def stored(catalog: Catalog, name: str) -> dict[str, Tensor]:
    facts = catalog.facts(name)
    path = catalog.weights(facts)
    assert path is not None
    return weights_io.read(path, expected_sha256=facts.sha256)


@pytest.mark.parametrize("old", [True, False])
def test_a_glean_of_mmediting_is_served_as_its_network_computes(old: bool, catalog: Catalog, tmp_path: Path) -> None:
    found = import_model(write_glean(tmp_path / "glean.pth", legacy=old), "tiny", catalog, Wording(licence="ours"))
    assert found.ignored == ("discriminator", "perceptual_loss")
    facts = catalog.enhancer("tiny")
    assert facts == found.facts
    assert (facts.scales, facts.tile, facts.halo, facts.ramp) == ((4,), 16, 2, 4)
    assert (facts.licence, facts.origin, facts.learned) == ("ours", "glean.pth", True)
    x = tile()
    given = registry.load("tiny", 4, "cpu", catalog=catalog).enhance(x)
    with torch.no_grad():
        y = glean().eval()(torch.from_numpy(x).permute(0, 3, 1, 2).float() / 127.5 - 1)
    wanted = (y * 127.5 + 127.5).clamp(0, 255).permute(0, 2, 3, 1).numpy()
    assert not given.failed.any()
    assert np.abs(given.pixels - wanted).max() <= 0.51


def test_a_grey_glean_sees_luma(catalog: Catalog, tmp_path: Path) -> None:
    config = replace(TINY, img_channels=1)
    import_model(write_glean(tmp_path / "grey.pth", config), "grey", catalog)
    x = tile()
    given = registry.load("grey", 4, "cpu", catalog=catalog).enhance(x).pixels
    luma = torch.from_numpy(x).float() @ torch.tensor([0.299, 0.587, 0.114])
    with torch.no_grad():
        wanted = (glean(config).eval()(luma[:, None] / 127.5 - 1) * 127.5 + 127.5).clamp(0, 255)[0, 0].numpy()
    assert np.abs(given[0] - wanted[..., None]).max() <= 0.51


@pytest.mark.parametrize("name", ["cat_16x_in16_out256", "cat_8x_in32_out256", "ffhq_16x_in64_out1024"])
def test_sizes_of_the_published_gleans_are_found_by_shape(name: str) -> None:
    path = MANIFEST / f"glean_{name}.json"
    if not path.exists():
        pytest.skip("no ../shared here")
    manifest = json.loads(path.read_text())
    state = {key: torch.empty(shape, device="meta") for key, shape, *_ in manifest["keys"]}
    found = glean_sizes.glean_config(state)
    official = GleanConfig(manifest["in_size"], manifest["out_size"])
    assert replace(found, table=None) == official
    assert found.channels() == official.channels()


def test_a_slim_glean_is_served_folded_and_computes_the_same(catalog: Catalog, tmp_path: Path) -> None:
    network = light()
    import_model(write(tmp_path / "light.pth", zipped(network.state_dict())), "light", catalog)
    facts = catalog.enhancer("light")
    assert (facts.architecture, facts.tile, facts.scales) == ("glean-light", LIGHT.in_size, (LIGHT.scale,))
    x = tile()
    with torch.no_grad():
        y = network.eval()(torch.from_numpy(x).permute(0, 3, 1, 2).float() / 127.5 - 1)
    wanted = (y * 127.5 + 127.5).clamp(0, 255).permute(0, 2, 3, 1).numpy()
    given = registry.load("light", 4, "cpu", catalog=catalog).enhance(x).pixels
    assert np.abs(given - wanted).max() <= 0.51


@pytest.mark.parametrize("scale", [3, 4, 5])
def test_an_espcn_of_luma_enlarges_chroma_bicubically(scale: int, catalog: Catalog, tmp_path: Path) -> None:
    import_model(write(tmp_path / "espcn.pth", zipped(port_of_espcn(scale))), "luma", catalog)
    facts = catalog.enhancer("luma")
    assert (facts.architecture, facts.scales, facts.halo) == ("espcn-y", (scale,), 4)
    network = registry.build(facts, scale, stored(catalog, "luma"))
    x = torch.rand(1, 3, 20, 24, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        y = network(x)
    # MATLAB's rgb2ycbcr, with its own published factors.
    matrix = torch.tensor([[65.481, 128.553, 24.966], [-37.797, -74.203, 112.0], [112.0, -93.786, -18.214]]) / 255
    offset = torch.tensor([16, 128, 128])[:, None, None] / 255
    seen, given = (torch.einsum("ij,njhw->nihw", matrix, image) + offset for image in (x, y))
    with torch.no_grad():
        luma = network.get_submodule("network")(seen[:, :1])
    chroma = torch.nn.functional.interpolate(seen[:, 1:], scale_factor=float(scale), mode="bicubic")
    assert torch.allclose(given[:, :1], luma, atol=1e-4)
    assert torch.allclose(given[:, 1:], chroma, atol=1e-4)


def test_our_own_espcn_is_imported(catalog: Catalog) -> None:
    path = weights_io.FOLDER / "espcn-x2.safetensors"
    import_model(path, "mine", catalog)
    x = tile(edge=32)
    mine, shipped = (registry.load(name, 2, "cpu", catalog=catalog) for name in ("mine", "espcn-x2"))
    shipped.dtype = torch.float32  # what was not measured in bfloat16 is computed in float32
    assert np.array_equal(mine.enhance(x).pixels, shipped.enhance(x).pixels)


def test_banks_of_all_three_layouts_make_the_same_pictures(
    nvlabs: Callable[..., bytes], catalog: Catalog, tmp_path: Path
) -> None:
    generator = random_generator()
    ema = {f"generator_ema.{key}": tensor for key, tensor in generator.state.items()}
    theirs = {"g_ema": keys.from_mmagic(Layout.ROSINALITY, generator), "latent_avg": generator.average}
    import_model(write(tmp_path / "a.pth", legacy({"state_dict": ema})), "mmagic", catalog)
    import_model(write(tmp_path / "b.pt", zipped(theirs)), "rosinality", catalog)
    import_model(write(tmp_path / "c.pkl", nvlabs(keys.from_mmagic(Layout.NVLABS, generator))), "nvlabs", catalog)
    assert [facts.name for facts in catalog.banks()] == ["mmagic", "nvlabs", "rosinality", "bank-64"]
    assert not {"mmagic", "rosinality", "nvlabs"} & {facts.name for facts in catalog.enhancers()}
    w = torch.randn(2, generator.sizes.network.latents, generator.sizes.style)
    for name in ("mmagic", "rosinality", "nvlabs"):
        config = catalog.bank(name).config
        assert config["norm"] == ("mmagic" if name == "mmagic" else "original")
        assert config["clamp"] == (256.0 if name == "nvlabs" else None)
        bank = registry.load_bank(name, "cpu", catalog=catalog)
        assert not bank.training
        assert not any(parameter.requires_grad for parameter in bank.parameters())
        direct = StyleGan2(generator.sizes.network, norm=PixelNormForm(config["norm"]), clamp=config["clamp"])
        direct.load_state_dict(generator.state)
        with torch.no_grad():
            assert torch.equal(bank.synthesize(w).image, direct.synthesize(w).image)
    assert torch.equal(stored(catalog, "nvlabs")[registry.AVERAGE], generator.average)


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        ({"c_dim": 10}, "c_dim = 10"),
        ({"mapping_kwargs": {"lr_multiplier": 1}}, r"mapping_kwargs\.lr_multiplier = 1"),
        ({"synthesis_kwargs": {"architecture": "resnet"}}, "architecture = 'resnet'"),
        ({"synthesis_kwargs": {"conv_clamp": -1}}, "conv_clamp = -1"),
    ],
)
def test_generators_that_we_do_not_compute_are_refused(arguments: dict[str, object], reason: str) -> None:
    from models.checkpoints.arguments import conv_clamp

    with pytest.raises(CheckpointError, match=reason):
        conv_clamp(arguments)  # type: ignore[arg-type]


def test_what_we_wrote_can_be_imported_again_and_is_the_same(
    nvlabs: Callable[..., bytes], catalog: Catalog, tmp_path: Path
) -> None:
    bank = nvlabs(keys.from_mmagic(Layout.NVLABS, random_generator()))
    import_model(write(tmp_path / "c.pkl", bank), "bank", catalog, Wording("a bank", "free", "noise"))
    import_model(write_glean(tmp_path / "g.pth"), "glean", catalog)
    import_model(write(tmp_path / "e.pth", zipped(port_of_espcn(3))), "espcn", catalog)
    import_model(write(tmp_path / "l.pth", zipped(light().state_dict())), "light", catalog)
    for name in ("bank", "glean", "espcn", "light"):
        first = catalog.facts(name)
        path = catalog.weights(first)
        assert path is not None
        second = import_model(path, f"{name}-again", catalog).facts
        assert replace(second, name=name, weights=first.weights, sha256=first.sha256) == first
        assert same(stored(catalog, f"{name}-again"), stored(catalog, name))
        catalog.remove(name)
        third = import_model(tmp_path / "models" / f"{name}-again.safetensors", name, catalog).facts
        assert third == first, "file and all"


def test_code_in_a_checkpoint_is_not_run(catalog: Catalog, tmp_path: Path, marker: Path) -> None:
    data = legacy(mmedit(glean().state_dict()) | {"meta": Touch(marker)})
    path = write(tmp_path / "g.pth", data)
    goes_off(data, marker, lambda _: torch.load(path, weights_only=False)["meta"])
    with pytest.raises(CheckpointError, match=r"g\.pth.*no code was run"):
        import_model(path, "poison", catalog)
    assert catalog.all() == Catalog().all()


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda s: s.pop("fusion_out.1.bias"), r"missing: fusion_out\.1\.bias"),
        (lambda s: s.update({"fusion_out.9.bias": torch.zeros(3)}), r"unexpected: fusion_out\.9\.bias"),
        (lambda s: s.update({"encoder.1.0.bias": torch.zeros(3)}), r"encoder\.1\.0\.bias .* \(3,\), wanted \(9,\)"),
        (lambda s: s.update({"encoder.1.0.bias": torch.zeros(9, dtype=torch.int64)}), "holds torch.int64"),
        (lambda s: s["encoder.1.0.bias"].fill_(torch.nan), r"encoder\.1\.0\.bias has values that are not finite"),
        (lambda s: s["decoder.2.0.weight"].fill_(3e38), "not finite for a smooth"),
        (lambda s: s.update({"encoder.0.0.body.70000000.x": torch.zeros(1)}), "reaches 70000000, wanted at most 63"),
        (lambda s: s.update({"encoder.77.x": torch.zeros(1)}), "reaches 77, wanted at most 9"),
        (lambda s: s.pop("generator.constant_input.input"), "of no known network"),
        (lambda s: s.update({"generator.constant_input.input": torch.zeros(1, 10**6, 4, 4)}), "has shape .* 1000000"),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_refused_by_key_or_reason(
    change: Callable[[dict[str, Tensor]], object], reason: str, catalog: Catalog, tmp_path: Path
) -> None:
    state = {key: tensor.clone() for key, tensor in glean().state_dict().items()}
    change(state)
    with pytest.raises(CheckpointError, match=reason):
        import_model(write(tmp_path / "g.pth", zipped(mmedit(state))), "changed", catalog)
    assert not list((tmp_path / "models").glob("*.safetensors"))


def test_a_cut_or_oversize_file_is_refused(catalog: Catalog, tmp_path: Path) -> None:
    data = write_glean(tmp_path / "g.pth").read_bytes()
    with pytest.raises(CheckpointError, match="larger than the 1000 bytes"):
        import_model(tmp_path / "g.pth", "large", catalog, max_bytes=1000)
    with pytest.raises(CheckpointError, match="not a whole torch file"):
        import_model(write(tmp_path / "cut.pth", data[:-1000]), "cut", catalog)
    with pytest.raises(CheckpointError, match="its name says 12345678"):
        import_model(write(tmp_path / "g-12345678.pth", data), "named", catalog)


def test_names_are_looked_at_before_the_file(catalog: Catalog, tmp_path: Path) -> None:
    missing = tmp_path / "missing.pth"
    for name in ("../x", "", "A", "-x", "x" * 65, "a/b", "a\n"):
        with pytest.raises(LibraryError, match="cannot be a model's name"):
            import_model(missing, name, catalog)
    with pytest.raises(LibraryError, match="ships with Gleaner"):
        import_model(missing, "lanczos", catalog)
    import_model(write_glean(tmp_path / "g.pth"), "taken", catalog)
    with pytest.raises(LibraryError, match="there is a model taken already: remove it first"):
        import_model(missing, "taken", catalog)
    with pytest.raises(LibraryError, match="GLEANER_MODELS_DIR"):
        import_model(missing, "free", Catalog())


@pytest.mark.parametrize("pack", [legacy, zipped])
def test_trainers_records_beside_the_weights_are_left_out(
    pack: Callable[[object], bytes], catalog: Catalog, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class HistoryBuffer:
        """As mmengine keeps losses."""

        def __init__(self) -> None:
            self._log_history, self._count_history, self._max = np.arange(3.0), np.array([1, 2]), np.float64(3)

    module = ModuleType("mmengine.logging.history_buffer")
    HistoryBuffer.__module__, HistoryBuffer.__qualname__ = module.__name__, "HistoryBuffer"
    module.HistoryBuffer = HistoryBuffer  # type: ignore[attr-defined]
    state = mmedit(glean().state_dict()) | {
        "message_hub": {"log_scalars": {"train/loss": HistoryBuffer()}},
        "args": argparse.Namespace(lr=1),
    }
    with monkeypatch.context() as patch:
        for name in ("mmengine", "mmengine.logging", module.__name__):
            patch.setitem(sys.modules, name, module)
        data = pack(state)
    assert import_model(write(tmp_path / "glean.pth", data), "glean", catalog).facts.architecture == "glean"


@pytest.mark.parametrize("protocol", [3, 4, 5])
def test_snapshots_of_nvlabs_are_read_in_every_protocol(
    protocol: int, nvlabs: Callable[..., bytes], catalog: Catalog, tmp_path: Path
) -> None:
    data = nvlabs(keys.from_mmagic(Layout.NVLABS, random_generator()), protocol=protocol)
    assert import_model(write(tmp_path / "bank.pkl", data), "bank", catalog).facts.role == "bank"
