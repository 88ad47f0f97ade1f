"""What a user calls: a network with its pre- and postprocessing."""

from subband.predictors.classification import ImageClassifier
from subband.predictors.video_prediction import VideoPredictor

__all__ = ["ImageClassifier", "VideoPredictor"]
