"""A ring cut, and snapshots joined, by a child process under limits."""

from __future__ import annotations

from pathlib import Path

import av
import pytest

from media.camera_files import ChildLimits, cut_stretch, pair_pictures
from media.types import MediaError
from tests.media.camera_footage import BEGAN, write_jpeg, write_ring

LIMITS = ChildLimits(memory_bytes=2 << 30, timeout_s=30, max_bytes=1 << 20)


def test_a_stretch_is_cut_with_what_is_missing_of_it(tmp_path: Path) -> None:
    write_ring(tmp_path / "ring", 0, 4)
    write_ring(tmp_path / "ring", 10, 4)
    stretch = cut_stretch(tmp_path / "ring", BEGAN + 2.5, BEGAN + 12, tmp_path / "out.part", LIMITS)
    assert stretch.start == pytest.approx(BEGAN + 2, abs=0.02)
    assert stretch.end == pytest.approx(BEGAN + 12, abs=0.1)
    ((begin, end),) = stretch.gaps
    assert (begin, end) == (pytest.approx(BEGAN + 4, abs=0.1), pytest.approx(BEGAN + 10, abs=0.1))
    with av.open(str(tmp_path / "out.part")) as container:
        assert sum(1 for _ in container.decode(video=0)) == 20 + 20


def test_what_cannot_be_cut_is_told(tmp_path: Path) -> None:
    with pytest.raises(MediaError, match="kept") as nothing:
        cut_stretch(tmp_path / "none", 1.0, 2.0, tmp_path / "out.part", LIMITS)
    assert nothing.value.code == "no-footage"
    write_ring(tmp_path / "ring", 0, 4)
    small = ChildLimits(LIMITS.memory_bytes, LIMITS.timeout_s, max_bytes=1024)
    with pytest.raises(MediaError, match="more than 1024 bytes") as large:
        cut_stretch(tmp_path / "ring", BEGAN, BEGAN + 4, tmp_path / "out.part", small)
    assert large.value.code == "too-large"
    assert not list(tmp_path.glob("out*"))


def test_two_pictures_come_side_by_side(tmp_path: Path) -> None:
    write_jpeg(tmp_path / "source.jpg", 64, 48, (250, 10, 10))
    write_jpeg(tmp_path / "enhanced.jpg", 256, 192, (10, 250, 10))
    (tmp_path / "both.jpg").write_bytes(pair_pictures(tmp_path / "source.jpg", tmp_path / "enhanced.jpg", LIMITS))
    with av.open(str(tmp_path / "both.jpg"), format="jpeg_pipe") as container:
        image = next(container.decode(video=0)).to_ndarray(format="rgb24")
    assert image.shape == (192, 256 + 8 + 256, 3)
    assert image[:, :250, 0].min() > 200
    assert image[:, 270:, 1].min() > 200
    with pytest.raises(MediaError):
        pair_pictures(tmp_path / "none.jpg", tmp_path / "enhanced.jpg", LIMITS)
