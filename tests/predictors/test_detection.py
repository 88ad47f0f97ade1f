"""DetectionPredictor: images of any kind in, boxes and masks in their pixels out."""

import json
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from subband.data.coco_names import COCO_CLASSES
from subband.media.images import write_image
from subband.models.detection.boxes import has_area
from subband.models.detection.results import Detections
from subband.predictors.detection import DetectionPredictor, DetectionPreprocessing, FoundObjects, coco_results
from subband.predictors.detection.coco_results import run_lengths
from subband.predictors.detection.views import merge_views, plan_views, without_cut
from subband.predictors.streaming.tiling import Tile

SMALL = DetectionPreprocessing(short_side=48, long_side=64)


@pytest.fixture(scope="module")
def network(tiny_detector) -> Callable[..., Any]:
    """Builds a detector whose objects have large masks."""

    def build(**options: Any) -> Any:
        model = tiny_detector(**options)
        for head in model.heads.mask_heads:
            torch.nn.init.ones_(head.classify.bias)
        return model

    return build


@pytest.fixture(scope="module")
def predictor(network) -> DetectionPredictor:
    return DetectionPredictor(network(), classes=("cat", "dog", "cow"), preprocessing=SMALL, min_score=0.05)


def same(found: FoundObjects, wanted: FoundObjects) -> None:
    assert len(found) > 5
    assert found.labels.tolist() == wanted.labels.tolist()
    torch.testing.assert_close(found.boxes, wanted.boxes, rtol=1e-4, atol=1e-3)
    torch.testing.assert_close(found.scores, wanted.scores, rtol=1e-4, atol=1e-5)


def stored_image(case: dict) -> Tensor:
    """An image of the stored cases, `(3, H, W)` uint8."""
    height, width = case["image"]
    if case["kind"] == "noise":
        pixels = np.random.RandomState(case["seed"]).randint(0, 256, (height, width, 3)).astype(np.uint8)
    else:
        rows, columns = np.mgrid[:height, :width]
        waves = [127 + 120 * np.sin(rows / 9 + c) * np.cos(columns / 13 - c) for c in range(3)]
        pixels = np.stack(waves, 2).astype(np.uint8)
    return torch.from_numpy(pixels[..., ::-1].copy()).permute(2, 0, 1)


def test_inputs_are_the_published_ones(golden):
    path = golden / "detection" / "pipeline_test.json"
    arrays = np.load(path.with_suffix(".npz"))
    prepare, level = DetectionPreprocessing(), 1 / 255 / 0.224  # one of 255 steps
    for number, case in enumerate(json.loads(path.read_text())["cases"]):
        found = prepare(stored_image(case) / 255)
        assert list(found.shape[1:]) == case["img_shape"]
        across, down = found.shape[2] / case["image"][1], found.shape[1] / case["image"][0]
        assert [across, down] == pytest.approx(case["scale_factor"][:2], rel=1e-6)
        filled = torch.nn.functional.pad(
            found, (0, case["pad_shape"][1] - found.shape[2], 0, case["pad_shape"][0] - found.shape[1])
        )
        difference = (filled[:, ::37, ::41] - torch.from_numpy(arrays[f"input{number}_slice"])).abs()
        assert float(difference.max()) < 1.02 * level
        assert float((difference > 1e-4).float().mean()) < 0.2


@pytest.mark.parametrize(
    ("size", "wanted"),
    [((480, 640), (840, 1120)), ((270, 640), (473, 1120)), ((500, 333), (1120, 746)), ((3, 5000), (1, 1120))],
)
def test_sizes(size, wanted):
    assert DetectionPreprocessing().size(*size) == wanted


