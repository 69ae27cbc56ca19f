"""Others' checkpoints are read as tensors and renamed; whatever is damaged or hostile is refused and runs no code."""

from __future__ import annotations

import io
import math
import pickle
import sys
import zipfile
from collections import OrderedDict
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import safetensors.torch
import torch
from torch import Tensor

from models.checkpoints import files, keys, layouts, pickles
from models.checkpoints.errors import CheckpointError
from models.checkpoints.keys import Generator, GeneratorSizes
from models.checkpoints.layouts import Layout
from models.espcn import Espcn

SIZES = GeneratorSizes(channels=(6, 5, 4), style=7, latent=3, mapping=2)  # all widths differ, so no axis is confused
TAPS = torch.tensor([1.0, 3.0, 3.0, 1.0])


def random_generator(seed: int = 0, sizes: GeneratorSizes = SIZES) -> Generator:
    random = torch.Generator().manual_seed(seed)
    state = {
        key: torch.outer(TAPS, TAPS) / 16 if key.endswith(".kernel") else torch.randn(shape, generator=random)
        for key, shape in keys.generator_shapes(sizes).items()
    }
    return Generator(state, sizes, torch.randn(sizes.style, generator=random))


def same(left: dict[str, Tensor], right: dict[str, Tensor]) -> bool:
    return left.keys() == right.keys() and all(
        left[key].shape == right[key].shape and torch.equal(left[key], right[key]) for key in left
    )


def legacy(value: object) -> bytes:
    buffer = io.BytesIO()
    torch.save(value, buffer, _use_new_zipfile_serialization=False)
    return buffer.getvalue()


def zipped(value: object) -> bytes:
    buffer = io.BytesIO()
    torch.save(value, buffer)
    return buffer.getvalue()


def write(path: Path, data: bytes) -> Path:
    path.write_bytes(data)
    return path


class Touch:
    """Unpickled without care, it makes a file."""

    def __init__(self, target: Path) -> None:
        self.target = target

    def __reduce__(self) -> tuple[Any, ...]:
        return open, (str(self.target), "w")


class Persistent:
    """A module as NVlabs' persistence pickles it: its state, and source code to be run."""

    def __init__(self, state: dict[str, object], source: str) -> None:
        self.state, self.source = state, source

    def __reduce__(self) -> tuple[Any, ...]:
        meta = {
            "type": "class",
            "version": 6,
            "module_src": self.source,
            "class_name": "Generator",
            "state": self.state,
        }
        return sys.modules["torch_utils.persistence"]._reconstruct_persistent_obj, (meta,)


@pytest.fixture
def nvlabs(monkeypatch: pytest.MonkeyPatch) -> Callable[..., bytes]:
    """Pickles networks as NVlabs does; the two modules stand in for theirs only while a pickle is made."""

    def _reconstruct_persistent_obj(meta: dict[str, str]) -> object:
        exec(meta["module_src"])  # as theirs does, to show that the poison is one
        return meta

    class EasyDict(dict[str, object]):
        pass

    persistence, util = ModuleType("torch_utils.persistence"), ModuleType("dnnlib.util")
    for module, thing in ((persistence, _reconstruct_persistent_obj), (util, EasyDict)):
        thing.__module__, thing.__qualname__ = module.__name__, thing.__name__
        setattr(module, thing.__name__, thing)

    def make(tensors: dict[str, Tensor], *, source: str = "", beside: object = None) -> bytes:
        with monkeypatch.context() as patch:
            for name, module in (
                ("torch_utils", ModuleType("torch_utils")),
                ("torch_utils.persistence", persistence),
                ("dnnlib", ModuleType("dnnlib")),
                ("dnnlib.util", util),
            ):
                patch.setitem(sys.modules, name, module)
            kwargs = EasyDict(z_dim=3, img_resolution=np.int64(16), synthesis_kwargs=EasyDict(conv_clamp=256))
            network = nested(tensors, source, kwargs)
            return pickle.dumps({"G": None, "G_ema": network, "augment_pipe": beside}, protocol=4)

    return make


