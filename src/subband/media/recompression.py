"""What the compression of a video does to its frames, in memory."""

from __future__ import annotations

from fractions import Fraction

import numpy as np

from subband.media.containers import import_av

__all__ = ["h264"]

_FINEST, _COARSEST = 0, 51  # of constant rate factors
_RATE = 25  # frames per second, which the encoder's choices depend on


def h264(frames: np.ndarray, crf: int) -> np.ndarray:
    """Frames as they come out of an H.264 video, 8-bit 4:2:0, without a file.

    A pure function of frames and rate on one installation: the encoder has one thread. Another release of x264 may
    decide otherwise.

    Args:
        frames: `(T, H, W, 3)` uint8, red, green and blue, of any size; an odd side repeats its last row or column.
        crf: Constant rate factor of x264: 0 (hardly a loss) to 51 (the coarsest).

    Returns:
        Of the same shape.

    Raises:
        ImportError: If PyAV is not installed.
        ValueError: If `crf` is out of range.

    Example:
        >>> h264(np.full((2, 9, 6, 3), 80, np.uint8), 23).shape
        (2, 9, 6, 3)
    """
    if not _FINEST <= crf <= _COARSEST:
        raise ValueError(f"crf must lie in {_FINEST}..{_COARSEST}, got {crf}")
    av = import_av()
    height, width = frames.shape[1:3]
    even = np.pad(frames, ((0, 0), (0, height % 2), (0, width % 2), (0, 0)), mode="edge")
    encoder, decoder = av.CodecContext.create("libx264", "w"), av.CodecContext.create("h264", "r")
    encoder.height, encoder.width = even.shape[1:3]
    encoder.pix_fmt, encoder.time_base, encoder.thread_count = "yuv420p", Fraction(1, _RATE), 1
    encoder.framerate = _RATE
    # No look at frames to come, as in cameras; with it, small frames come out otherwise from call to call.
    encoder.options = {"crf": str(crf), "tune": "zerolatency"}
    packets = []
    for number, pixels in enumerate(even):
        frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(pixels), format="rgb24")
        frame.pts = number
        packets += encoder.encode(frame)
    packets += encoder.encode(None)
    decoder.thread_count = 1
    decoded = [frame for packet in (*packets, None) for frame in decoder.decode(packet)]
    return np.stack([frame.to_ndarray(format="rgb24")[:height, :width] for frame in decoded])
