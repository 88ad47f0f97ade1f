"""People in images and videos: where their joints are, in pixels of what was given."""

from subband.data.pose.preprocessing import PosePreprocessing
from subband.predictors.pose.clip import FramePoses, pose_clip
from subband.predictors.pose.found import FoundPoses, pose_results
from subband.predictors.pose.persons import DetectedPersons, GivenPersons, Persons, PersonSource, WholeImage
from subband.predictors.pose.predictor import FilePoses, PosePredictor
from subband.predictors.pose.smoothing import OneEuroFilter
from subband.predictors.pose.tracking import PoseTracker

__all__ = [
    "DetectedPersons",
    "FilePoses",
    "FoundPoses",
    "FramePoses",
    "GivenPersons",
    "OneEuroFilter",
    "PersonSource",
    "Persons",
    "PosePredictor",
    "PosePreprocessing",
    "PoseTracker",
    "WholeImage",
    "pose_clip",
    "pose_results",
]