def nested(tensors: dict[str, Tensor], source: str, kwargs: dict[str, object] | None = None) -> Persistent:
    """One module per dotted part; filters, noise and means are buffers, all else parameters."""
    state: dict[str, Any] = {
        "training": False,
        "_parameters": OrderedDict(),
        "_buffers": OrderedDict(),
        "_non_persistent_buffers_set": set(),
        "_modules": OrderedDict(),
    }
    if kwargs is not None:
        state |= {"_init_args": (), "_init_kwargs": kwargs}
    children: dict[str, dict[str, Tensor]] = {}
    for key, tensor in tensors.items():
        head, _, tail = key.partition(".")
        if tail:
            children.setdefault(head, {})[tail] = tensor
        elif key in ("resample_filter", "noise_const", "w_avg"):
            state["_buffers"][key] = tensor
        else:
            state["_parameters"][key] = torch.nn.Parameter(tensor)
    for name, inner in children.items():
        state["_modules"][name] = nested(inner, source)
    return Persistent(state, source)


@pytest.fixture
def marker(tmp_path: Path) -> Iterator[Path]:
    """A file that no reading may make."""
    path = tmp_path / "code-was-run"
    yield path
    assert not path.exists()


def goes_off(data: bytes, marker: Path, load: Callable[[bytes], object]) -> None:
    """The poison works on a careless reader; without this the refusals below would show nothing."""
    opened = load(data)
    if hasattr(opened, "close"):
        opened.close()
    assert marker.exists()
    marker.unlink()


def test_key_list_of_a_published_generator_has_its_number_of_parameters() -> None:
    sizes = GeneratorSizes((512, 512, 512, 512, 512, 256, 128, 64, 32), 512, 512, 8)
    shapes = keys.generator_shapes(sizes)
    trained = (
        math.prod(s) for key, s in shapes.items() if not key.endswith(".kernel") and not key.startswith("injected")
    )
    assert sizes.out_size == 1024
    assert len(shapes) == 171
    assert sum(trained) == 30_370_060


@pytest.mark.parametrize(
    ("ours", "rosinality", "nvlabs"),
    [
        ("style_mapping.2.linear.weight_orig", "style.2.weight", "mapping.fc1.weight"),
        ("style_mapping.1.bias", "style.1.bias", "mapping.fc0.bias"),
        ("constant_input.input", "input.input", "synthesis.b4.const"),
        ("conv1.conv.weight_orig", "conv1.conv.weight", "synthesis.b4.conv1.weight"),
        ("convs.2.conv.blur.kernel", "convs.2.conv.blur.kernel", "synthesis.b16.conv0.resample_filter"),
        (
            "convs.3.conv.style_modulation.linear.weight_orig",
            "convs.3.conv.modulation.weight",
            "synthesis.b16.conv1.affine.weight",
        ),
        ("convs.1.noise_injector.weight", "convs.1.noise.weight", "synthesis.b8.conv1.noise_strength"),
        ("convs.0.activate.bias", "convs.0.activate.bias", "synthesis.b8.conv0.bias"),
        ("to_rgb1.conv.style_modulation.bias", "to_rgb1.conv.modulation.bias", "synthesis.b4.torgb.affine.bias"),
        ("to_rgbs.1.bias", "to_rgbs.1.bias", "synthesis.b16.torgb.bias"),
        ("to_rgbs.0.upsample.kernel", "to_rgbs.0.upsample.kernel", "synthesis.b8.resample_filter"),
        ("injected_noise_0", "noises.noise_0", "synthesis.b4.conv1.noise_const"),
        ("injected_noise_4", "noises.noise_4", "synthesis.b16.conv1.noise_const"),
    ],
)
def test_names_are_those_that_the_projects_use(ours: str, rosinality: str, nvlabs: str) -> None:
    generator = random_generator()
    theirs = keys.from_mmagic(Layout.ROSINALITY, generator)
    assert torch.equal(theirs[rosinality], generator.state[ours])
    ada = keys.from_mmagic(Layout.NVLABS, generator)
    factor = 4 if ours.endswith(".kernel") else 1
    assert torch.equal(ada[nvlabs].flatten() * factor, generator.state[ours].flatten())


