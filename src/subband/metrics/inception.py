"""FID and KID from a local file of Inception weights; nothing is downloaded, and nothing else takes their names.

FID needs the Inception network of 2015 as it was ported from TensorFlow, in the file
`pt_inception-2015-12-05-6726825d.pth` (1008 classes), and the package torch-fidelity, which has its layers. From
torchvision's ImageNet weights come distances of the same kind that no published number compares with; they are called
`fid_tv` and `kid_tv`. The SHA-256 sum of the file tells which it is.

Sources: Heusel et al., GANs Trained by a Two Time-Scale Update Rule, NeurIPS 2017 (FID); Binkowski et al., Demystifying
MMD GANs, ICLR 2018 (KID).
"""

from __future__ import annotations

import hashlib
import io
import warnings
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from subband.extras import names_extra
from subband.metrics.generation import IMAGES_PER_FEATURE, frechet_distance
from subband.weight_files import read_checkpoint

with names_extra("these scores need"):
    from torchmetrics import Metric

__all__ = ["InceptionDistances", "InceptionFeatures", "kernel_distance"]

_SIDE = 299
_ROWS = 1024  # of a kernel matrix at a time


def kernel_distance(one: Tensor, other: Tensor) -> Tensor:
    """Unbiased squared maximum mean discrepancy with the kernel `(x . y / K + 1)^3`.

    Args:
        one: Features of a set, `(N, K)`, N at least 2.
        other: Features of another, `(M, K)`, M at least 2.

    Returns:
        A scalar, around 0 for sets of one distribution, and below it as often as above.

    Example:
        >>> kernel_distance(torch.eye(2), torch.eye(2)).item()
        -2.375
    """
    within = [_kernel_sum(values, values, without_equal=True) for values in (one, other)]
    sizes = [len(values) * (len(values) - 1) for values in (one, other)]
    across = _kernel_sum(one, other, without_equal=False) / (len(one) * len(other))
    return within[0] / sizes[0] + within[1] / sizes[1] - 2 * across


class InceptionFeatures(nn.Module):
    """The 2,048 numbers before the last layer of an Inception network, of images in [0, 1].

    Images are rounded to bytes, resized to 299 x 299 pixels (bilinear, without antialiasing) and shifted to [-1, 1].

    Args:
        weights: `pt_inception-2015-12-05-6726825d.pth`, or torchvision's `inception_v3_google-0cc3c7bd.pth`.

    Attributes:
        suffix: What is put behind the names of distances: nothing, or `_tv` for torchvision's weights.

    Shape:
        `(B, C, H, W)` with C = 1 or 3 to `(B, 2048)`.

    Raises:
        FileNotFoundError: If there is no such file.
        ModuleNotFoundError: If the package torch-fidelity is not installed.
        ValueError: If it is another file.
    """

    def __init__(self, weights: str | Path) -> None:
        super().__init__()
        path = Path(weights)
        if not path.is_file():
            raise FileNotFoundError(f"inception_weights: no file {path}")
        digest = _digest(path)
        known = next((prefix for prefix in _NETWORKS if digest.startswith(prefix)), None)
        if known is None:
            raise ValueError(
                f"inception_weights: {path} is neither pt_inception-2015-12-05-6726825d.pth nor torchvision's "
                f"inception_v3_google-0cc3c7bd.pth; its SHA-256 sum begins with {digest[:8]}"
            )
        build, self.suffix = _NETWORKS[known]
        self.network = build(path).eval().requires_grad_(False)

    @torch.no_grad()
    def forward(self, images: Tensor) -> Tensor:
        """Features of `images`, `(B, C, H, W)` in [0, 1]."""
        rounded = (255 * images.float().clamp(0, 1)).round() / 255
        resized = F.interpolate(rounded, (_SIDE, _SIDE), mode="bilinear", align_corners=False)
        return self.network(2 * resized.expand(-1, 3, -1, -1) - 1).flatten(1)