def test_boxes_and_masks_are_those_of_the_network_in_pixels_of_the_image(predictor, rng):
    image = torch.rand(3, 30, 50, generator=rng)
    (found,) = predictor.detect(image)
    inputs = SMALL(image)
    assert inputs.shape == (3, 38, 64)
    with torch.no_grad():
        (wanted,) = predictor.model(inputs[None])
    assert len(found) == len(wanted.boxes) > 5
    torch.testing.assert_close(found.boxes, wanted.boxes / torch.tensor([1.28, 38 / 30, 1.28, 38 / 30]))
    torch.testing.assert_close(found.mask_probs, wanted.mask_probs)
    assert found.names == [("cat", "dog", "cow")[label] for label in wanted.labels.tolist()]
    assert found.mask(0).shape == (30, 50)
    largest = int((found.boxes[:, 2:] - found.boxes[:, :2]).prod(1).argmax())
    left, top, right, bottom = found.boxes[largest].tolist()
    rows, columns = found.mask(largest).nonzero(as_tuple=True)
    assert top - 1 < rows.min() <= rows.max() < bottom + 1
    assert left - 1 < columns.min() <= columns.max() < right + 1


def test_images_of_a_batch_do_not_matter_to_each_other(predictor, rng):
    sizes = [(30, 50), (50, 30), (60, 100), (20, 20), (5, 90), (1, 1)]
    images = [torch.rand(3, *size, generator=rng) for size in sizes]
    for found, image in zip(predictor.detect(images), images, strict=True):
        (alone,) = predictor.detect(image)
        same(found, alone)
        assert found.size == image.shape[1:]
        assert (found.boxes >= 0).all()
        assert (found.boxes <= torch.tensor([*image.shape[:0:-1]] * 2) + 1e-3).all()


def test_every_kind_of_image(predictor, rng, tmp_path):
    pixels = torch.rand(1, 40, 30, generator=rng).mul(255).round() / 255
    (wanted,) = predictor.detect(pixels)
    array = (pixels[0] * 255).byte().numpy()
    write_image(tmp_path / "gray.png", pixels)
    write_image(tmp_path / "deep.png", pixels.expand(3, -1, -1), bit_depth=16)
    write_image(tmp_path / "clear.png", pixels, alpha=torch.ones(1, 40, 30))
    turned = Image.fromarray(array).transpose(Image.Transpose.ROTATE_90)
    exif = turned.getexif()
    exif[0x0112] = 6  # to be turned by a right angle
    turned.save(tmp_path / "turned.png", exif=exif)
    files = [tmp_path / f"{name}.png" for name in ("gray", "deep", "clear", "turned")]
    for found in predictor.detect([array, Image.fromarray(array), *files]):
        same(found, wanted)
    results = list(predictor.detect_files([files[0], tmp_path / "none.png", *files[1:]]))
    assert [result.error is None for result in results] == [True, False, True, True, True]
    for result in results:
        if result.found is not None:
            same(result.found, wanted)
            assert result.image is not None
            assert result.image.shape == (3, 40, 30)


def test_scores_and_classes_are_chosen(network, rng):
    model, image = network(with_masks=False), torch.rand(3, 40, 60, generator=rng)
    model.heads.box_heads[0].classify.bias.data[0] -= 6  # else nearly all are cats
    options = {"classes": ("cat", "dog", "cow"), "preprocessing": SMALL}
    (everything,) = DetectionPredictor(model, min_score=0.05, **options).detect(image)
    limit = float(everything.scores.median())
    (best,) = DetectionPredictor(model, min_score=limit, **options).detect(image)
    assert best.boxes.equal(everything.boxes[everything.scores >= limit])
    (cats,) = DetectionPredictor(model, min_score=0.05, only=["Cow", "cat"], **options).detect(image)
    assert cats.boxes.equal(everything.boxes[everything.labels != 1])
    assert "dog" in everything.names
    assert 0 < len(cats) < len(everything)
    assert cats.mask_probs is None
    with pytest.raises(ValueError, match="without masks"):
        cats.mask(0)


