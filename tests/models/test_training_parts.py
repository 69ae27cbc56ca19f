"""Parts of adversarial training, each on its own: penalties by hand, augmentation, distances, growing, the journal."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest
import torch

from models.stylegan2 import NoiseMode, StyleGan2, StyleGan2Sizes
from models.stylegan2_discriminator import StyleGan2Discriminator
from models.stylegan2_ops import fir_kernel, upsample
from models.training import adversarial, average, events, journal
from models.training.ahead import Ahead
from models.training.augment import Strength, augment
from models.training.grow import grow_judge, grow_maker
from models.training.textures import distances, pyramid


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_the_slope_penalty_of_a_linear_judge_is_its_squared_weights() -> None:
    weight = torch.randn(3, 4, 4, generator=seeded())
    pictures = torch.randn(5, 3, 4, 4, generator=seeded(1)).requires_grad_()
    penalty = adversarial.slope_penalty((pictures * weight).sum((1, 2, 3), keepdim=False)[:, None], pictures)
    assert torch.allclose(penalty, weight.square().sum())


def test_path_lengths_of_a_linear_maker_are_those_of_its_matrix() -> None:
    """Pictures that are the latents, tiled: the length is that of the random picture summed over the tiles."""
    latents = torch.randn(3, 2, 4, generator=seeded()).requires_grad_()
    pictures = latents.mean(dim=1).view(3, 1, 2, 2).repeat(1, 3, 4, 4)
    lengths = adversarial.path_lengths(pictures, latents, seeded(7))
    noise = torch.randn(pictures.shape, generator=seeded(7)) / 8
    summed = noise.view(3, 3, 4, 2, 4, 2).sum(dim=(1, 2, 4)).flatten(1)  # of every latent's number
    expected = (summed / 2).square().sum(1).sqrt()  # each of the two latents carries half
    assert torch.allclose(lengths, expected, atol=1e-6)
    penalty, moved = adversarial.path_penalty(lengths, 0.5)
    assert moved == pytest.approx(0.5 + 0.01 * (float(expected.mean()) - 0.5))
    assert torch.allclose(penalty, (expected - moved).square().mean(), atol=1e-6)


def test_losses_push_both_ways() -> None:
    sure, lost = torch.tensor([[5.0]]), torch.tensor([[-5.0]])
    assert adversarial.judge_loss(sure, lost) < adversarial.judge_loss(lost, sure)
    assert adversarial.maker_loss(sure) < adversarial.maker_loss(lost)


def test_without_probability_nothing_is_changed_and_with_it_only_what_is_allowed() -> None:
    x = torch.rand(64, 3, 16, 16, generator=seeded()) * 2 - 1
    assert augment(x, 0.0, seeded()) is x
    y = augment(x, 1.0, seeded())
    assert y.shape == x.shape
    assert not any(torch.equal(a, b) for a, b in zip(x, y, strict=True))
    assert torch.equal(y, augment(x, 1.0, seeded()))
    some = augment(x, 0.1, seeded(3))
    same = sum(torch.allclose(a, b, atol=1e-6) for a, b in zip(x, some, strict=True))
    assert 20 < same < 55  # 0.9 to the power of the six operations is a half


def test_augmentation_moves_pixels_and_invents_none() -> None:
    """Of a picture that counts its pixels, flips, turns and shifts keep the set of values; colours stay grey."""
    count = torch.arange(256.0).view(1, 1, 16, 16).expand(8, 3, -1, -1)
    y = augment(count, 1.0, seeded(2))
    assert torch.allclose(y[:, 0], y[:, 1], rtol=1e-4, atol=1e-3)
    spans = (y.amax((1, 2, 3)) - y.amin((1, 2, 3))) / 255
    first = (count[:, :, 8, 8] - count[:, :, 8, 7]).abs()
    assert bool((first == 1).all())
    # The contrast of neighbours is what the span says: nothing was interpolated.
    steps = (y[:, 0, 7:9, 7:9].flatten(1).sort().values.diff()).abs()
    assert torch.allclose(steps.amin(1) / spans, torch.ones(8), rtol=0.2)


def test_gradients_pass_through_augmentation() -> None:
    x = torch.rand(4, 3, 16, 16, generator=seeded()).requires_grad_()
    augment(x, 0.8, seeded()).square().sum().backward()
    assert x.grad is not None
    assert float(x.grad.abs().sum()) > 0


def test_strength_follows_the_sign_of_the_judge() -> None:
    strength = Strength(100)
    strength.hear(torch.ones(10, 1))
    assert strength.move() == 1.0
    assert strength.probability == pytest.approx(0.1)
    strength.hear(-torch.ones(30, 1))
    strength.move()
    assert strength.probability == 0.0


def test_distances_tell_textures_apart_by_scale() -> None:
    smooth = torch.nn.functional.interpolate(torch.randn(32, 3, 4, 4, generator=seeded()), scale_factor=8.0)
    other = torch.nn.functional.interpolate(torch.randn(32, 3, 4, 4, generator=seeded(1)), scale_factor=8.0)
    same = distances(smooth, other)
    assert same.keys() == {32, 16}
    rough = distances(smooth, other + 0.5 * torch.randn(other.shape, generator=seeded(2)))
    assert rough[32] > 2 * same[32]
    assert distances(smooth, smooth) == {32: 0.0, 16: 0.0}


def test_a_pyramid_of_a_smooth_picture_is_empty_but_for_its_end() -> None:
    ramp = torch.linspace(-1, 1, 64).expand(1, 3, 64, 64)
    fine, middle, last = pyramid(ramp)
    assert float(fine[..., 4:-4].abs().max()) < 1e-5
    assert float(middle[..., 4:-4].abs().max()) < 1e-5
    assert last.shape == (1, 3, 16, 16)


def test_growing_keeps_the_picture_and_the_judge_all_but_its_entrance() -> None:
    torch.manual_seed(0)
    small, large = (StyleGan2(StyleGan2Sizes((6, 5, 4)[:n], 8, 8, 2)) for n in (2, 3))
    grow_maker(small.state_dict(), large)
    z = torch.randn(2, 8, generator=seeded())
    a, b = (net(z, noise=NoiseMode.NONE).detach() for net in (small, large))
    assert torch.allclose(b, upsample(a, fir_kernel()), atol=1e-6)
    before, after = StyleGan2Discriminator((6, 5)), StyleGan2Discriminator((6, 5, 4))
    grow_judge(before.state_dict(), after)
    assert torch.equal(after.convs[2].conv1[0].conv.weight_orig, before.convs[1].conv1[0].conv.weight_orig)
    assert torch.equal(after.final_linear[1].bias, before.final_linear[1].bias)
    with pytest.raises(KeyError, match="constant_input"):
        grow_maker(StyleGan2(StyleGan2Sizes((7, 5), 8, 8, 2)).state_dict(), large)


def test_the_average_lags_behind() -> None:
    net = torch.nn.Linear(2, 1)
    held = average.start(net)
    with torch.no_grad():
        net.weight += 1
    average.follow(held, net, 0.75)
    assert torch.allclose(held["weight"], net.weight.detach() - 0.75)


def test_batches_ahead_are_those_of_their_steps() -> None:
    with Ahead(lambda step: step * step, 2) as batches:
        assert [batches(step) for step in range(5, 9)] == [25, 36, 49, 64]


def test_a_journal_forgets_what_will_be_run_again(tmp_path: Path) -> None:
    first = journal.Journal(tmp_path, 0)
    for step in (1, 2, 3):
        first.write(step, {"loss": 1 / step})
    journal.Journal(tmp_path, 2).write(3, {"loss": 0.25})
    assert journal.read(tmp_path) == [(1, "loss", 1.0), (2, "loss", 0.5), (3, "loss", 0.25)]
    first.plot()
    assert (tmp_path / journal.PLOT).is_file()


def test_events_are_records_that_check(tmp_path: Path) -> None:
    assert events.crc32c(b"123456789") == 0xE3069283  # the check value of CRC-32C
    path = tmp_path / "events"
    events.append(path, 300, {"loss": 0.5}, wall=1.0)
    data = path.read_bytes()
    records = []
    while data:
        (length,) = struct.unpack("<Q", data[:8])
        assert struct.unpack("<I", data[8:12])[0] == events.masked(data[:8])
        records.append(data[12 : 12 + length])
        assert struct.unpack("<I", data[12 + length : 16 + length])[0] == events.masked(records[-1])
        data = data[16 + length :]
    assert len(records) == 2
    assert b"brain.Event:2" in records[0]
    wall, step = b"\x09" + struct.pack("<d", 1.0), b"\x10\xac\x02"
    value = b"\x0a\x04loss\x15" + struct.pack("<f", 0.5)
    assert records[1] == wall + step + b"\x2a\x0d\x0a\x0b" + value