def test_nvlabs_shapes_lack_the_leading_axes() -> None:
    ada = keys.from_mmagic(Layout.NVLABS, random_generator())
    assert ada["synthesis.b4.const"].shape == (6, 4, 4)
    assert ada["synthesis.b8.conv0.weight"].shape == (5, 6, 3, 3)
    assert ada["synthesis.b8.conv0.noise_strength"].shape == ()
    assert ada["synthesis.b8.conv0.noise_const"].shape == (8, 8)
    assert ada["synthesis.b8.torgb.bias"].shape == (3,)
    assert float(ada["synthesis.b8.conv0.resample_filter"].sum()) == 1.0


@pytest.mark.parametrize("layout", [Layout.MMAGIC, Layout.ROSINALITY, Layout.NVLABS])
@pytest.mark.parametrize("sizes", [SIZES, GeneratorSizes((4, 4), 5, 5, 8), GeneratorSizes((3,) * 6, 2, 2, 0)])
def test_round_trip_through_a_layout_is_the_identity(layout: Layout, sizes: GeneratorSizes) -> None:
    generator = random_generator(1, sizes)
    theirs = keys.from_mmagic(layout, generator)
    back = keys.to_mmagic(layout, theirs, generator.average)
    assert back.sizes == sizes
    assert back.average is not None
    assert generator.average is not None
    assert torch.equal(back.average, generator.average)
    assert same(back.state, generator.state)
    assert same(keys.from_mmagic(layout, back), theirs)


def test_files_of_all_three_layouts_hold_the_same_generator(nvlabs: Callable[..., bytes], tmp_path: Path) -> None:
    generator, other = random_generator(), random_generator(9)
    ema = {f"generator_ema.{key}": tensor for key, tensor in generator.state.items()}
    plain = {f"generator.{key}": tensor for key, tensor in other.state.items()}
    critic = {"discriminator.convs.0.weight": torch.zeros(2)}
    rosinality = {
        "g": keys.from_mmagic(Layout.ROSINALITY, other),
        "d": critic,
        "g_ema": keys.from_mmagic(Layout.ROSINALITY, generator),
        "g_optim": {"state": {0: {"step": 3}}, "param_groups": [{"lr": 0.1}]},
        "latent_avg": generator.average,
    }
    paths = {
        Layout.MMAGIC: write(tmp_path / "a.pth", legacy({"meta": {"epoch": 1}, "state_dict": plain | critic | ema})),
        Layout.ROSINALITY: write(tmp_path / "b.pt", zipped(rosinality)),
        Layout.NVLABS: write(tmp_path / "c.pkl", nvlabs(keys.from_mmagic(Layout.NVLABS, generator))),
    }
    for layout, path in paths.items():
        network = layouts.recognise(files.read(path).groups)
        found = keys.to_mmagic(network.layout, network.state, network.average)
        assert network.layout is layout
        assert same(found.state, generator.state)
        if layout is not Layout.MMAGIC:
            assert found.average is not None
            assert generator.average is not None
            assert torch.equal(found.average, generator.average)
    mmagic = layouts.recognise(files.read(paths[Layout.MMAGIC]).groups)
    assert (mmagic.prefix, mmagic.ignored) == ("generator_ema.", ("discriminator", "generator"))


def test_nvlabs_arguments_are_read_beside_the_tensors(nvlabs: Callable[..., bytes], tmp_path: Path) -> None:
    data = nvlabs(keys.from_mmagic(Layout.NVLABS, random_generator()), beside={"p": 0.5})
    checkpoint = files.read(write(tmp_path / "ffhq.pkl", data))
    assert checkpoint.groups.keys() == {"G_ema"}
    assert checkpoint.arguments["G_ema"] == {
        "z_dim": 3,
        "img_resolution": 16,
        "synthesis_kwargs": {"conv_clamp": 256},
    }


