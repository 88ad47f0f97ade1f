"""Clips in and out of files: videos (PyAV), animated pictures and folders of pictures (Pillow).

Inside the package a clip is a float tensor `(T, C, H, W)` in `[0, 1]`. Sizes are checked before anything is decoded,
only the frames that were asked for are kept, and output files appear complete or not at all.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from einops import rearrange
from torch import Tensor
from torch.nn import functional as F

from subband.files import new_path
from subband.media.sources import FrameSource, VideoInfo, import_av, open_source

if TYPE_CHECKING:
    from PIL.Image import Image as Picture

__all__ = ["VideoInfo", "check_clip_path", "probe", "read_clip", "write_clip"]

MAX_CLIP_VALUES = 2**28
"""Most numbers (`T * C * H * W`, after resizing) that `read_clip` returns at once: 1 GiB as float32."""

_LUMA = (0.299, 0.587, 0.114)  # ITU-R BT.601


def probe(path: Path | str) -> VideoInfo:
    """Number of frames, size and rate of a clip, without decoding it.

    Args:
        path: Video file, animated picture or folder of pictures.

    Returns:
        What the clip is.

    Raises:
        FileNotFoundError: If there is nothing at `path`.
        ValueError: If it is empty, cut off, not a clip, or its frames are larger than 8192 x 4320 pixels.
        ImportError: If it is a video file and PyAV is not installed.
    """
    return open_source(Path(path)).info


def read_clip(
    path: Path | str,
    start: int = 0,
    num_frames: int | None = None,
    stride: int = 1,
    size: tuple[int, int] | None = None,
    gray: bool = False,
) -> Tensor:
    """Reads frames `start, start + stride, ...` of a clip.

    Args:
        path: Video file, animated GIF/WebP/PNG, or folder of pictures, which are taken in natural order of their names.
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
    path = Path(path)
    source = open_source(path)
    indices = _frame_indices(path, source.info, start, num_frames, stride)
    height, width = size or (source.info.height, source.info.width)
    if min(height, width) < 1:
        raise ValueError(f"size must be positive, got {height} x {width}.")
    values = len(indices) * (1 if gray else 3) * height * width
    if values > MAX_CLIP_VALUES:
        raise ValueError(
            f"{len(indices)} frames of {width} x {height} pixels of {path} are more than {MAX_CLIP_VALUES} values; "
            "read fewer frames (num_frames, stride) or smaller ones (size)."
        )
    return _read(path, source, indices, (height, width), gray)


def write_clip(path: Path | str, frames: Tensor, fps: float = 10, overwrite: bool = False) -> None:
    """Writes a clip; the suffix of `path` says how.

    `.mp4` is H.264 (yuv420p, nearly lossless quality 14; an odd side repeats its last row or column, since the format
    has even sides only), `.gif` an animation that repeats (equal neighbors become one longer frame), `.png` one picture
    with the frames side by side, and no suffix a folder with `frame_0000.png`, `frame_0001.png`, ... The file or folder
    appears under its name only when it is complete.

    Args:
        path: Where to write.
        frames: `(T, C, H, W)` with C = 1 or 3; values are clipped to `[0, 1]`.
        fps: Frames per second of `.mp4` and `.gif` (GIF keeps hundredths of a second).
        overwrite: Replaces what is at `path`; a folder only when it holds nothing but numbered frames.

    Raises:
        FileExistsError: If `path` exists and `overwrite` is False.
        FileNotFoundError: If the folder of `path` does not exist.
        PermissionError: If it cannot be written to.
        ValueError: If the suffix, the shape or `fps` cannot be written.
        ImportError: If `.mp4` is asked for and PyAV is not installed.
    """
    path = Path(path)
    check_clip_path(path)
    if frames.ndim != 4 or frames.shape[1] not in (1, 3) or 0 in frames.shape:
        raise ValueError(
            f"frames must be (T, C, H, W) with C = 1 or 3 and at least one frame, got {tuple(frames.shape)}."
        )
    if not 0 < fps <= 1000:
        raise ValueError(f"fps must be above 0 and at most 1000, got {fps}.")
    rounded = (frames.detach().float().clamp(0, 1) * 255).round().to(torch.uint8).cpu()
    pixels = rearrange(rounded.expand(-1, 3, -1, -1), "t c h w -> t h w c").contiguous().numpy()
    with new_path(path, overwrite=overwrite) as temporary:
        _WRITERS[path.suffix.lower()](temporary, pixels, fps)


