"""Checkpoints of VD-Diff: its three stages, and the third one without its teacher.

What is odd about the published names, all of it handled in both directions:

- `LE` is the teacher, `DM` the diffusion, `WADT` the restoration network.
- Both networks of the diffusion are stored twice: `DM.diffusion.model` is `DM.denoise`, `DM.diffusion.condition` is
  `DM.condition`. Files with one of the two load, both are written. Where they differ, the file is refused.
- `DM.diffusion` also holds the twelve numbers of every step, which follow from the options. They may be missing.
- `WADT.wave.haar_weights` holds the signs of the Haar transform as parameters that are never trained; may be missing.
- `WADT.transformer_scale4.output` is a convolution that is never used; its values are kept, and may be missing.
- `kerner_conv_channel` and `resblock_bcakward2d` (in both recurrences) are misspelt.
- Files hold the weights under `params`, perhaps with averages under `params_ema`; the plain ones are read.

Neither the residual (`residual=2`) nor the heads show in the shapes of the weights.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from subband.convert._keymap import KeyMap
from subband.models.vd_diff.prior import PriorEncoder
from subband.models.vd_diff.wavelet import haar_signs

__all__ = ["VD_DIFF", "VD_DIFF_STAGE1", "VD_DIFF_STAGES"]

SCHEDULE = "DM.diffusion"
TEACHER = "LE"
TRANSFORMER, OWN_TRANSFORMER = "WADT.transformer_scale4", "restorer.transformer"
UNUSED = f"{OWN_TRANSFORMER}.unused_output"
BLOCK = (
    ("attn.kernel.0", "norm1.modulation"),
    ("ffn.kernel.0", "norm2.modulation"),
    ("norm1.body", "norm1"),
    ("norm2.body", "norm2"),
    ("attn.temperature", "attention.temperature"),
    ("attn.qkv", "attention.qkv"),
    ("attn.qkv_dwconv", "attention.depthwise"),
    ("attn.project_out", "attention.project"),
    ("ffn.project_in", "feed_forward.expand"),
    ("ffn.kerner_conv_channel", "feed_forward.depthwise"),
    ("ffn.project_out", "feed_forward.project"),
)
LEVELS = (("encoder_level1", "encoder"), ("latent", "latent"), ("decoder_level1", "decoder"))
PROPAGATION = (
    ("conv1", "fusion.mix"),
    ("conv2", "fusion.gates.0"),
    ("conv3", "fusion.gates.1"),
    ("cross_attention.norm1.body", "fusion.norm1"),
    ("cross_attention.norm2.body", "fusion.norm2"),
    *((f"cross_attention.{name}", f"fusion.{name}") for name in ("q", "kv", "proj")),
    ("kernel_conv_pixel.Block1", "filter.fine"),
    ("kernel_conv_pixel.Block2", "filter.coarse"),
    ("kernel_conv_pixel.tokernel", "filter.to_kernels"),
    ("resblock_bcakward2d.main.0", "blocks"),
)
RESTORER = (
    ("WADT.feat_extractor", "restorer.embed"),
    ("WADT.recons", "restorer.head"),
    *((f"WADT.x_wave_1_conv{i + 1}", f"restorer.fine.{i}") for i in range(2)),
    *((f"WADT.x_wave_2_conv{i + 1}", f"restorer.coarse.{i}") for i in range(2)),
    *(
        (f"{TRANSFORMER}.{theirs}.{{i}}.{their_part}", f"{OWN_TRANSFORMER}.{ours}.{{i}}.{our_part}")
        for theirs, ours in LEVELS
        for their_part, our_part in BLOCK
    ),
    (f"{TRANSFORMER}.down1_2.body.0", f"{OWN_TRANSFORMER}.down"),
    (f"{TRANSFORMER}.up2_1.body.0", f"{OWN_TRANSFORMER}.up"),
    (f"{TRANSFORMER}.reduce_chan_level1", f"{OWN_TRANSFORMER}.merge"),
    (f"{TRANSFORMER}.output.body.0.weight", UNUSED),
    *(
        (f"WADT.{way}_propagation_2.{theirs}", f"restorer.{way}_propagation.{ours}")
        for way in ("backward", "forward")
        for theirs, ours in PROPAGATION
    ),
)


def _encoder(theirs: str, ours: str) -> tuple[tuple[str, str], ...]:
    """Rules of a prior encoder."""
    body = f"{theirs}.E.{{i}}.body"
    return (
        (f"{body}.0", f"{ours}.features.{{i}}.conv1"),
        (f"{body}.2", f"{ours}.features.{{i}}.conv2"),
        (f"{theirs}.E", f"{ours}.features"),
        (f"{theirs}.mlp", f"{ours}.mlp"),
    )


TEACHER_RULES = _encoder(TEACHER, "teacher")
DIFFUSION_RULES = (
    *_encoder("DM.condition", "diffusion.condition"),
    ("DM.denoise.resmlp.0", "diffusion.denoiser.0"),
    ("DM.denoise.resmlp.{i}.resmlp", "diffusion.denoiser.{i}"),
)
ALIASES = ((f"{SCHEDULE}.model", "DM.denoise"), (f"{SCHEDULE}.condition", "DM.condition"))


def haar_weights(model: nn.Module) -> dict[str, Tensor]:
    """Signs of the Haar transform, one set for every channel: `(4 * C, 1, 2, 2)`."""
    restorer: Any = model.get_submodule("restorer")
    signs = haar_signs(torch.zeros(()))
    return {"WADT.wave.haar_weights": signs.repeat(restorer.embed.out_channels, 1, 1).unsqueeze(1)}


def schedule_and_haar_weights(model: nn.Module) -> dict[str, Tensor]:
    """The numbers of every step of the diffusion, beside `haar_weights`."""
    diffusion: Any = model.get_submodule("diffusion")
    steps = {f"{SCHEDULE}.{name}": torch.tensor(values) for name, values in diffusion.schedule.items()}
    return haar_weights(model) | steps


def teacher_names(model: nn.Module) -> list[str]:
    """Published names of a teacher's values."""
    with torch.device("meta"):
        teacher = PriorEncoder(2, 1)
    table = KeyMap(rules=TEACHER_RULES)
    return [str(table.to_published(f"teacher.{key}")) for key in teacher.state_dict()]


VD_DIFF_STAGE1 = KeyMap(rules=(*TEACHER_RULES, *RESTORER), constants=haar_weights, optional=(UNUSED,))
VD_DIFF_STAGES = KeyMap(
    rules=(*TEACHER_RULES, *DIFFUSION_RULES, *RESTORER),
    constants=schedule_and_haar_weights,
    aliases=ALIASES,
    optional=(UNUSED,),
)
VD_DIFF = KeyMap(
    rules=(*DIFFUSION_RULES, *RESTORER),
    ignored=(TEACHER,),
    constants=schedule_and_haar_weights,
    aliases=ALIASES,
    optional=(UNUSED,),
    left_out=teacher_names,
)