class InceptionDistances(Metric):
    """Distances of two sets of images by what an Inception network makes of them.

    * `fid`: Frechet distance of Gaussians with the means and covariances of the features.
    * `kid`: `kernel_distance` of all features.

    With torchvision's weights they are called `fid_tv` and `kid_tv`.

    Args:
        features: An `InceptionFeatures`; several objects may share one.

    Shape:
        - images: `(B, C, H, W)` in [0, 1]; or `(B, K)`, their features, where several objects get the same images
    """

    is_differentiable = False
    higher_is_better = False
    full_state_update = False
    real: list[Tensor]
    drawn: list[Tensor]

    def __init__(self, features: InceptionFeatures) -> None:
        super().__init__()
        self.features, self.suffix = features, features.suffix
        for name in ("real", "drawn"):
            self.add_state(name, [], dist_reduce_fx="cat")

    @torch.no_grad()
    def update(self, images: Tensor, *, is_real: bool) -> None:
        """Add a batch of one of the two sets.

        Args:
            images: The images, or their features.
            is_real: Whether they are of the set that others are compared with.

        Raises:
            ValueError: If they are neither.
        """
        if images.ndim not in (2, 4):
            raise ValueError(f"images must be (B, C, H, W), or features (B, K), got {tuple(images.shape)}")
        (self.real if is_real else self.drawn).append(images if images.ndim == 2 else self.features(images))

    def compute(self) -> dict[str, float]:
        """Both distances by name.

        Raises:
            ValueError: If one of the sets has fewer than two images.
        """
        sets = {}
        for name in ("real", "drawn"):
            parts: list[Tensor] | Tensor = getattr(self, name)  # one tensor after a reduction over processes
            sets[name] = (torch.cat(parts) if isinstance(parts, list) and parts else torch.as_tensor(parts)).double()
            if len(sets[name]) < 2:
                raise ValueError(f"there are too few {name} images to compare, {len(sets[name])}")
        wanted, fewest = IMAGES_PER_FEATURE * sets["real"].shape[1], min(map(len, sets.values()))
        if fewest < wanted:
            warnings.warn(
                f"{fewest} images are few for {sets['real'].shape[1]} features; FID is too large, and compares only "
                f"with that of as many images. Give {wanted}.",
                stacklevel=2,
            )
        moments = [moment for values in sets.values() for moment in (values.mean(0), values.mT.cov())]
        return {
            f"fid{self.suffix}": frechet_distance(*moments).item(),
            f"kid{self.suffix}": kernel_distance(sets["real"], sets["drawn"]).item(),
        }


class _PooledLayers(nn.Module):
    """The layers of torch-fidelity's network up to its pooling, which it has in their order."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        names = [name for name, _ in network.named_children()]
        self.layers = nn.Sequential(*list(network.children())[: names.index("AvgPool") + 1])

    def forward(self, images: Tensor) -> Tensor:
        """Features `(B, 2048, 1, 1)` of images `(B, 3, 299, 299)` in [-1, 1]."""
        return self.layers(images)


def _ported_network(path: Path) -> nn.Module:
    with names_extra("FID needs"):
        from torch_fidelity.feature_extractor_inceptionv3 import FeatureExtractorInceptionV3

    # It unpickles without any restriction, so it gets plain tensors that were read with care.
    plain = io.BytesIO()
    torch.save(dict(read_checkpoint(path)), plain)
    plain.seek(0)
    return _PooledLayers(FeatureExtractorInceptionV3("inception", ["2048"], feature_extractor_weights_path=plain))


def _torchvision_network(path: Path) -> nn.Module:
    from torchvision.models import inception_v3

    network = inception_v3(weights=None, init_weights=False, transform_input=False)
    network.load_state_dict(read_checkpoint(path))
    network.AuxLogits, network.fc = None, nn.Identity()
    return network


_NETWORKS: dict[str, tuple[Callable[[Path], nn.Module], str]] = {
    "6726825d": (_ported_network, ""),
    "0cc3c7bd": (_torchvision_network, "_tv"),
}


def _digest(path: Path) -> str:
    total = hashlib.sha256()
    with path.open("rb") as file:
        while part := file.read(2**20):
            total.update(part)
    return total.hexdigest()


def _kernel_sum(one: Tensor, other: Tensor, *, without_equal: bool) -> Tensor:
    """Sum of the kernel over all pairs of rows, in some cases without those of a row and itself."""
    total = one.new_zeros(())
    for first in range(0, len(one), _ROWS):
        kernel = (one[first : first + _ROWS] @ other.mT / one.shape[1] + 1).pow(3)
        total = total + kernel.sum() - (kernel.diagonal(first).sum() if without_equal else 0)
    return total
