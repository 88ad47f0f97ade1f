"""WaST: published numbers, every option, and the promises of the video-model interface."""

import itertools
import json

import numpy as np
import pytest
import torch
from fill import make_input, state_dict_from_manifest
from torch import Tensor, nn

import subband
from published.wast import PublishedWaST
from subband.convert.openstl_wast import WAST, haar_bank
from subband.models.sizes.wast import MODELS
from subband.models.wast.wast import WaST

TINY = {"encoder_dim": 4, "block_list": (1, 1, 1), "drop_path_rate": 0.0}
STAGES = {
    "conv_in": "stem",
    "translator1": "encoders.0",
    "embed": "embeddings.0",
    "bottleneck": "bottleneck",
    "recon": "reconstructions.0",
    "translator2": "decoders.0",
}
# T, C, H, W; E; blocks; batch
PARITY = [
    ((4, 2, 32, 32), 4, (1, 2, 1), 2),
    ((12, 1, 16, 24), 3, (2, 1, 1), 1),
    ((10, 3, 16, 16), 2, (1, 1, 2), 3),
]
PARAMETERS = {
    (10, 1, 64, 64): 28_183_141,
    (4, 2, 32, 32): 5_132_822,
    (10, 3, 64, 64): 28_194_000,
    (4, 3, 256, 256): 5_138_000,
    (12, 1, 32, 64): 40_016_000,
}
SINGLE_OPTIONS = [
    {"bottleneck": "dwt"},
    {"subband_axes": "hwt"},
    {"carry": "LLL"},
    {"subband_gate": "none"},
    {"subband_gate": "scalar"},
    {"subband_gate": "channel"},
    {"large_kernel": 7},
    {"large_kernel": (9, 3), "small_kernel": 3},
    {"small_kernel": 1},
    {"strip": False, "large_kernel": 5},
    {"frequency_attention": "none"},
    {"temporal_mixer": "attention"},
    {"temporal_mixer": "attention", "num_heads": 2},
    {"mlp_ratio": 1.5},
    {"levels": 2, "block_list": None},
    {"levels": 2, "block_list": (1, 2, 1, 1, 2)},
    {"out_translator": True},
    {"shared_layer_scale": False},
    {"residual": True},
    {"residual": "gated"},
    {"variant": "seed"},
    {"variant": "seed", "subband_gate": "conv", "strip": True, "bottleneck": "plain"},
    {"variant": "seed", "temporal_mixer": "mbconv", "mlp_ratio": 2.0, "out_translator": True},
]
COMBINED = {
    "bottleneck": ("plain", "dwt"),
    "subband_axes": ("thw", "hwt"),
    "carry": ("LLL+LLH", "LLL"),
    "subband_gate": ("conv", "channel"),
    "temporal_mixer": ("mbconv", "attention"),
    "levels": (1, 2),
}


def tiny(in_shape: tuple[int, int, int, int] = (4, 1, 16, 16), **options) -> WaST:
    return WaST(in_shape, **{**TINY, **options})


def randomize(model: nn.Module, rng: torch.Generator) -> nn.Module:
    """Weights under which every branch matters: scales around 1, statistics away from their initial values."""
    for name, tensor in model.state_dict().items():
        noise = torch.randn(tensor.shape, generator=rng, dtype=torch.float64).to(tensor.dtype)
        if name.endswith("running_var"):
            tensor.copy_(1 + 0.1 * noise.abs())
        elif tensor.ndim == 1 and not name.endswith(("bias", "running_mean")):
            tensor.copy_(1 + 0.1 * noise)
        elif tensor.ndim and "filters" not in name:
            tensor.copy_(noise / tensor[0].numel() ** 0.5)
    return model


def published_pair(rng: torch.Generator, in_shape: tuple, dim: int, blocks: tuple) -> tuple[nn.Module, WaST]:
    """The plain translation with random weights, and ours with the same."""
    theirs = randomize(PublishedWaST(in_shape, dim, blocks, drop_path_rate=0.0), rng)
    args = {"in_shape": in_shape, "encoder_dim": dim, "block_list": blocks, "drop_path_rate": 0.0}
    return theirs, subband.load_published("wast", theirs.state_dict(), **args)


