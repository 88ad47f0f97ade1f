"""How the networks of this task are called, in training and in tests."""

from __future__ import annotations

from typing import Any, Literal, NamedTuple

import torch
from torch import Tensor, nn

from subband.data.restoration.pairs import PairSpec
from subband.models.bicubic import enlarged_bicubic
from subband.models.protocols.restoration import RestorationModel
from subband.models.super_resolution.mfpi import MFPI
from subband.models.vd_diff.stages import VDDiffStage1, VDDiffStage2, VDDiffStage3
from subband.models.vd_diff.vd_diff import PriorRestorer, VDDiff

__all__ = [
    "Passed",
    "Privileged",
    "RestoredWith",
    "check_clips",
    "check_scale",
    "frames_that_count",
    "restored",
    "sees_the_target",
    "there_and_back",
    "training_pass",
    "without_network",
]

RestoredWith = Literal["diffused", "teacher"]


class Privileged(NamedTuple):
    """What a network with a teacher says of a training pass.

    Attributes:
        guessed: What the network guesses of the privileged information, `(B, P, H, W)` for every frame.
        told: What the sharp frames say, likewise.
        states: Of all passes over the clip, in a list for each, those that were trained and those of the teacher; None
            where they are not compared.
    """

    guessed: list[Tensor]
    told: list[Tensor]
    states: tuple[list[list[Tensor]], list[list[Tensor]]] | None


class Passed(NamedTuple):
    """What a training pass gives.

    Attributes:
        frames: Restored frames `(B, T', 3, H, W)`, RGB in [0, 1] but not clipped; None in a stage that restores none.
        sharp: The true frames that belong to them.
        degraded: The degraded frames that belong to them, enlarged to their size.
        priors: That of the diffusion and that of the teacher, `(B * T, P)` each, where the network has both.
        privilege: What a network with privileged information says of it, where it was asked.
    """

    frames: Tensor | None
    sharp: Tensor
    degraded: Tensor
    priors: tuple[Tensor, Tensor] | None
    privilege: Privileged | None = None


def sees_the_target(model: nn.Module) -> bool:
    """Whether a network needs the sharp frames in tests as well, so that its scores are no real ones."""
    return isinstance(model, VDDiffStage1)


def check_clips(model: nn.Module, spec: PairSpec) -> None:
    """Refuse data that a network cannot be trained on.

    Raises:
        ValueError: Saying which argument of the data set to change.
    """
    if not isinstance(model, RestorationModel):
        raise ValueError(f"{type(model).__name__} is no network for restoration.")
    check_scale(model, spec)
    context = spec.past_frames + spec.future_frames
    if isinstance(model, PriorRestorer | MFPI) and context:
        raise ValueError(
            f"{type(model).__name__} restores all frames of a clip: the data's past_frames and future_frames must be 0."
        )
    shortest = max(model.past_frames, spec.past_frames) + 1 + max(model.future_frames, spec.future_frames)
    if spec.frames is not None and spec.frames < shortest:
        raise ValueError(f"the network needs clips of {shortest} frames, the data has {spec.frames}.")


def check_scale(model: RestorationModel, spec: PairSpec) -> None:
    """Refuse pairs whose sharp frames are not as large as what a network makes of the degraded ones.

    Raises:
        ValueError: Saying both scales.
    """
    if spec.scale != model.scale:
        does = "keeps the size of frames" if model.scale == 1 else f"makes frames {model.scale} times as large"
        name = type(model).__name__
        raise ValueError(f"{name} {does}, but the data has scale {spec.scale}; it must be {model.scale}.")


def frames_that_count(clips: Tensor, spec: PairSpec) -> Tensor:
    """Those of clips `(B, T, 3, H, W)` that the data has sharp ones of, `(B, T', 3, H, W)`."""
    return clips[:, spec.past_frames : clips.shape[1] - spec.future_frames]


def there_and_back(clips: Tensor) -> Tensor:
    """Clips `(B, T, 3, H, W)` followed by themselves backwards, `(B, 2 T, 3, H, W)`."""
    return torch.cat([clips, clips.flip(1)], 1)


def without_network(clips: Tensor, spec: PairSpec) -> Tensor:
    """The frames that count as they are, or enlarged bicubically to the size of the sharp ones."""
    seen = frames_that_count(clips, spec)
    return seen if spec.scale == 1 else enlarged_bicubic(seen, spec.scale)


