"""Scores of a detection without subbands, of a detector that is known to look at one."""

import pytest
import torch

from subband.explain.detection import explain_detection
from subband.models.detection.results import Detections
from subband.transforms import wavedec2

BOX = torch.tensor([4.0, 4, 12, 12])
CHECKER = torch.tensor([[1.0, -1], [-1, 1]]).repeat(8, 8).expand(3, 16, 16)


def energy(images, keep=slice(None)):
    """Share of the strength that diagonal details of a checkerboard have."""
    (details,) = wavedec2(images, "haar", level=1).details
    return details["dd"][..., keep, keep].abs().mean((1, 2, 3)) / 2


def detector(images, look=slice(None), box=BOX, label=1):
    """Finds an object of class 1, and a less sure one of class 0 that depends on nothing."""
    labels = torch.tensor([label, 0])
    both = torch.stack([box, torch.tensor([0.0, 0, 3, 3])])
    scores = 0.9 * energy(images, look)
    found = [Detections(both, torch.stack([score, torch.tensor(0.1)]), labels, None) for score in scores]
    return [Detections(*(part[one.scores.argsort(descending=True)] for part in one[:3]), None) for one in found]


def test_a_detector_of_one_subband_loses_by_that_one_only():
    explained = explain_detection(detector, CHECKER, wavelet="haar", level=2)
    assert explained.score == pytest.approx(0.9)
    assert [drop.name for drop in explained.drops] == ["LL2", "LH2", "HL2", "HH2", "LH1", "HL1", "HH1"]
    assert list(explained.variants) == [drop.name for drop in explained.drops]
    without = {drop.name: drop.everywhere for drop in explained.drops}
    assert without.pop("HH1") == pytest.approx(0, abs=1e-6)
    assert list(without.values()) == [pytest.approx(0.9)] * 6
    assert explained.decisive.name == "HH1"
    # Missing inside the box alone, a quarter of the image, it is missing in a quarter of the coefficients.
    assert explained.drops[-1].inside == pytest.approx(0.9 * 0.75, abs=1e-6)
    other = explain_detection(detector, CHECKER, 1, wavelet="haar", level=1)
    assert [drop.everywhere for drop in other.drops] == [pytest.approx(0.1)] * 4


def test_large_objects_have_more_levels():
    image = torch.zeros(3, 128, 96)

    def find(images, side=70.0):
        box = torch.tensor([[4.0, 4, 4 + side, 4 + side]])
        return [Detections(box, torch.ones(1), torch.zeros(1, dtype=torch.long), None) for _ in images]

    assert len(explain_detection(find, image, wavelet="haar").drops) == 1 + 3 * 6  # 64 <= 70 < 128
    assert len(explain_detection(lambda images: find(images, 5.0), image).drops) == 1 + 3 * 3
    assert len(explain_detection(find, image[:, :20, :80]).drops) == 1 + 3 * 2  # of db2 no more go into 20 pixels


def test_context_does_not_count_for_a_detector_that_looks_into_the_box():
    explained = explain_detection(lambda images: detector(images, slice(2, 6)), CHECKER, wavelet="haar", level=1)
    assert explained.drops[-1].inside == pytest.approx(explained.drops[-1].everywhere, abs=1e-6) == pytest.approx(0)


@pytest.mark.parametrize("change", [{"label": 2}, {"box": BOX + 4}, {"box": BOX[:, None][:0].reshape(0)}])
def test_what_is_found_elsewhere_or_as_another_class_is_another_object(change):
    def find(images):
        found = detector(images)
        for place, (one, strength) in enumerate(zip(found, energy(images), strict=True)):
            if strength < 0.5:
                found[place] = (
                    Detections(*(part[:0] for part in one[:3]), None)
                    if "box" in change and not change["box"].numel()
                    else detector(CHECKER[None], **change)[0]
                )
        return found

    explained = explain_detection(find, CHECKER, wavelet="haar", level=1)
    assert [drop.everywhere for drop in explained.drops] == [*[pytest.approx(0.9)] * 3, 0.0]


def test_what_cannot_be_explained():
    for index in (-1, 2):
        with pytest.raises(ValueError, match=f"the detection must be within the 2 detections, from 0, got {index}"):
            explain_detection(detector, CHECKER, index)
    with pytest.raises(ValueError, match="level must be at least 1, got 0"):
        explain_detection(detector, CHECKER, level=0)

    def few(count):
        return lambda images: [Detections(*(part[:count] for part in one[:3]), None) for one in detector(images)]

    with pytest.raises(ValueError, match="must be 0, the only detection, got 1"):
        explain_detection(few(1), CHECKER, 1)
    with pytest.raises(ValueError, match="no object is found, so there is nothing to explain"):
        explain_detection(few(0), CHECKER)