def gradients(model: nn.Module, frames: Tensor, targets: Tensor) -> dict[str, Tensor]:
    model.zero_grad()
    (model(frames) - targets).square().mean().backward()
    return {name: value.grad for name, value in model.named_parameters() if value.grad is not None}


def stage_outputs(model: nn.Module, frames: Tensor, names: dict[str, str]) -> dict[str, Tensor]:
    """Prediction and stage outputs of one forward pass, `(B, C, T, H, W)` each."""
    found: dict[str, Tensor] = {}
    hooks = [
        model.get_submodule(module).register_forward_hook(lambda _, __, out, stage=stage: found.update({stage: out}))
        for stage, module in names.items()
    ]
    with torch.no_grad():
        found["y"] = model.eval()(frames)
    for hook in hooks:
        hook.remove()
    return found


def golden_error(found: Tensor, reference: np.ndarray) -> float:
    """Largest deviation relative to the largest value."""
    return float(np.abs(found.numpy() - reference).max() / np.abs(reference).max())


@pytest.fixture
def golden_case(golden) -> tuple[dict[str, Tensor], Tensor, dict[str, np.ndarray]]:
    """Weights, input and outputs of the published implementation."""
    path = golden / "video_prediction" / "wast_mmnist"
    manifest = json.loads(path.with_suffix(".json").read_text())
    frames = make_input(path.name, manifest["input"]["shape"], kind=manifest["input"]["kind"])
    return state_dict_from_manifest(path.with_suffix(".json")), frames, dict(np.load(path.with_suffix(".npz")))


class TestPublished:
    def test_translation_matches_golden(self, golden_case):
        state, frames, reference = golden_case
        model = PublishedWaST((10, 1, 64, 64))
        keys = model.load_state_dict(state, strict=False)
        assert not keys.unexpected_keys
        assert set(keys.missing_keys) == {"wavelet_embed1.DWT.filters", "wavelet_recon1.IDWT.filters"}
        with torch.no_grad():
            assert golden_error(model.eval()(frames), reference["y"]) < 1e-5

    def test_matches_golden(self, golden_case):
        state, frames, reference = golden_case
        model = subband.load_published("wast", {**state, "wavelet_embed1.DWT.filters": haar_bank()})
        found = stage_outputs(model, frames, STAGES)
        embedded = found.pop("embed")
        found["embed_lo"] = embedded.low
        found["embed_hi"] = embedded.kept.permute(0, 1, 5, 2, 3, 4).flatten(1, 2)  # (B, 6E, T/2, H/2, W/2)
        assert golden_error(found.pop("y"), reference["y"]) < 1e-5
        for stage, output in found.items():
            assert golden_error(output.mean((3, 4)), reference[f"mean_{stage}"]) < 1e-5, stage

    @pytest.mark.parametrize(("in_shape", "dim", "blocks", "batch"), PARITY)
    @pytest.mark.parametrize("training", [False, True])
    def test_same_outputs_and_gradients_in_float64(self, rng, in_shape, dim, blocks, batch, training):
        theirs, ours = (model.double().train(training) for model in published_pair(rng, in_shape, dim, blocks))
        frames, targets = torch.rand(2, batch, *in_shape, generator=rng, dtype=torch.float64)
        # Their filter bank is stored in float32, 4e-8 away from the square roots it stands for.
        torch.testing.assert_close(ours(frames), theirs(frames), rtol=1e-6, atol=1e-6)
        expected = {WAST.to_own(name): grad for name, grad in gradients(theirs, frames, targets).items()}
        found = gradients(ours, frames, targets)
        assert found.keys() == expected.keys()
        scale = max(float(grad.abs().max()) for grad in expected.values())
        for name, grad in found.items():
            torch.testing.assert_close(grad, expected[name], rtol=1e-6, atol=1e-6 * scale, msg=name)

    @pytest.mark.parametrize(("in_shape", "dim", "blocks", "batch"), PARITY)
    @pytest.mark.parametrize("training", [False, True])
    def test_same_outputs_and_statistics_in_float32(self, rng, in_shape, dim, blocks, batch, training):
        theirs, ours = (model.train(training) for model in published_pair(rng, in_shape, dim, blocks))
        frames = torch.rand(batch, *in_shape, generator=rng)
        with torch.no_grad():
            expected = theirs(frames)
            error = float((ours(frames) - expected).abs().max() / expected.abs().max())
            assert error < (5e-5 if training else 1e-5)  # statistics of few, random numbers amplify rounding
        state = ours.state_dict()
        for name, value in theirs.state_dict().items():
            if "running" in name:
                torch.testing.assert_close(state[WAST.to_own(name)], value, rtol=1e-4, atol=1e-5)

    @pytest.mark.parametrize(("in_shape", "count"), PARAMETERS.items())
    def test_parameter_count(self, in_shape, count):
        with torch.device("meta"):
            model = WaST(in_shape)
        unused = sum(block.frequency_scale.numel() for block in model._blocks())
        found = sum(value.numel() for value in model.parameters()) + unused
        assert found == count if count % 1000 else round(found, -3) == count

    def test_export_gives_the_published_state_back(self, rng):
        theirs, ours = published_pair(rng, (4, 1, 16, 16), 4, (1, 1, 1))
        state = theirs.state_dict()
        exported = subband.export_published(ours)
        assert exported.keys() == state.keys()
        for name, value in state.items():
            expected = torch.full_like(value, 0.01) if name.endswith("layer_scale_2") else value
            torch.testing.assert_close(
                exported[name], expected, rtol=0, atol=1e-7 if "filters" in name else 0, msg=name
            )

    def test_second_layer_scale_is_used_when_not_shared(self, rng):
        theirs, shared = published_pair(rng, (4, 1, 16, 16), 4, (1, 1, 1))
        state = theirs.state_dict()
        for name in list(state):
            if name.endswith("layer_scale_2"):
                state[name] = state[name.replace("scale_2", "scale_1")]
        ours = subband.load_published("wast", state, in_shape=(4, 1, 16, 16), shared_layer_scale=False, **TINY)
        frames = torch.rand(1, 4, 1, 16, 16, generator=rng)
        torch.testing.assert_close(ours(frames), shared(frames), rtol=0, atol=0)
        assert subband.export_published(ours).keys() == state.keys()

    def test_options_of_ours_have_no_published_layout(self):
        model = subband.create_model("wast", in_shape=(4, 1, 16, 16), out_translator=True, **TINY)
        with pytest.raises(ValueError, match="no published layout"):
            subband.export_published(model)


