import pytest
import torch
from torch import nn

import subband
from subband.explain.frequencies import frequency_shares
from subband.layers.jpeg_dct import JPEG_SUBSETS


def network(**args: object) -> nn.Module:
    return subband.create_model("dct_resnet50", width=8, depths=(1, 1, 1, 1), num_classes=5, **args).eval()


class LinearTail(nn.Module):
    """Replaces the blocks of a stage by weights for each channel."""

    def __init__(self, weights: torch.Tensor) -> None:
        super().__init__()
        self.weights = weights

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x * self.weights[:, None, None]


def linear(model: nn.Module, rng: torch.Generator) -> torch.Tensor:
    """Makes the network linear in its coefficients: returns what each adds to the logit of class 2."""
    channels = model.channels
    weights = torch.randn(channels, generator=rng)
    model.levels = nn.ModuleList([nn.ModuleList([LinearTail(weights)])])
    model.head = nn.Linear(channels, 5)
    return weights * model.head.weight[2].detach()


@pytest.mark.parametrize("channels", [6, 24, 64, 192])
def test_shares_of_a_linear_network_are_its_terms(channels, rng):
    model = network(channels=channels)
    factors = linear(model, rng)
    images = torch.randn(2, 3, 32, 48, generator=rng)
    coefficients = model.coefficients(images)
    found = frequency_shares(model, images, class_index=2)
    start = 0
    for plane, places in enumerate(JPEG_SUBSETS[channels]):
        terms = (coefficients.mean((2, 3)) * factors)[:, start : start + len(places)]
        start += len(places)
        rows, columns = [place // 8 for place in places], [place % 8 for place in places]
        torch.testing.assert_close(found.logit[:, plane, rows, columns], terms, atol=1e-4, rtol=1e-4)
        absent = torch.ones(8, 8, dtype=torch.bool)
        absent[rows, columns] = False
        assert found.logit[:, plane, absent].isnan().all()
        assert torch.equal(found.is_kept[0, plane], ~absent)
    logits = model(images)[:, 2] - model.head.bias[2]
    torch.testing.assert_close(found.logit.nan_to_num().sum((1, 2, 3)), logits.detach(), atol=1e-4, rtol=1e-4)


def test_dropped_channels_add_nothing(rng):
    model = network(channels=192, gated=True)
    with torch.no_grad():
        model.gate.decide.weight.zero_()
        model.gate.decide.bias[0::2], model.gate.decide.bias[1::2] = 0.0, 1.0
        model.gate.decide.bias[2 * 70] = 5.0  # Cb, frequency 6
    factors = linear(model, rng)
    images = torch.randn(1, 3, 32, 32, generator=rng)
    found = frequency_shares(model, images, 2)
    assert (~found.is_kept).nonzero().tolist() == [[0, 1, 0, 6]]
    expected = model.coefficients(images).mean((2, 3))[0] * factors
    expected[70] = 0.0
    torch.testing.assert_close(found.logit.flatten(), expected, atol=1e-4, rtol=1e-4)


def test_the_likeliest_class_is_explained_unless_one_is_named(rng):
    model = network(channels=24)
    images = torch.randn(1, 3, 64, 64, generator=rng)
    best = int(model(images).argmax())
    shares = [frequency_shares(model, images, index).logit.nan_to_num() for index in (None, best, (best + 1) % 5)]
    assert torch.equal(shares[0], shares[1])
    assert not torch.allclose(shares[0], shares[2])
    with pytest.raises(ValueError, match="within the 5 classes, got 5"):
        frequency_shares(model, images, 5)
