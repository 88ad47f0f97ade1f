"""Clips in and out of files: videos (PyAV), animated images and folders of images (Pillow).

Inside the package a clip is a float tensor `(T, C, H, W)` in `[0, 1]`. Sizes are checked before anything is decoded,
only the frames that were asked for are kept, and output files appear complete or not at all.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from einops import rearrange
from torch import Tensor
from torch.nn import functional as F

from subband.media.frames import ClipReader, VideoInfo
from subband.media.sources import open_clip
from subband.media.writers import check_clip_path, open_writer

__all__ = ["VideoInfo", "check_clip_path", "probe", "read_clip", "to_pixels", "write_clip"]

MAX_CLIP_VALUES = 2**28
"""Most numbers (`T * C * H * W`, after resizing) that `read_clip` returns at once: 1 GiB as float32."""

_LUMA = (0.299, 0.587, 0.114)  # ITU-R BT.601


def probe(path: Path | str) -> VideoInfo:
    """Number of frames, size and rate of a clip, without decoding it.

    Args:
        path: Video file, animated image or folder of images.

    Returns:
        What the clip is.

    Raises:
        FileNotFoundError: If there is nothing at `path`.
        ValueError: If it is empty, cut off, not a clip, or its frames are larger than 8192 x 4320 pixels.
        ImportError: If it is a video file and PyAV is not installed.
    """
    with open_clip(path) as reader:
        return reader.info


def read_clip(
    path: Path | str | ClipReader,
    start: int = 0,
    num_frames: int | None = None,
    stride: int = 1,
    size: tuple[int, int] | None = None,
    gray: bool = False,
) -> Tensor:
    """Reads frames `start, start + stride, ...` of a clip.

    Args:
        path: Video file, animated GIF/WebP/PNG, or folder of images, which are taken in natural order of their names;
            or a clip that `open_clip` has opened, which stays open.
        start: First frame; a negative number counts from the end, as in Python.
        num_frames: How many frames; None takes all to the end.
        stride: Distance between frames that are taken.
        size: Height and width to resize to (bilinear, antialiased); None keeps the size.
        gray: Gives one channel, the BT.601 luma, instead of red, green and blue.

    Returns:
        Frames, `(T, C, H, W)` float32 in `[0, 1]`, C = 3, or 1 with `gray`.

    Raises:
        FileNotFoundError: If there is nothing at `path`.
        ValueError: If the clip cannot be read (see `probe`), has too few frames, or the result would hold more than
            `MAX_CLIP_VALUES` numbers.
        ImportError: If it is a video file and PyAV is not installed.

    Example:
        >>> path = getfixture("tmp_path") / "clip.gif"
        >>> write_clip(path, torch.rand(6, 1, 16, 24))
        >>> read_clip(path, start=-2, size=(8, 12)).shape
        torch.Size([2, 3, 8, 12])
    """
    if isinstance(path, str | Path):
        with open_clip(path) as reader:
            return read_clip(reader, start, num_frames, stride, size, gray)
    reader = path
    indices = _frame_indices(reader.path, reader.info, start, num_frames, stride)
    height, width = size or (reader.height, reader.width)
    if min(height, width) < 1:
        raise ValueError(f"size must be positive, got {height} x {width}.")
    values = len(indices) * (1 if gray else 3) * height * width
    if values > MAX_CLIP_VALUES:
        raise ValueError(
            f"{len(indices)} frames of {width} x {height} pixels of {reader.path} are more than {MAX_CLIP_VALUES} "
            "values; read fewer frames (num_frames, stride) or smaller ones (size), or stream them (open_clip)."
        )
    return _read(reader, indices, (height, width), gray)


def write_clip(path: Path | str, frames: Tensor, fps: float = 10, overwrite: bool = False) -> None:
    """Writes a clip; the suffix of `path` says how.

    `.mp4`, `.mov` and `.mkv` are H.264 (yuv420p, nearly lossless quality 14; an odd side repeats its last row or
    column, since the format has even sides only), `.webm` is VP9, `.gif`, `.webp` and `.apng` are animations that
    repeat (in a GIF, equal neighbors become one longer frame), `.png` is one image with the frames side by side, and
    no suffix is a folder with `frame_0000.png`, `frame_0001.png`, ... The file or folder appears under its name only
    when it is complete.

    Args:
        path: Where to write.
        frames: `(T, C, H, W)` with C = 1 or 3; values are clipped to `[0, 1]`.
        fps: Frames per second of videos and animations (GIF keeps hundredths of a second).
        overwrite: Replaces what is at `path`; a folder only when it holds nothing but numbered frames.

    Raises:
        FileExistsError: If `path` exists and `overwrite` is False.
        FileNotFoundError: If the folder of `path` does not exist.
        PermissionError: If it cannot be written to.
        ValueError: If the suffix, the shape or `fps` cannot be written.
        ImportError: If a video is asked for and PyAV is not installed.
    """
    path = Path(path)
    check_clip_path(path)
    if frames.ndim != 4 or frames.shape[1] not in (1, 3) or 0 in frames.shape:
        raise ValueError(
            f"frames must be (T, C, H, W) with C = 1 or 3 and at least one frame, got {tuple(frames.shape)}."
        )
    pixels = to_pixels(frames)
    with open_writer(path, fps=fps, overwrite=overwrite) as writer:
        for frame in pixels:
            writer.write(frame)


def to_pixels(frames: Tensor) -> np.ndarray:
    """Frames as files store them.

    Args:
        frames: `(T, C, H, W)` with C = 1 or 3; values are clipped to `[0, 1]`.

    Returns:
        `(T, H, W, 3)` uint8.
    """
    rounded = frames.detach().float().clamp(0, 1).mul_(255).round_().to(torch.uint8).cpu()
    return rearrange(rounded.expand(-1, 3, -1, -1), "t c h w -> t h w c").contiguous().numpy()


def _frame_indices(path: Path, info: VideoInfo, start: int, num_frames: int | None, stride: int) -> range:
    """The asked-for frame numbers, checked against the clip."""
    if stride < 1:
        raise ValueError(f"stride must be at least 1, got {stride}.")
    first = start + info.num_frames if start < 0 else start
    if not 0 <= first < info.num_frames:
        raise ValueError(f"start {start} lies outside {path}, which has {info.num_frames} frames.")
    if num_frames is None:
        return range(first, info.num_frames, stride)
    if num_frames < 1:
        raise ValueError(f"num_frames must be at least 1, got {num_frames}.")
    indices = range(first, first + num_frames * stride, stride)
    if indices[-1] >= info.num_frames:
        raise ValueError(
            f"{path} has {info.num_frames} frames, but {num_frames} frames from frame {first} with stride {stride} "
            f"need {indices[-1] + 1}."
        )
    return indices


def _read(reader: ClipReader, indices: range, size: tuple[int, int], gray: bool) -> Tensor:
    clip = torch.empty(len(indices), 1 if gray else 3, *size)
    count = 0
    for frame in reader.frames(indices):
        clip[count] = _to_tensor(frame, size, gray)
        count += 1
    if count < len(indices):
        raise ValueError(
            f"{reader.path} is damaged or was cut off: only {count} of {len(indices)} frames could be decoded."
        )
    return clip


def _to_tensor(frame: np.ndarray, size: tuple[int, int], gray: bool) -> Tensor:
    image = rearrange(torch.from_numpy(frame.copy()), "h w c -> c h w").float().div_(255)
    if gray:
        image = torch.einsum("chw,c->hw", image, image.new_tensor(_LUMA)).unsqueeze(0)
    if image.shape[1:] != size:
        image = F.interpolate(image[None], size=size, mode="bilinear", antialias=True)[0]
    return image.clamp_(0, 1)
