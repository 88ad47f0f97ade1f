"""The layouts of COCO, Pascal VOC and YOLO as annotation tools export them, and what is wrong with files."""

import json

import pytest
import torch
from PIL import Image

from subband.data.detection.folder import detection_folder

SIZE = (40, 60)  # of the images, H and W


@pytest.fixture(autouse=True)
def quiet():
    """Warnings that a test is not about are allowed; those it is about are asked for."""
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def picture(path, size=SIZE, mode="RGB", **options):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new(mode, (size[1], size[0])).save(path, **options)
    return path


def coco(path, names, annotations=None, categories=None, size=SIZE):
    """A COCO file with one box an image, or the given annotations."""
    path.parent.mkdir(parents=True, exist_ok=True)
    images = [{"id": i, "file_name": name, "height": size[0], "width": size[1]} for i, name in enumerate(names)]
    if annotations is None:
        annotations = [{"id": i, "image_id": i, "category_id": 5, "bbox": [4, 6, 20, 10]} for i in range(len(names))]
    categories = categories or [{"id": 5, "name": "cell", "supercategory": "none"}]
    path.write_text(json.dumps({"images": images, "annotations": annotations, "categories": categories}))


def voc(path, name="", objects=(("cell", (4, 6, 24, 16)),), size=SIZE):
    path.parent.mkdir(parents=True, exist_ok=True)
    keys = ("xmin", "ymin", "xmax", "ymax")
    boxes = [
        f"<object><name>{label}</name><bndbox>{''.join(f'<{k}>{v}</{k}>' for k, v in zip(keys, box, strict=True))}"
        "</bndbox></object>"
        for label, box in objects
    ]
    sides = f"<size><width>{size[1]}</width><height>{size[0]}</height></size>"
    path.write_text(f"<annotation><filename>{name}</filename>{sides}{''.join(boxes)}</annotation>")


def counts(data):
    return len(data.train), len(data.val), len(data.test)


def only(path, **args):
    return detection_folder(path=str(path), test_fraction=1.0, short_side=40, long_side=60, **args)


def refused(path, words, kind=ValueError, **args):
    with pytest.raises(kind, match=words):
        detection_folder(path=str(path), **args)


@pytest.mark.parametrize(
    ("files", "file"),
    [
        ("train2017/{}", "annotations/instances_train2017.json"),  # COCO's own
        ("train2017/{}", "instances_train2017.json"),
        ("train/{}", "train/_annotations.coco.json"),  # Roboflow
        ("images/{}", "annotations/instances_default.json"),  # CVAT
        ("images/default/{}", "annotations/instances_default.json"),
        ("{}", "labels.json"),
    ],
)
def test_coco_files_lie_where_tools_put_them(tmp_path, files, file):
    names = [f"{i}.png" for i in range(10)]
    for name in names:
        picture(tmp_path / files.format(name))
    coco(tmp_path / file, names)
    data = detection_folder(path=str(tmp_path))
    assert counts(data) == (7, 1, 2)
    assert (data.spec.classes, data.spec.category_ids, data.spec.has_masks) == (("cell",), (5,), False)
    assert only(tmp_path / file).test[0].truth.objects.boxes.tolist() == [[4.0, 6.0, 24.0, 16.0]]
    stems = {image.path.name for image in data.test.images}
    assert stems == {image.path.name for image in detection_folder(path=str(tmp_path), seed=5).test.images}


def test_splits_of_roboflow_are_kept(tmp_path):
    for split, count in (("train", 3), ("valid", 2), ("test", 1)):
        names = [f"{i}.png" for i in range(count)]
        for name in names:
            picture(tmp_path / split / name)
        group = [
            {"id": 0, "name": "cells", "supercategory": "none"},
            {"id": 5, "name": "cell", "supercategory": "cells"},
        ]
        coco(tmp_path / split / "_annotations.coco.json", names, categories=group)
    data = detection_folder(path=str(tmp_path))
    assert counts(data) == (3, 2, 1)
    assert data.spec.classes == ("cell",)  # the group has no objects of its own
    assert {image.path.parent.name for image in data.val.images} == {"valid"}


@pytest.mark.parametrize("folders", [("JPEGImages", "Annotations"), ("images", "annotations"), ("", "")])
def test_voc_files_lie_beside_images_or_in_a_folder(tmp_path, folders):
    for i in range(6):
        picture(tmp_path / folders[0] / f"{i}.png")
        voc(tmp_path / folders[1] / f"{i}.xml", f"{i}.jpg", [("dog", (1, 2, 11, 22)), ("cat", (30.5, 2, 50, 12))])
    data = detection_folder(path=str(tmp_path))
    assert counts(data) == (4, 1, 1)
    truth = data.test[0].truth
    assert (data.spec.classes, data.spec.category_ids) == (("cat", "dog"), (1, 2))
    assert truth.objects.labels.tolist() == [1, 0]
    assert truth.objects.boxes.tolist() == [[1.0, 2.0, 11.0, 22.0], [30.5, 2.0, 50.0, 12.0]]


