"""What a user calls: a network with its pre- and postprocessing."""

from subband.models.generation.editing import edit, latent_walk
from subband.predictors.classification import ImageClassifier, read_preprocessing
from subband.predictors.detection import DetectionPredictor, DetectionPreprocessing, FoundObjects
from subband.predictors.generation import ImageAutoencoder, PyramidCoder
from subband.predictors.pose import FoundPoses, OneEuroFilter, PosePredictor, PosePreprocessing, PoseTracker
from subband.predictors.progress import Progress, show_progress
from subband.predictors.read_ahead import FileResult
from subband.predictors.restoration import VideoRestorer
from subband.predictors.streaming import ClipNetwork, NetworkRunner, Span, View, frame_noise, stream_clip
from subband.predictors.video_prediction import Comparison, VideoPredictor

__all__ = [
    "ClipNetwork",
    "Comparison",
    "DetectionPredictor",
    "DetectionPreprocessing",
    "FileResult",
    "FoundObjects",
    "FoundPoses",
    "ImageAutoencoder",
    "ImageClassifier",
    "NetworkRunner",
    "OneEuroFilter",
    "PosePredictor",
    "PosePreprocessing",
    "PoseTracker",
    "Progress",
    "PyramidCoder",
    "Span",
    "VideoPredictor",
    "VideoRestorer",
    "View",
    "edit",
    "frame_noise",
    "latent_walk",
    "read_preprocessing",
    "show_progress",
    "stream_clip",
]
