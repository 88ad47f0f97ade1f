"""VD-Diff as it is trained, in three stages, each of which starts from the one before (`take_stage`).

1. `VDDiffStage1`: the prior comes from a teacher that sees the sharp frames;
2. `VDDiffStage2`: a diffusion model learns to make that prior from blurred frames and noise;
3. `VDDiffStage3`: everything together.
"""

from __future__ import annotations

from typing import Any, ClassVar, Literal, NamedTuple

import torch
from torch import Tensor

from subband.models.protocols.restoration import RestorationModel
from subband.models.vd_diff.prior import PriorEncoder
from subband.models.vd_diff.vd_diff import PriorRestorer, VDDiff

__all__ = ["Latents", "Restored", "VDDiffStage1", "VDDiffStage2", "VDDiffStage3"]


class Restored(NamedTuple):
    """What a training pass of the third stage gives.

    Attributes:
        frames: The restored clip, `(B, T, 3, H, W)`.
        teacher_prior: Prior of the teacher, `(B * T, P)`.
        steps: What the diffusion had after each of its steps, `(S, B * T, P)`.
    """

    frames: Tensor
    teacher_prior: Tensor
    steps: Tensor


class Latents(NamedTuple):
    """What a training pass of the second stage gives.

    Attributes:
        teacher_prior: Prior of the teacher, without gradient, `(B * T, P)`.
        prior: Prior of the diffusion, `(B * T, P)`.
    """

    teacher_prior: Tensor
    prior: Tensor


class VDDiffStage1(PriorRestorer):
    """First stage of VD-Diff: restoration with the prior of a teacher that sees the sharp frames.

    Args:
        num_feat: Channels C, even.
        propagation_blocks: Residual blocks of each recurrence.
        num_blocks: Transformer blocks at a quarter of the resolution (before and after) and at an eighth.
        heads: Their heads; they divide C and 2C.
        use_cross_attention: Attention between frame and state in the recurrences, quadratic in the pixels.
        cross_attention_heads: Its heads.
        bias: Biases of the transformer's convolutions.
        prior_feat: Width of the teacher; the prior has P = 4 times as many entries.
        residual: How often the input is added; published networks add it twice, new ones learn faster with 1.
        wavelet: The transformer sees the low band of a wavelet transform; else what strided convolutions give.
        dynamic_conv: Kernels of the recurrences are predicted for every pixel; else they are fixed.

    Shape:
        frames and target `(B, T, 3, H, W)` in [0, 1], RGB; restored frames like them, not clipped.

    Example:
        >>> model = VDDiffStage1(num_feat=8, propagation_blocks=1, num_blocks=(1, 1), heads=(1, 2), prior_feat=4)
        >>> clip = torch.rand(1, 2, 3, 20, 32)
        >>> [tuple(x.shape) for x in model(clip, target=clip)]
        [(1, 2, 3, 20, 32), (2, 16)]
    """

    def build_prior(self, width: int) -> None:
        """Make the teacher."""
        self.teacher = PriorEncoder(2, width)

    def forward(self, frames: Tensor, target: Tensor | None = None) -> tuple[Tensor, Tensor]:  # type: ignore[override]
        """Restore clips with the prior of their sharp frames.

        Args:
            frames: Blurred frames, `(B, T, 3, H, W)`.
            target: Sharp frames.

        Returns:
            frames: Restored, like the blurred ones, not clipped.
            prior: That of the teacher, `(B * T, P)`.

        Raises:
            ValueError: If there is no target, or its shape is another one.
        """
        prior = teacher_prior(self, self.teacher, frames, target)
        return self.restore_with_prior(frames, prior), prior

    def example_input(
        self, *, batch: int = 1, height: int | None = None, width: int | None = None
    ) -> tuple[Tensor, Tensor]:
        """Two random clips, the same in every run; see `RestorationModel.example_input`."""
        return self.example_clip(batch, height, width), self.example_clip(batch, height, width, seed=1)