@pytest.mark.parametrize("layout", ["{split}/images/{name}", "images/{split}/{name}"])
def test_yolo_labels_are_boxes_or_polygons(tmp_path, layout):
    (tmp_path / "data.yaml").write_text("names: {0: cat, 1: dog}\ntrain: ../train/images\n")
    for split, count in (("train", 4), ("val", 1), ("test", 1)):
        for i in range(count):
            image = picture(tmp_path / layout.format(split=split, name=f"{i}.png"))
            label = str(image.with_suffix(".txt")).replace("/images/", "/labels/")
            text = "1 0.5 0.5 0.5 0.25\n0 0.1 0.1 0.3 0.1 0.3 0.6 0.1 0.6\n"
            path = tmp_path / label
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
    data = detection_folder(path=str(tmp_path), short_side=40, long_side=60)
    assert counts(data) == (4, 1, 1)
    sample = data.test[0]
    assert (data.spec.classes, data.spec.has_masks) == (("cat", "dog"), True)
    torch.testing.assert_close(sample.objects.boxes, torch.tensor([[15.0, 15, 45, 25], [6, 4, 18, 24]]))
    assert sample.objects.masks[1, 4:24, 6:18].float().mean() > 0.95
    assert sample.objects.masks[0, 15:25, 15:45].all()  # without an outline, its box


def test_what_is_no_data_is_said(tmp_path):
    refused(tmp_path / "nothing", "data for detection not found", FileNotFoundError)
    picture(tmp_path / "a.png")
    refused(tmp_path, "holds no annotations: looked for a COCO file")
    (tmp_path / "a.txt").write_text("0 0.5 0.5 0.1 0.1")
    refused(tmp_path, "no names of classes; add data.yaml")
    (tmp_path / "classes.txt").write_text("cell\n")
    refused(tmp_path, "has 1 image to split")
    (tmp_path / "a.txt").write_text("2 0.5 0.5 0.1 0.1")
    refused(tmp_path, r"a.txt, line 1: class 2 is not one of 1 \(0 to 0\)")
    (tmp_path / "a.txt").write_text("0 0.5 0.5 0.1")
    refused(tmp_path, "line 1: needs 4 numbers")
    (tmp_path / "a.txt").write_text("0 30 40 12 10")
    refused(tmp_path, "coordinates must be shares of the sides")
    (tmp_path / "a.txt").write_text("")
    refused(tmp_path, "none of 1 images has an annotated object")


@pytest.mark.parametrize(
    ("annotation", "words"),
    [
        ({"category_id": 9}, "annotation 0 has category_id 9, which is none of its categories"),
        ({"category_id": "cell"}, "category_id must be a whole number, got 'cell'"),
        ({"bbox": [1, 2, 3]}, r"annotation 0 needs a bbox \[left, top, width, height\], got \[1, 2, 3\]"),
        ({"image_id": 7}, "has annotations of image 7, which it does not list"),
        ({"segmentation": "none"}, "annotation 0 needs polygons or run lengths as segmentation, got none"),
    ],
)
def test_damaged_annotations_are_named(tmp_path, annotation, words):
    picture(tmp_path / "a.png")
    item = {"id": 0, "image_id": 0, "category_id": 5, "bbox": [4, 6, 20, 10], **annotation}
    coco(tmp_path / "a.json", ["a.png"], [item])
    refused(tmp_path / "a.json", words)


def test_missing_images_and_classes_are_named(tmp_path):
    names = [f"{i}.png" for i in range(5)]
    picture(tmp_path / names[0])
    coco(tmp_path / "a.json", names)
    refused(tmp_path, r"names 5 images, of which 4 are not in .*: 1.png, 2.png, 3.png, \.\.\.", FileNotFoundError)
    coco(tmp_path / "a.json", names[:1], [])
    refused(tmp_path, "none of 1 images has an annotated object")
    coco(tmp_path / "a.json", names[:1], categories=[{"id": 5}])
    refused(tmp_path, "every category needs an id and a name")
    coco(tmp_path / "a.json", names[:1], categories=[{"id": 5, "name": "x"}, {"id": 6, "name": "x"}])
    refused(tmp_path, "every class needs a name of its own, got 'x' 2x")
    (tmp_path / "a.json").write_text('{"images": [')
    refused(tmp_path / "a.json", "is no JSON file")
    (tmp_path / "a.json").write_text("[]")
    refused(tmp_path / "a.json", "is no COCO file")


def test_broken_xml_is_named(tmp_path):
    voc(tmp_path / "a.xml")
    refused(tmp_path, "1 of 1 XML files have no image beside them", FileNotFoundError)
    picture(tmp_path / "a.png")
    voc(tmp_path / "a.xml", objects=[("cell", (4, 6, "x", 16))])
    refused(tmp_path, "every object needs a name and a bndbox")
    (tmp_path / "a.xml").write_text("<annotation>")
    refused(tmp_path, "is no XML file")


