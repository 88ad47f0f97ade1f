"""Counted costs against closed forms, against fvcore and against published tables."""

import math

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from subband import create_model
from subband.models.complexity import activation_mb, count_macs, count_parameters, measure_complexity, peak_mb
from subband.transforms.haar import haar_analysis, haar_synthesis

MEBIBYTE = 2**20


class Function(nn.Module):
    """A module around a function of one tensor."""

    def __init__(self, function) -> None:
        super().__init__()
        self.function = function

    def forward(self, x: Tensor) -> Tensor:
        return self.function(x)


def test_convolution_linear_and_product():
    x = torch.zeros(2, 6, 8, 10)
    assert count_macs(nn.Conv2d(6, 4, 3, padding=1, groups=2), x).macs == 2 * 80 * 4 * 3 * 9
    assert count_macs(nn.Conv2d(6, 6, 5, padding="same", groups=6), x).macs == 2 * 80 * 6 * 25
    assert count_macs(nn.ConvTranspose2d(6, 4, 2, stride=2), x).macs == 2 * 80 * 6 * 4 * 4
    assert count_macs(nn.Linear(10, 7), x).macs == 2 * 6 * 8 * 10 * 7
    assert count_macs(Function(lambda x: x @ x.mT), x).macs == 2 * 6 * 8 * 8 * 10


@pytest.mark.parametrize(
    ("norm", "price"), [(nn.BatchNorm2d(6), 2), (nn.GroupNorm(2, 6), 5), (nn.LayerNorm((6, 8, 10)), 5)]
)
def test_norms_have_the_price_of_published_tables(norm, price):
    assert count_macs(norm, torch.zeros(2, 6, 8, 10)).macs == price * 960


@pytest.mark.parametrize("axes", [(-1,), (-2, -1), (-3, -2, -1)])
def test_haar_butterflies_are_one_operation_per_sample_and_axis(axes):
    x = torch.zeros(2, 4, 8, 16)
    analysis = count_macs(Function(lambda x: haar_analysis(x, axes, -4)), x)
    assert analysis.dwt_macs == len(axes) * x.numel() / 2
    both = count_macs(Function(lambda x: haar_synthesis(haar_analysis(x, axes), axes)), x)
    assert both.dwt_macs == len(axes) * x.numel()
    assert both.macs == both.fft_macs == 0


def test_differences_of_other_tensors_are_not_butterflies():
    x = torch.zeros(2, 4, 8, 16)
    assert count_macs(Function(lambda x: (x - x.mean(1, keepdim=True)) - x.flip(0) - 1.0), x).dwt_macs == 0


def test_fourier_transforms():
    x = torch.zeros(3, 5, 8, 16)
    real = 2.5 * x.numel() * math.log2(128) / 2
    assert count_macs(Function(torch.fft.rfft2), x).fft_macs == real
    assert count_macs(Function(lambda x: torch.fft.irfft2(torch.fft.rfft2(x))), x).fft_macs == 2 * real
    assert count_macs(Function(lambda x: torch.fft.fft2(x.to(torch.complex64))), x).fft_macs == 2 * real
    assert count_macs(Function(lambda x: torch.fft.rfft(x, dim=1)), x).fft_macs == 2.5 * x.numel() * math.log2(5) / 2


def test_modules_add_up():
    model = nn.Sequential(nn.Conv2d(1, 4, 3), nn.Sequential(nn.Conv2d(4, 2, 1), nn.SiLU()))
    counts = count_macs(model, torch.zeros(1, 1, 10, 10))
    assert counts.by_module["0"] == 64 * 4 * 9
    assert counts.by_module["1"] == counts.by_module["1.0"] == 64 * 8
    assert counts.by_module[""] == counts.macs == 64 * 44


# Published for 10 x 1 x 64 x 64, by fvcore. Up to 0.1 % apart: fvcore also counts pooling, and our dilated depthwise
# convolution computes a few rows beyond the border.
@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "published"), [("simvp_gsta", 16.53), ("tau", 15.95), ("simvp_incepu", 19.43), ("wsfvit_video", 14.00)]
)
def test_published_counts(name, published):
    model = create_model(name)
    assert model.in_shape == (10, 1, 64, 64)
    counts = count_macs(model, torch.zeros(1, *model.in_shape))
    assert counts.macs / 1e9 == pytest.approx(published, abs=0.02)


def test_attention_is_counted_on_every_device():
    x = torch.zeros(2, 3, 10, 8)
    assert count_macs(Function(lambda x: F.scaled_dot_product_attention(x, x, x)), x).macs == 2 * 2 * 3 * 10 * 10 * 8


