"""StyleGAN2's discriminator: shapes, the minibatch deviation by hand, equalised weights, gradients of gradients."""

from __future__ import annotations

import math

import pytest
import torch
import torch.nn.functional as F

from models.stylegan2_discriminator import Blur, EqualConv, ResidualBlock, StyleGan2Discriminator, with_deviation


@pytest.fixture
def judge() -> StyleGan2Discriminator:
    torch.manual_seed(1)
    return StyleGan2Discriminator((6, 5, 4, 3))


def test_one_logit_a_picture_and_features_of_every_size(judge: StyleGan2Discriminator) -> None:
    x = torch.rand(3, 3, 32, 32) * 2 - 1
    assert judge(x).shape == (3, 1)
    assert [tuple(f.shape[1:]) for f in judge.look(x)] == [(3, 32, 32), (4, 16, 16), (5, 8, 8), (6, 4, 4)]


def test_its_keys_are_those_of_the_reference(judge: StyleGan2Discriminator) -> None:
    block = ["conv1.0.conv.weight_orig", "conv1.1.bias", "conv2.0.kernel", "conv2.1.conv.weight_orig", "conv2.2.bias"]
    block += ["skip.0.kernel", "skip.1.conv.weight_orig"]
    expected = {"convs.0.0.conv.weight_orig", "convs.0.1.bias", "final_conv.0.conv.weight_orig", "final_conv.1.bias"}
    expected |= {f"convs.{i}.{key}" for i in (1, 2, 3) for key in block}
    expected |= {f"final_linear.{i}.{key}" for i in (0, 1) for key in ("linear.weight_orig", "bias")}
    assert judge.state_dict().keys() == expected


def test_another_size_is_refused(judge: StyleGan2Discriminator) -> None:
    with pytest.raises(ValueError, match=r"must be \(N, 3, 32, 32\), not \(1, 3, 16, 16\)"):
        judge(torch.zeros(1, 3, 16, 16))
    with pytest.raises(ValueError, match="channels of two sizes at least"):
        StyleGan2Discriminator((8,))


def test_the_deviation_of_groups_by_hand() -> None:
    x = torch.randn(6, 2, 3, 3)
    y = with_deviation(x, group=4)  # 6 pictures: groups of 3, of pictures (0, 2, 4) and (1, 3, 5)
    assert torch.equal(y[:, :2], x)
    for members in ((0, 2, 4), (1, 3, 5)):
        values = []
        for place in range(2 * 3 * 3):
            column = [float(x[m].flatten()[place]) for m in members]
            mean = sum(column) / 3
            values.append(math.sqrt(sum((v - mean) ** 2 for v in column) / 3 + 1e-8))
        for m in members:
            assert torch.allclose(y[m, 2], torch.tensor(sum(values) / len(values)), atol=1e-6)


def test_a_picture_alone_deviates_by_nothing() -> None:
    assert float(with_deviation(torch.randn(1, 2, 4, 4))[:, 2].max()) == pytest.approx(1e-4)


def test_weights_are_scaled_when_used() -> None:
    torch.manual_seed(2)
    conv = EqualConv(5, 4, 3, pad=1)
    x = torch.randn(2, 5, 8, 8)
    assert torch.allclose(conv(x), F.conv2d(x, conv.conv.weight_orig / math.sqrt(45), padding=1), atol=1e-5)
    # Drawn unit normal, whatever the fan in.
    assert float(conv.conv.weight_orig.detach().std()) == pytest.approx(1, abs=0.2)


def test_a_blur_keeps_flat_areas_and_a_block_their_size() -> None:
    flat = Blur(2)(torch.full((1, 1, 8, 8), 0.5))
    assert torch.allclose(flat[..., 2:-2, 2:-2], torch.tensor(0.5))
    torch.manual_seed(0)
    out = ResidualBlock(64, 64)(torch.randn(8, 64, 1, 1).expand(-1, -1, 16, 16))
    assert float(out[..., 3:-3, 3:-3].detach().square().mean()) == pytest.approx(1, abs=0.4)


def test_both_branches_see_the_same_place() -> None:
    """A point's answer through either branch lies around half its coordinate: the blurs are centred alike."""
    block = ResidualBlock(1, 1)
    x = torch.zeros(1, 1, 16, 16)
    x[..., 8, 8] = 1.0
    centres = []
    for branch in (block.conv2, block.skip):
        branch[1].conv.weight_orig.data.fill_(1.0)
        energy = branch(x).detach()[0, 0].clamp(min=0)
        places = torch.arange(8.0)
        centres.append(float((energy.sum(0) * places).sum() / energy.sum()))
    assert centres[0] == pytest.approx(centres[1], abs=0.01)


def test_gradients_reach_every_weight_and_the_penalty_of_the_gradient_too(judge: StyleGan2Discriminator) -> None:
    x = torch.randn(4, 3, 32, 32, requires_grad=True)
    (slope,) = torch.autograd.grad(judge(x).sum(), x, create_graph=True)
    assert float(slope.detach().abs().sum()) > 0
    slope.square().sum().backward()
    last = "final_linear.1.bias"  # adds a constant: no gradient of the gradient
    for name, parameter in judge.named_parameters():
        if name.endswith("weight_orig"):
            assert parameter.grad is not None, name
            assert float(parameter.grad.abs().sum()) > 0, name
    assert dict(judge.named_parameters())[last].grad is None


def test_a_picture_can_be_told_from_another(judge: StyleGan2Discriminator) -> None:
    """A few steps of Adam separate stripes from flat pictures: the whole network trains."""
    torch.manual_seed(0)
    stripes = torch.tensor([1.0, -1.0]).repeat(16).expand(4, 3, 32, 32)
    flat = torch.zeros(4, 3, 32, 32) + torch.linspace(-1, 1, 4).view(4, 1, 1, 1)
    adam = torch.optim.Adam(judge.parameters(), lr=5e-3)
    for _ in range(20):
        loss = F.softplus(-judge(stripes)).mean() + F.softplus(judge(flat)).mean()
        adam.zero_grad()
        loss.backward()
        adam.step()
    assert float(judge(stripes).min().detach()) > float(judge(flat).max().detach())