def test_half_precision_is_close(predictor, rng):
    image = torch.rand(3, 48, 64, generator=rng)
    (wanted,) = predictor.detect(image)
    half = DetectionPredictor(predictor.model, preprocessing=SMALL, min_score=0.05, half=True)
    (found,) = half.detect(image)
    assert found.boxes.dtype == torch.float32
    assert not found.scores.equal(wanted.scores)
    assert float(found.scores[0]) == pytest.approx(float(wanted.scores[0]), rel=0.1)


def test_what_names_and_numbers_classes_have(network):
    model = network()
    assert DetectionPredictor(model).classes == ("class 0", "class 1", "class 2")
    assert DetectionPredictor(model).category_ids == (1, 2, 3)
    model.metadata = {
        "classes": ["a", "b", "c"],
        "category_ids": [7, 8, 9],
        "preprocessing": {"short_side": 64, "long_side": 64},
    }
    predictor = DetectionPredictor(model)
    assert (predictor.classes, predictor.category_ids) == (("a", "b", "c"), (7, 8, 9))
    assert predictor.preprocessing.size(10, 20) == (32, 64)
    coco = DetectionPredictor(network(num_classes=80))
    assert (coco.classes[0], coco.classes[79]) == ("person", "toothbrush")
    assert coco.category_ids == tuple(COCO_CLASSES)
    assert (len(set(coco.category_ids)), coco.category_ids[-1]) == (80, 90)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"classes": ("a",)}, "got 1 names for a detector that tells 3 classes apart"),
        ({"min_score": 0.01}, "min_score must be from 0.05 to 1, got 0.01"),
        ({"tile": 16}, "tile must be at least 32 pixels, got 16"),
        ({"batch_size": 0}, "batch_size must be at least 1, got 0"),
        ({"only": ["clas 1"]}, "'clas 1' is no class of this detector, which knows class 0, .*did you mean class 1?"),
    ],
)
def test_options_are_checked(predictor, options, words):
    with pytest.raises(ValueError, match=words):
        DetectionPredictor(predictor.model, **options)


def test_other_networks_are_refused(tmp_path):
    with pytest.raises(TypeError, match="must be a detector, not a GFNet"):
        DetectionPredictor.load("gfnet_digits")
    with pytest.raises(ValueError, match="short_side and std must be positive and long_side at least short_side"):
        DetectionPreprocessing(short_side=9, long_side=8)


def test_tiles_see_what_the_whole_image_is_too_coarse_for(network, rng):
    """A detector of bright squares of 8 pixels, in inputs of 64: in an image of 128 they are too small for it."""

    class Squares(torch.nn.Module):
        size_multiple = (8, 8)

        def __init__(self) -> None:
            super().__init__()
            self.weight = torch.nn.Parameter(torch.ones(1))

        def __call__(self, images: Tensor, sizes: list[tuple[int, int]]) -> list[Detections]:
            return [self.find(image) for image in images]

        def find(self, image: Tensor) -> Detections:
            bright = image[0] > 1
            boxes = []
            while bright.any():
                row, column = bright.nonzero()[0].tolist()
                height, width = int(bright[row:, column].sum()), int(bright[row, column:].int().cumprod(0).sum())
                height = int(bright[row:, column].int().cumprod(0).sum())
                bright[row : row + height, column : column + width] = False
                if min(height, width) > 4 or max(height, width) == 8:
                    boxes.append([column, row, column + width, row + height])
            found = torch.tensor(boxes, dtype=torch.float32).view(-1, 4)
            return Detections(found, torch.full((len(found),), 0.9), torch.zeros(len(found), dtype=torch.long), None)

    image = torch.zeros(3, 128, 128)
    places = [(4, 4), (60, 60), (100, 44), (40, 92)]  # some on edges of tiles
    for top, left in places:
        image[:, top : top + 8, left : left + 8] = 1
    predictor = DetectionPredictor(
        network(), preprocessing=DetectionPreprocessing(short_side=64, long_side=64), tile=64
    )
    predictor.model = Squares()
    (found,) = predictor.detect(image)
    assert sorted(found.boxes.tolist()) == sorted([x, y, x + 8, y + 8] for y, x in places)
    predictor.tile = None
    assert len(predictor.detect(image)[0]) == 0


