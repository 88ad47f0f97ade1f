"""Does a prediction keep the energy of its target at every frequency?"""

import torch
from torch import Tensor

from subband.extras import names_extra
from subband.transforms import dwt2, radial_bins, radial_spectrum
from subband.transforms.arguments import check_real

with names_extra("these scores need"):
    from torchmetrics import Metric

__all__ = ["BANDS", "SubbandEnergy", "subband_energy"]

BANDS = ("ll", "hl", "lh", "hh")  # the names of aa, ad, da, dd: first letter along the width, second along the height


def subband_energy(frames: Tensor) -> Tensor:
    """Mean square of the coefficients in each band of a one-level Haar transform.

    Args:
        frames: `(..., H, W)`, any range.

    Returns:
        `(..., 4)` for the bands `ll, hl, lh, hh`; `lh` is low along the width and high along the height. For even H and
        W their mean is the mean square of the frame.

    Example:
        >>> subband_energy(torch.ones(2, 2)).tolist()
        [4.0, 0.0, 0.0, 0.0]
    """
    check_real(frames, "frames")
    return dwt2(frames.to(torch.promote_types(frames.dtype, torch.float32))).square().mean((-2, -1))


class SubbandEnergy(Metric):
    """Mean energy per Haar band and mean radial power spectrum of predictions and targets, as running sums.

    Blurred predictions lose energy in `lh`, `hl` and `hh` and at high radial frequencies, whatever their mean squared
    error.

    Shape:
        - pred, target: `(..., H, W)`, real, any range; all batches have the same H and W

    Example:
        >>> metric = SubbandEnergy()
        >>> metric.update(torch.zeros(2, 3, 1, 8, 8), torch.ones(2, 3, 1, 8, 8))
        >>> result = metric.compute()
        >>> result["subband_energy"]["target"]
        {'ll': 4.0, 'lh': 0.0, 'hl': 0.0, 'hh': 0.0}
        >>> len(result["spectrum"]["frequency"])
        5
    """

    is_differentiable = False
    higher_is_better = None
    full_state_update = False
    energy_pred: Tensor
    energy_target: Tensor
    power_pred: Tensor
    power_target: Tensor
    num_frames: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.size: tuple[int, int] | None = None
        for name in ("pred", "target"):
            self.add_state(f"energy_{name}", torch.zeros(4), dist_reduce_fx="sum")
            # One zero until the first batch tells how many rings the frames have.
            self.add_state(f"power_{name}", torch.zeros(1), dist_reduce_fx="sum")
        self.add_state("num_frames", torch.zeros((), dtype=torch.long), dist_reduce_fx="sum")

    @torch.no_grad()
    def update(self, pred: Tensor, target: Tensor) -> None:
        """Add a batch.

        Args:
            pred: Predicted frames, `(..., H, W)`.
            target: True frames of the same shape.

        Raises:
            ValueError: If shapes differ, or the size of a frame is not that of earlier batches.
        """
        size = (pred.shape[-2], pred.shape[-1])
        if pred.shape != target.shape or self.size not in (None, size):
            raise ValueError(
                f"pred and target must be frames of one size, got {tuple(pred.shape)}, {tuple(target.shape)}"
            )
        self.size = size
        pred, target = pred.float().reshape(-1, *size), target.float().reshape(-1, *size)
        self.energy_pred = self.energy_pred + subband_energy(pred).sum(0)
        self.energy_target = self.energy_target + subband_energy(target).sum(0)
        self.power_pred = self.power_pred + radial_spectrum(pred).sum(0)
        self.power_target = self.power_target + radial_spectrum(target).sum(0)
        self.num_frames = self.num_frames + len(pred)

    def compute(self) -> dict[str, dict]:
        """Means over all frames.

        Returns:
            subband_energy: For `target` and `prediction` the mean energy of `ll, lh, hl, hh`.
            spectrum: `frequency` in cycles per pixel, and the mean power of `target` and `prediction` at each.

        Raises:
            ValueError: If nothing was added.
        """
        if self.size is None:
            raise ValueError("there is nothing to measure: no frame was added")
        energies = {
            "target": dict(zip(BANDS, (self.energy_target / self.num_frames).tolist(), strict=True)),
            "prediction": dict(zip(BANDS, (self.energy_pred / self.num_frames).tolist(), strict=True)),
        }
        return {
            "subband_energy": {
                who: {band: bands[band] for band in ("ll", "lh", "hl", "hh")} for who, bands in energies.items()
            },
            "spectrum": {
                "frequency": radial_bins(*self.size).tolist(),
                "target": (self.power_target / self.num_frames).tolist(),
                "prediction": (self.power_pred / self.num_frames).tolist(),
            },
        }

    def reset(self) -> None:
        """Forget all frames."""
        super().reset()
        self.size = None
