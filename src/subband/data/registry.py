"""The data sets of all tasks: one table from name to function, and how one is built from a recipe's settings."""

from __future__ import annotations

import difflib
import importlib
import inspect
from collections.abc import Mapping
from typing import Any

from subband.data.arguments import check_arguments

# Adding a data set: write its function, with keyword-only typed arguments (`seed` if anything is random), and name it
# here. It returns an object with `train`, `val`, `test` and `spec`.
DATASETS: dict[str, str] = {
    "bair": "subband.data.video.bair:bair",
    "blurred_photos": "subband.data.restoration.blurred_photos:blurred_photos",
    "blurred_videos": "subband.data.restoration.blurred_videos:blurred_videos",
    "bsd": "subband.data.restoration.published_layouts:bsd",
    "cifar10": "subband.data.labelled.cifar:cifar10",
    "cifar100": "subband.data.labelled.cifar:cifar100",
    "cifar10_images": "subband.data.images.cifar10_images:cifar10_images",
    "coco_keypoints": "subband.data.pose.layouts:coco_keypoints",
    "detection_folder": "subband.data.detection.folder:detection_folder",
    "digit_images": "subband.data.images.digit_images:digit_images",
    "digits": "subband.data.labelled.digits:digits",
    "downscaled_videos": "subband.data.restoration.downscaled_videos:downscaled_videos",
    "drawn_figures": "subband.data.pose.drawn_figures:drawn_figures",
    "dvd": "subband.data.restoration.published_layouts:dvd",
    "gopro": "subband.data.restoration.published_layouts:gopro",
    "gray_folder": "subband.data.images.folder:gray_folder",
    "human": "subband.data.video.human:human",
    "image_folder": "subband.data.labelled.folder:image_folder",
    "kinetics": "subband.data.video.kinetics:kinetics",
    "kitticaltech": "subband.data.video.kitticaltech:kitticaltech",
    "kth": "subband.data.video.kth:kth",
    "mmnist_cifar": "subband.data.video.moving_mnist:mmnist_cifar",
    "moving_digits": "subband.data.video.moving_mnist:moving_digits",
    "moving_fmnist": "subband.data.video.moving_mnist:moving_fmnist",
    "moving_mnist": "subband.data.video.moving_mnist:moving_mnist",
    "moving_photos": "subband.data.video.moving_photos:moving_photos",
    "noisy_mmnist": "subband.data.video.moving_mnist:noisy_mmnist",
    "paired_folder": "subband.data.restoration.paired_clips:paired_folder",
    "photo_patches": "subband.data.images.photo_patches:photo_patches",
    "pose_videos": "subband.data.pose.layouts:pose_videos",
    "posetrack": "subband.data.pose.layouts:posetrack",
    "realblur": "subband.data.restoration.published_layouts:realblur",
    "rectangle_images": "subband.data.images.rectangle_images:rectangle_images",
    "reds": "subband.data.restoration.published_enlargements:reds",
    "sub_jhmdb": "subband.data.pose.layouts:sub_jhmdb",
    "taxibj": "subband.data.video.taxibj:taxibj",
    "udm10": "subband.data.restoration.published_enlargements:udm10",
    "unlabelled_folder": "subband.data.images.folder:unlabelled_folder",
    "vid4": "subband.data.restoration.published_enlargements:vid4",
    "video_folder": "subband.data.video.folder:video_folder",
    "vimeo90k": "subband.data.restoration.published_enlargements:vimeo90k",
    "weather": "subband.data.video.weather:weather",
}


def build_data(name: str, args: Mapping[str, Any], seed: int) -> Any:
    """The splits of a data set.

    Args:
        name: A key of `DATASETS`.
        args: Arguments of its function, without `seed`.
        seed: Seed of everything drawn at random.

    Returns:
        Object with `train`, `val`, `test` and `spec`: `VideoData` for clips, `PairData` for degraded and sharp ones,
        `ImageData` for labelled images, `DetectionData` for images with objects, `PoseData` for people with joints,
        `UnlabelledData` for images without labels.

    Raises:
        ValueError: If the name is unknown (the closest one is given), or an argument has an impossible value.
        TypeError: If an argument is unknown or missing (the ones there are, are listed), or of another type.
        FileNotFoundError: If a file is missing.

    Example:
        >>> data = build_data("moving_digits", {"num_train": 4, "img_size": 32, "sprite_size": 12}, seed=0)
        >>> inputs, targets = data.train[0]
        >>> inputs.shape, len(data.train)
        (torch.Size([10, 1, 32, 32]), 4)
        >>> image, label = build_data("digits", {}, seed=0).train[0]
        >>> image.shape
        torch.Size([3, 8, 8])
    """
    if name not in DATASETS:
        close = difflib.get_close_matches(name, DATASETS, n=1)
        hint = f"did you mean {close[0]!r}?" if close else f"known: {', '.join(sorted(DATASETS))}"
        raise ValueError(f"unknown data set {name!r}; {hint}")
    module, attribute = DATASETS[name].split(":")
    function = getattr(importlib.import_module(module), attribute)
    check_arguments(function, args, f"data set {name!r}")
    drawn = {"seed": seed} if "seed" in inspect.signature(function).parameters else {}
    return function(**args, **drawn)