def test_numbers_of_categories_may_have_gaps_or_be_texts(tmp_path):
    picture(tmp_path / "a.png")
    categories = [{"id": "90", "name": "late"}, {"id": "7", "name": "early"}]
    items = [{"id": i, "image_id": 0, "category_id": k, "bbox": [4, 6, 20, 10]} for i, k in enumerate(("90", 7))]
    coco(tmp_path / "a.json", ["a.png"], items, categories)
    data = only(tmp_path)
    assert (data.spec.classes, data.spec.category_ids) == (("early", "late"), (7, 90))
    assert data.test[0].objects.labels.tolist() == [1, 0]


def test_classes_are_chosen_and_put_in_order(tmp_path):
    picture(tmp_path / "a.png")
    voc(tmp_path / "a.xml", "", [("cat", (1, 2, 11, 22)), ("dog", (30, 2, 50, 12)), ("dog", (30, 20, 50, 32))])
    with pytest.warns(UserWarning, match="1 of 3 objects are of other classes"):
        data = only(tmp_path, classes="zebra, dog")
    assert (data.spec.classes, data.spec.category_ids) == (("zebra", "dog"), (3, 2))
    assert data.test[0].objects.labels.tolist() == [1, 1]


def test_boxes_are_clipped_and_useless_ones_left_out_with_a_warning(tmp_path):
    picture(tmp_path / "a.png")
    boxes = [[-5, -5, 20, 20], [50, 30, 100, 100], [70, 5, 10, 10], [5, 5, 0.5, 10], [5, 5, 0, 0], [8, 8, 1, 1]]
    items = [{"id": i, "image_id": 0, "category_id": 5, "bbox": box} for i, box in enumerate(boxes)]
    coco(tmp_path / "a.json", ["a.png"], items)
    with pytest.warns(UserWarning, match="of 6 objects, 3 boxes outside their image or thinner than a pixel"):
        data = only(tmp_path)
    assert data.test[0].objects.boxes.tolist() == [[0, 0, 15, 15], [50, 30, 60, 40], [8, 8, 9, 9]]


def test_crowds_are_scored_but_not_learnt_and_empty_polygons_are_boxes(tmp_path):
    picture(tmp_path / "a.png")
    runs = {"size": list(SIZE), "counts": [40 * 10, 40 * 20, 40 * 30]}  # columns 10 to 29
    outlines = [[[4, 6, 24, 6, 24, 16, 4, 16]], [], [[1, 2, 3, 4]], runs, runs]
    items = [
        {"id": i, "image_id": 0, "category_id": 5, "bbox": [4, 6, 20, 10], "segmentation": outline, "iscrowd": i == 3}
        for i, outline in enumerate(outlines)
    ]
    coco(tmp_path / "a.json", ["a.png"], items)
    with pytest.warns(UserWarning, match="2 objects have no outline, their box stands in for it"):
        sample = only(tmp_path).test[0]
    assert len(sample.objects.labels) == 4
    assert sample.truth.is_crowd.tolist() == [False, False, False, True, False]
    areas = sample.truth.objects.masks.sum((1, 2)).tolist()
    assert areas == [200, 200, 200, 800, 800]
    assert sample.truth.objects.masks[3, :, 10:30].all()


@pytest.mark.parametrize("mode", ["L", "LA", "RGBA", "I;16", "P"])
def test_images_of_any_kind_have_three_channels(tmp_path, mode):
    picture(tmp_path / "a.png", mode=mode)
    coco(tmp_path / "a.json", ["a.png"])
    assert only(tmp_path).test[0].image.shape == (3, *SIZE)


def test_images_of_another_size_than_said_and_broken_ones_are_left_out(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6
    picture(tmp_path / "turned.jpg", exif=exif)
    picture(tmp_path / "small.png", (20, 30))
    (tmp_path / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    coco(tmp_path / "a.json", ["turned.jpg", "small.png", "broken.png"])
    test = only(tmp_path).test
    for index, words in enumerate(["turned by its EXIF note", "small.png has 30 x 20 pixels", "broken.png"]):
        with pytest.raises(ValueError, match=words):
            test[index]
    coco(tmp_path / "a.json", ["turned.jpg"], size=SIZE[::-1])
    assert only(tmp_path).test[0].truth.size == (60, 40)


def test_small_and_oblong_images(tmp_path):
    for name, size in (("tiny.png", (9, 12)), ("long.png", (30, 400)), ("plain.png", (40, 60)), ("b.png", (40, 60))):
        picture(tmp_path / name, size)
        voc(tmp_path / name.replace("png", "xml"), name, [("cell", (1, 1, 9, 8))], size)
    data = only(tmp_path)
    sides = {
        image.path.stem: tuple(sample.image.shape[1:])
        for image, sample in zip(data.test.images, data.test, strict=False)
    }
    assert sides["tiny"] == (40, 53)
    assert sides["long"] == (5, 60)
    with pytest.warns(UserWarning, match="of 2 training images are not trained on: they have no objects, or a side"):
        detection_folder(path=str(tmp_path), test_fraction=0.25, val_fraction=0.34)
