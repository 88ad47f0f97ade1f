"""Checkpoints of BasicVSR++, as mmagic (formerly mmediting) and BasicSR store them. Written back is mmagic's layout."""

from torch import Tensor, nn

from subband.convert._keymap import KeyMap
from subband.models.super_resolution.spynet import IMAGENET_MEAN, IMAGENET_STD

__all__ = ["BASICVSR_PP", "BASICVSR_PP_SAME_SIZE"]

PASS_NAMES = ("backward_1", "forward_1", "backward_2", "forward_2")
FLOW_LAYERS = 5
OFFSET_LAYERS = 4
OWN_SCALE = 2  # of networks of this package alone

RULES = (
    ("spynet.basic_module.{i}.basic_module.{j}.conv", "flow.levels.{i}.{j}"),
    # BasicSR counts the activations between the layers, too.
    *((f"spynet.basic_module.{{i}}.basic_module.{2 * j}", f"flow.levels.{{i}}.{j}") for j in range(FLOW_LAYERS)),
    *(
        (f"deform_align.{name}.conv_offset.{2 * layer}", f"alignments.{place}.predict.{layer}")
        for place, name in enumerate(PASS_NAMES)
        for layer in range(OFFSET_LAYERS)
    ),
    *((f"deform_align.{name}", f"alignments.{place}.filter") for place, name in enumerate(PASS_NAMES)),
    *((f"backbone.{name}.main", f"trunks.{place}") for place, name in enumerate(PASS_NAMES)),
    ("reconstruction.main", "reconstruction"),
    ("upsample1.upsample_conv", "upsampling.steps.0"),
    ("upsample2.upsample_conv", "upsampling.steps.1"),
    ("upconv1", "upsampling.steps.0"),
    ("upconv2", "upsampling.steps.1"),
    ("conv_hr", "upsampling.full"),
    ("conv_last", "upsampling.last"),
)


def _normalization(model: nn.Module) -> dict[str, Tensor]:
    """Mean and spread of the colors, which published files keep as if they were weights.

    Raises:
        ValueError: If no published file belongs to such a network.
    """
    if model.scale == OWN_SCALE:
        raise ValueError(
            f"published BasicVSR++ enlarges four times or keeps the size; with scale={OWN_SCALE} a network has no "
            "published file and must be trained."
        )
    like = next(model.parameters())
    values = {"mean": IMAGENET_MEAN, "std": IMAGENET_STD}
    return {f"spynet.{name}": like.new_tensor(value).view(1, 3, 1, 1) for name, value in values.items()}


# A counter of training steps stands beside the network in some files.
BASICVSR_PP = KeyMap(
    rules=(("feat_extract.main", "features"), *RULES), ignored=("step_counter",), constants=_normalization
)
BASICVSR_PP_SAME_SIZE = KeyMap(
    rules=(
        ("feat_extract.0", "shrink.0"),
        ("feat_extract.2", "shrink.1"),
        ("feat_extract.4.main", "features"),
        *RULES,
    ),
    ignored=("step_counter",),
    constants=_normalization,
)
