"""ViT: PyTorch's encoder on the same weights, counts in closed form, any image size, the classifier protocol."""

import copy

import pytest
import torch
from torch import nn

import subband
from subband.models.complexity import count_macs, count_parameters
from subband.models.vit import NORM_EPS

SMALL = {"dim": 24, "depth": 3, "num_heads": 4, "patch_size": 8, "num_classes": 5}


def small(**changes):
    """A small network whose every weight matters."""
    model = subband.create_model("vit_ti", **{**SMALL, "img_size": 32, **changes})
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.normal_(std=0.2)
    return model


def encoder_of(model):
    """PyTorch's pre-norm encoder with the same weights."""
    layers = []
    for block in model.blocks:
        layer = nn.TransformerEncoderLayer(
            model.num_features,
            block.attention.num_heads,
            block.mlp.fc1.out_features,
            dropout=0.0,
            activation="gelu",
            layer_norm_eps=NORM_EPS,
            batch_first=True,
            norm_first=True,
        )
        pairs = {
            "self_attn.in_proj_": block.attention.qkv,
            "self_attn.out_proj.": block.attention.proj,
            "linear1.": block.mlp.fc1,
            "linear2.": block.mlp.fc2,
            "norm1.": block.norm1,
            "norm2.": block.norm2,
        }
        state = {f"{name}{kind}": getattr(part, kind) for name, part in pairs.items() for kind in ("weight", "bias")}
        layer.load_state_dict(state)
        layers.append(layer)
    return nn.Sequential(*layers)


@pytest.mark.parametrize("training", [False, True])
def test_pytorch_encoder(rng, training):
    model = small().train(training)
    encoder = encoder_of(model).train(training)
    images = torch.randn(2, 3, 32, 32, generator=rng)
    patches = torch.nn.functional.unfold(images, 8, stride=8).mT  # (B, N, patch), rows of the grid one after the other
    tokens = patches @ model.embed.weight.flatten(1).mT + model.embed.bias + model.pos_embed.flatten(1, 2)
    wanted = model.head(model.norm(encoder(tokens)).mean(1))
    found = model(images)
    torch.testing.assert_close(found, wanted, rtol=1e-4, atol=1e-4)
    slope = torch.randn(found.shape, generator=rng)
    gradients = [torch.autograd.grad(y, (model.embed.weight, model.pos_embed), slope) for y in (found, wanted)]
    for a, b in zip(*gradients, strict=True):
        assert (a - b).abs().max() <= 1e-4 * b.abs().max()


