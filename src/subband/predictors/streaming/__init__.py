"""A video into a video, frame by frame: what every command that restores, enlarges or changes footage stands on.

`stream_clip` reads, processes and writes; what it does to the frames is a function, or a `NetworkRunner` around a
`ClipNetwork`, which knows what neighbors, sizes and tiles a network needs.
"""

from subband.predictors.streaming.clip import Process, WindowProcess, stream_clip
from subband.predictors.streaming.network import ClipNetwork, View, frame_noise
from subband.predictors.streaming.runner import NetworkRunner, TileChoice
from subband.predictors.streaming.scene_cuts import SceneCuts
from subband.predictors.streaming.span import Span, clip_rate, parse_seconds, span_frames

__all__ = [
    "ClipNetwork",
    "NetworkRunner",
    "Process",
    "SceneCuts",
    "Span",
    "TileChoice",
    "View",
    "WindowProcess",
    "clip_rate",
    "frame_noise",
    "parse_seconds",
    "span_frames",
    "stream_clip",
]
