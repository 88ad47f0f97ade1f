"""SimVP: encoder per frame, translator over all frames at once, decoder per frame.

Sources: Gao et al., SimVP: Simpler yet Better Video Prediction, CVPR 2022 (translator "incepu"); Tan et al., SimVP v2,
arXiv 2211.12509 ("gsta"); Tan et al., Temporal Attention Unit, CVPR 2023 ("tau", see `tau.py`); the WSF-ViT video model
("wsf" with the wavelet stem, `wsfvit_video` in `sizes/simvp.py`).

Same graph as OpenSTL's `SimVP_Model`, whose checkpoints load (`subband.load_published`). Different: other frame sizes
are padded instead of failing inside, CPU maps run channels last, dilated depthwise kernels run as dense ones on
sub-grids.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from functools import partial
from typing import Literal, get_args

from einops import rearrange
from torch import Tensor, nn

from subband.models.protocols.video import VideoModel
from subband.models.simvp.gsta import gsta_block
from subband.models.simvp.incepu import InceptionTranslator
from subband.models.simvp.metaformer import MetaFormerTranslator
from subband.models.simvp.spatial import NUM_GROUPS, SpatialDecoder, SpatialEncoder, WaveletStem
from subband.models.simvp.temporal_attention_unit import tau_block
from subband.models.simvp.wsf_block import WINDOW, WSFBlock
from subband.models.wast.blocks import time_frequency_block

TranslatorName = Literal["gsta", "incepu", "tau", "time_frequency", "wsf"]
TRANSLATORS = get_args(TranslatorName)


class SimVP(VideoModel):
    """Video prediction by convolutions alone: `decoder(translator(encoder(frames)), skip)`.

    The translator sees the T frames stacked on the channel axis, time first (index `t * D + d`), so T is part of the
    weights; H and W are free.

    Args:
        in_shape: `(T, C, H, W)` of a training clip.
        hid_S: Width D of encoder and decoder, even.
        hid_T: Width of the translator.
        N_S: Layers of the encoder and of the decoder, even; every second one changes the sides by two.
        N_T: Blocks of the translator (levels of `incepu`), at least 2.
        translator: Kind of translator block; `"time_frequency"` is that of WaST (ours: the published networks use it in
            WaST only).
        stem: `"wavelet"` puts undecimated Haar bands before the encoder.
        mlp_ratio: Width inside the MLP of a translator block (of `wsf`: of its channel attention) over the block's.
        drop: Dropout rate in the MLPs of `gsta` and `tau`.
        drop_path: Stochastic depth of the last block; rates rise linearly from 0.01 in the first (published).
        spatio_kernel_enc: Kernel size of the encoder, odd.
        spatio_kernel_dec: Kernel size of the decoder, odd.
        pad: Pad frames whose sides do not divide by `2 ** (N_S / 2)` (times 8 for `wsf`); False makes them an error.

    Shape:
        frames `(B, T, C, H, W)` in `[0, 1]`; result the same, not clipped.

    Raises:
        ValueError: If a size is outside its rule.

    Example:
        >>> import torch
        >>> model = SimVP((4, 1, 16, 16), hid_S=4, hid_T=16, N_S=2, N_T=2)
        >>> model(torch.rand(2, 4, 1, 16, 16)).shape
        torch.Size([2, 4, 1, 16, 16])
    """

    def __init__(
        self,
        in_shape: tuple[int, int, int, int],
        *,
        hid_S: int = 16,
        hid_T: int = 256,
        N_S: int = 4,
        N_T: int = 4,
        translator: TranslatorName = "gsta",
        stem: Literal["wavelet"] | None = None,
        mlp_ratio: float = 8.0,
        drop: float = 0.0,
        drop_path: float = 0.0,
        spatio_kernel_enc: int = 3,
        spatio_kernel_dec: int = 3,
        pad: bool = True,
    ) -> None:
        _check_sizes(hid_S=hid_S, N_S=N_S, spatio_kernel_enc=spatio_kernel_enc, spatio_kernel_dec=spatio_kernel_dec)
        multiple = 2 ** (N_S // 2) * (WINDOW if translator == "wsf" else 1)
        super().__init__(in_shape, size_multiple=(multiple, multiple), pad=pad)
        num_frames, channels = self.in_shape[:2]
        self.stem, stem_chans = _make_stem(stem, channels)
        self.encoder = SpatialEncoder(stem_chans, hid_S, num_layers=N_S, kernel_size=spatio_kernel_enc)
        self.translator = _make_translator(
            translator, num_frames * hid_S, hid_T, depth=N_T, mlp_ratio=mlp_ratio, drop=drop, drop_path=drop_path
        )
        self.decoder = SpatialDecoder(hid_S, channels, num_layers=N_S, kernel_size=spatio_kernel_dec)

    def forward_clip(self, frames: Tensor) -> Tensor:
        """Predict the next T frames from `frames`, `(B, T, C, H, W)`."""
        num_frames = frames.shape[1]
        embedding, skip = self.encoder(self.stem(frames.flatten(0, 1)), self.checkpointed)
        stacked = rearrange(embedding, "(b t) d h w -> b (t d) h w", t=num_frames)
        stacked = self.translator(stacked, self.checkpointed)
        latent = rearrange(stacked, "b (t d) h w -> (b t) d h w", t=num_frames)
        return self.decoder(latent, skip, self.checkpointed).unflatten(0, (-1, num_frames))

    def set_drop_path_rate(self, rate: float) -> None:
        """Change stochastic depth: from 0.01 in the first block (even for rate 0) to `rate` in the last.

        Raises:
            ValueError: If `rate` is outside `[0, 1)`, or the translator is `incepu`, which has no residual branches.
        """
        if isinstance(self.translator, InceptionTranslator):
            raise ValueError("translator 'incepu' has no residual branches to drop; leave drop_path at 0.")
        self.translator.set_drop_path_rate(rate)


def _check_sizes(*, hid_S: int, N_S: int, **kernel_sizes: int) -> None:
    if hid_S < 1 or hid_S % NUM_GROUPS:
        raise ValueError(f"hid_S must be a positive multiple of {NUM_GROUPS} (GroupNorm), got {hid_S}.")
    if N_S < 2 or N_S % 2:
        raise ValueError(f"N_S must be even and at least 2 (plain and strided layers alternate), got {N_S}.")
    for name, size in kernel_sizes.items():
        if size < 1 or size % 2 == 0:
            raise ValueError(f"{name} must be odd, got {size}.")


def _make_stem(stem: str | None, channels: int) -> tuple[nn.Module, int]:
    """The stem and how many channels it hands to the encoder."""
    if stem is None:
        return nn.Identity(), channels
    if stem != "wavelet":
        raise ValueError(f"stem must be 'wavelet' or None, got {stem!r}.")
    return WaveletStem(channels), 4 * channels


def _make_translator(
    kind: str, dim: int, hidden_dim: int, *, depth: int, mlp_ratio: float, drop: float, drop_path: float
) -> InceptionTranslator | MetaFormerTranslator:
    if kind not in TRANSLATORS:
        raise ValueError(f"translator must be one of {', '.join(TRANSLATORS)}, got {kind!r}.")
    if drop and kind not in ("gsta", "tau"):
        warnings.warn(f"drop has no effect with translator {kind!r}, which has no dropout.", stacklevel=3)
    if kind == "incepu":
        if drop_path:
            warnings.warn("drop_path has no effect with translator 'incepu'.", stacklevel=3)
        return InceptionTranslator(dim, hidden_dim, depth=depth)
    blocks: dict[str, Callable[[int], nn.Module]] = {
        "gsta": partial(gsta_block, mlp_ratio=mlp_ratio, drop=drop),
        "tau": partial(tau_block, mlp_ratio=mlp_ratio, drop=drop),
        "time_frequency": partial(time_frequency_block, mlp_ratio=mlp_ratio),
        "wsf": partial(WSFBlock, mlp_ratio=mlp_ratio),
    }
    return MetaFormerTranslator(dim, hidden_dim, depth=depth, make_block=blocks[kind], drop_path_rate=drop_path)
