"""Boxes from JSON files: by names of photographs and numbers of frames, and everything that is wrong with them."""

import json
import warnings
from pathlib import Path
from typing import Any

import pytest

from subband.predictors.pose.box_files import read_boxes

CATEGORIES = [{"id": 7, "name": "person"}, {"id": 3, "name": "car"}]


@pytest.fixture
def write(tmp_path):
    def written(contents: Any) -> Path:
        path = tmp_path / "boxes.json"
        path.write_text(contents if isinstance(contents, str) else json.dumps(contents))
        return path

    return written


def coco(images: list[dict[str, Any]], *annotations: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"images": images, "annotations": list(annotations), **more}


def test_photographs_by_name(write, tmp_path):
    contents = coco(
        [{"id": 1, "file_name": "a.jpg", "height": 9}, {"id": 2, "file_name": "b.jpg"}],
        {"id": 5, "image_id": 1, "bbox": [1, 2, 3, 4], "category_id": 7, "score": 0.5, "area": 3, "note": "x"},
        {"image_id": 1, "bbox": [0, 0, 9, 9], "category_id": 3},
        categories=CATEGORIES,
    )
    with pytest.warns(UserWarning, match=r"boxes of other categories or of crowds are left out \(1, annotations\[1\]"):
        boxes = read_boxes(write(contents))
    given = boxes.for_photographs([tmp_path / "a.jpg", tmp_path / "b.jpg"])
    one, other = given.by_key[tmp_path / "a.jpg"], given.by_key[tmp_path / "b.jpg"]
    assert one.boxes.tolist() == [[1.0, 2.0, 4.0, 6.0]]
    assert one.scores.tolist() == [0.5]
    assert other.boxes.shape == (0, 4)


def test_names_that_are_not_there(write, tmp_path):
    names = [{"id": number, "file_name": name} for number, name in enumerate(("a.jpg", "x.jpg", "y.jpg"))]
    boxes = read_boxes(write(coco(names, {"image_id": 0, "bbox": [0, 0, 5, 5]})))
    with pytest.warns(UserWarning, match="boxes.json") as caught:
        boxes.for_photographs([tmp_path / "a.jpg", tmp_path / "c.jpg"])
    words = sorted(str(one.message) for one in caught)
    assert "images that are not among the photographs are not used (2, x.jpg for example)" in words[0]
    assert "it does not name some photographs (1, c.jpg for example)" in words[1]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        boxes.for_photographs([tmp_path / "a.jpg"])  # one photograph of many is no mistake
    with pytest.raises(ValueError, match=r"boxes.json has no boxes for q.jpg; it names a.jpg"):
        boxes.for_photographs([tmp_path / "q.jpg"])


def test_folders_tell_equal_names_apart(write, tmp_path):
    names = ("clips/one/001.jpg", "clips/two/001.jpg")
    contents = coco(
        [{"id": number, "file_name": name} for number, name in enumerate(names)],
        {"image_id": 0, "bbox": [0, 0, 1, 1]},
        {"image_id": 1, "bbox": [0, 0, 2, 2]},
    )
    boxes = read_boxes(write(contents))
    file = tmp_path / "two" / "001.jpg"
    assert boxes.for_photographs([file]).by_key[file].boxes.tolist() == [[0, 0, 2, 2]]
    with pytest.raises(ValueError, match=r"001\.jpg may be clips/one/001\.jpg and clips/two/001\.jpg"):
        boxes.for_photographs([tmp_path / "001.jpg"])


def test_frames_by_number(write):
    results = [
        {"frame": 2, "bbox": [1, 2, 3, 4], "score": 0.25},
        {"frame": 2, "bbox": [5, 5, 5, 5]},
        {"frame": 0, "bbox": [-3, 0, 5, 5]},
        {"frame": 0, "bbox": [60, 0, 5, 5]},
    ]
    boxes = read_boxes(write(results))
    assert boxes.last_frame == 2
    with pytest.warns(UserWarning, match=r"outside of the 60 x 40 pixels .* are left out \(1, one in frame 0"):
        given = boxes.for_clip((40, 60), 3)
    assert given.by_key[2].scores.tolist() == [0.25, 1.0]
    assert given.by_key[0].boxes.tolist() == [[-3, 0, 2, 5]]
    assert given.facts != read_boxes(write(results[:2])).for_clip((40, 60)).facts
    with pytest.raises(ValueError, match="names no photographs"):
        boxes.for_photographs([Path("a.jpg")])
    late = read_boxes(write([{"frame": 9, "bbox": [0, 0, 5, 5]}]))
    with pytest.raises(ValueError, match="from frame 9 on, but the video has 3 frames, counted from 0"):
        late.for_clip((40, 60), 3)


def test_boxes_without_area_are_counted(write):
    for side in ([0, 0, 0, 5], [0, 0, 5, -1]):
        images = [{"id": 1, "frame": 0}]
        annotations = [{"image_id": 1, "bbox": box} for box in ([0, 0, 4, 4], side)]
        with pytest.warns(UserWarning, match=r"boxes without area are left out \(1, annotations\[1\] for example\)"):
            boxes = read_boxes(write(coco(images, *annotations)))
        assert len(boxes.for_clip((40, 60)).by_key[0].boxes) == 1


IMAGES = [{"id": 1, "file_name": "a.jpg"}]


@pytest.mark.parametrize(
    ("contents", "message"),
    [
        ("{", "boxes.json is no JSON file"),
        ({"shapes": []}, "must hold the lists `images` and `annotations`"),
        ("3", "must hold the lists `images` and `annotations`"),
        (coco(IMAGES, {"image_id": 2, "bbox": [0, 0, 1, 1]}), r"the `image_id` of annotations\[0\] is that of none"),
        (coco(IMAGES, {"image_id": 1, "box": [0, 0, 1, 1]}), r"annotations\[0\] has the box None; a box is `bbox`"),
        (coco(IMAGES, {"image_id": 1, "bbox": [0, 0, 1]}), r"has the box \[0, 0, 1\]"),
        (coco(IMAGES, {"image_id": 1, "bbox": [0, 0, 1, "2"]}), "has the box"),
        ('[{"frame": 0, "bbox": [0, 0, 1, NaN]}]', "entry 0 has the box"),
        (coco(IMAGES, {"image_id": 1, "bbox": [0, 0, 1, 1], "score": "high"}), "must be a number, got 'high'"),
        (coco([{"file_name": "a.jpg"}]), r"images\[0\] has no `id`"),
        (coco([{"id": 1, "file_name": 3}]), "must be a name, got 3"),
        ([{"frame": -1, "bbox": [0, 0, 1, 1]}], "`frame` of entry 0 must be a number from 0 on, got -1"),
        ([{"image_id": 3, "bbox": [0, 0, 1, 1]}], "entry 0 has neither `file_name` nor `frame`"),
        (coco(IMAGES, categories=CATEGORIES[1:]), "has no category person; it has car"),
    ],
)
def test_files_with_other_contents(write, contents, message):
    with pytest.raises(ValueError, match=message):
        read_boxes(write(contents))


def test_a_video_needs_frames(write):
    boxes = read_boxes(write(coco(IMAGES, {"image_id": 1, "bbox": [0, 0, 1, 1]})))
    with pytest.raises(ValueError, match="has no boxes for a video: its images need `frame`"):
        boxes.for_clip((40, 60))
