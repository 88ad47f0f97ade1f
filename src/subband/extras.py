"""The extras of the package, `pip install 'subband[NAME]'`: what each is for, what it brings, what is said without it.

Every import of such a package stands in `names_extra`, so that a missing one is named in one sentence, in Python as on
the command line. `docs/install.md` has the same table.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib.util import find_spec
from typing import NamedTuple

__all__ = ["EXTRAS", "Extra", "advice", "extra_of", "is_installed", "names_extra", "require"]


class Extra(NamedTuple):
    """One extra.

    Attributes:
        purpose: What it is for.
        modules: What is imported, and the distribution that brings it.
        uses: What asks for it: commands in backticks, then functions and data sets of Python.
    """

    purpose: str
    modules: Mapping[str, str]
    uses: str


EXTRAS = {
    "train": Extra(
        "training, scoring, and the classes of `subband.metrics`",
        {"lightning": "lightning", "torchmetrics": "torchmetrics", "tensorboard": "tensorboard"},
        "`train`, `evaluate`, `fit-prior`, `predict --compare`, `benchmark` where networks are trained",
    ),
    "video": Extra(
        "video files: `.mp4`, `.mov`, `.mkv`, `.webm` and whatever else ffmpeg reads",
        {"av": "av"},
        "each command that is given a video file, or asked to write one",
    ),
    "digits": Extra(
        "the handwritten digits of scikit-learn and the photographs of scikit-image, to train without a download",
        {"sklearn": "scikit-learn", "skimage": "scikit-image"},
        "the small recipes of `train`",
    ),
    "visual": Extra(
        "plots",
        {"matplotlib": "matplotlib"},
        "`report`, `explain`, `compress`, `evaluate --robustness`, `benchmark`",
    ),
    "export": Extra(
        "ONNX files and the check that they compute the same",
        {"onnx": "onnx", "onnxruntime": "onnxruntime", "onnxscript": "onnxscript"},
        "`export` to `.onnx`",
    ),
    "metrics": Extra(
        "LPIPS, from a local file of AlexNet's weights",
        {"lpips": "lpips"},
        "`--evaluation.lpips_weights` of `train` and `evaluate`",
    ),
    "weather": Extra(
        "files of WeatherBench", {"xarray": "xarray", "netCDF4": "netCDF4"}, "the data set `weather` of `train`"
    ),
    "kitti": Extra("`.hkl` files of KITTI", {"hickle": "hickle"}, "the data set `kitticaltech` of `train`"),
    "jpeg": Extra(
        "cosine coefficients of JPEG files as they lie in the file",
        {"jpeglib": "jpeglib"},
        "`read_jpeg_coefficients` of `subband.media.jpeg_coefficients`",
    ),
    "dicom": Extra("DICOM files", {"pydicom": "pydicom"}, "the data set `gray_folder` of `train`"),
    "fid": Extra(
        "FID and KID, from a local file of Inception's weights",
        {"torch_fidelity": "torch-fidelity"},
        "`--evaluation.inception_weights` of `train` and `evaluate`",
    ),
    "timm": Extra(
        "networks of timm as backbones, RandAugment and random erasing, `import subband.timm`",
        {"timm": "timm"},
        "recipes of `train` for ImageNet, models `timm:NAME` and `hrnet_w48`",
    ),
    "detection": Extra(
        "COCO's average precision, outlines of objects",
        {"pycocotools": "pycocotools"},
        "`evaluate` and `train` of detectors and of pose",
    ),
    "spandrel": Extra(
        "networks for single images of other projects, from their file alone",
        {"spandrel": "spandrel"},
        "`deblur --model FILE`",
    ),
    "weights": Extra(
        "published weights on Google Drive, networks of the Hugging Face Hub",
        {"gdown": "gdown", "huggingface_hub": "huggingface_hub"},
        "`--model hf:user/name` and `--checkpoint published` of every command, `weights get`, `push`",
    ),
}

_EXTRA_OF = {module: name for name, extra in EXTRAS.items() for module in extra.modules}


def extra_of(module: str) -> str | None:
    """The extra that brings a module; None for one of no extra.

    Args:
        module: Dotted name, as it is imported.

    Example:
        >>> extra_of("lightning.pytorch"), extra_of("torch")
        ('train', None)
    """
    return _EXTRA_OF.get(module.partition(".")[0])


def advice(module: str) -> str:
    """How a package of an extra is installed, for the end of a sentence.

    Args:
        module: Its name, as it is imported.

    Example:
        >>> advice("av")
        "pip install 'subband[video]'"
    """
    return f"pip install 'subband[{_EXTRA_OF[module.partition('.')[0]]}]'"


def is_installed(module: str) -> bool:
    """Whether a package of an extra is there; it is not imported.

    Args:
        module: Its name, as it is imported.
    """
    try:
        return find_spec(module) is not None
    except ModuleNotFoundError:
        return False


def require(module: str, subject: str = "this needs") -> None:
    """Refuse what cannot be done without a package of an extra.

    Args:
        module: Its name, as it is imported.
        subject: Beginning of the sentence, with its verb.

    Raises:
        ModuleNotFoundError: If it is not installed.
    """
    if not is_installed(module):
        raise _missing(module, subject)


@contextmanager
def names_extra(subject: str = "this needs") -> Iterator[None]:
    """Imports inside say which extra is missing.

    Args:
        subject: Beginning of the sentence, with its verb.

    Raises:
        ModuleNotFoundError: If a package of an extra is not installed, as one sentence.

    Example:
        >>> with names_extra("video files need"):
        ...     import av
    """
    try:
        yield
    except ModuleNotFoundError as error:
        module = (error.name or "").partition(".")[0]
        if module not in _EXTRA_OF:
            raise
        raise _missing(module, subject) from error


def _missing(module: str, subject: str) -> ModuleNotFoundError:
    package = EXTRAS[_EXTRA_OF[module]].modules[module]
    return ModuleNotFoundError(f"{subject} the package {package}: {advice(module)}.", name=module)
