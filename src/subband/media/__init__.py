"""Images and video in and out of files.

Pillow and PyAV are loaded when a file is first opened with them, not by this import.
"""

from subband.media.frames import Chapter, ClipDetails, ClipReader, ColorTags, Frame, StreamInfo, VideoInfo
from subband.media.images import ImageInfo, LoadedImage, list_images, on_white, read_image, write_image
from subband.media.sources import open_clip
from subband.media.video import probe, read_clip, write_clip
from subband.media.video_reader import VideoReader
from subband.media.video_writer import VideoWriter
from subband.media.writers import ClipWriter, check_clip_path, open_writer

__all__ = [
    "Chapter",
    "ClipDetails",
    "ClipReader",
    "ClipWriter",
    "ColorTags",
    "Frame",
    "ImageInfo",
    "LoadedImage",
    "StreamInfo",
    "VideoInfo",
    "VideoReader",
    "VideoWriter",
    "check_clip_path",
    "list_images",
    "on_white",
    "open_clip",
    "open_writer",
    "probe",
    "read_clip",
    "read_image",
    "write_clip",
    "write_image",
]
