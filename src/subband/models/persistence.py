"""Persistence: the last frame, repeated. The baseline every predictor has to beat."""

from torch import Tensor

from subband.models.protocols.video import VideoModel


class Persistence(VideoModel):
    """Predicts that nothing moves; has no parameters.

    Args:
        in_shape: `(T, C, H, W)` of a clip.

    Shape:
        frames `(B, T, C, H, W)`, any range; result the same.

    Example:
        >>> import torch
        >>> model = Persistence((2, 1, 1, 1))
        >>> model.predict(torch.tensor([0.2, 0.7]).view(1, 2, 1, 1, 1), 3).flatten()
        tensor([0.7000, 0.7000, 0.7000])
    """

    def __init__(self, in_shape: tuple[int, int, int, int]) -> None:
        super().__init__(in_shape)

    def forward_clip(self, frames: Tensor) -> Tensor:
        """Repeat the last of `frames`, `(B, T, C, H, W)`."""
        return frames[:, -1:].expand_as(frames).clone()
