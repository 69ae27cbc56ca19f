"""Community upscalers through spandrel: same facts, same service; without the extra it is named."""

from __future__ import annotations

import subprocess
import sys
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from models import community, registry
from models.catalog import Catalog
from models.checkpoints.errors import CheckpointError
from models.importing import import_model
from models.registry import ArchitectureError
from tests.models.checkpoint_maker import same, write, zipped
from tests.models.model_maker import seeded


@pytest.fixture
def catalog(tmp_path: Path) -> Catalog:
    return Catalog(tmp_path / "models")


def esrgan() -> nn.Module:
    community.import_spandrel()
    from spandrel.architectures.ESRGAN import ESRGAN

    return seeded(lambda: ESRGAN(num_filters=8, num_blocks=2, scale=4))


def swinir() -> nn.Module:
    community.import_spandrel()
    from spandrel.architectures.SwinIR import SwinIR

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return seeded(
            lambda: SwinIR(
                upscale=2, window_size=8, depths=(2, 2), embed_dim=12, num_heads=(2, 2), upsampler="pixelshuffle"
            )
        )


@pytest.mark.parametrize(("make", "identity", "scale"), [(esrgan, "ESRGAN", 4), (swinir, "SwinIR", 2)])
def test_a_community_upscaler_is_served_as_its_network_computes(
    make: Callable[[], nn.Module], identity: str, scale: int, catalog: Catalog, tmp_path: Path
) -> None:
    network = make().eval()
    with torch.no_grad():
        list(network.parameters())[-1].fill_(0.5)  # the last bias: a picture, where random weights give black
    path = write(tmp_path / "net.pth", zipped({"params_ema": network.state_dict()}))
    facts = import_model(path, "community", catalog).facts
    assert (facts.architecture, facts.scales, facts.tile, facts.batch) == ("spandrel", (scale,), 96, 1)
    assert facts.config == {"identity": identity}
    assert f"halo of {facts.halo} pixels" in facts.envelope
    x = np.random.default_rng(0).integers(0, 256, (1, 96, 96, 3), np.uint8)
    given = registry.load("community", scale, "cpu", catalog=catalog).enhance(x)
    with torch.no_grad():
        y = network(torch.from_numpy(x).permute(0, 3, 1, 2).float() / 255).clamp(0, 1) * 255
    assert not given.failed.any()
    assert np.abs(given.pixels - y.permute(0, 2, 3, 1).numpy()).max() <= 0.51
    again = import_model(tmp_path / "models" / "community.safetensors", "again", catalog)
    first, second = (registry.read_state(catalog, catalog.facts(name)) for name in ("community", "again"))
    assert same(dict(first), dict(second))
    assert again.facts.config == facts.config


def test_the_halo_is_where_the_surround_no_longer_shows() -> None:
    class Blur(nn.Module):
        """Every pixel sees five pixels each way, the farthest the most."""

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            padded = nn.functional.pad(x, (5, 5, 5, 5))
            return (padded[:, :, 5:-5, 10:] + padded[:, :, 5:-5, :-10]) / 2

    assert community.measured_halo(community.Upscaler(Blur(), "blur", 1, 96)) == (8, True)
    everywhere = community.Upscaler(nn.InstanceNorm2d(3), "norm", 1, 96)
    assert community.measured_halo(everywhere) == (community.WORST_HALO, False)


def test_without_the_extra_it_is_named(monkeypatch: pytest.MonkeyPatch, catalog: Catalog, tmp_path: Path) -> None:
    path = write(tmp_path / "net.pth", zipped({"params": esrgan().state_dict()}))
    import_model(path, "community", catalog)
    monkeypatch.setattr(community, "is_installed", lambda: False)
    with pytest.raises(CheckpointError, match=r"of no known network .* install requirements/spandrel\.txt"):
        import_model(path, "other", catalog)
    with pytest.raises(ArchitectureError, match=r"install requirements/spandrel\.txt"):
        registry.load("community", 4, "cpu", catalog=catalog)


@pytest.mark.parametrize(
    ("state", "reason"),
    [
        ({"weight": torch.zeros(2)}, "spandrel does not know these keys either"),
        ({"weight": torch.full((2,), torch.inf)}, "weight has values that are not finite"),
    ],
)
def test_what_nobody_knows_is_refused(
    state: dict[str, torch.Tensor], reason: str, catalog: Catalog, tmp_path: Path
) -> None:
    with pytest.raises(CheckpointError, match=reason):
        import_model(write(tmp_path / "net.pth", zipped(state)), "other", catalog)


def test_nothing_of_it_is_imported_before_it_is_needed(tmp_path: Path) -> None:
    program = "import sys, models.importing; sys.exit('spandrel' in sys.modules or 'torchvision' in sys.modules)"
    subprocess.run([sys.executable, "-c", program], cwd=Path(community.__file__).parents[1], check=True)