class TestOptions:
    @pytest.mark.parametrize("options", SINGLE_OPTIONS, ids=str)
    def test_every_option_trains(self, rng, options):
        self.check(tiny(**options), rng)

    def test_options_combine(self, rng, case):
        for choice in itertools.product(*COMBINED.values()):
            options = dict(zip(COMBINED, choice, strict=True))
            blocks = (1,) * (2 * options["levels"] + 1)
            with case(options):
                self.check(tiny((6, 2, 16, 8), block_list=blocks, large_kernel=7, **options), rng)

    @staticmethod
    def check(model: WaST, rng: torch.Generator) -> None:
        frames, targets = torch.rand(2, 2, *model.in_shape, generator=rng)
        output = model(frames)
        assert output.shape == frames.shape
        (output - targets).square().mean().backward()
        for name, value in model.named_parameters():
            assert value.grad is not None, name
            assert value.grad.isfinite().all(), name

    def test_none_means_as_the_variant_says(self):
        seed = tiny(variant="seed")
        assert (
            seed.options
            == tiny(
                bottleneck="dwt",
                subband_axes="hwt",
                carry="LLL",
                subband_gate="none",
                large_kernel=5,
                small_kernel=1,
                strip=False,
                temporal_mixer="attention",
                shared_layer_scale=False,
            ).options
        )

    @pytest.mark.parametrize(("num_frames", "carry"), [(4, "LLL+LLH"), (10, "LLL"), (4, "LLL")])
    def test_bottleneck_transform_is_inverted(self, rng, num_frames, carry):
        model = tiny((num_frames, 1, 16, 16), bottleneck="dwt", carry=carry).eval()
        model.bottleneck.blocks = nn.ModuleList()
        frames = num_frames if carry == "LLL+LLH" else num_frames // 2
        x = torch.rand(2, 8, frames, 8, 8, generator=rng)
        torch.testing.assert_close(model._run_bottleneck(x), x, rtol=0, atol=1e-6)

    @pytest.mark.parametrize(
        ("options", "widths"),
        [
            ({}, [40, 80, 40]),
            ({"carry": "LLL"}, [40]),
            ({"bottleneck": "dwt"}, [40]),
            ({"variant": "seed"}, [40, 24, 40]),  # 8 channels, 10 -> 5 -> 3 frames
            ({"levels": 2, "block_list": None}, [40, 80, 160, 80, 40]),
        ],
    )
    def test_widths(self, options, widths):
        model = tiny((10, 1, 16, 16), **options)
        found = [block.frequency_norm.num_features for block in model._blocks()]
        assert [width for width, _ in itertools.groupby(found)] == widths

    def test_kernels_by_resolution(self):
        model = tiny()
        assert model.encoders[0].blocks[0].large.tall.conv.kernel_size == (51, 5)
        assert model.encoders[0].blocks[0].large.wide.conv.kernel_size == (5, 51)
        assert model.bottleneck.blocks[0].large.tall.conv.kernel_size == (21, 5)
        seed = tiny(variant="seed").bottleneck.blocks[0]
        assert seed.large.square.conv.kernel_size == (5, 5)
        assert seed.small.conv.kernel_size == (1, 1)

    @pytest.mark.parametrize(
        ("options", "message"),
        [
            ({"in_shape": (5, 1, 16, 16)}, "even number of input frames, got T = 5"),
            ({"variant": "paper"}, "variant must be one of published, seed"),
            ({"carry": "HHH"}, "carry must be one of"),
            ({"subband_gate": "vector"}, "subband_gate must be one of"),
            ({"levels": 3}, "levels must be 1 or 2"),
            ({"levels": 2}, "block_list must have 5 entries for levels=2"),
            ({"block_list": (1, 0, 1)}, "positive"),
            ({"num_heads": 2}, 'num_heads belongs to temporal_mixer="attention"'),
            ({"mlp_ratio": 2.0, "temporal_mixer": "attention"}, 'mlp_ratio belongs to temporal_mixer="mbconv"'),
            ({"num_heads": 3, "temporal_mixer": "attention"}, "num_heads must divide encoder_dim = 4"),
            ({"large_kernel": (51, 21, 7)}, "large_kernel"),
            ({"large_kernel": 4}, "large_kernel must be odd"),
            ({"small_kernel": 2}, "small_kernel must be odd"),
            ({"drop_path_rate": 1.0}, "drop_path_rate must be in"),
            ({"encoder_dim": 0}, "encoder_dim must be positive"),
        ],
        ids=str,
    )
    def test_mistakes_are_named(self, options, message):
        with pytest.raises(ValueError, match=message):
            tiny(**options)