@pytest.mark.parametrize("pack", [legacy, zipped])
def test_glean_prefix_is_taken_once_and_the_bank_comes_apart(pack: Callable[[object], bytes], tmp_path: Path) -> None:
    bank = random_generator()
    glean = {f"generator.{key}": tensor for key, tensor in bank.state.items()}
    glean |= {"encoder.0.0.conv_first.weight": torch.ones(2, 3, 3, 3), "fusion_out.0.bias": torch.ones(4)}
    saved = {f"generator.{key}": tensor for key, tensor in glean.items()}
    saved |= {"discriminator.final.weight": torch.ones(1), "perceptual_loss.vgg.mean": torch.ones(3)}
    path = write(tmp_path / "glean.pth", pack({"meta": {"mmedit": "0.x"}, "state_dict": saved}))
    network = layouts.recognise(files.read(path).groups)
    assert (network.layout, network.group, network.prefix) == (Layout.GLEAN, "state_dict", "generator.")
    assert network.ignored == ("discriminator", "perceptual_loss")
    shapes = {key: tuple(tensor.shape) for key, tensor in glean.items()}
    found, rest = keys.split_glean(network.state, shapes)
    assert same(found.state, bank.state)
    assert rest.keys() == {"encoder.0.0.conv_first.weight", "fusion_out.0.bias"}
    assert same(keys.join_glean(found, rest), glean)
    twice = {f"generator.{key}": tensor for key, tensor in saved.items()}
    with pytest.raises(CheckpointError, match="no known network"):
        layouts.recognise({"": {k: t for k, t in twice.items() if "generator.generator.generator" not in k}})


@pytest.mark.parametrize("prefix", ["", "generator_ema.", "ema.", "module.", "module.generator."])
def test_own_glean_checkpoints_may_carry_other_prefixes(prefix: str) -> None:
    glean = {"generator.constant_input.input": torch.ones(1), "encoder.0.0.conv_first.weight": torch.ones(1)}
    network = layouts.recognise({"": {prefix + key: tensor for key, tensor in glean.items()}})
    assert (network.layout, network.prefix) == (Layout.GLEAN, prefix)
    assert same(network.state, glean)


def test_keys_of_no_known_network_are_shown() -> None:
    with pytest.raises(CheckpointError, match=r"state_dict/backbone\.weight"):
        layouts.recognise({"state_dict": {"backbone.weight": torch.ones(1)}})


@pytest.mark.parametrize(("channels", "scale"), [(1, 3), (3, 2), (3, 4)])
def test_espcn_of_a_port_has_our_keys_afterwards(channels: int, scale: int, tmp_path: Path) -> None:
    state = {
        "first_part.0.weight": torch.randn(64, channels, 5, 5),
        "first_part.0.bias": torch.randn(64),
        "first_part.2.weight": torch.randn(32, 64, 3, 3),
        "first_part.2.bias": torch.randn(32),
        "last_part.0.weight": torch.randn(channels * scale**2, 32, 3, 3),
        "last_part.0.bias": torch.randn(channels * scale**2),
    }
    network = layouts.recognise(files.read(write(tmp_path / "espcn.pth", zipped(state))).groups)
    found = keys.espcn_to_ours(network.layout, network.state)
    assert (found.channels, found.scale) == (channels, scale)
    assert same(keys.espcn_from_ours(Layout.ESPCN_PARTS, found), state)
    assert same(keys.espcn_to_ours(Layout.ESPCN, found.state).state, found.state)
    if channels == 3:
        Espcn(scale).load_state_dict(found.state, strict=True)
    with pytest.raises(CheckpointError, match=r"missing: second\.bias"):
        keys.espcn_to_ours(network.layout, {k: t for k, t in state.items() if k != "first_part.2.bias"})
    with pytest.raises(CheckpointError, match="square"):
        keys.espcn_to_ours(network.layout, state | {"last_part.0.weight": torch.randn(channels * 5, 32, 3, 3)})


