"""How the networks of this task are called, in training and in tests."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any, NamedTuple

from torch import Tensor, nn

from subband.data.pose.samples import PoseSpec
from subband.models.checkpoint import load_model
from subband.models.pose.freqpose import FramePose, FreqPose, load_transformer
from subband.models.pose.protocol import PoseModel
from subband.models.pose.vitpose import ViTPose

__all__ = [
    "PoseMaps",
    "check_network",
    "check_teacher",
    "find_heatmaps",
    "has_gates",
    "motion_chans",
    "sees_clips",
    "start_network",
    "take_network",
    "training_maps",
]


FRAME_PARTS = ("backbone.", "laterals.")  # that look at every frame alone


class PoseMaps(NamedTuple):
    """What a network says of a batch in training.

    Attributes:
        heatmaps: `(B, K, H / 4, W / 4)`.
        early: Those that it makes before it knows of motion; None of a network without.
        motion: What it knows or, without a branch for that, guesses of the motion, `(B, C, H / 4, W / 4)`; None of a
            network for single frames.
        noise: What of the motion the gates of a teacher hold back, of the same shape; None of a network without.
    """

    heatmaps: Tensor
    early: Tensor | None
    motion: Tensor | None
    noise: Tensor | None = None


def sees_clips(model: Any) -> bool:
    """Whether a network wants all frames of a clip, not the middle one alone."""
    return "T" in model.input_axes.split()


def motion_chans(model: nn.Module) -> int | None:
    """Channels of the motion that a network guesses; None of one that guesses none."""
    return model.heatmaps.in_channels if isinstance(model, FreqPose) else None


def has_gates(model: nn.Module) -> bool:
    """Whether a network splits its motion into what passes and noise."""
    return isinstance(model, FreqPose) and model.gates is not None


def check_network(model: nn.Module, spec: PoseSpec, name: str) -> None:
    """Refuse a network that does not fit the data.

    Args:
        model: The network.
        spec: What the data promises.
        name: Of the network, for messages.

    Raises:
        ValueError: Saying what differs.
    """
    if not isinstance(model, PoseModel):
        raise ValueError(f"{name} is a {type(model).__name__}, no network for pose.")
    if model.num_joints != len(spec.joints.names):
        raise ValueError(
            f"{name} finds {model.num_joints} joints, but the data has {len(spec.joints.names)}; fine-tune it on this "
            "data first (train with model.weights), or choose other joints of the data."
        )
    known = getattr(model, "metadata", {}).get("joints")
    if known is not None and list(known) != list(spec.joints.names):
        unlike = next(pair for pair in zip(known, spec.joints.names, strict=True) if pair[0] != pair[1])
        raise ValueError(f"{name} was trained with other joints than the data has: {unlike[0]!r}, not {unlike[1]!r}.")
    if sees_clips(model) and model.num_frames is not None and model.num_frames < spec.num_frames:
        raise ValueError(
            f"{name} is built for clips of {model.num_frames} frames at most, the data has {spec.num_frames}."
        )


def check_teacher(teacher: nn.Module, on_motion: Sequence[str]) -> None:
    """Refuse a teacher that cannot say what losses ask.

    Args:
        teacher: The network.
        on_motion: Names of the recipe's terms that compare motion.

    Raises:
        ValueError: If it sees no motion, but a loss compares that.
    """
    if on_motion and not (isinstance(teacher, FreqPose) and teacher.motion is not None):
        raise ValueError(
            f"loss {on_motion[0]!r} asks what a teacher knows of motion: it must be a freqpose with teacher=True."
        )


def find_heatmaps(model: Any, frames: Tensor) -> Tensor:
    """Heatmaps `(B, K, H / 4, W / 4)` of the middle frames of clips `(B, T, 3, H, W)`."""
    return model(frames if sees_clips(model) else frames[:, frames.shape[1] // 2])


def training_maps(model: Any, frames: Tensor) -> PoseMaps:
    """What losses look at, of clips `(B, T, 3, H, W)`."""
    if not isinstance(model, FreqPose):
        return PoseMaps(find_heatmaps(model, frames), None, None)
    found = model.outputs(frames)
    motion = found.guessed_motion if found.motion is None else found.motion
    return PoseMaps(found.heatmaps, found.appearance_heatmaps, motion, found.noise)


def take_network(model: Any, given: Any, source: str) -> None:
    """Give a network the weights of another one, as far as both have them.

    A student takes those of its teacher but for the motion branch. A network for clips takes the backbone and its
    outlets from one for single frames. The backbone of either takes those of a ViTPose. Layers for other joints start
    fresh, with a warning.

    Args:
        model: Changed in place.
        given: Trained network.
        source: Where it is from, for messages.

    Raises:
        ValueError: If the two networks differ in anything else.
    """
    if isinstance(given, ViTPose) and isinstance(model, FreqPose | FramePose):
        load_transformer(model, given)
        return
    is_student = isinstance(model, FreqPose) and isinstance(given, FreqPose) and model.motion is None
    weights = given.student_state() if is_student else given.state_dict()
    own = model.state_dict()
    if isinstance(model, FreqPose) and isinstance(given, FramePose):
        weights = own | {name: value for name, value in weights.items() if name.startswith(FRAME_PARTS)}
    unlike = sorted(
        name
        for name in own.keys() | weights.keys()
        if name not in own or name not in weights or own[name].shape != weights[name].shape
    )
    last = [
        name
        for name in unlike
        if name in own
        and name in weights
        and own[name].shape[1:] == weights[name].shape[1:]
        and (len(own[name]), len(weights[name])) == (model.num_joints, getattr(given, "num_joints", None))
    ]
    if unlike != last:
        first = next(name for name in unlike if name not in last)
        raise ValueError(
            f"the weights of {source} do not fit the recipe's model: {len(unlike)} entries differ, first {first}."
        )
    if unlike:
        layers = ", ".join(dict.fromkeys(name.rpartition(".")[0] for name in unlike))
        warnings.warn(f"{source} knows other joints than the data; these layers start fresh: {layers}.", stacklevel=2)
    model.load_state_dict({name: value if name in unlike else weights[name] for name, value in own.items()})


def start_network(model: nn.Module, source: str) -> None:
    """Give a network stored weights; see `take_network`.

    Args:
        model: Changed in place.
        source: Whatever `subband.load_model` takes.

    Raises:
        ValueError: If they do not fit.
    """
    take_network(model, load_model(source), f"model.weights {source}")
