"""Data sets of labelled people: COCO keypoints, PoseTrack, sub-JHMDB, and any folder of videos with labels."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, get_args

from subband.data.dataset_files import SPLITS, existing, hold_out
from subband.data.pose.augmentation import PoseAugmentation
from subband.data.pose.heatmaps import TargetKind
from subband.data.pose.labels import Placed, read_people
from subband.data.pose.people import FrameFiles, NoPeople, People, Person
from subband.data.pose.preprocessing import PosePreprocessing
from subband.data.pose.samples import PoseData, PoseSpec
from subband.data.spec import image_size
from subband.files import shown
from subband.joints import COCO, JHMDB, POSETRACK, JointSet
from subband.media.frame_folders import list_frames
from subband.media.picture_files import READ_SUFFIXES, is_animated
from subband.media.sources import open_clip

__all__ = ["coco_keypoints", "pose_videos", "posetrack", "sub_jhmdb"]

Joints = Literal["file", "coco", "posetrack"]
_SETS: dict[str, JointSet | None] = {"file": None, "coco": COCO, "posetrack": POSETRACK}
_PUBLISHED_SIZE = (256, 192)


class _Frames:
    """Finds the clip and the number of the images that label files name; every folder is read once.

    Args:
        folders: Where images may be, the first that has one counts.
        alone: Whether every image is a clip of its own, not a frame among the others of its folder.
    """

    def __init__(self, folders: Sequence[Path], *, alone: bool = False) -> None:
        self._folders, self._alone = folders, alone
        self._clips: dict[Path, FrameFiles] = {}
        self._numbers: dict[Path, int] = {}

    def __call__(self, item: Mapping[str, Any]) -> Placed | None:
        """Where an image is, None if it is nowhere.

        Raises:
            ValueError: If a frame of a video is named without its number.
        """
        name = str(item["file_name"]).replace("\\", "/")
        names = (name, Path(name).name)
        places = ((folder, folder / one) for folder in self._folders for one in names)
        folder, file = next(((folder, file) for folder, file in places if file.is_file()), (None, None))
        if folder is None or file is None:
            return None
        size = _size(item)
        if self._alone:
            return Placed(FrameFiles(_name(file, folder), (file,), 1, size), 0)
        if file.suffix.lower() not in READ_SUFFIXES or is_animated(file):
            return self._in_video(item, file, folder, size)
        if file not in self._numbers:
            files = list_frames(file.parent)
            self._numbers |= {one: number for number, one in enumerate(files)}
            self._clips[file.parent] = FrameFiles(_name(file.parent, folder), tuple(files), len(files), size)
        return Placed(self._clips[file.parent]._replace(size=size), self._numbers[file])

    def _in_video(self, item: Mapping[str, Any], file: Path, folder: Path, size: tuple[int, int] | None) -> Placed:
        if file not in self._clips:
            with open_clip(file) as reader:
                self._clips[file] = FrameFiles(_name(file, folder), (file,), reader.count, is_video=True)
        clip, number = self._clips[file], item.get("frame_id")
        if not isinstance(number, int) or not 0 <= number < clip.num_frames:
            raise ValueError(
                f"image {item['id']!r} is a frame of {shown(file)}, which has {clip.num_frames}: its frame_id must be "
                f"between 0 and {clip.num_frames - 1}, got {number!r}."
            )
        return Placed(clip._replace(size=size), number)


def coco_keypoints(
    *,
    path: str,
    frames: int = 1,
    img_size: int | tuple[int, int] = _PUBLISHED_SIZE,
    joints: Joints = "file",
    flip: float = 0.5,
    rotation: float = 40.0,
    scale: float = 0.5,
    half_body: float = 0.3,
    targets: TargetKind = "udp",
    sigma: float = 2.0,
    val_fraction: float = 0.05,
    test_fraction: float = 0.1,
    seed: int = 0,
) -> PoseData:
    """People in images with their joints, as COCO has them.

    A folder with `annotations/person_keypoints_train2017.json`, `annotations/person_keypoints_val2017.json`,
    `train2017/` and `val2017/` has these splits, of which `val2017` is the test set, as in published tables. Otherwise
    all JSON files in the folder count, and images are dealt out.

    Args:
        path: The folder.
        frames: Copies of the image in a clip, for networks that want several.
        img_size: Side of the crops, or (H, W), multiples of 4.
        joints: Those of the files, or those of `coco` or `posetrack` by name.
        flip: Share of the training people that is mirrored.
        rotation: Standard deviation of their angle in degrees.
        scale: Standard deviation of the factor of their size.
        half_body: Share of them of whom one half is shown.
        targets: How joints become heatmaps; `udp` as for ViTPose.
        sigma: Spread of a joint in entries of a heatmap.
        val_fraction: Share of the training images held out for validation.
        test_fraction: Share of all images held out for the test, where no split is for it; 1 is for evaluation and
            leaves nothing to train on.
        seed: Chooses the augmentation.

    Raises:
        FileNotFoundError: If the folder or an image does not exist.
        ValueError: If labels are damaged, a split would be empty, or an argument is out of its range.
    """
    root = existing(Path(path), "data for pose")
    named = {"train": "person_keypoints_train2017.json", "test": "person_keypoints_val2017.json"}
    files = {split: [root / "annotations" / name] for split, name in named.items()}
    files = {split: paths for split, paths in files.items() if paths[0].is_file()} or {"all": _json_files(root)}
    folders = {"train": [root / "train2017"], "test": [root / "val2017"], "all": [root / "images", root]}
    places = {split: _Frames(folders[split], alone=True) for split in files}
    people, found = _read(files, places, _wanted(joints))
    spec = _spec(found, img_size, frames, 1, targets, sigma)
    change = PoseAugmentation(flip=flip, rotation=rotation, scale=scale, half_body=half_body)
    return _data(people, spec, change, (val_fraction, test_fraction), root, seed)


def posetrack(
    *,
    root: str,
    frames: int = 5,
    stride: int = 1,
    img_size: int | tuple[int, int] = (384, 288),
    flip: float = 0.5,
    rotation: float = 45.0,
    scale: float = 0.35,
    half_body: float = 0.3,
    targets: TargetKind = "plain",
    sigma: float = 3.0,
    val_fraction: float = 0.05,
    seed: int = 0,
) -> PoseData:
    """PoseTrack 2017, 2018 or 2021: several people in videos, with fifteen joints.

    The files are those with COCO's fields: `annotations/train/*.json` and `annotations/val/*.json`, here or in
    `posetrack_data/`, one for each video. Frames without labels are shown beside those with. `val` is the test set, as
    in published tables, since the labels of the test set are not public. Boxes are those of the labels.

    Args:
        root: The folder.
        frames: Of a clip.
        stride: Distance between them.
        img_size: Side of the crops, or (H, W), multiples of 4.
        flip: Share of the training people that is mirrored.
        rotation: Standard deviation of their angle in degrees.
        scale: Standard deviation of the factor of their size.
        half_body: Share of them of whom one half is shown.
        targets: How joints become heatmaps.
        sigma: Spread of a joint in entries of a heatmap.
        val_fraction: Share of the training videos held out for validation.
        seed: Chooses the augmentation.

    Raises:
        FileNotFoundError: If the folder, its annotations or an image do not exist.
        ValueError: If labels are damaged, a split would be empty, or an argument is out of its range.
    """
    folder = existing(Path(root), "PoseTrack")
    inner = folder / "posetrack_data" if (folder / "posetrack_data").is_dir() else folder
    files = {
        split: sorted(existing(inner / "annotations" / name, f"annotations of PoseTrack ({name})").glob("*.json"))
        for split, name in (("train", "train"), ("test", "val"))
    }
    people, found = _read(files, dict.fromkeys(files, _Frames([inner, folder])), POSETRACK)
    spec = _spec(found, img_size, frames, stride, targets, sigma)
    change = PoseAugmentation(flip=flip, rotation=rotation, scale=scale, half_body=half_body)
    return _data(people, spec, change, (val_fraction, 0.5), folder, seed)


def sub_jhmdb(
    *,
    root: str,
    split: Literal[1, 2, 3] = 1,
    frames: int = 5,
    stride: int = 1,
    img_size: int | tuple[int, int] = (384, 288),
    flip: float = 0.5,
    rotation: float = 45.0,
    scale: float = 0.35,
    half_body: float = 0.3,
    targets: TargetKind = "plain",
    sigma: float = 3.0,
    val_fraction: float = 0.1,
    seed: int = 0,
) -> PoseData:
    """sub-JHMDB: one person in each of 316 videos of twelve actions, with fifteen joints.

    The files are those that mmpose gives out: `annotations/Sub1_train.json`, `annotations/Sub1_test.json`, likewise for
    the second and third split, and `Rename_Images/ACTION/VIDEO/*.png`. Their first pixel is number 1. Published scores
    are means over the three splits.

    Args:
        root: The folder.
        split: Which of the three.
        frames: Of a clip.
        stride: Distance between them.
        img_size: Side of the crops, or (H, W), multiples of 4.
        flip: Share of the training people that is mirrored.
        rotation: Standard deviation of their angle in degrees.
        scale: Standard deviation of the factor of their size.
        half_body: Share of them of whom one half is shown.
        targets: How joints become heatmaps.
        sigma: Spread of a joint in entries of a heatmap.
        val_fraction: Share of the training videos held out for validation.
        seed: Chooses the augmentation.

    Raises:
        FileNotFoundError: If the folder, its annotations or an image do not exist.
        ValueError: If labels are damaged, a split would be empty, or an argument is out of its range.
    """
    folder = existing(Path(root), "sub-JHMDB")
    files = {
        name: [existing(folder / "annotations" / f"Sub{split}_{name}.json", "annotations of sub-JHMDB")]
        for name in ("train", "test")
    }
    place = _Frames([folder / "Rename_Images", folder])
    people, found = _read(files, dict.fromkeys(files, place), JHMDB, first_pixel=1)
    spec = _spec(found, img_size, frames, stride, targets, sigma)
    change = PoseAugmentation(flip=flip, rotation=rotation, scale=scale, half_body=half_body)
    return _data(people, spec, change, (val_fraction, 0.5), folder, seed)


def pose_videos(
    *,
    path: str,
    frames: int = 5,
    stride: int = 1,
    img_size: int | tuple[int, int] = _PUBLISHED_SIZE,
    joints: Joints = "file",
    flip: float = 0.5,
    rotation: float = 40.0,
    scale: float = 0.3,
    half_body: float = 0.0,
    targets: TargetKind = "plain",
    sigma: float = 2.0,
    val_fraction: float = 0.1,
    test_fraction: float = 0.1,
    seed: int = 0,
) -> PoseData:
    """People in the user's own videos, with labels as COCO writes them.

    Every JSON file in the folder, or in its `annotations/`, counts. The `file_name` of an image is a frame in a folder
    of frames, or a video, whose frame `frame_id` it is, counted from 0; the frames around it need no labels. People
    with a `track_id` are followed over time. Files called `train`, `val` and `test` are these splits; otherwise whole
    videos are dealt out.

    Args:
        path: The folder.
        frames: Of a clip; where it begins or ends too early, its first or last frame is repeated.
        stride: Distance between them.
        img_size: Side of the crops, or (H, W), multiples of 4.
        joints: Those of the files, or those of `coco` or `posetrack` by name.
        flip: Share of the training people that is mirrored.
        rotation: Standard deviation of their angle in degrees.
        scale: Standard deviation of the factor of their size.
        half_body: Share of them of whom one half is shown.
        targets: How joints become heatmaps.
        sigma: Spread of a joint in entries of a heatmap.
        val_fraction: Share of the training videos held out for validation, where no split is for it.
        test_fraction: Share of all videos held out for the test, where no split is for it; 1 is for evaluation and
            leaves nothing to train on.
        seed: Chooses the augmentation.

    Raises:
        FileNotFoundError: If the folder, a JSON file or an image does not exist.
        ImportError: If PyAV is not installed and there are video files.
        ValueError: If labels are damaged, a split would be empty, or an argument is out of its range.
    """
    root = existing(Path(path), "data for pose")
    found = _json_files(root)
    files = {file.stem: [file] for file in found if file.stem in SPLITS}
    files |= {"all": rest} if (rest := [file for file in found if file.stem not in SPLITS]) else {}
    place = _Frames([root, root / "images", root / "videos"])
    people, found_joints = _read(files, dict.fromkeys(files, place), _wanted(joints))
    spec = _spec(found_joints, img_size, frames, stride, targets, sigma)
    change = PoseAugmentation(flip=flip, rotation=rotation, scale=scale, half_body=half_body)
    return _data(people, spec, change, (val_fraction, test_fraction), root, seed)


def _name(path: Path, folder: Path) -> str:
    """A clip's name, which no other clip below the folder has."""
    return shown(path.name if path == folder else path.relative_to(folder).as_posix())