@pytest.mark.parametrize("layout", [Layout.MMAGIC, Layout.ROSINALITY, Layout.NVLABS])
def test_every_missing_key_and_every_added_one_is_named(layout: Layout) -> None:
    theirs = keys.from_mmagic(layout, random_generator())
    ours = {name: key for key, name in zip(SHAPES, keys_of(layout), strict=True)}
    for name in theirs.keys() - {"mapping.w_avg"}:
        with pytest.raises(CheckpointError) as caught:
            keys.to_mmagic(layout, {key: tensor for key, tensor in theirs.items() if key != name})
        assert ours.get(name, name) in str(caught.value)
    with pytest.raises(CheckpointError, match=r"mapping\.embed\.weight"):
        keys.to_mmagic(layout, theirs | {"mapping.embed.weight": torch.zeros(1)})


SHAPES = keys.generator_shapes(SIZES)


def keys_of(layout: Layout) -> list[str]:
    """The layout's names in the order of SHAPES."""
    renamed = list(keys.from_mmagic(layout, random_generator()))
    return renamed[: len(SHAPES)]


@pytest.mark.parametrize("layout", [Layout.MMAGIC, Layout.ROSINALITY, Layout.NVLABS])
def test_every_wrong_shape_is_refused(layout: Layout) -> None:
    theirs = keys.from_mmagic(layout, random_generator())
    for name, tensor in theirs.items():
        with pytest.raises(CheckpointError, match=r"shape|axes|missing"):
            keys.to_mmagic(layout, theirs | {name: torch.zeros(*tensor.shape, 2)})


def test_renamed_keys_are_named_both_ways() -> None:
    state = dict(random_generator().state)
    state["oddly_named"] = state.pop("convs.1.activate.bias")
    with pytest.raises(CheckpointError, match=r"missing: convs\.1\.activate\.bias; unexpected: oddly_named"):
        keys.fit(state, SHAPES)


def test_blur_kernel_of_the_other_scale_is_refused() -> None:
    state = random_generator().state
    kernel = "convs.0.conv.blur.kernel"
    with pytest.raises(CheckpointError, match=r"convs\.0\.conv\.blur\.kernel sums to 1, wanted 4"):
        keys.to_mmagic(Layout.MMAGIC, state | {kernel: state[kernel] / 4})


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_values_that_are_not_finite_are_refused(value: float) -> None:
    state = random_generator().state
    with pytest.raises(CheckpointError, match=r"to_rgb1\.bias has values that are not finite"):
        keys.to_mmagic(Layout.MMAGIC, state | {"to_rgb1.bias": torch.full((1, 3, 1, 1), value)})


def test_half_precision_becomes_float32_and_integers_do_not() -> None:
    state = random_generator().state
    found = keys.to_mmagic(Layout.MMAGIC, {key: tensor.half() for key, tensor in state.items()})
    assert {tensor.dtype for tensor in found.state.values()} == {torch.float32}
    with pytest.raises(CheckpointError, match=r"to_rgb1\.bias holds torch\.int32"):
        keys.to_mmagic(Layout.MMAGIC, state | {"to_rgb1.bias": torch.zeros(1, 3, 1, 1, dtype=torch.int32)})


@pytest.mark.parametrize("pack", [legacy, zipped])
def test_code_in_a_torch_file_is_refused_and_not_run(
    pack: Callable[[object], bytes], tmp_path: Path, marker: Path
) -> None:
    data = pack({"state_dict": {"a": torch.ones(1)}, "meta": Touch(marker)})
    goes_off(data, marker, lambda bytes_: torch.load(io.BytesIO(bytes_), weights_only=False)["meta"])
    with pytest.raises(CheckpointError, match="no code was run"):
        files.read(write(tmp_path / "poison.pth", data))


@pytest.mark.parametrize("protocol", range(6))
def test_code_in_a_pickle_is_refused_and_not_run(protocol: int, tmp_path: Path, marker: Path) -> None:
    data = pickle.dumps(Touch(marker), protocol)
    goes_off(data, marker, pickle.loads)
    with pytest.raises(CheckpointError, match=r"io\.open, which is not allowed; no code was run"):
        files.read(write(tmp_path / "poison.pkl", data))


