"""Objects in images and videos: boxes, masks and names, in pixels of what was given."""

from subband.data.detection.preprocessing import DetectionPreprocessing
from subband.predictors.detection.clip import FrameResults, detect_clip
from subband.predictors.detection.coco_results import coco_results
from subband.predictors.detection.found import FoundObjects
from subband.predictors.detection.predictor import DetectionPredictor, FileDetections

__all__ = [
    "DetectionPredictor",
    "DetectionPreprocessing",
    "FileDetections",
    "FoundObjects",
    "FrameResults",
    "coco_results",
    "detect_clip",
]