class TestModel:
    def test_drop_path_rises_linearly(self):
        model = WaST((4, 1, 16, 16), encoder_dim=2, block_list=(2, 3, 1), drop_path_rate=0.5)
        rates = torch.linspace(0, 0.5, 6).tolist()
        assert [block.drop_path.rate for block in model._blocks()] == pytest.approx(rates)
        places = [*model.encoders[0].blocks, *model.bottleneck.blocks, *model.decoders[0].blocks]
        assert [block.drop_path.rate for block in places] == pytest.approx(rates)
        model.set_drop_path_rate(0.25)
        assert model.decoders[0].blocks[-1].drop_path.rate == pytest.approx(0.25)
        assert model.encoders[0].blocks[0].drop_path.rate == 0

    def test_drop_path_drops_whole_branches(self, rng):
        block = tiny().encoders[0].blocks[0].train()
        block.drop_path.rate = 0.999
        x = torch.rand(2, 16, 8, 8, generator=rng)
        torch.testing.assert_close(block(x), x, rtol=0, atol=0)

    @pytest.mark.parametrize("variant", ["published", "seed"])
    def test_checkpointing_changes_neither_gradients_nor_statistics(self, rng, variant):
        model = tiny(variant=variant, drop_path_rate=0.5, block_list=(1, 2, 1))
        state = {name: value.clone() for name, value in model.state_dict().items()}
        frames, targets = torch.rand(2, 2, *model.in_shape, generator=rng)
        found = []
        for enable in (False, True):
            model.load_state_dict(state)
            model.set_grad_checkpointing(enable)
            torch.manual_seed(0)
            grads = gradients(model, frames, targets)
            statistics = {name: value.clone() for name, value in model.named_buffers() if "running" in name}
            found.append((grads, statistics))
        torch.testing.assert_close(found[0], found[1], rtol=0, atol=0)

    @pytest.mark.parametrize("variant", ["published", "seed"])
    def test_residual_adds_the_last_frame(self, rng, variant):
        plain, residual = (tiny(variant=variant, residual=flag).eval() for flag in (False, True))
        residual.load_state_dict(plain.state_dict())
        frames = torch.rand(1, *plain.in_shape, generator=rng)
        torch.testing.assert_close(residual(frames), plain(frames) + frames[:, -1:], rtol=0, atol=1e-6)

    def test_a_gated_change_counts_only_where_something_changes(self, rng):
        gated = tiny((4, 1, 32, 32), residual="gated").eval()
        randomize(gated, rng).eval()
        frames = torch.rand(1, 1, 1, 32, 32, generator=rng).repeat(1, 4, 1, 1, 1)
        assert torch.equal(gated(frames), frames)
        frames[:, -1, :, 4, 4] += 0.5
        change = (gated(frames) - frames[:, -1:]).abs().amax((0, 1, 2))
        assert change[4, 4] > 0
        assert change[:12, :12].count_nonzero() > 100
        assert (change[12:] == 0).all()  # a neighbor of the pixel and 6 pixels of reach
        assert (change[:, 12:] == 0).all()
        with pytest.raises(ValueError, match="residual must be False, True or 'gated', got 'gate'"):
            tiny(residual="gate")

    def test_odd_sizes_are_padded_and_cropped(self, rng):
        model = tiny(levels=2, block_list=None).eval()
        frames = torch.rand(1, 4, 1, 15, 18, generator=rng)
        padded = nn.functional.pad(frames, (0, 2, 0, 1, 0, 0), mode="replicate")
        torch.testing.assert_close(model(frames), model(padded)[..., :15, :18], rtol=0, atol=0)
        with pytest.raises(ValueError, match="multiples of 2 x 2"):
            tiny(pad=False)(frames)

    @pytest.mark.parametrize("variant", ["published", "seed"])
    def test_bfloat16_autocast(self, rng, variant):
        model = tiny(variant=variant)
        frames = torch.rand(2, *model.in_shape, generator=rng)
        with torch.autocast("cpu", torch.bfloat16):
            output = model(frames)
        output.float().square().mean().backward()
        assert all(value.grad.isfinite().all() for value in model.parameters())
        torch.testing.assert_close(output.float(), model(frames), rtol=0, atol=0.1)

    @pytest.mark.parametrize("variant", ["published", "seed"])
    def test_exports_with_a_free_batch(self, rng, variant):
        model = tiny(variant=variant).eval()
        example = torch.rand(2, *model.in_shape, generator=rng)
        batch = torch.export.Dim("batch", min=2, max=16)
        exported = torch.export.export(model, (example,), dynamic_shapes={"frames": {0: batch}}).module()
        frames = torch.rand(3, *model.in_shape, generator=rng)
        torch.testing.assert_close(exported(frames), model(frames), rtol=0, atol=1e-6)

    def test_compiled_graph_gives_the_same_gradients(self, rng):
        model = tiny().double()
        frames, targets = torch.rand(2, 1, *model.in_shape, generator=rng, dtype=torch.float64)
        expected = gradients(model, frames, targets)
        found = gradients(torch.compile(model, backend="aot_eager", fullgraph=True), frames, targets)
        scale = max(float(grad.abs().max()) for grad in expected.values())
        for name, grad in expected.items():
            torch.testing.assert_close(found[f"_orig_mod.{name}"], grad, rtol=1e-6, atol=1e-9 * scale, msg=name)

    @pytest.mark.parametrize("name", MODELS)
    def test_presets_build(self, name):
        with torch.device("meta"):
            model = subband.create_model(name)
        assert model.in_shape[0] % 2 == 0
        assert model.options.block_list == (2, 8, 2)
        assert model.options.large_kernel == ((5, 5) if name == "wast_seed" else (51, 21))