class _WithTeacher(VDDiff):
    """VD-Diff with its teacher, for the later stages of training."""

    has_teacher: ClassVar[bool] = True

    def _both_priors(
        self,
        frames: Tensor,
        target: Tensor,
        noise: Tensor | None,
        generator: torch.Generator | None,
        *,
        frozen: bool,
    ) -> tuple[Tensor, list[Tensor]]:
        """Prior of the teacher, and the steps of the diffusion that begins with next to nothing of it."""
        with torch.set_grad_enabled(torch.is_grad_enabled() and not frozen):
            wanted = teacher_prior(self, self.teacher, frames, target)
        start = self.diffusion.noisy(wanted, self._noise(frames, noise, generator).to(wanted.dtype))
        return wanted, self._steps(frames, start)


class VDDiffStage2(_WithTeacher):
    """Second stage of VD-Diff: the diffusion learns the teacher's priors; everything else stays as it is.

    Without a target it restores, as `VDDiff` does. Arguments, shapes and errors are those of `VDDiff`.
    """

    def forward(  # type: ignore[override]
        self,
        frames: Tensor,
        noise: Tensor | None = None,
        *,
        target: Tensor | None = None,
        prior: Tensor | None = None,
        generator: torch.Generator | None = None,
    ) -> Tensor | Latents:
        """Restore clips; with their sharp frames, compare the priors instead.

        Args:
            frames: Blurred frames, `(B, T, 3, H, W)` in [0, 1].
            noise: See `VDDiff`; with a target it is mixed with the teacher's prior.
            target: Sharp frames.
            prior: See `VDDiff`; not with a target.
            generator: See `VDDiff`.

        Raises:
            ValueError: If a shape is another one, or options exclude each other.
        """
        if target is None:
            return super().forward(frames, noise, prior=prior, generator=generator)
        check_training_options(noise, prior, generator)
        wanted, steps = self._both_priors(frames, target, noise, generator, frozen=True)
        return Latents(wanted, steps[-1])


class VDDiffStage3(_WithTeacher):
    """Third stage of VD-Diff: everything is trained together.

    Without a target it restores, as `VDDiff` does. Arguments, shapes and errors are those of `VDDiff`.
    """

    def forward(  # type: ignore[override]
        self,
        frames: Tensor,
        noise: Tensor | None = None,
        *,
        target: Tensor | None = None,
        prior: Tensor | None = None,
        generator: torch.Generator | None = None,
        restored_with: Literal["diffused", "teacher"] = "diffused",
    ) -> Tensor | Restored:
        """Restore clips; with their sharp frames, as training needs it.

        Args:
            frames: Blurred frames, `(B, T, 3, H, W)` in [0, 1].
            noise: See `VDDiff`; with a target it is mixed with the teacher's prior.
            target: Sharp frames.
            prior: See `VDDiff`; not with a target.
            generator: See `VDDiff`.
            restored_with: With a target, whose prior restores: that of the diffusion, as in the code of the paper, or
                the teacher's, as in its later revision.

        Raises:
            ValueError: If a shape is another one, or options exclude each other.
        """
        if restored_with not in ("diffused", "teacher"):
            raise ValueError(f"restored_with must be 'diffused' or 'teacher', got {restored_with!r}.")
        if target is None:
            return super().forward(frames, noise, prior=prior, generator=generator)
        check_training_options(noise, prior, generator)
        wanted, steps = self._both_priors(frames, target, noise, generator, frozen=False)
        used = steps[-1] if restored_with == "diffused" else wanted
        return Restored(self.restore_with_prior(frames, used), wanted, torch.stack(steps))


def teacher_prior(model: RestorationModel, teacher: PriorEncoder, frames: Tensor, target: Tensor | None) -> Tensor:
    """The teacher's priors `(B * T, P)` of blurred and sharp clips `(B, T, 3, H, W)`.

    Raises:
        ValueError: If there is no target, or its shape is not that of the frames.
    """
    if target is None or target.shape != frames.shape:
        given = None if target is None else tuple(target.shape)
        raise ValueError(f"target must be the sharp frames, {tuple(frames.shape)} like the blurred ones, got {given}.")
    images = [model.checked(clip)[0].flatten(0, 1) for clip in (frames, target)]
    return teacher(*images)


def check_training_options(noise: Tensor | None, prior: Tensor | None, generator: Any) -> None:
    """Refuse options that a training pass would not look at.

    Raises:
        ValueError: If there is a prior, or both noise and a generator.
    """
    if prior is not None or (noise is not None and generator is not None):
        raise ValueError("with a target, prior cannot be given, and noise and generator exclude each other.")