def training_pass(
    model: Any,
    degraded: Tensor,
    sharp: Tensor,
    spec: PairSpec,
    *,
    restored_with: RestoredWith = "diffused",
    told_share: float | None = None,
    compares_states: bool = False,
    generator: torch.Generator | None = None,
) -> Passed:
    """Call a network as it is trained: with its own context of frames, not with made-up ones.

    Args:
        model: A `RestorationModel`.
        degraded: `(B, T, 3, H, W)`, RGB in [0, 1].
        sharp: `(B, T', 3, H, W)`, those frames that the data has sharp ones of.
        spec: Says which these are.
        restored_with: Whose prior restores in the last stage of VD-Diff.
        told_share: Share of the clips that MFPI restores with the privileged information of their sharp frames; None
            for what it does in use.
        compares_states: Whether the states of MFPI are compared with those of a pass with that information.
        generator: Where the noise of a diffusion is drawn from; the global one by default.
    """
    if spec.mirrored:
        degraded, sharp = there_and_back(degraded), there_and_back(sharp)
    inputs, given = model.to_network(degraded), without_network(degraded, spec)
    if isinstance(model, VDDiffStage1):
        frames, _ = model(inputs, target=sharp)
        return Passed(model.from_network(frames), sharp, given, None)
    if isinstance(model, VDDiffStage2):
        found = model(inputs, target=sharp, generator=generator)
        return Passed(None, sharp, given, (found.prior, found.teacher_prior))
    if isinstance(model, VDDiffStage3):
        found = model(inputs, target=sharp, generator=generator, restored_with=restored_with)
        return Passed(model.from_network(found.frames), sharp, given, (found.steps[-1], found.teacher_prior))
    if told_share is not None:
        frames, privilege = _with_teacher(model, inputs, sharp, told_share, compares_states, generator)
        return Passed(frames, sharp, given, None, privilege)
    options = {"generator": generator} if isinstance(model, VDDiff) and generator is not None else {}
    frames = model.from_network(model(inputs, **options))
    first, last = max(model.past_frames, spec.past_frames), max(model.future_frames, spec.future_frames)
    end = degraded.shape[1] - last
    return Passed(
        frames[:, first - model.past_frames : end - model.past_frames],
        sharp[:, first - spec.past_frames : end - spec.past_frames],
        given[:, first - spec.past_frames : end - spec.past_frames],
        None,
    )


def _with_teacher(
    model: MFPI,
    degraded: Tensor,
    sharp: Tensor,
    told_share: float,
    compares_states: bool,
    generator: torch.Generator | None,
) -> tuple[Tensor, Privileged]:
    """Restored frames, some clips with what their sharp frames say; see `training_pass`."""
    features = model.frame_features(degraded)
    guessed, told = model.guessed(features), model.told(degraded, sharp, generator)
    assert guessed is not None
    numbers = torch.rand(len(degraded), 1, 1, 1, generator=generator, device=degraded.device)
    used = [torch.where(numbers < told_share, *pair) for pair in zip(told, guessed, strict=True)]
    found = model.enlarge(degraded, features, used)
    states = None
    if compares_states:
        with torch.no_grad():
            states = (found.bank[1:], model.enlarge(degraded, features, told).bank[1:])
    return found.frames, Privileged(guessed, told, states)


def restored(model: Any, degraded: Tensor, sharp: Tensor, spec: PairSpec) -> Tensor:
    """The frames that count, restored as in use: the same in every run.

    Where the data has as many frames before and after as the network looks at, it sees these; else it makes some up.
    Of mirrored clips both visits of a frame are averaged (Chan et al., BasicVSR++, CVPR 2022, for Vimeo-90K).

    Args:
        model: A `RestorationModel`.
        degraded: `(B, T, 3, H, W)`, RGB in [0, 1].
        sharp: `(B, T', 3, H, W)`; only a network that `sees_the_target` is given them.
        spec: Says which frames count.

    Returns:
        `(B, T', 3, H, W)`, or as large as the sharp frames, RGB, not clipped.
    """
    if isinstance(model, VDDiffStage1):
        return model(degraded, target=sharp)[0]
    if spec.mirrored:
        forth, back = model.restore(there_and_back(degraded)).chunk(2, 1)
        return frames_that_count((forth + back.flip(1)) / 2, spec)
    if isinstance(model, VDDiff):
        # The same for every clip, so that results do not depend on how clips are gathered to batches.
        noise = torch.randn(degraded.shape[1], model.prior_dim, generator=torch.Generator().manual_seed(0))
        return model.restore(degraded, noise=noise.to(degraded).expand(len(degraded), -1, -1))
    spare_before, spare_after = spec.past_frames - model.past_frames, spec.future_frames - model.future_frames
    if min(spare_before, spare_after) < 0:
        return frames_that_count(model.restore(degraded), spec)
    frames = model.from_network(model(model.to_network(degraded)))
    return frames[:, spare_before : frames.shape[1] - spare_after]
