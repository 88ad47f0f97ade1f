"""Inverted residual with squeeze-excitation and BatchNorm before it (MBConv), as WSF-ViT uses it."""

from torch import Tensor, nn
from torch.nn import functional as F

from subband.layers.drop import DropPath
from subband.layers.norm import conv_bn

__all__ = ["MBConv", "SqueezeExcite"]


class SqueezeExcite(nn.Module):
    """Weights channels by a function of their means.

    Source: Hu et al., Squeeze-and-Excitation Networks, CVPR 2018.

    Args:
        dim: D.
        squeezed_dim: Width in between.

    Shape:
        Input and output `(B, D, H, W)`.
    """

    def __init__(self, dim: int, squeezed_dim: int) -> None:
        super().__init__()
        self.squeeze = nn.Conv2d(dim, squeezed_dim, 1)
        self.excite = nn.Conv2d(squeezed_dim, dim, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Weight `x`, `(B, D, H, W)`."""
        means = x.mean((2, 3), keepdim=True)
        return x * self.excite(F.silu(self.squeeze(means))).sigmoid()


class MBConv(nn.Module):
    """`x + project(squeeze_excite(depthwise(expand(norm(x)))))`.

    Source: Sandler et al., MobileNetV2, CVPR 2018; the leading norm is that of Tu et al., MaxViT, ECCV 2022.

    Args:
        dim: D.
        expansion: Width in between over D.
        squeeze_ratio: Squeezed width of the squeeze-excitation over D.

    Shape:
        Input and output `(B, D, H, W)`.
    """

    def __init__(self, dim: int, *, expansion: int = 4, squeeze_ratio: float = 0.25) -> None:
        super().__init__()
        hidden_dim = expansion * dim
        self.norm_in = nn.BatchNorm2d(dim)
        self.expand = nn.Conv2d(dim, hidden_dim, 1, bias=False)
        self.norm_expand = nn.BatchNorm2d(hidden_dim)
        self.depthwise = nn.Conv2d(hidden_dim, hidden_dim, 3, padding=1, groups=hidden_dim, bias=False)
        self.norm_depthwise = nn.BatchNorm2d(hidden_dim)
        self.squeeze_excite = SqueezeExcite(hidden_dim, int(squeeze_ratio * dim))
        self.project = nn.Conv2d(hidden_dim, dim, 1)
        self.drop_path = DropPath()

    def forward(self, x: Tensor) -> Tensor:
        """Apply the block to `x`, `(B, D, H, W)`."""
        hidden = F.gelu(self.norm_expand(self.expand(self.norm_in(x))))
        hidden = F.gelu(conv_bn(hidden, self.depthwise, self.norm_depthwise))
        return x + self.drop_path(self.project(self.squeeze_excite(hidden)))