def check_clip_path(path: Path | str) -> None:
    """Refuses early what `write_clip` cannot write, for work that takes long before there are frames.

    Args:
        path: Where a clip shall be written.

    Raises:
        FileExistsError: If `path` is a folder with other files than numbered frames.
        ValueError: If the suffix is none that `write_clip` knows.
    """
    path = Path(path)
    if path.suffix.lower() not in _WRITERS:
        raise ValueError(
            f"{path.name} has no known suffix; use .mp4, .gif, .png (a strip) or none (a folder of pictures)."
        )
    if path.is_dir() and any(not _is_numbered_frame(file) for file in path.iterdir()):
        raise FileExistsError(f"{path} is a folder with other files than numbered frames; choose another name.")


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


def _read(path: Path, source: FrameSource, indices: range, size: tuple[int, int], gray: bool) -> Tensor:
    clip = torch.empty(len(indices), 1 if gray else 3, *size)
    count = 0
    for frame in source.frames(indices):
        clip[count] = _to_tensor(frame, size, gray)
        count += 1
    if count < len(indices):
        raise ValueError(f"{path} is damaged or was cut off: only {count} of {len(indices)} frames could be decoded.")
    return clip


def _to_tensor(frame: np.ndarray, size: tuple[int, int], gray: bool) -> Tensor:
    image = rearrange(torch.from_numpy(frame.copy()), "h w c -> c h w").float().div_(255)
    if gray:
        image = torch.einsum("chw,c->hw", image, image.new_tensor(_LUMA)).unsqueeze(0)
    if image.shape[1:] != size:
        image = F.interpolate(image[None], size=size, mode="bilinear", antialias=True)[0]
    return image.clamp_(0, 1)


def _write_mp4(path: Path, pixels: np.ndarray, fps: float) -> None:
    av = import_av()
    height, width = pixels.shape[1:3]
    pixels = np.pad(pixels, ((0, 0), (0, height % 2), (0, width % 2), (0, 0)), mode="edge")
    with av.open(str(path), "w", format="mp4") as container:
        stream = container.add_stream("libx264", rate=Fraction(fps).limit_denominator(1001), options={"crf": "14"})
        stream.height, stream.width = pixels.shape[1:3]
        stream.pix_fmt = "yuv420p"
        for frame in pixels:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        container.mux(stream.encode())


def _write_gif(path: Path, pixels: np.ndarray, fps: float) -> None:
    images = list(_images(pixels))
    milliseconds = max(round(100 / fps), 2) * 10  # viewers slow down anything faster than 20 ms
    images[0].save(path, format="GIF", save_all=True, append_images=images[1:], duration=milliseconds, loop=0)


def _write_strip(path: Path, pixels: np.ndarray, fps: float) -> None:
    next(_images(rearrange(pixels, "t h w c -> 1 h (t w) c"))).save(path, format="PNG")


def _write_folder(path: Path, pixels: np.ndarray, fps: float) -> None:
    path.mkdir()
    for index, image in enumerate(_images(pixels)):
        image.save(path / f"frame_{index:04d}.png")


def _images(pixels: np.ndarray) -> Iterator[Picture]:
    from PIL import Image

    return (Image.fromarray(frame) for frame in pixels)


def _is_numbered_frame(file: Path) -> bool:
    return file.name.startswith("frame_") and file.suffix == ".png"


_WRITERS: dict[str, Callable[[Path, np.ndarray, float], None]] = {
    ".mp4": _write_mp4,
    ".gif": _write_gif,
    ".png": _write_strip,
    "": _write_folder,
}
