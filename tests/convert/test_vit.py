"""Weights of timm's plain vision transformers: equal logits both ways, other image sizes, what does not fit."""

import pytest
import torch

import subband

timm = pytest.importorskip("timm")

SMALL = {"dim": 48, "depth": 2, "num_heads": 3, "num_classes": 5}
PLAIN = {"class_token": False, "global_pool": "avg", "fc_norm": False}


def of_timm(**options):
    torch.manual_seed(0)
    sizes = {"img_size": 64, "embed_dim": 48, "depth": 2, "num_heads": 3, "num_classes": 5}
    model = timm.models.VisionTransformer(**{**sizes, **PLAIN, **options}).eval()
    for value in model.parameters():
        torch.nn.init.normal_(value, std=0.2)
    return model


@torch.no_grad()
@pytest.mark.parametrize("num_classes", [5, 0])
def test_logits_are_those_of_timm(num_classes, rng):
    theirs = of_timm(num_classes=num_classes)
    images = torch.randn(2, 3, 64, 64, generator=rng)
    ours = subband.load_published("vit_s", theirs.state_dict(), img_size=64, **{**SMALL, "num_classes": num_classes})
    wanted = theirs(images)
    assert wanted.std() > 0.1
    torch.testing.assert_close(ours(images), wanted, rtol=0, atol=1e-5)
    torch.testing.assert_close(ours.forward_features(images), theirs.forward_features(images), rtol=0, atol=1e-5)
    state = subband.export_published(ours)
    assert list(state) == list(theirs.state_dict())
    assert all(torch.equal(state[key], value) for key, value in theirs.state_dict().items())


@torch.no_grad()
def test_other_images(rng):
    """A table of another size is resized, as GFNet's is; the embedding of gray images is the sum over the colors."""
    theirs = of_timm()
    ours = subband.load_published("vit_s", theirs.state_dict(), img_size=(32, 64), in_chans=1, **SMALL)
    assert ours.pos_embed.shape == (1, 2, 4, 48)
    torch.testing.assert_close(ours.embed.weight, theirs.patch_embed.proj.weight.sum(1, keepdim=True))
    with pytest.raises(ValueError, match="square images only, not 2 x 4 patches"):
        subband.export_published(ours)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"class_token": True, "global_pool": "token"}, "the state dict has a class token, which this ViT has not"),
        ({"fc_norm": True}, "has its last norm after the mean"),
        ({"global_pool": "map"}, "has attention pooling"),
        ({"num_classes": 7}, "has a head of 7 classes"),
    ],
)
def test_what_does_not_fit_is_said(options, words):
    with pytest.raises(ValueError, match=words):
        subband.load_published("vit_s", of_timm(**options).state_dict(), img_size=64, **SMALL)