@pytest.mark.parametrize(("name", "dim"), [("vit_ti", 192), ("vit_s", 384)])
@pytest.mark.parametrize("size", [224, 384])
def test_parameter_counts(name, dim, size):
    with torch.device("meta"):
        model = subband.create_model(name, img_size=size)
    block = 3 * dim * (dim + 1) + dim * (dim + 1) + 4 * dim * (dim + 1) + dim * (4 * dim + 1) + 4 * dim
    stem = (3 * 16**2 + 1) * dim + (size // 16) ** 2 * dim
    assert count_parameters(model) == stem + 12 * block + 2 * dim + 1000 * (dim + 1)


def test_multiply_accumulates():
    tokens, dim = 196, 192
    block = 12 * tokens * dim**2 + 2 * tokens**2 * dim
    norms = 25 * 5 * tokens * dim
    wanted = tokens * 768 * dim + 12 * block + norms + 1000 * dim
    counts = count_macs(subband.create_model("vit_ti"), torch.zeros(1, 3, 224, 224))
    assert counts.macs == pytest.approx(wanted, rel=1e-3)


def test_an_image_of_another_size_sees_what_a_model_of_that_size_does(rng):
    model = small()
    other = small(img_size=(32, 48))
    table = torch.nn.functional.interpolate(model.pos_embed.movedim(-1, 1), (4, 6), mode="bicubic").movedim(1, -1)
    other.load_state_dict({**model.state_dict(), "pos_embed": table})
    images = torch.randn(2, 3, 32, 48, generator=rng)
    with torch.no_grad():
        torch.testing.assert_close(model(images), other(images))
        cropped = images[..., :30, :41]
        padded = torch.nn.functional.pad(cropped, (0, 7, 0, 2))
        torch.testing.assert_close(model(cropped), model(padded))
        (found,), (wanted,) = model.forward_intermediates(cropped), model.forward_intermediates(padded)
    torch.testing.assert_close(found, wanted)
    assert found.shape == (2, 24, 4, 6)


def test_protocol(rng):
    model = small().eval()
    images = torch.randn(2, 3, 32, 32, generator=rng)
    features = model.forward_features(images)
    assert features.shape == (2, 16, 24)
    (grid,) = model.forward_intermediates(images)
    torch.testing.assert_close(model.norm(grid.flatten(2).mT), features)
    pooled = model.forward_head(features, pre_logits=True)
    torch.testing.assert_close(pooled, features.mean(1))
    torch.testing.assert_close(model(images), model.head(pooled))
    assert model.feature_info == [{"num_chs": 24, "reduction": 8, "module": "blocks", "index": 0}]
    model.reset_classifier(7)
    assert model(images).shape == (2, 7)


def test_start_of_training():
    model = subband.create_model("vit_ti", num_classes=0, in_chans=1, drop_path_rate=0.2)
    assert model.no_weight_decay() == {"pos_embed"}
    assert [block.drop_path.rate for block in model.blocks] == pytest.approx(torch.linspace(0, 0.2, 12).tolist())
    for parameter in (model.pos_embed, model.blocks[3].attention.qkv.weight, model.blocks[3].mlp.fc1.weight):
        assert parameter.std().item() == pytest.approx(0.02, rel=0.05)
    assert not model.blocks[3].attention.qkv.bias.any()
    assert model(torch.zeros(1, 1, 32, 32)).shape == (1, 192)


def test_gradient_checkpointing_changes_nothing(rng):
    plain = small(drop_path_rate=0.4)
    recomputing = copy.deepcopy(plain)
    recomputing.set_grad_checkpointing()
    images = torch.randn(3, 3, 32, 32, generator=rng)
    gradients = []
    for model in (plain, recomputing):
        torch.manual_seed(3)
        model.train()(images).square().sum().backward()
        gradients.append([parameter.grad for parameter in model.parameters()])
    torch.testing.assert_close(*gradients)


def test_mixed_precision_stays_close(rng):
    model = small().eval()
    images = torch.randn(2, 3, 32, 32, generator=rng)
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
        mixed = model(images)
    with torch.no_grad():
        exact = model(images)
    assert (mixed - exact).abs().max() < 0.05 * exact.abs().max()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"img_size": 100}, r"img_size must be a positive multiple of 16, got 100 x 100"),
        ({"num_heads": 5}, r"num_heads divide dim, got 192, 12, 5, 16"),
        ({"depth": 0}, r"must be positive and num_heads divide dim, got 192, 0, 3, 16"),
        ({"num_classes": -1}, r"num_classes must not be negative, got -1"),
        ({"drop_path_rate": 1.5}, r"drop_path_rate must be in \[0, 1\)"),
    ],
)
def test_bad_arguments_are_named(arguments, words):
    with pytest.raises(ValueError, match=words), torch.device("meta"):
        subband.create_model("vit_ti", **arguments)


def test_bad_images_are_named():
    with pytest.raises(ValueError, match=r"images must be \(B, 3, H, W\), got shape \(1, 1, 32, 32\)"):
        small()(torch.zeros(1, 1, 32, 32))


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_onnx(rng):
    onnxruntime = pytest.importorskip("onnxruntime")
    pytest.importorskip("onnxscript")
    model = small().eval()
    images = torch.randn(2, 3, 32, 32, generator=rng)
    program = torch.onnx.export(model, (images,), dynamo=True, verbose=False)
    session = onnxruntime.InferenceSession(program.model_proto.SerializeToString())
    (found,) = session.run(None, {session.get_inputs()[0].name: images.numpy()})
    with torch.no_grad():
        torch.testing.assert_close(torch.from_numpy(found), model(images), rtol=1e-4, atol=1e-4)
