"""What the numbers of detectors mean."""

from __future__ import annotations

from subband.metrics.descriptors import MetricInfo

__all__ = ["DETECTION_METRICS"]

_SIZES = {"small": "below 32² pixels", "medium": "from 32² to 96² pixels", "large": "of 96² pixels and more"}
_AREAS = "; sizes are areas in the file's pixels, of the object as its annotation says (of its box where it does not)"


def _precision(key: str, heading: str, title: str, of: str, *, is_main: bool, is_logged: bool = False) -> MetricInfo:
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
        definition=f"average precision {of}, as COCO's own tools compute it: averaged over classes, 100 objects of an "
        "image at most; 100 % finds all of them before any mistake.",
    )


def _of(prefix: str, heading: str, what: str) -> tuple[MetricInfo, ...]:
    overlap = f"of {what}"
    steps = "averaged over overlaps from 0.50 to 0.95 in steps of 0.05"
    is_box = not prefix
    return (
        _precision(
            f"{prefix}ap",
            f"{heading}AP",
            f"{heading}average precision",
            f"{overlap}, {steps}",
            is_main=True,
            is_logged=True,
        ),
        _precision(
            f"{prefix}ap50",
            f"{heading}AP50",
            f"{heading}AP at 0.5",
            f"{overlap} that overlap by 0.5 or more",
            is_main=True,
            is_logged=is_box,
        ),
        _precision(
            f"{prefix}ap75",
            f"{heading}AP75",
            f"{heading}AP at 0.75",
            f"{overlap} that overlap by 0.75 or more",
            is_main=True,
        ),
        *(
            _precision(
                f"{prefix}ap_{size}",
                f"{heading}AP {size}",
                f"{heading}AP of {size} objects",
                f"{overlap}, {steps}, for objects {words}{_AREAS}",
                is_main=False,
            )
            for size, words in _SIZES.items()
        ),
    )


DETECTION_METRICS = (*_of("", "", "boxes"), *_of("mask_", "Mask ", "masks"))