def _wanted(joints: str) -> JointSet | None:
    if joints not in get_args(Joints):
        raise ValueError(f"joints must be {' or '.join(map(repr, get_args(Joints)))}, got {joints!r}.")
    return _SETS[joints]


def _json_files(root: Path) -> list[Path]:
    folder = root / "annotations" if (root / "annotations").is_dir() else root
    files = sorted(folder.glob("*.json"))
    if not files:
        raise FileNotFoundError(f"{shown(folder)} holds no labels (*.json).")
    return files


def _size(item: Mapping[str, Any]) -> tuple[int, int] | None:
    height, width = item.get("height"), item.get("width")
    return (height, width) if isinstance(height, int) and isinstance(width, int) and height and width else None


def _spec(
    joints: JointSet, img_size: int | tuple[int, int], frames: int, stride: int, targets: TargetKind, sigma: float
) -> PoseSpec:
    if targets not in get_args(TargetKind):
        raise ValueError(f"targets must be {' or '.join(map(repr, get_args(TargetKind)))}, got {targets!r}.")
    prepare = PosePreprocessing(size=image_size(img_size), convention="udp" if targets == "udp" else "classic")
    return PoseSpec(
        joints=joints, preprocessing=prepare, num_frames=frames, stride=stride, targets=targets, sigma=sigma
    )