@pytest.mark.slow
def test_wast_count():
    from published.wast import PublishedWaST

    model = create_model("wast")
    clip = torch.zeros(1, *model.in_shape)
    assert clip.shape == (1, 10, 1, 64, 64)
    published = count_macs(PublishedWaST(model.in_shape), clip)
    # fvcore says 21.61 G, because it passes over convolutions with padding="same": all frequency mixers of WaST, a pair
    # of strips and a 5 x 5 kernel in 4 blocks at full and 8 blocks at half resolution. It adds 0.03 G for pooling.
    mixers = 4 * 200 * (2 * 51 * 5 + 25) * 64**2 + 8 * 400 * (2 * 21 * 5 + 25) * 32**2
    assert published.macs == pytest.approx(21.61e9 + mixers, abs=0.03e9)
    counts = count_macs(model, clip)
    # Ours folds batch norms into convolutions and runs the Haar transforms (of frames, features and back) as sums.
    assert counts.macs == pytest.approx(published.macs, rel=0.01)
    assert counts.dwt_macs == 1.5 * (1 + 20 + 20) * 10 * 64 * 64


def test_training_memory_is_what_autograd_keeps():
    model = nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), nn.SiLU(), nn.SiLU())
    x = torch.zeros(2, 3, 32, 64)
    kept = x.nbytes + 2 * (2 * 8 * 32 * 64) * 4  # the convolution keeps its input, each SiLU its own
    assert activation_mb(model, x) == kept / MEBIBYTE


def test_training_memory_leaves_batch_statistics_and_mode_alone():
    model = nn.Sequential(nn.BatchNorm2d(3), nn.Dropout(0.5)).eval()
    before = {key: value.clone() for key, value in model.state_dict().items()}
    activation_mb(model, torch.rand(2, 3, 4, 4))
    assert not any(module.training for module in model.modules())
    for key, value in model.state_dict().items():
        assert value.equal(before[key]), key


def test_inference_memory_is_the_highest_sum_of_live_tensors():
    x = torch.zeros(2**18)  # 1 MiB

    def chain(x: Tensor) -> Tensor:
        x = x + 1  # 1 MiB
        x = torch.cat([x, x])  # 2 MiB beside it: the peak
        return x[:10] * 2

    assert peak_mb(Function(chain), x) == pytest.approx(3.0, abs=0.01)
    assert peak_mb(Function(lambda x: x.view(2, -1)), x) == 0.0
    assert peak_mb(Function(lambda x: F.relu(x, inplace=False).relu_()), x) == 1.0


def test_measure_complexity_gathers_everything():
    model = nn.Sequential(nn.Conv2d(1, 4, 3, bias=False), nn.SiLU())
    cost = measure_complexity(model, torch.zeros(1, 1, 10, 10), repeats=1)
    assert model.training
    assert (cost.params, cost.macs, cost.fft_macs, cost.dwt_macs) == (36, 64 * 36, 0, 0)
    assert cost.device == "cpu"
    assert cost.threads == torch.get_num_threads()
    assert cost.ms > 0
    with pytest.raises(ValueError, match="repeats"):
        measure_complexity(model, torch.zeros(1, 1, 10, 10), repeats=0)


def test_tied_weights_count_once():
    layer = nn.Linear(3, 3, bias=False)
    assert count_parameters(nn.Sequential(layer, layer)) == 9


def test_counts_agree_with_fvcore(rng):
    flop_count = pytest.importorskip("fvcore.nn").FlopCountAnalysis
    model = nn.Sequential(
        nn.Conv2d(3, 8, 5, stride=2, padding=2, groups=1),
        nn.BatchNorm2d(8),
        nn.GELU(),
        nn.ConvTranspose2d(8, 4, 4, stride=2),
    ).eval()
    x = torch.rand(2, 3, 16, 12, generator=rng)
    assert count_macs(model, x).macs == flop_count(model, x).unsupported_ops_warnings(False).total()


def test_norms_that_are_folded_count_and_stay_folded():
    model = create_model("wsfvit_p0", img_size=64)
    norms = sum(isinstance(module, nn.BatchNorm2d) for module in model.modules())
    counts = count_macs(model, torch.zeros(1, 3, 64, 64))
    assert (
        sum(name.rpartition(".")[2].startswith("norm_") for name in counts.by_module) == norms - 2
    )  # those of the stem
    assert all(module.track_running_stats for module in model.modules() if isinstance(module, nn.BatchNorm2d))
