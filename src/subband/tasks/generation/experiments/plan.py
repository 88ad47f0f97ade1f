"""At what size an experiment runs: the small one that ships, the full one of a GPU, or what options make of either."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from subband.config import merge, read_recipe
from subband.models.registry import model_spec
from subband.training.comparison import Entry

__all__ = ["Plan"]

# What entries start from: the small recipe and the one of full size.
RECIPES = {
    "paper": ("generation/experiment_paper", "generation/experiment_paper_full"),
    "elbo": ("generation/experiment_elbo", "generation/wavelet_vae_e_cifar10"),
    "conv": ("generation/experiment_conv", "generation/conv_vae_e_cifar10"),
}
_COUNTED = ("photo_patches", "rectangle_images")  # data sets with as many images as one wants
_BUNDLED = (*_COUNTED, "digit_images")  # and those that need no path
_LEVELS = 3  # of a Wavelet-VAE whose size says nothing else
_COARSEST = 2  # side of an approximation
_LEAST = 8  # images of a validation or test set


@dataclass(frozen=True, kw_only=True)
class Plan:
    """Options of an experiment; None keeps what the recipes say.

    Attributes:
        full: Start from the recipes of full size.
        device: Where to train, as in a recipe.
        epochs: Length of a training.
        size: Side of the images.
        images: Training images per epoch; a fifth of them for the test.
        data: Name of the data set.
        path: Where it is.
        values: Values of what the experiment varies.

    Raises:
        ValueError: If a number is not positive, or data is named without a path.
    """

    full: bool = False
    device: str = "auto"
    epochs: int | None = None
    size: int | None = None
    images: int | None = None
    data: str | None = None
    path: str | None = None
    values: tuple[float, ...] | None = None

    def __post_init__(self) -> None:
        for name in ("epochs", "size", "images"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise ValueError(f"--{name} must be positive, got {value}.")
        if self.data is not None and self.data not in _BUNDLED and self.path is None:
            raise ValueError(f"--data {self.data} needs --path, where it lies.")

    def entry(self, label: str, name: str, base: str, *changes: dict[str, Any], longer: int = 1) -> Entry:
        """One setting of an experiment.

        Args:
            label: What it is called.
            name: Start of the names of its run folders.
            base: Key of `RECIPES`.
            changes: Settings that replace the recipe's, the later ones those before; options replace them all.
            longer: Factor of the length of training.
        """
        recipe = self.recipe(base)
        own: dict[str, Any] = {"evaluation": {"num_samples": 8}}
        for change in changes:
            own = merge(own, change)
        data = merge(read_recipe(recipe)["data"], own.get("data", {}))
        epochs = longer * (self.epochs or read_recipe(recipe)["trainer"]["epochs"])
        options = {"trainer": {"device": self.device, "epochs": epochs}, "data": self._data(data)}
        return Entry(label=label, name=name, recipe=recipe, changes=merge(own, options))

    def recipe(self, base: str) -> str:
        """Name of the recipe that entries of a kind start from."""
        return RECIPES[base][self.full]

    def levels(self, base: str) -> int:
        """Levels of the pyramids of that recipe."""
        recipe = read_recipe(self.recipe(base))["model"]
        known: int = {**model_spec(recipe["name"]).args, "levels": _LEVELS, **recipe.get("args", {})}["levels"]
        return known

    def side(self, base: str, small: int | None = None) -> int:
        """Side of the images of an entry.

        Args:
            base: Key of `RECIPES`.
            small: What the experiment wants at the small size instead of what the recipe says.
        """
        if self.size is not None:
            return self.size
        said: int = read_recipe(self.recipe(base))["data"]["args"]["img_size"]
        return said if self.full or small is None else small

    def sized(self, base: str, side: int, levels: int) -> dict[str, Any]:
        """Settings for larger images than the small recipe has, with as many levels as leave at least 2 pixels.

        Args:
            base: Key of `RECIPES`.
            side: Side of the images at the small size.
            levels: Levels of their pyramids.
        """
        if self.full:
            return {}
        side = self.side(base, side)
        while levels > 1 and (side % 2**levels or side >> levels < _COARSEST):
            levels -= 1
        return {"data": {"args": {"img_size": side}}, "model": {"args": {"levels": levels}}}

    def _data(self, below: dict[str, Any]) -> dict[str, Any]:
        """Settings of the data that options name."""
        name = self.data or below["name"]
        args: dict[str, Any] = {} if self.size is None else {"img_size": self.size}
        if self.path is not None:
            args["path"] = self.path
        if self.images is not None:
            if name not in _COUNTED:
                raise ValueError(f"--images goes with {' and '.join(_COUNTED)}, not with {name}.")
            few = max(self.images // 5, _LEAST)
            args |= {"num_train": self.images, "num_val": min(few, 128), "num_test": few}
        if name != below["name"]:
            args = {"img_size": below["args"]["img_size"], **args}
        return {"name": name, "args": args}
