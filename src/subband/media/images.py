"""Still photographs in and out of files.

Inside the package a photograph is a float tensor `(C, H, W)` in `[0, 1]`: one channel for gray files, three for all
others, already turned the way its camera was held. Sixteen bits, transparency and the color profile are kept beside it,
so that a processed photograph can be written as good as it came. Sizes are checked before anything is decoded, and a
file appears complete or not at all.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from subband.files import new_path
from subband.media.picture_files import pictures_in
from subband.media.pixels import read_pixels, save_png16

__all__ = [
    "ImageInfo",
    "LoadedImage",
    "check_image_path",
    "list_images",
    "on_white",
    "read_image",
    "write_image",
]

_SAVE_OPTIONS: dict[str, dict[str, Any]] = {
    ".bmp": {},
    ".jpeg": {"quality": 95, "subsampling": 0},
    ".jpg": {"quality": 95, "subsampling": 0},
    ".png": {},
    ".tif": {"compression": "tiff_adobe_deflate"},
    ".tiff": {"compression": "tiff_adobe_deflate"},
    ".webp": {"lossless": True},
}
_WITHOUT_ALPHA = {".bmp", ".jpeg", ".jpg"}
_MODES = {1: "L", 2: "LA", 3: "RGB", 4: "RGBA"}


class ImageInfo(NamedTuple):
    """What a photograph's file says beside the pixels.

    Attributes:
        path: The file.
        file_format: Pillow's name of the format, for example `PNG`.
        bit_depth: 8, or 16 for files of more than 8 bits.
        icc_profile: Color profile of the pixels, None for plain sRGB.
    """

    path: Path
    file_format: str
    bit_depth: int
    icc_profile: bytes | None


class LoadedImage(NamedTuple):
    """A photograph.

    Attributes:
        pixels: `(C, H, W)` float32 in `[0, 1]`, C = 1 for gray files and 3 for all others.
        alpha: Opacity, `(1, H, W)` in `[0, 1]`, None if the file has none.
        info: What the file says beside the pixels.
    """

    pixels: Tensor
    alpha: Tensor | None
    info: ImageInfo


def read_image(path: Path | str) -> LoadedImage:
    """Reads a photograph of any common kind.

    The rotation that cameras note in their files is applied. Gray files stay gray, also those with a palette of grays;
    other palettes and CMYK become red, green and blue (CMYK by its color profile, if it has one). Of an animation or a
    file with several pages the first image counts. Damage in what is noted beside the pixels (EXIF, text, color
    profile) does not matter.

    Args:
        path: PNG, JPEG, TIFF, WebP, AVIF, BMP, GIF, JPEG 2000, QOI, TGA or PGM/PPM file, recognized by its content;
            also HEIC and JPEG XL, with the package that a message names.

    Returns:
        The pixels, the opacity, and what else the file says.

    Raises:
        FileNotFoundError: If there is nothing at `path`.
        ValueError: If it is a folder, empty, damaged, cut off, no image, or larger than 120 million pixels.

    Example:
        >>> path = getfixture("tmp_path") / "ramp.png"
        >>> write_image(path, torch.linspace(0, 1, 12).reshape(1, 3, 4), bit_depth=16)
        >>> image = read_image(path)
        >>> image.pixels.shape, image.info.bit_depth, image.alpha
        (torch.Size([1, 3, 4]), 16, None)
    """
    path = Path(path)
    decoded = read_pixels(path)
    values = torch.from_numpy(np.array(decoded.values.transpose(2, 0, 1), np.float32, order="C"))
    values /= decoded.white
    info = ImageInfo(path, decoded.file_format, 8 if decoded.white == 255 else 16, decoded.icc_profile)
    colors = 1 if len(values) < 3 else 3
    return LoadedImage(values[:colors], values[colors:] if len(values) > colors else None, info)


def on_white(image: LoadedImage) -> Tensor:
    """The pixels of a photograph as they look on white paper, for networks that know no opacity.

    Args:
        image: What `read_image` returns.

    Returns:
        `(C, H, W)` in `[0, 1]`.

    Example:
        >>> info = ImageInfo(Path("glass.png"), "PNG", 8, None)
        >>> on_white(LoadedImage(torch.zeros(1, 1, 2), torch.tensor([[[1.0, 0.25]]]), info))
        tensor([[[0.0000, 0.7500]]])
    """
    return image.pixels if image.alpha is None else 1 - image.alpha * (1 - image.pixels)


def write_image(
    path: Path | str,
    pixels: Tensor,
    *,
    alpha: Tensor | None = None,
    bit_depth: int = 8,
    icc_profile: bytes | None = None,
    overwrite: bool = False,
) -> None:
    """Writes a photograph; the suffix of `path` says how.

    `.png`, `.tif` and `.webp` lose nothing, `.jpg` has quality 95 with full chroma resolution, `.bmp` is plain.

    Args:
        path: Where to write.
        pixels: `(C, H, W)` with C = 1 or 3; values are clipped to `[0, 1]`.
        alpha: Opacity, `(1, H, W)` in `[0, 1]`.
        bit_depth: 8, or 16 for `.png`.
        icc_profile: Color profile to note in the file; `.bmp` cannot hold it and has none.
        overwrite: Replaces an existing file.

    Raises:
        FileExistsError: If `path` exists and `overwrite` is False.
        FileNotFoundError: If the folder of `path` does not exist.
        ValueError: If the suffix, a shape, or `bit_depth` cannot be written, or the format has no opacity.

    Example:
        >>> path = getfixture("tmp_path") / "gray.jpg"
        >>> write_image(path, torch.full((1, 8, 8), 0.5))
        >>> read_image(path).pixels.mean().round(decimals=2).item()
        0.5
    """
    path = Path(path)
    check_image_path(path, bit_depth=bit_depth, with_alpha=alpha is not None)
    if pixels.ndim != 3 or pixels.shape[0] not in (1, 3) or 0 in pixels.shape:
        raise ValueError(f"pixels must be (C, H, W) with C = 1 or 3, got {tuple(pixels.shape)}")
    if alpha is not None and alpha.shape != (1, *pixels.shape[1:]):
        raise ValueError(f"alpha must be (1, H, W) for pixels {tuple(pixels.shape)}, got {tuple(alpha.shape)}")
    values = pixels.detach().float().cpu()
    if alpha is not None:
        values = torch.cat((values, alpha.detach().float().cpu()))
    white = 2**bit_depth - 1
    rounded = (values.nan_to_num().clamp(0, 1) * white).round().permute(1, 2, 0).numpy()
    with new_path(path, overwrite=overwrite) as temporary:
        if bit_depth == 16:
            save_png16(temporary, rounded.astype(np.uint16), icc_profile)
        else:
            _save(temporary, rounded.astype(np.uint8), icc_profile)


def check_image_path(path: Path | str, *, bit_depth: int = 8, with_alpha: bool = False) -> None:
    """Refuses early what `write_image` cannot write, for work that takes long before there are pixels.

    Args:
        path: Where a photograph shall be written.
        bit_depth: 8 or 16.
        with_alpha: Whether it has an opacity.

    Raises:
        ValueError: If the suffix is unknown, or its format lacks the depth or the opacity.

    Example:
        >>> check_image_path("photo.png", bit_depth=16, with_alpha=True)
    """
    suffix = Path(path).suffix.lower()
    if suffix not in _SAVE_OPTIONS:
        known = ", ".join(sorted(_SAVE_OPTIONS))
        raise ValueError(f"{Path(path).name} has no suffix of an image that can be written ({known}).")
    if bit_depth not in (8, 16):
        raise ValueError(f"bit_depth must be 8 or 16, got {bit_depth}")
    if bit_depth == 16 and suffix != ".png":
        raise ValueError(f"{Path(path).name} cannot hold 16 bits per value here; write a .png.")
    if with_alpha and suffix in _WITHOUT_ALPHA:
        raise ValueError(f"{Path(path).name} cannot hold transparency; write a .png.")


def list_images(folder: Path | str) -> list[Path]:
    """Photographs of a folder, in natural order of their names (`image2` before `image10`).

    They are found by their suffixes, files with other suffixes by their content. One warning names what else is in the
    folder, another the animated files, of which one image counts.

    Args:
        folder: Folder; those inside it are not searched, hidden files do not count.

    Raises:
        FileNotFoundError: If there is no such folder.
        ValueError: If it is no folder or holds no photographs.

    Example:
        >>> folder = getfixture("tmp_path")
        >>> for number in (10, 2):
        ...     write_image(folder / f"image{number}.png", torch.rand(3, 4, 4))
        >>> [path.name for path in list_images(folder)]
        ['image2.png', 'image10.png']
    """
    return pictures_in(Path(folder), "photographs")


def _save(path: Path, values: np.ndarray, icc_profile: bytes | None) -> None:
    from PIL import Image

    suffix = path.suffix.lower()
    options = dict(_SAVE_OPTIONS[suffix])
    if icc_profile is not None and suffix != ".bmp":
        options["icc_profile"] = icc_profile
    image = Image.fromarray(values[..., 0] if values.shape[2] == 1 else values)
    assert image.mode == _MODES[values.shape[2]]
    image.save(path, **options)