def test_source_in_an_nvlabs_pickle_is_not_run(nvlabs: Callable[..., bytes], tmp_path: Path, marker: Path) -> None:
    state = keys.from_mmagic(Layout.NVLABS, random_generator())
    data = nvlabs(state, source=f"open({str(marker)!r}, 'w').close()")
    assert str(marker).encode() in data
    assert same(files.read(write(tmp_path / "poison.pkl", data)).groups["G_ema"], state)


def test_code_beside_or_below_an_nvlabs_network_is_refused(
    nvlabs: Callable[..., bytes], tmp_path: Path, marker: Path
) -> None:
    class HiddenInStorage:
        """A storage's own bytes are a pickle again."""

        def __reduce__(self) -> tuple[Any, ...]:
            return torch.storage._load_from_bytes, (legacy(Touch(marker)),)

    for beside in (Touch(marker), [{"deep": Touch(marker)}], HiddenInStorage()):
        data = nvlabs({"w_avg": torch.ones(2)}, beside=beside)
        with pytest.raises(CheckpointError, match=r"not allowed|cannot be read"):
            files.read(write(tmp_path / "poison.pkl", data))


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"\x80\x02cos\nsystem\nX\x04\x00\x00\x00true\x85R.", r"os\.system"),
        (b"\x80\x02cbuiltins\neval\n.", r"builtins\.eval"),
        (b"\x80\x04\x8c\x0fcollections.abc\x8c\x08Callable\x93.", r"collections\.abc\.Callable"),
        (b"\x80\x04\x8c\x0ctorch._utils\x8c\x0c__builtins__\x93.", r"__builtins__"),
        (b"\x80\x02ctorch._utils\n_rebuild_parameter\n}X\x01\x00\x00\x00aNsb.", "tries to change a call"),
        (b"\x80\x02ctorch._utils\n_rebuild_parameter\nN}X\x01\x00\x00\x00aNs\x86b.", "tries to change a call"),
        (b"\x80\x02ctorch_utils.persistence\n_reconstruct_persistent_obj\n}\x85R}b.", "tries to change a module"),
        (b"\x80\x02cnumpy\ndtype\nX\x02\x00\x00\x00O8\x85R.", "numpy type 'O8'"),
        (b"\x80\x02Nr\xff\xff\xff\x7f.", "memory slot 2147483647"),
        (b"\x80\x04\x8e\x00\x00\x00\x00\x00\x10\x00\x00abc.", "cut short"),
        (b"\x80\x02X\x01\x00\x00\x00aQ.", "outside itself"),
        (b"\x80\x02}.", "no network"),
        (b"\x80\x02N.", "NoneType"),
        (b"", "cut short"),
    ],
)
def test_hostile_and_empty_pickles_are_refused(data: bytes, reason: str) -> None:
    with pytest.raises(CheckpointError, match=reason):
        pickles.read_modules(data)


def test_tensor_larger_than_its_storage_is_refused(nvlabs: Callable[..., bytes], tmp_path: Path) -> None:
    class Enlarged:
        def __init__(self, size: tuple[int, ...], stride: tuple[int, ...], offset: int = 0) -> None:
            self.view = (offset, size, stride)

        def __reduce__(self) -> tuple[Any, ...]:
            storage = next(iter(torch.ones(4).__reduce_ex__(2)[1]))
            return torch._utils._rebuild_tensor_v2, (storage, *self.view, False, OrderedDict())

    for tensor in (
        Enlarged((1 << 30,), (1,)),
        Enlarged((1 << 20,), (0,)),
        Enlarged((2,), (1,), 3),
        Enlarged((1,), (-1,)),
    ):
        data = nvlabs({"w_avg": torch.ones(2)}, beside=tensor)
        with pytest.raises(CheckpointError, match=r"does not fit its storage|size, stride or offset"):
            files.read(write(tmp_path / "large.pkl", data))
    for pack in (legacy, zipped):
        with pytest.raises(CheckpointError, match="a claims the shape"):
            files.read(write(tmp_path / "large.pth", pack({"a": torch.zeros(1).expand(1000, 1000)})))


