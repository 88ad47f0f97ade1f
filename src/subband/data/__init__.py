"""Data sets of all tasks by name, and the loader that feeds them."""

from subband.data.detection.images import DetectionData, DetectionImages, DetectionSpec
from subband.data.images.unlabelled import UnlabelledData, UnlabelledImages, UnlabelledSpec
from subband.data.labelled.images import ImageData, ImageSpec, LabelledImages
from subband.data.labelled.preprocessing import Preprocessing
from subband.data.loader import SampleLoader
from subband.data.pose.drawn_figures import DrawnVideo, drawn_video
from subband.data.pose.people import People
from subband.data.pose.samples import PoseData, PoseSample, PoseSource, PoseSpec
from subband.data.registry import DATASETS, build_data
from subband.data.restoration.pairs import ClipPairs, PairData, PairSource, PairSpec
from subband.data.restoration.settings import BlurSettings
from subband.data.spec import BatchedClips, Clips, ClipSource, ClipSpec, VideoData, check_range

__all__ = [
    "DATASETS",
    "BatchedClips",
    "BlurSettings",
    "ClipPairs",
    "ClipSource",
    "ClipSpec",
    "Clips",
    "DetectionData",
    "DetectionImages",
    "DetectionSpec",
    "DrawnVideo",
    "ImageData",
    "ImageSpec",
    "LabelledImages",
    "PairData",
    "PairSource",
    "PairSpec",
    "People",
    "PoseData",
    "PoseSample",
    "PoseSource",
    "PoseSpec",
    "Preprocessing",
    "SampleLoader",
    "UnlabelledData",
    "UnlabelledImages",
    "UnlabelledSpec",
    "VideoData",
    "build_data",
    "check_range",
    "drawn_video",
]
