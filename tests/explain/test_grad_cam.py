import pytest
import torch
from torch import Tensor, nn

import subband
from subband.explain.grad_cam import enlarge, explained_classes, grad_cam, overlay, telling_stage
from subband.models.protocols.classifier import Classifier, Stage

NETWORKS = {
    "gfnet": ("gfnet_ti", {"dims": (12,), "depths": (2,), "patch_size": 8, "img_size": 32}),
    "gfnet, width equal to sides": ("gfnet_ti", {"dims": (8,), "depths": (2,), "patch_size": 4, "img_size": 32}),
    "gfnet pyramid": ("gfnet_h_ti", {"dims": (8, 12), "depths": (1, 2), "img_size": 32}),
    "vit": ("vit_ti", {"dim": 12, "depth": 2, "num_heads": 3, "patch_size": 8, "img_size": 32}),
    "wsfvit": ("wsfvit_p0", {"img_size": 64}),
    "dct_resnet": ("dct_resnet50", {"width": 8, "depths": (1, 1, 1, 1)}),
    "dct_mobilenet": ("dct_mobilenetv2", {}),
}


class PooledLinear(Classifier):
    """A linear layer on the mean of the image, so that derivatives are known."""

    def __init__(self, num_classes: int, channels_last: bool) -> None:
        super().__init__(num_classes=num_classes, in_chans=4, img_size=(4, 4))
        self.num_features, self.channels_last = 4, channels_last
        self.blocks = nn.ModuleList([nn.Identity(), nn.Identity()])
        self.reset_classifier(num_classes)
        nn.init.normal_(self.head.weight)

    @property
    def stages(self) -> list[Stage]:
        return [Stage(4, 1, "blocks")]

    def forward_stages(self, x: Tensor) -> list[Tensor]:
        return [2 * x]

    def forward_features(self, x: Tensor) -> Tensor:
        return self.blocks[-1](2 * x.movedim(1, -1)).movedim(-1, 1) if self.channels_last else self.blocks[-1](2 * x)

    def pool(self, features: Tensor) -> Tensor:
        return features.mean((2, 3))


def scaled(maps: Tensor) -> Tensor:
    """Each map from 0 to 1."""
    low, high = maps.amin((1, 2), keepdim=True), maps.amax((1, 2), keepdim=True)
    return (maps - low) / (high - low)


@pytest.mark.parametrize("channels_last", [False, True])
def test_weights_are_those_of_a_linear_head(channels_last, rng):
    model = PooledLinear(3, channels_last)
    images = torch.randn(2, 4, 4, 4, generator=rng)
    maps = grad_cam(model, images, class_index=1)
    weights = model.head.weight[1].detach() / 16  # of a mean over 4 x 4 places
    torch.testing.assert_close(maps, scaled(torch.einsum("c,bchw->bhw", weights, 2 * images).relu()))


@pytest.mark.parametrize("name", NETWORKS)
def test_formula_of_the_paper(name, rng):
    """Derivatives by a path of its own: the head on features that are leaves of the graph."""
    model_name, args = NETWORKS[name]
    model = subband.create_model(model_name, num_classes=5, **args).eval()
    side = max(model.img_size[0], 64) if "dct" in name else model.img_size[0]
    images = torch.randn(2, 3, side, side, generator=rng)
    features = model.forward_stages(images)[-1].detach().requires_grad_()
    is_tokens = "gfnet" in name or name == "vit"
    head_input = model.norm(features.movedim(1, -1)).flatten(1, 2) if is_tokens else features
    logits = model.forward_head(head_input)
    torch.testing.assert_close(logits, model(images))
    gradient = torch.autograd.grad(logits.amax(1).sum(), features)[0]
    alpha = gradient.mean((2, 3), keepdim=True)
    expected = (alpha * features).sum(1).relu().detach()
    maps = grad_cam(model, images)
    assert maps.shape == features[:, 0].shape
    assert maps.amin() >= 0
    high = expected.amax((1, 2), keepdim=True)
    if expected.shape[1:] != (1, 1) and high.min() > 0:
        torch.testing.assert_close(maps, scaled(expected), atol=1e-3, rtol=1e-3)


def test_any_stage_of_images_of_any_size(rng):
    model = subband.create_model("gfnet_h_ti", dims=(8, 12), depths=(1, 1), img_size=32, num_classes=5).eval()
    images = torch.randn(1, 3, 28, 36, generator=rng)  # the network pads it to 32 x 40
    assert [grad_cam(model, images, stage=stage).shape[1:] for stage in (0, -1)] == [(7, 9), (4, 5)]


def test_small_images_are_looked_at_in_finer_maps():
    model = subband.create_model("wsfvit_p0", num_classes=5)
    for size, stage in (((224, 224), 3), ((224, 97), 3), ((224, 96), 2), ((64, 64), 2), ((32, 32), 1), ((8, 8), 0)):
        assert telling_stage(model, *size) == stage
        places = [-(-side // model.stages[stage].reduction) for side in size]
        assert min(places) >= 4 or stage == 0


def test_nothing_about_the_network_changes(rng):
    model = PooledLinear(3, False).requires_grad_(False)
    images = torch.randn(1, 4, 4, 4, generator=rng)
    with torch.no_grad():
        maps = grad_cam(model, images)
    assert not maps.requires_grad
    assert not model.blocks[-1]._forward_hooks
    assert model.head.weight.grad is None


def test_maps_without_evidence_are_zero():
    model = PooledLinear(2, False)
    nn.init.constant_(model.head.weight, -1.0)
    assert torch.equal(grad_cam(model, torch.rand(1, 4, 4, 4)), torch.zeros(1, 4, 4))


def test_classes_of_images():
    logits = torch.tensor([[0.0, 1.0, 2.0], [3.0, 1.0, 2.0]])
    assert explained_classes(logits, None).tolist() == [2, 0]
    assert explained_classes(logits, 1).tolist() == [1, 1]
    with pytest.raises(ValueError, match="within the 3 classes, got 3"):
        explained_classes(logits, 3)
    with pytest.raises(ValueError, match="within the 1 stages of the network, got 1"):
        grad_cam(PooledLinear(2, False), torch.zeros(1, 4, 4, 4), stage=1)


def test_overlays_are_half_image_half_color():
    colors = torch.linspace(0, 1, 3)[:, None].expand(3, 3) * torch.tensor((1.0, 0.5, 0.0))
    image = torch.rand(3, 4, 4)
    heat = torch.tensor([[1.0, 1.0], [0.0, 0.0]])
    shown = overlay(image, heat, colors)
    torch.testing.assert_close(shown[:, 0], 0.5 * image[:, 0] + 0.5 * torch.tensor((1.0, 0.5, 0.0))[:, None])
    torch.testing.assert_close(shown[:, 3], 0.5 * image[:, 3])
    assert enlarge(heat, (4, 4))[:, 0].tolist() == [1.0, 0.75, 0.25, 0.0]