def _read(
    files: Mapping[str, Sequence[Path]],
    places: Mapping[str, Callable[[Mapping[str, Any]], Placed | None]],
    joints: JointSet | None,
    *,
    first_pixel: int = 0,
) -> tuple[dict[str, list[Person]], JointSet]:
    """People of every split; all files must have the joints of the first."""
    people: dict[str, list[Person]] = {}
    for split, paths in files.items():
        people[split] = []
        for path in paths:
            found, known = read_people(path, places[split], joints, first_pixel=first_pixel)
            if joints is not None and known.names != joints.names:
                raise ValueError(f"{shown(path)} has other joints than the files before: {', '.join(known.names)}.")
            joints = known
            people[split] += found
    assert joints is not None
    return people, joints


def _data(
    people: Mapping[str, list[Person]],
    spec: PoseSpec,
    augmentation: PoseAugmentation,
    fractions: tuple[float, float],
    root: Path,
    seed: int,
) -> PoseData:
    """Training, validation and test; no clip is in two of them."""
    val_fraction, test_fraction = fractions
    rest = [*people.get("all", []), *people.get("train", [])]
    val, test = people.get("val", []), people.get("test", [])
    if test_fraction == 1:
        nobody = NoPeople(spec)
        return PoseData(nobody, nobody, People(test or val or rest, spec), spec)
    if not test:
        test, val = val, []
    if not test:
        rest, test = _held_out(rest, test_fraction, "test_fraction", root)
    if not val:
        rest, val = _held_out(rest, val_fraction, "val_fraction", root)
    train = People(rest, spec, augmentation=augmentation, seed=seed)
    return PoseData(train, People(val, spec), People(test, spec), spec)


def _held_out(
    people: Sequence[Person], fraction: float, argument: str, root: Path
) -> tuple[list[Person], list[Person]]:
    """People who stay and people held out, by clips."""
    names = sorted({person.clip.name for person in people})
    kept, held = map(set, hold_out(names, names, fraction, argument, "image or video", root))
    return [one for one in people if one.clip.name in kept], [one for one in people if one.clip.name in held]