def test_boxes_that_a_tile_has_cut_are_left_out():
    tile = Tile(32, 0, 64, 64)
    boxes = torch.tensor([[0.0, 5, 20, 30], [5, 0, 20, 30], [40, 5, 64, 30], [5, 40, 20, 64], [5, 5, 20, 30]])
    found = Detections(boxes, torch.ones(5), torch.arange(5), torch.ones(5, 28, 28))
    kept = without_cut(found, tile, (96, 128))  # the left and the lower edge are those of the image
    assert kept.labels.tolist() == [0, 3, 4]
    assert kept.boxes[0].tolist() == [0, 37, 20, 62]
    assert kept.mask_probs is not None
    assert len(kept.mask_probs) == 3


def test_views_cover_the_image_and_agree_on_objects():
    views = plan_views(90, 200, 64)
    covered = torch.zeros(90, 200)
    for tile in views[1:]:
        covered[tile.top : tile.top + tile.height, tile.left : tile.left + tile.width] += 1
    assert covered.min() == 1
    assert views[0] == Tile(0, 0, 90, 200)
    assert plan_views(64, 50, 64) == [Tile(0, 0, 64, 50)]
    box = torch.tensor([[0.0, 0, 10, 10]])
    parts = [
        Detections(box + shift, torch.tensor([score]), torch.tensor([label]), torch.full((1, 28, 28), score))
        for shift, score, label in ((0, 0.5, 1), (1, 0.8, 1), (0, 0.6, 2))
    ]
    merged = merge_views(parts)
    assert merged.scores.tolist() == [pytest.approx(0.8), pytest.approx(0.6)]
    assert merged.mask_probs is not None
    assert merged.mask_probs[:, 0, 0].tolist() == merged.scores.tolist()


def test_results_are_those_of_coco(rng):
    mask_api = pytest.importorskip("pycocotools.mask")
    probs = torch.rand(2, 28, 28, generator=rng)
    probs[1] = 0
    found = FoundObjects(
        boxes=torch.tensor([[3.25, 4.5, 19.0, 30.0], [0.0, 0.0, 5.0, 5.0]]),
        scores=torch.tensor([0.75, 0.5]),
        labels=torch.tensor([1, 0]),
        mask_probs=probs,
        size=(40, 30),
        classes=("a", "b"),
    )
    first, second = coco_results(found, 12, (3, 7))
    assert {key: first[key] for key in ("image_id", "category_id", "bbox", "score")} == {
        "image_id": 12,
        "category_id": 7,
        "bbox": [3.25, 4.5, 15.75, 25.5],
        "score": 0.75,
    }
    assert torch.from_numpy(mask_api.decode(first["segmentation"])).bool().equal(found.mask(0))
    assert not mask_api.decode(second["segmentation"]).any()
    for shape in ((1, 1), (37, 300), (2000, 3)):
        mask = torch.rand(shape, generator=rng) > 0.5 * (shape[0] > 50)
        wanted = mask_api.encode(np.asfortranarray(mask.numpy().astype(np.uint8)))
        assert run_lengths(mask) == wanted["counts"].decode()


def test_boxes_without_area_are_nothing_to_show(network):
    model = network(keep_empty=True)
    image = torch.rand(3, 33, 44, generator=torch.Generator().manual_seed(1))
    options = {"classes": ("cat", "dog", "cow"), "min_score": 0.05}
    found = DetectionPredictor(model, preprocessing=SMALL, **options).detect(image)[0]
    with torch.no_grad():
        (all_of_them,) = model(SMALL(image)[None])
    assert not has_area(all_of_them.boxes).all()
    assert len(found) == has_area(all_of_them.boxes).sum() > 0
