"""What a model card says of each task: the Hub's word for it, its metrics, a command, what follows from its kind."""

from __future__ import annotations

from typing import NamedTuple

from subband.metrics.descriptors import CLASSIFICATION_METRICS, RESTORATION_METRICS, VIDEO_METRICS, MetricInfo
from subband.metrics.detection_descriptors import DETECTION_METRICS
from subband.metrics.generation_descriptors import GENERATION_METRICS, VIDEO_GENERATION_METRICS
from subband.metrics.pose_descriptors import POSE_METRICS

__all__ = ["TASKS_ON_HUB", "TaskOnHub"]


class TaskOnHub(NamedTuple):
    """A task as the Hub and a reader of a card know it.

    Attributes:
        pipeline_tag: The Hub's word for it, by which models are found.
        words: What the network does.
        metrics: What its scores mean.
        command: Words of a command line before `--model`; empty where there is no command.
        limit: What no network of this kind can do.
    """

    pipeline_tag: str
    words: str
    metrics: tuple[MetricInfo, ...]
    command: str
    limit: str


_DRAWN = "It draws what its training data taught it, one-sidedness and gaps included."

TASKS_ON_HUB = {
    "classification": TaskOnHub(
        "image-classification",
        "says what an image shows",
        CLASSIFICATION_METRICS,
        "classify photo.jpg",
        "It answers with one of its classes, whatever the image shows.",
    ),
    "detection": TaskOnHub(
        "object-detection",
        "finds objects in images",
        DETECTION_METRICS,
        "detect photo.jpg",
        "It finds objects of its classes and no others.",
    ),
    "generation": TaskOnHub(
        "unconditional-image-generation",
        "draws images",
        GENERATION_METRICS,
        "generate",
        _DRAWN,
    ),
    "pose": TaskOnHub(
        "keypoint-detection",
        "finds the joints of a person",
        POSE_METRICS,
        "pose clip.mp4",
        "It does not find people: it looks for the joints of one person in each box that it is given.",
    ),
    "restoration": TaskOnHub(
        "image-to-image",
        "makes degraded video better",
        RESTORATION_METRICS,
        "deblur clip.mp4",
        "What it adds is a guess from its training data, no record of what was there.",
    ),
    "video_generation": TaskOnHub("image-to-video", "draws short clips", VIDEO_GENERATION_METRICS, "", _DRAWN),
    "video_prediction": TaskOnHub(
        "image-to-video",
        "predicts the next frames of a video",
        VIDEO_METRICS,
        "predict clip.mp4 --num-frames 10",
        "It gives one of many possible futures and does not say how likely that one is.",
    ),
}
