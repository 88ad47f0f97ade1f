"""VD-Diff: video deblurring by a wavelet-aware dynamic transformer with a prior from a diffusion model.

Source: Rao et al., Rethinking Video Deblurring with Wavelet-Aware Dynamic Transformer and Diffusion Model, ECCV 2024.
Its checkpoints load, and are written back (`subband.convert.vd_diff`). The networks of its three stages of training are
in `stages`; `VDDiff` is what is used, the last stage without its teacher.

Same function as the published code. Different: any device and precision, any size (filled up to multiples of 16 by
reflection), clips of one frame and more, the noise is an argument, and a good half of the memory (`restorer`).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

import torch
from torch import Tensor

from subband.models.protocols.restoration import RestorationModel
from subband.models.vd_diff.prior import PriorDiffusion, PriorEncoder
from subband.models.vd_diff.restorer import StridedTransformer, WaveletTransformer
from subband.transforms import crop

__all__ = ["PriorRestorer", "VDDiff"]

LEVELS = 2  # entries of num_blocks and heads


class PriorRestorer(RestorationModel):
    """What all networks of VD-Diff share: restoration with a prior, wherever that is from.

    Raises:
        ValueError: If an argument is out of its range.
    """

    size_multiple: ClassVar[int] = 16
    window_frames: ClassVar[int] = 30
    settle_frames: ClassVar[int] = 3

    def __init__(
        self,
        *,
        num_feat: int = 64,
        propagation_blocks: int = 30,
        num_blocks: Sequence[int] = (7, 2),
        heads: Sequence[int] = (4, 8),
        use_cross_attention: bool = False,
        cross_attention_heads: int = 2,
        bias: bool = False,
        prior_feat: int = 64,
        residual: int = 2,
        wavelet: bool = True,
        dynamic_conv: bool = True,
    ) -> None:
        super().__init__()
        _check(num_feat, propagation_blocks, num_blocks, heads, prior_feat)
        if use_cross_attention and (cross_attention_heads < 1 or num_feat % cross_attention_heads):
            raise ValueError(f"cross_attention_heads must divide num_feat {num_feat}, got {cross_attention_heads}.")
        if residual not in (1, 2):
            raise ValueError(f"residual must be 1 or 2, got {residual}.")
        self.residual, self.prior_dim = residual, 4 * prior_feat
        network = WaveletTransformer if wavelet else StridedTransformer
        self.restorer = network(
            num_feat,
            propagation_blocks=propagation_blocks,
            num_blocks=tuple(num_blocks),
            heads=tuple(heads),
            prior_dim=self.prior_dim,
            cross_attention_heads=cross_attention_heads if use_cross_attention else None,
            dynamic_conv=dynamic_conv,
            bias=bias,
        )
        self.build_prior(prior_feat)

    def build_prior(self, width: int) -> None:
        """Make what priors come from besides a diffusion, of a quarter of their entries; nothing here."""

    def forward_clip(self, frames: Tensor) -> Tensor:
        """Not used: the network needs a prior as well."""
        raise TypeError("VD-Diff restores frames with a prior; call the network, or restore_with_prior.")

    def restore_with_prior(self, frames: Tensor, prior: Tensor) -> Tensor:
        """Restore clips, given the prior of every frame.

        The prior is a mean over a whole frame, so tiles of a frame should all be given that of the frame.

        Args:
            frames: `(B, T, 3, H, W)` in [0, 1].
            prior: `(B * T, P)` or `(B, T, P)`.

        Returns:
            Like the frames, not clipped.
        """
        padded, size = self.checked(frames)
        vectors = self._vectors(prior, frames, "prior").to(self.restorer.embed.weight.dtype)
        correction = self.restorer(padded, vectors, self.checkpointed)
        return crop(correction, size) + self.residual * frames

    def _vectors(self, given: Tensor, frames: Tensor, name: str) -> Tensor:
        """`(B * T, P)` of that or of `(B, T, P)`."""
        batch, num_frames = frames.shape[:2]
        if tuple(given.shape) == (batch, num_frames, self.prior_dim):
            return given.flatten(0, 1)
        if given.ndim != 2 or given.shape[0] != batch * num_frames or given.shape[1] != self.prior_dim:
            raise ValueError(
                f"{name} must be (B * T, {self.prior_dim}) for {batch} clips of {num_frames} frames, "
                f"got {tuple(given.shape)}."
            )
        return given

    def take_stage(self, previous: PriorRestorer) -> None:
        """Start from the stage before: all parts that both have are copied.

        Raises:
            ValueError: If a part of the two has another shape.
        """
        for name, part in self.named_children():
            if name in dict(previous.named_children()):
                try:
                    part.load_state_dict(previous.get_submodule(name).state_dict())
                except RuntimeError as error:
                    raise ValueError(f"{name} of this stage does not take that of the one before: {error}") from None


class VDDiff(PriorRestorer):
    """VD-Diff for use: the prior of every frame comes from a diffusion model.

    Args:
        num_feat: Channels C, even.
        propagation_blocks: Residual blocks of each recurrence.
        num_blocks: Transformer blocks at a quarter of the resolution (before and after) and at an eighth.
        heads: Their heads; they divide C and 2C.
        use_cross_attention: Attention between frame and state in the recurrences, quadratic in the pixels.
        cross_attention_heads: Its heads.
        bias: Biases of the transformer's convolutions.
        n_denoise_res: Hidden layers of the denoiser.
        linear_start: First `beta` of the diffusion.
        linear_end: Last one.
        timesteps: Steps of the diffusion.
        prior_feat: Width of the condition encoder; the prior has P = 4 times as many entries.
        residual: How often the input is added; published networks add it twice, new ones learn faster with 1.
        wavelet: The transformer sees the low band of a wavelet transform; else what strided convolutions give.
        dynamic_conv: Kernels of the recurrences are predicted for every pixel; else they are fixed.

    Shape:
        frames `(B, T, 3, H, W)` in [0, 1], RGB; result the same, not clipped.

    Example:
        >>> model = VDDiff(num_feat=8, propagation_blocks=1, num_blocks=(1, 1), heads=(1, 2), prior_feat=4)
        >>> model(torch.rand(1, 2, 3, 20, 32), noise=torch.zeros(2, 16)).shape
        torch.Size([1, 2, 3, 20, 32])
    """

    has_teacher: ClassVar[bool] = False

    def __init__(
        self,
        *,
        num_feat: int = 64,
        propagation_blocks: int = 30,
        num_blocks: Sequence[int] = (7, 2),
        heads: Sequence[int] = (4, 8),
        use_cross_attention: bool = False,
        cross_attention_heads: int = 2,
        bias: bool = False,
        n_denoise_res: int = 1,
        linear_start: float = 0.1,
        linear_end: float = 0.99,
        timesteps: int = 4,
        prior_feat: int = 64,
        residual: int = 2,
        wavelet: bool = True,
        dynamic_conv: bool = True,
    ) -> None:
        super().__init__(
            num_feat=num_feat,
            propagation_blocks=propagation_blocks,
            num_blocks=num_blocks,
            heads=heads,
            use_cross_attention=use_cross_attention,
            cross_attention_heads=cross_attention_heads,
            bias=bias,
            prior_feat=prior_feat,
            residual=residual,
            wavelet=wavelet,
            dynamic_conv=dynamic_conv,
        )
        self.diffusion = PriorDiffusion(
            prior_feat,
            n_denoise_res=n_denoise_res,
            linear_start=linear_start,
            linear_end=linear_end,
            timesteps=timesteps,
        )
        if self.has_teacher:
            self.teacher = PriorEncoder(2, prior_feat)

    def forward(  # type: ignore[override]
        self,
        frames: Tensor,
        noise: Tensor | None = None,
        *,
        prior: Tensor | None = None,
        generator: torch.Generator | None = None,
    ) -> Tensor:
        """Restore clips.

        Args:
            frames: `(B, T, 3, H, W)` in [0, 1].
            noise: What the diffusion begins with, `(B * T, P)` or `(B, T, P)`, normal; drawn if not given.
            prior: Priors to use instead of the diffusion's, of the same shapes.
            generator: Where the noise is drawn from, on the device of the frames; the global one by default.

        Returns:
            Like the frames, not clipped. The same noise gives the same frames.

        Raises:
            ValueError: If a shape is another one, or more than one of the options is given.
        """
        if sum(option is not None for option in (noise, prior, generator)) > 1:
            raise ValueError("noise, prior and generator exclude each other; give one of them at most.")
        if prior is None:
            prior = self.make_prior(frames, noise, generator=generator)
        return self.restore_with_prior(frames, prior)

    def make_prior(
        self, frames: Tensor, noise: Tensor | None = None, *, generator: torch.Generator | None = None
    ) -> Tensor:
        """Priors `(B * T, P)` of whole frames by the diffusion; the arguments are those of a call."""
        return self._steps(frames, self._noise(frames, noise, generator))[-1]

    def example_input(
        self, *, batch: int = 1, height: int | None = None, width: int | None = None
    ) -> tuple[Tensor, Tensor]:
        """A random clip and noise for it, the same in every run; see `RestorationModel.example_input`."""
        clip = self.example_clip(batch, height, width)
        generator = torch.Generator().manual_seed(1)
        return clip, torch.randn(batch, clip.shape[1], self.prior_dim, generator=generator)

    def _noise(self, frames: Tensor, noise: Tensor | None, generator: torch.Generator | None) -> Tensor:
        if noise is not None:
            return self._vectors(noise, frames, "noise")
        shape = (frames.shape[0] * frames.shape[1], self.prior_dim)
        return torch.randn(shape, generator=generator, device=frames.device)

    def _steps(self, frames: Tensor, start: Tensor) -> list[Tensor]:
        padded, _ = self.checked(frames)
        return list(self.diffusion.steps(padded.flatten(0, 1), start))


def _check(
    num_feat: int, propagation_blocks: int, num_blocks: Sequence[int], heads: Sequence[int], prior_feat: int
) -> None:
    if num_feat < 2 or num_feat % 2 or propagation_blocks < 0 or prior_feat < 1:
        raise ValueError(
            "num_feat must be even and positive, propagation_blocks not negative, prior_feat positive, got "
            f"{num_feat}, {propagation_blocks} and {prior_feat}."
        )
    if len(num_blocks) != LEVELS or len(heads) != LEVELS or min(*num_blocks, *heads) < 1:
        raise ValueError(f"num_blocks and heads must be {LEVELS} positive numbers each, got {num_blocks}, {heads}.")
    for level, count in enumerate(heads):
        if num_feat * (level + 1) % count:
            raise ValueError(f"heads must divide {num_feat} and {2 * num_feat} channels, got {tuple(heads)}.")
