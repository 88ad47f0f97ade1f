"""The loaders of a run, as Lightning takes them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from subband.config import RecipeConfig
from subband.data.loader import SampleLoader
from subband.extras import names_extra
from subband.training.trainer import pick_training_device

with names_extra("training needs"):
    from lightning.pytorch import LightningDataModule


class Loaders(LightningDataModule):
    """The loaders of a run.

    Args:
        recipe: Says the batch size and the device.
        data: Object with `train` and `val`.
        collate: Makes a batch of samples.
    """

    def __init__(self, recipe: RecipeConfig, data: Any, collate: Callable[[Sequence[Any]], Any]) -> None:
        super().__init__()
        self._loaders = {
            is_train: SampleLoader(
                dataset,
                recipe.data.batch_size,
                shuffle=is_train,
                drop_last=is_train,
                seed=recipe.seed,
                num_workers=recipe.data.num_workers,
                device=pick_training_device(recipe.trainer),
                collate=collate,
            )
            for is_train, dataset in ((True, data.train), (False, data.val))
        }

    def train_dataloader(self) -> SampleLoader:
        """Shuffled, without the incomplete last batch."""
        return self._loaders[True]

    def val_dataloader(self) -> SampleLoader:
        """Every validation sample, in order."""
        return self._loaders[False]
