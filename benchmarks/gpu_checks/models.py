"""Every network in float32 and in bfloat16 autocast on the device against float32 on the CPU."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

import subband
from gpu_checks.check import (
    AUTOCAST,
    AUTOCAST_DEEP,
    DEEP,
    Check,
    Figure,
    Setting,
    noise,
    on,
    relative_error,
    with_gradients,
)
from subband.models.arguments import as_arguments, first_output
from subband.models.registry import model_spec
from subband.tasks import example_input

__all__ = [
    "SMALL",
    "build_small",
    "check_classifiers",
    "check_generators",
    "check_pose",
    "check_restorers",
    "check_video_models",
    "inputs_of",
]

SIMVP = {"in_shape": (3, 1, 16, 16), "hid_S": 4, "hid_T": 8, "N_S": 2, "N_T": 2}
WSFVIT = {"dims": (8, 16, 24, 32), "depths": (1, 1, 1, 1), "num_heads": (2, 4, 4, 8), "head_dim": 4, "stem_dim": 8}
DCT_RESNET = {"depths": (1, 1, 1, 1), "width": 8, "img_size": 64}
VD_DIFF = {"num_feat": 4, "propagation_blocks": 1, "num_blocks": (1, 1), "heads": (1, 2), "prior_feat": 4}
FREQPOSE = {"channels": 4, "groups": 2, "num_joints": 3, "img_size": (32, 32)}
WAVELET_VAE = {"img_size": 16, "levels": 2, "widths": (8, 8, 16), "blocks": 1, "prior_width": 8, "prior_blocks": 1}
# Small networks of every family: name and options, the cheapest to compile first.
SMALL: dict[str, tuple[str, dict[str, Any]]] = {
    "gfnet": ("gfnet_ti", {"dims": (24,), "depths": (2,), "img_size": 64}),
    "wast": ("wast", {"in_shape": (2, 1, 16, 16), "encoder_dim": 4, "block_list": (1, 1, 1)}),
    "wsfvit": ("wsfvit_p0", {**WSFVIT, "img_size": 64}),
    "simvp_gsta": ("simvp_gsta", SIMVP),
    "gfnet_h": ("gfnet_h_ti", {"dims": (8, 12, 16, 24), "depths": (1, 1, 1, 1), "layer_scale": 0.1, "img_size": 64}),
    "tau": ("tau", SIMVP),
    "simvp_incepu": ("simvp_incepu", SIMVP),
    "wsfvit_video": ("wsfvit_video", {"in_shape": (4, 1, 32, 32), "hid_S": 8, "hid_T": 32}),
    "wast_seed": ("wast_seed", {"in_shape": (2, 1, 16, 16), "encoder_dim": 4, "block_list": (1, 1, 1)}),
    "vit": ("vit_ti", {"img_size": 64, "depth": 2, "dim": 24, "num_heads": 3}),
    "dct_resnet": ("dct_resnet50", DCT_RESNET),
    "dct_resnet_gated": ("dct_resnet50", {**DCT_RESNET, "channels": 192, "gated": True}),
    "dct_mobilenetv2": ("dct_mobilenetv2", {"img_size": 64}),
    "persistence": ("persistence", {"in_shape": (2, 1, 16, 16)}),
    "estrnn": ("estrnn", {"n_features": 4, "n_blocks": 1}),
    "ftdeblur": ("ftdeblur", {"channels": 4, "n_feat": 1, "n_rec": 1, "groups": 2, "frames": 3}),
    "motion_unet": ("motion_unet", {"dims": (4, 8), "depth": 1}),
    "residual_unet": ("residual_unet", {"dims": (4, 8), "depth": 1, "frames": 3}),
    "vd_diff": ("vd_diff", VD_DIFF),
    "vd_diff_stage1": ("vd_diff_stage1", VD_DIFF),
    "vd_diff_stage2": ("vd_diff_stage2", VD_DIFF),
    "vd_diff_stage3": ("vd_diff_stage3", VD_DIFF),
    "vd_diff_no_prior": ("vd_diff_no_prior", VD_DIFF),
    "identity": ("identity", {}),
    "bicubic": ("bicubic", {}),
    "basicvsr_pp": ("basicvsr_pp", {"channels": 4, "blocks": 1, "groups": 2}),
    "basicvsr_pp_deblur": ("basicvsr_pp_deblur", {"channels": 4, "blocks": 1, "groups": 2}),
    "mfpi": ("mfpi", {"channels": 4, "blocks": 1, "head_blocks": 1, "rec_blocks": 1, "groups": 2}),
    "wavelet_diffusion": (
        "wavelet_diffusion",
        {"img_size": 16, "base_dims": (32,), "multipliers": ((1,),), "attention": ((8,),), "dropout": 0.0},
    ),
    "conv_vae": ("conv_vae_s", {"img_size": 16, "widths": (8, 16), "blocks": 1, "latent_dim": 4}),
    "wavelet_vae": ("wavelet_vae_s", {**WAVELET_VAE, "refine_width": 8, "refine_blocks": 1}),
    "wavelet_vae_video": (
        "wavelet_vae_video_s",
        {"num_frames": 4, "img_size": 16, "levels": 2, "time_levels": 1, "widths": (8, 8, 16), "prior_width": 8},
    ),
    "vitpose": ("vitpose_s", {"dim": 24, "depth": 2, "num_heads": 3, "img_size": (64, 48)}),
    "freqpose": ("freqpose", {**FREQPOSE, "num_frames": 3}),
    "freqpose_teacher": ("freqpose_teacher", {**FREQPOSE, "num_frames": 2, "corr": "global", "corr_radius": 1}),
    "framepose": ("framepose", {"channels": 4, "num_joints": 3, "img_size": (32, 32)}),
    "wavelet_vae_elbo": ("wavelet_vae_e", {**WAVELET_VAE, "refine_width": 8, "refine_blocks": 1}),
}


def lively(model: nn.Module) -> nn.Module:
    """The same network in evaluation mode, with running averages as after training, and noise for zeros."""
    for parameter in model.parameters():
        if not parameter.any():
            nn.init.normal_(parameter, std=0.02)
    for key, value in model.state_dict().items():
        if key.endswith("running_var"):
            value.uniform_(0.5, 1.5)
        elif key.endswith("running_mean"):
            value.normal_(std=0.1)
    return model.eval()


def build_small(family: str) -> nn.Module:
    """A small network of a family on the CPU, the same in every run."""
    name, options = SMALL[family]
    torch.manual_seed(3)
    classes = {"num_classes": 5} if model_spec(name).task == "classification" else {}
    return lively(subband.create_model(name, **options, **classes))


def inputs_of(model: nn.Module, batch: int = 1) -> tuple[Tensor, ...]:
    """Example arguments of a network on the CPU."""
    return as_arguments(example_input(model, batch=batch))


def names_of(task: str) -> list[str]:
    """All names of a task, one for each set of arguments, the plain names of families first."""
    names = [name for name in subband.list_models() if model_spec(name).task == task]
    own = {name for _, (name, _) in SMALL.items()}
    different = {(model_spec(name).builder, repr(model_spec(name).args)): name for name in reversed(names)}
    return sorted(different.values(), key=lambda name: (name not in own, name))


def checks_of(task: str, setting: Setting) -> Iterator[Check]:
    """All families as small networks, with gradients; then all published sizes."""
    for family, (name, _) in SMALL.items():
        if model_spec(name).task == task:
            yield Check(f"{family}, small", partial(compare_small, family, setting))
    if not setting.is_quick:
        for name in names_of(task):
            yield Check(name, partial(compare_published, name, setting))


def compare_small(family: str, setting: Setting) -> list[Figure]:
    """Outputs, gradients and a bfloat16 pass of a small network."""
    model = build_small(family)
    inputs = inputs_of(model, batch=2)
    wanted, gradients = with_gradients(model, inputs, model.parameters())
    moved = on(setting.device, model)
    found, own = with_gradients(moved, on(setting.device, inputs), moved.parameters())
    figures = [
        Figure(relative_error(found, wanted), DEEP),
        Figure(relative_error(own, gradients), DEEP, "", "gradient"),
    ]
    return [*figures, autocast_figure(moved, on(setting.device, inputs), wanted, AUTOCAST)]


def compare_published(name: str, setting: Setting) -> list[Figure]:
    """Outputs of a network of published size, made on the device, where that is fast."""
    torch.manual_seed(0)
    with setting.device:
        model = subband.create_model(name)
    model = lively(model.to(setting.device))
    inputs = inputs_of(model)
    moved = on(setting.device, inputs)
    with torch.no_grad():
        found = [first_output(model(*moved))]
        mixed = autocast_figure(model, moved, found, AUTOCAST_DEEP)
        wanted = [first_output(model.cpu()(*inputs))]
    return [Figure(relative_error(found, wanted), DEEP), mixed]


def autocast_figure(model: nn.Module, inputs: tuple[Tensor, ...], wanted: list[Tensor], limit: float) -> Figure:
    """How far a pass in bfloat16 autocast is from one in float32."""
    device = inputs[0].device.type
    with torch.no_grad(), torch.autocast(device, torch.bfloat16):
        mixed = model(*inputs)
    return Figure(relative_error([first_output(mixed).float()], wanted[:1]), limit, "", "bfloat16")


def check_video_models(setting: Setting) -> Iterator[Check]:
    """Networks for video prediction."""
    return checks_of("video_prediction", setting)


def check_restorers(setting: Setting) -> Iterator[Check]:
    """Networks for video restoration."""
    return checks_of("restoration", setting)


def check_generators(setting: Setting) -> Iterator[Check]:
    """Networks that generate images or clips."""
    yield from checks_of("generation", setting)
    yield from checks_of("video_generation", setting)


def check_pose(setting: Setting) -> Iterator[Check]:
    """Networks for the joints of people."""
    return checks_of("pose", setting)


def check_classifiers(setting: Setting) -> Iterator[Check]:
    """Classifiers; and the launch sizes that only large batches reach."""
    yield from checks_of("classification", setting)
    yield Check("channels last", partial(compare_channels_last, setting))


def compare_channels_last(setting: Setting) -> Figure:
    """A network whose weights and images have their channels last in memory."""
    model = build_small("wsfvit")
    images = noise(2, 3, 64, 64)
    with torch.no_grad():
        wanted = model(images)
        moved: Any = on(setting.device, model)
        found = moved.to(memory_format=torch.channels_last)(
            images.to(setting.device, memory_format=torch.channels_last)
        )
    return Figure(relative_error([found], [wanted]), DEEP)
