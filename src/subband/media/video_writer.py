"""Videos written frame by frame, with what else the file they come from holds."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import ExitStack
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np

from subband.files import new_path
from subband.media.containers import file_url, import_av, writing
from subband.media.frames import ColorTags, frame_rate, same_shape
from subband.media.stream_copy import CopiedPart, StreamCopier

CODECS: dict[str, str] = {".mkv": "libx264", ".mov": "libx264", ".mp4": "libx264", ".webm": "libvpx-vp9"}
"""Suffix of a video -> encoder."""

FORMATS = {".mkv": "matroska", ".mov": "mov", ".mp4": "mp4", ".webm": "webm"}
VIDEO_SUFFIXES = frozenset(CODECS)

FASTEST, SLOWEST = 1000, 1 / 3600
"""Frames per second that are written."""

_OPTIONS: dict[str, dict[str, str]] = {
    "libx264": {"crf": "14"},
    "libvpx-vp9": {"crf": "20", "b:v": "0", "cpu-used": "4", "row-mt": "1"},
}
_YUV_MATRICES = {1, 4, 5, 6, 7, 9}  # those of ITU-T H.273 that swscale computes


def check_rate(path: Path, fps: float) -> None:
    """Refuses a frame rate that players cannot be expected to show.

    Args:
        path: Where a clip shall be written.
        fps: Frames per second.

    Raises:
        ValueError: If it is above 1000, or below one frame an hour.
    """
    if not SLOWEST <= fps <= FASTEST:
        raise ValueError(
            f"{path.name} cannot have {fps:.10g} frames per second: fps must be above 0, at least 1/3600 and at most "
            f"{FASTEST}; a folder of images has no rate."
        )


class VideoWriter:
    """A video that is encoded frame by frame; the file appears at the end of the `with` block, or not at all.

    Frames are stored as 8-bit 4:2:0; an odd side repeats its last row or column. Audio, subtitles and further streams
    of `copy_from` are copied as they are, beside the frames of the same time, chapters and title likewise. What the
    format of the new file cannot hold is left out with a warning.

    Args:
        path: `.mp4`, `.mov`, `.mkv` (H.264) or `.webm` (VP9).
        fps: Frames per second, for frames that come without times.
        time_base: Unit in which times are stored, in seconds; by default one frame of the constant rate. Give that of
            the source to keep a varying rate.
        colors: How colors are meant; red, green and blue are turned into luma and chroma accordingly.
        pixel_aspect: Width of a pixel over its height.
        codec: FFmpeg's name of the encoder; by default the one of the suffix.
        options: Options of the encoder by FFmpeg's names, such as `{"crf": "18", "preset": "fast"}`; they replace the
            usual ones.
        copy_from: File whose other streams, chapters and metadata are taken over.
        shift: Seconds that the copied streams are moved back, so that they fit frames whose times were.
        overwrite: Replaces an existing file.

    Raises:
        ValueError: If the suffix is no video's, `time_base` is not positive, or `fps` is above 1000 or below 1/3600.
        ImportError: If PyAV is not installed.

    Example:
        >>> import numpy as np
        >>> path = getfixture("tmp_path") / "clip.mp4"
        >>> with VideoWriter(path, time_base=Fraction(1, 1000)) as writer:
        ...     for milliseconds in (0, 40, 100):
        ...         writer.write(np.zeros((16, 24, 3), np.uint8), Fraction(milliseconds, 1000))
        >>> path.exists()
        True
    """

    def __init__(
        self,
        path: Path | str,
        *,
        fps: float = 10,
        time_base: Fraction | None = None,
        colors: ColorTags | None = None,
        pixel_aspect: Fraction | None = None,
        codec: str | None = None,
        options: Mapping[str, str] | None = None,
        copy_from: Path | str | None = None,
        shift: Fraction = Fraction(0),
        overwrite: bool = False,
    ) -> None:
        self.path = Path(path)
        suffix = self.path.suffix.lower()
        if suffix not in CODECS:
            raise ValueError(f"{self.path.name} is no video that can be written ({', '.join(sorted(CODECS))}).")
        check_rate(self.path, fps)
        if time_base is not None and time_base <= 0:
            raise ValueError(f"time_base must be above 0, got {time_base}.")
        import_av()
        self._suffix = suffix
        self._rate = frame_rate(fps)
        self._time_base = time_base or 1 / self._rate
        self._colors = colors
        self._pixel_aspect = pixel_aspect
        self._codec = codec or CODECS[suffix]
        self._options = dict(_OPTIONS.get(self._codec, {}) if options is None else options)
        self._copy_from = None if copy_from is None else Path(copy_from)
        self._shift = shift
        self._overwrite = overwrite
        self._stack = ExitStack()
        self._shape: tuple[int, ...] | None = None
        self._count = 0
        self.times: list[int] = []
        """Times of the frames written so far, in units of `time_base`."""

    def __enter__(self) -> VideoWriter:
        self._temporary = self._stack.enter_context(new_path(self.path, overwrite=self._overwrite))
        self._container = self._stack.enter_context(
            import_av().open(file_url(self._temporary), "w", format=FORMATS[self._suffix])
        )
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if error is not None:
            self._stack.__exit__(kind, error, traceback)
            return
        with self._stack:
            if self._shape is None:
                raise ValueError(f"{self.path} would be a clip without frames.")
            with writing(self.path):
                self._container.mux(self._stream.encode())
            if self._copier is not None:
                self._copier.copy_until(None)

    def write(self, pixels: np.ndarray, time: Fraction | None = None, duration: Fraction | None = None) -> None:
        """Writes the next frame.

        Args:
            pixels: `(H, W, 3)` uint8, red, green and blue; all frames have one size.
            time: When it is shown, in seconds; None for the constant rate.
            duration: Not needed, since a frame is shown until the next.

        Raises:
            ValueError: If the size changes or the time does not grow.
        """
        shape = same_shape(self.path, self._shape, pixels)
        if self._shape is None:
            with writing(self.path):
                self._start(*shape[:2])
            self._shape = shape
        units = round((Fraction(self._count) / self._rate if time is None else time) / self._time_base)
        if self.times and units <= self.times[-1]:
            if time is not None and time < self.times[-1] * self._time_base:
                raise ValueError(f"{self.path.name}: the times of frames must grow, {time} s comes too late.")
            units = self.times[-1] + 1  # two frames that are closer than the unit of time
        self.times.append(units)
        self._count += 1
        frame = self._frame(pixels)
        frame.pts, frame.time_base = units, self._time_base
        with writing(self.path):
            self._container.mux(self._stream.encode(frame))
        if self._copier is not None:
            self._copier.copy_until(units * self._time_base)

    def _start(self, height: int, width: int) -> None:
        stream = self._container.add_stream(self._codec, rate=self._rate, options=self._options)
        stream.height, stream.width = height + height % 2, width + width % 2
        stream.pix_fmt = "yuv420p"
        context = stream.codec_context
        context.time_base = self._time_base
        if self._pixel_aspect is not None:
            context.sample_aspect_ratio = self._pixel_aspect
        if self._colors is not None:
            context.color_primaries, context.color_trc = self._colors.primaries, self._colors.transfer
            context.colorspace = self._matrix(self._colors)
            context.color_range = self._colors.value_range
        self._stream = stream
        self._copier = None
        if self._copy_from is not None:
            self._copier = StreamCopier(self._container, self._copy_from, part=CopiedPart(self._shift))
            self._stack.callback(self._copier.close)

    def _matrix(self, colors: ColorTags) -> int:
        return colors.matrix if colors.matrix in _YUV_MATRICES else ColorTags().matrix

    def _frame(self, pixels: np.ndarray) -> Any:
        height, width = pixels.shape[:2]
        if height % 2 or width % 2:
            pixels = np.pad(pixels, ((0, height % 2), (0, width % 2), (0, 0)), mode="edge")
        frame = import_av().VideoFrame.from_ndarray(np.ascontiguousarray(pixels), format="rgb24")
        if self._colors is None:
            return frame
        # Primaries and transfer are noted in the stream only: said here, the pixels would be converted to them.
        matrix, value_range = self._matrix(self._colors), self._colors.value_range
        return frame.reformat(
            format="yuv420p",
            dst_colorspace=matrix if matrix in _YUV_MATRICES else None,
            dst_color_range=value_range or None,
        )
