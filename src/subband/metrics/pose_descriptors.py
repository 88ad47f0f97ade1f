"""What the numbers of joints and people mean."""

from __future__ import annotations

from subband.metrics.descriptors import MetricInfo

__all__ = ["POSE_METRICS"]

_HEADS = "boxes of heads"


def _share(
    key: str,
    heading: str,
    title: str,
    definition: str,
    *,
    is_main: bool = True,
    is_logged: bool = False,
    needs: str = "",
) -> MetricInfo:
    return MetricInfo(
        key=key,
        heading=heading,
        title=title,
        unit="%",
        decimals=1,
        factor=100,
        higher_is_better=True,
        is_main=is_main,
        is_logged=is_logged,
        definition=definition,
        needs=needs,
    )


def _both(
    key: str,
    heading: str,
    title: str,
    definition: str,
    *,
    is_main: bool = True,
    is_logged: bool = False,
    needs: str = "",
) -> tuple[MetricInfo, MetricInfo]:
    """A score of all joints, and of occluded ones."""
    everything = _share(key, heading, title, f"{definition}.", is_main=is_main, is_logged=is_logged, needs=needs)
    hidden = _share(
        f"{key}_occluded",
        f"{heading} occluded",
        f"{title}, occluded joints",
        f"{definition}; of joints that are labelled as occluded alone.",
        is_main=is_main,
        needs=needs,
    )
    return everything, hidden


def _jitter(suffix: str, heading: str, title: str, more: str) -> MetricInfo:
    return MetricInfo(
        key=f"jitter{suffix}",
        heading=f"Jitter{heading}",
        title=f"Jitter{title}",
        unit="px",
        decimals=2,
        higher_is_better=False,
        definition="length of the second difference over time of a joint's error, averaged over joints and frames "
        f"(pixels); 0 for an error that stays or grows evenly{more}.",
    )


_WITHIN = "share of labelled joints no further from the truth than"
_EACH = "averaged over joints, each over its persons"

POSE_METRICS = (
    *_both(
        "pck",
        "PCK@0.2",
        "Joints within 0.2",
        f"{_WITHIN} 0.2 times the longer side of the person's box, {_EACH}",
        is_logged=True,
    ),
    *_both("pck_strict", "PCK@0.1", "Joints within 0.1", f"{_WITHIN} 0.1 times that side, {_EACH}", is_logged=True),
    *_both(
        "pckh",
        "PCKh@0.5",
        "Joints within half a head",
        f"{_WITHIN} half the head size, which is 0.6 times the diagonal of the head's box, {_EACH}",
        is_main=False,
        needs=_HEADS,
    ),
    *_both(
        "ap",
        "OKS AP",
        "Average precision of people",
        "average precision of people by the similarity of their joints (OKS), averaged over similarities from 0.50 to "
        "0.95 in steps of 0.05, as COCO's own tools compute it",
    ),
    _share("ap50", "OKS AP50", "AP at 0.5", "the same at similarity 0.5 alone.", is_main=False),
    _share("ap75", "OKS AP75", "AP at 0.75", "the same at similarity 0.75 alone.", is_main=False),
    *_both(
        "posetrack_ap",
        "PoseTrack AP",
        "Average precision of joints",
        "area under the precision of joints within half a head size, which people found and true are paired by, "
        "averaged over joints, as PoseTrack's own evaluator computes it",
        needs=_HEADS,
    ),
    _jitter("", "", "", ""),
    _jitter(
        "_occluded", " occluded", ", occluded joints", "; of joints that are occluded in the middle of three frames"
    ),
)