def test_compressed_torch_file_is_refused(tmp_path: Path) -> None:
    packed = io.BytesIO()
    with (
        zipfile.ZipFile(io.BytesIO(zipped({"a": torch.zeros(100_000)}))) as source,
        zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as target,
    ):
        for name in source.namelist():
            target.writestr(name, source.read(name))
    with pytest.raises(CheckpointError, match="is compressed"):
        files.read(write(tmp_path / "bomb.pth", packed.getvalue()))


@pytest.mark.parametrize("share", [0.0, 0.01, 0.3, 0.6, 0.9, 0.999])
def test_truncated_files_are_refused(share: float, nvlabs: Callable[..., bytes], tmp_path: Path) -> None:
    generator = random_generator()
    whole = {
        "a.pth": legacy({"state_dict": generator.state}),
        "b.pth": zipped({"state_dict": generator.state}),
        "c.safetensors": safetensors.torch.save(generator.state),
        "d.pkl": nvlabs(keys.from_mmagic(Layout.NVLABS, generator)),
    }
    for name, data in whole.items():
        files.read(write(tmp_path / name, data))
        with pytest.raises(CheckpointError, match=name):
            files.read(write(tmp_path / name, data[: int(len(data) * share)]))


def test_safetensors_hold_the_tensors_at_the_top(tmp_path: Path) -> None:
    generator = random_generator()
    network = layouts.recognise(
        files.read(write(tmp_path / "bank.safetensors", safetensors.torch.save(generator.state))).groups
    )
    assert network.layout is Layout.MMAGIC
    assert same(network.state, generator.state)


def test_oversize_files_are_refused(tmp_path: Path) -> None:
    path = write(tmp_path / "large.pth", legacy({"a": torch.ones(100)}))
    size = path.stat().st_size
    files.read(path, max_bytes=size)
    with pytest.raises(CheckpointError, match=rf"large\.pth is larger than the {size - 1} bytes"):
        files.read(path, max_bytes=size - 1)


def test_hash_in_the_name_is_checked(tmp_path: Path) -> None:
    data = legacy({"a": torch.ones(3)})
    right = files.read(write(tmp_path / "a.pth", data)).sha256
    files.read(write(tmp_path / f"glean_20210527-{right[:8]}.pth", data))
    with pytest.raises(CheckpointError, match="its name says 68912543"):
        files.read(write(tmp_path / "glean_20210527-68912543.pth", data))
    with pytest.raises(CheckpointError, match=f"but expected {'0' * 64}"):
        files.read(tmp_path / "a.pth", expected_sha256="0" * 64)


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("glean_cat_16x_20210527-68912543.pth", "68912543"),
        ("net-acbcb04f.pkl", "acbcb04f"),
        ("stylegan2-ffhq-config-f.pt", None),
        ("network-snapshot-025000.pkl", None),
        ("net-20210527.pth", None),
        ("net-20219927.pth", "20219927"),
    ],
)
def test_a_date_at_the_end_of_a_name_is_no_hash(name: str, found: str | None) -> None:
    assert files.hash_in_name(name) == found


@pytest.mark.parametrize("name", ["weights.bin", "weights.pth.py", "weights"])
def test_other_suffixes_are_refused(name: str, tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"wanted one of \.pth"):
        files.read(write(tmp_path / name, legacy({"a": torch.ones(1)})))


def test_files_without_tensors_and_missing_ones_are_refused(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="holds no tensors"):
        files.read(write(tmp_path / "a.pth", zipped({"meta": {"epoch": 1}})))
    with pytest.raises(CheckpointError, match=r"missing\.pth is not a file"):
        files.read(tmp_path / "missing.pth")
    with pytest.raises(CheckpointError, match="wanted a dictionary"):
        files.read(write(tmp_path / "b.pth", zipped([torch.ones(1)])))
