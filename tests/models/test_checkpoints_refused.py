"""Damaged, hostile and oversize checkpoints are refused, with the reason, and run no code."""

from __future__ import annotations

import io
import pickle
import zipfile
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import safetensors.torch
import torch

from models.checkpoints import files, keys, layouts, pickles
from models.checkpoints.errors import CheckpointError
from models.checkpoints.layouts import Layout
from tests.models.checkpoint_maker import (
    Touch,
    goes_off,
    legacy,
    random_generator,
    same,
    write,
    zipped,
)


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
