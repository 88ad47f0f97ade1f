"""Every bundled model at work on bundled media, and one page of what came out: the gallery of `make demo`.

Clips are made from photographs that the models never saw, so that the truth is known; every result is made by the
command that stands on its card, and every number is measured in this run.

usage: python examples/gallery.py [--out runs/demo]
"""

import argparse
import json
import os
import shlex
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import skimage
import torch
from PIL import Image
from torch import Tensor

from subband.cli.main import main as subband_command
from subband.data import build_data, drawn_video
from subband.data.labelled.digits import WHITE, read_digits
from subband.imaging import imresize
from subband.media import list_images, on_white, read_clip, read_image, write_clip, write_image
from subband.metrics import psnr, wavelet_statistics
from subband.metrics.detection_counts import match_boxes
from subband.predictors import FoundObjects
from subband.visual.found_objects import draw_objects
from subband.visual.gallery import Card, Picture, gallery_page
from subband.visual.grids import image_grid

MEDIA = Path(os.path.relpath(Path(__file__).parent / "media"))  # short in commands
GAP = 4  # white pixels between columns
FPS = 5
SHOWN_DIGITS = 60
STILL_CAMERA = ("--exposure", "0.01", "0.01", "--speed", "4")
MOVING_CAMERA = ("--exposure", "0.7", "0.7", "--speed", "8")


def run(*words: str) -> float:
    """Run a command of subband and return the seconds it took; ends the demo if it fails."""
    print(f"$ {typed(words)}", flush=True)
    began = time.perf_counter()
    code = subband_command(words)
    if code:
        raise SystemExit(code)
    return time.perf_counter() - began


def typed(words: Sequence[str]) -> str:
    """A command of subband as it can be typed."""
    return f"subband {shlex.join(words)}"


def decibels(frames: Tensor, truth: Tensor) -> float:
    """Mean PSNR of frames `(T, C, H, W)`."""
    return float(np.mean([psnr(*pair).item() for pair in zip(frames, truth, strict=True)]))


def beside(columns: Sequence[Tensor], enlarge: int = 1) -> Tensor:
    """Clips `(T, C, H, W)` of one size in columns of one clip `(T, 3, H', W')`, every pixel enlarged."""
    large = [column.repeat_interleave(enlarge, 2).repeat_interleave(enlarge, 3) for column in columns]
    white = torch.ones(len(large[0]), 3, large[0].shape[2], GAP)
    pieces = [piece for column in large for piece in (column.expand(-1, 3, -1, -1), white)]
    return torch.cat(pieces[:-1], 3)


def moving_picture(path: Path, frames: Tensor, heads: tuple[str, ...], description: str, still: int) -> Picture:
    """Write frames `(T, 3, H, W)` as an animation, and one of them as a still."""
    pixels = (255 * frames.clamp(0, 1)).round().byte().permute(0, 2, 3, 1).numpy()
    first, *rest = [Image.fromarray(frame) for frame in pixels]
    # Of two hundred colors less is seen than of the loss of this coder, and a lossless file is ten times as large.
    first.save(path, save_all=True, append_images=rest, duration=round(1000 / FPS), loop=0, quality=88, method=4)
    return Picture(path, heads, description, still_picture(path, frames[still], (), "").file)


def still_picture(path: Path, frame: Tensor, heads: tuple[str, ...], description: str) -> Picture:
    """Write an image `(3, H, W)` as a PNG beside `path`."""
    path = path.with_suffix(".png")
    write_image(path, frame.clamp(0, 1), overwrite=True)
    return Picture(path, heads, description)


def predict(folder: Path) -> Card:
    args = {"in_frames": 4, "out_frames": 8, "img_size": (96, 128), "num_test": 1}
    given, future = build_data("moving_photos", args, 0).test[0]
    clip, out = folder / "predict_clip", folder / "predicted"
    write_clip(clip, torch.cat([given, future]), FPS, overwrite=True)
    words = ("predict", str(clip), "--compare", "--num-frames", str(len(future)), "--out", str(out), "--overwrite")
    seconds = run(*words)
    truth, predicted, _ = read_clip(out).chunk(3, 3)
    seen = read_clip(clip)[: len(given)]
    kept = seen[-1:].expand_as(truth)
    frames = torch.cat([beside([seen] * 3), beside([kept, predicted, truth])])
    heads = ("last frame kept", "predicted", "what came")
    words_for_eyes = "A clip that stops after four frames, the same clip as wast_photos goes on, and what really came."
    return Card(
        "Predict the next frames",
        "A camera moves over a photograph. WaST sees four frames and draws the next eight.",
        (moving_picture(folder / "predict.webp", frames, heads, words_for_eyes, still=-1),),
        "PSNR to the frames that came",
        f"{decibels(predicted, truth):.1f} dB",
        f"last frame kept: {decibels(kept, truth):.1f} dB",
        seconds,
        (typed(words),),
    )


def photograph(name: str) -> Tensor:
    """A photograph that lies inside scikit-image, `(3, H, W)` in [0, 1]."""
    return on_white(read_image(Path(skimage.__file__).parent / "data" / name)).expand(3, -1, -1)


def camera_clip(folder: Path, name: str, photo: str, options: Sequence[str], num_frames: int) -> tuple[Path, Path]:
    """Folders of what a camera takes of a photograph of scikit-image, and of the same without motion."""
    picture = folder / f"{Path(photo).stem}.png"
    write_image(picture, photograph(photo), overwrite=True)
    pairs = folder / f"{name}_pairs"
    fixed = ("--num-frames", str(num_frames), "--size", "160", "208", "--max-objects", "0", "--overwrite")
    run("synthesize-blur", str(picture), str(pairs), *options, *fixed)
    return pairs / "blur" / picture.stem, pairs / "sharp" / picture.stem


def deblur(folder: Path) -> Card:
    blurred, sharp = camera_clip(folder, "deblur", "chelsea.png", MOVING_CAMERA, 10)
    out = folder / "deblurred"
    words = ("deblur", str(blurred), str(out), "--overwrite")
    seconds = run(*words)
    before, after, truth = (read_clip(path) for path in (blurred, out, sharp))
    heads = ("blurred", "deblurred", "sharp original")
    words_for_eyes = (
        "A cat filmed by a shaking camera, the same clip as motion_unet_clips restores it, and the original."
    )
    return Card(
        "Deblur a clip",
        "A camera shakes while its shutter is open. The network takes detail from the frames before and after.",
        (moving_picture(folder / "deblur.webp", beside([before, after, truth]), heads, words_for_eyes, still=5),),
        "PSNR to the sharp frames",
        f"{decibels(after, truth):.1f} dB",
        f"blurred: {decibels(before, truth):.1f} dB",
        seconds,
        (typed(words),),
    )


def upscale(folder: Path) -> Card:
    _, sharp = camera_clip(folder, "upscale", "coffee.png", STILL_CAMERA, 8)
    small, out = folder / "small", folder / "upscaled"
    truth = read_clip(sharp)
    write_clip(small, imresize(truth, scale=1 / 4).clamp(0, 1), FPS, overwrite=True)
    words = ("upscale", str(small), str(out), "--overwrite")
    seconds = run(*words)
    bicubic, after = imresize(read_clip(small), scale=4).clamp(0, 1), read_clip(out)
    heads = ("bicubic", "upscaled", "original")
    words_for_eyes = (
        "A cup of coffee, enlarged four times by bicubic interpolation and by basicvsr_pp_clips, and as it was."
    )
    return Card(
        "Upscale four times",
        "Frames of 52 × 40 pixels become 208 × 160, with what neighboring frames know of the detail.",
        (moving_picture(folder / "upscale.webp", beside([bicubic, after, truth]), heads, words_for_eyes, still=4),),
        "PSNR to the original",
        f"{decibels(after, truth):.1f} dB",
        f"bicubic: {decibels(bicubic, truth):.1f} dB",
        seconds,
        (typed(words),),
    )


def denoise(folder: Path) -> Card:
    clean = photograph("coins.png")[:, 40:280, 20:340]
    noisy, out = folder / "noisy.png", folder / "denoised.png"
    noise = torch.randn(clean.shape, generator=torch.Generator().manual_seed(0))
    write_image(noisy, (clean + 0.1 * noise).clamp(0, 1), overwrite=True)
    words = ("denoise", str(noisy), "--out", str(out), "--overwrite")
    seconds = run(*words)
    before, after = (on_white(read_image(path))[None] for path in (noisy, out))
    shown = beside([before, after, clean[None]])[0]
    words_for_eyes = "Old coins with noise, after wavelet shrinkage, and without noise."
    return Card(
        "Denoise a photograph",
        "Wavelet shrinkage estimates how strong the noise is by itself; nothing was trained for this.",
        (still_picture(folder / "denoise.png", shown, ("noisy", "denoised", "original"), words_for_eyes),),
        "PSNR to the photograph without noise",
        f"{decibels(after, clean[None]):.1f} dB",
        f"noisy: {decibels(before, clean[None]):.1f} dB",
        seconds,
        (typed(words),),
    )


def detect(folder: Path) -> Card:
    cells = MEDIA / "cells"
    test = build_data(
        "detection_folder", {"path": str(cells), "test_fraction": 1.0, "classes": "Platelets,RBC,WBC"}, 0
    ).test
    photo, classes = test.images[0], test.spec.classes
    true = np.array([item.box for item in photo.objects], float)
    labels = np.array([item.label for item in photo.objects])
    out = folder / "detected"
    words = ("detect", str(photo.path), "--min-score", "0.5", "--out", str(out), "--overwrite")
    seconds = run(*words)
    found = json.loads((out / "detections.json").read_text())
    names = {item["id"]: item["name"] for item in found["categories"]}
    kinds = np.array([classes.index(names[item["category_id"]]) for item in found["annotations"]], int)
    scores = np.array([item["score"] for item in found["annotations"]], float)
    boxes = corners([item["bbox"] for item in found["annotations"]])
    nobody = np.zeros(len(true), bool)
    counts = match_boxes(boxes, scores, kinds, true, labels, nobody).counts()
    pixels = on_white(read_image(photo.path))
    plain = threshold_boxes(pixels)
    same = np.zeros(len(plain), int)
    least = match_boxes(plain, np.ones(len(plain)), same, true, labels * 0, nobody).counts()
    drawn = on_white(read_image(out / photo.path.name))
    marked = FoundObjects(
        boxes=torch.from_numpy(true).float(),
        scores=torch.ones(len(true)),
        labels=torch.from_numpy(labels),
        mask_probs=None,
        size=(pixels.shape[1], pixels.shape[2]),
        classes=classes,
    )
    by_hand = draw_objects((255 * pixels).byte(), marked) / 255
    heads = ("found", "marked by hand")
    words_for_eyes = "A blood smear with the cells that the network finds in it, and with those that people marked."
    return Card(
        "Detect blood cells",
        "WSF-ViT with Faster R-CNN finds red and white cells and platelets in a picture of BCCD it never saw.",
        (still_picture(folder / "detect.png", beside([drawn[None], by_hand[None]])[0], heads, words_for_eyes),),
        "Cells found, of those marked by hand",
        f"{counts.hits} of {len(true)}, {counts.wrong} wrong boxes",
        f"Otsu's threshold, kinds aside: {least.hits} of {len(true)}, {least.wrong} wrong",
        seconds,
        (typed(words),),
    )


def corners(boxes: Sequence[Sequence[float]]) -> np.ndarray:
    """Boxes of left, top, width and height as corners, `(N, 4)`."""
    rows = np.array(boxes, float).reshape(-1, 4)
    return np.concatenate([rows[:, :2], rows[:, :2] + rows[:, 2:]], 1)


def threshold_boxes(pixels: Tensor) -> np.ndarray:
    """Boxes around what is darker in green than Otsu's threshold and no speck, `(N, 4)`: detection without learning."""
    from skimage.filters import threshold_otsu
    from skimage.measure import label, regionprops

    green = pixels[1].numpy()
    found = regionprops(label(green < threshold_otsu(green)))
    rows = [region.bbox for region in found if region.area >= 100]
    return np.array([[left, top, right, bottom] for top, left, bottom, right in rows], float).reshape(-1, 4)


def pose(folder: Path) -> Card:
    side, times = 160, range(-2, 10)
    video = drawn_video(50_000, times, (side, side))  # a figure beyond those of training, validation and test
    clip, out, joints = folder / "figure.apng", folder / "posed.apng", folder / "joints.json"
    frames = video.frames / 255
    write_clip(clip, frames, FPS, overwrite=True)
    words = ("pose", str(clip), "--out", str(out), "--json", str(joints), "--overwrite")
    seconds = run(*words)
    found = json.loads(joints.read_text())["annotations"]
    points = np.array([item["keypoints"] for item in found]).reshape(len(frames), -1, 3)[..., :2]
    seen = video.visible > 0
    distances = {"found": points, "kept": np.broadcast_to(video.joints[:1], video.joints.shape)}
    error = {name: np.linalg.norm(place - video.joints, axis=-1)[seen].mean() for name, place in distances.items()}
    shown = beside([frames, read_clip(out)])
    words_for_eyes = "A drawn figure that moves behind a rectangle, and the same with the joints that FreqPose finds."
    return Card(
        "Find the joints of a figure",
        "FreqPose looks at five frames at a time and says where joints are, those behind the rectangle, too.",
        (moving_picture(folder / "pose.webp", shown, ("clip", "joints found"), words_for_eyes, still=6),),
        f"Mean distance to the joints, frames of {side} pixels",
        f"{error['found']:.1f} pixels",
        f"joints of the first frame kept: {error['kept']:.1f} pixels",
        seconds,
        (typed(words),),
    )


def classify(folder: Path) -> Card:
    pixels, labels, parts = read_digits()
    shown = parts["test"][:SHOWN_DIGITS]
    digits, table, why = folder / "digits", folder / "classes.json", folder / "explained.png"
    digits.mkdir(exist_ok=True)
    files = {number: digits / f"{number:04}.png" for number in shown}
    for number, file in files.items():
        write_image(file, pixels[number] / WHITE, overwrite=True)
    model = ("--model", "gfnet_digits")
    commands = (
        ("evaluate", "gfnet_digits", "--recipe", "classification/gfnet_digits", "--out", str(folder / "digits_scores")),
        ("classify", str(digits), *model, "--out", str(table), "--overwrite"),
        (
            "explain",
            str(files[shown[0]]),
            *model,
            "--wavelet",
            "haar",
            "--level",
            "2",
            "--out",
            str(why),
            "--overwrite",
        ),
    )
    seconds = sum(run(*words) for words in commands)
    scores = json.loads((folder / "digits_scores" / "scores.json").read_text())
    right = scores["rows"][0]["metrics"]["top1"]
    found = json.loads(table.read_text())["photographs"]
    named = {Path(item["photograph"]): int(item["classes"][0]["class"]) for item in found}
    columns = [[number for number, file in files.items() if named[file] == digit] for digit in range(10)]
    order = [column[row] for row in range(min(map(len, columns))) for column in columns]
    tiles = (255 * pixels[order] / WHITE).byte().repeat_interleave(8, 2).repeat_interleave(8, 3)
    grid = torch.from_numpy(image_grid(tiles.numpy(), 10)).permute(2, 0, 1) / 255
    panel = "Why the network names a digit so: where it looks, and what the class loses without each subband."
    return Card(
        "Classify digits, and ask why",
        "GFNet names handwritten digits it never saw; below, why it names the first of them so.",
        (
            still_picture(
                folder / "classify.png", grid, tuple(map(str, range(10))), "Digits below the name that they got."
            ),
            Picture(why, (), panel),
        ),
        f"Named rightly, of {scores['data']['images']} digits",
        f"{100 * right:.1f} %",
        f"nearest mean picture: {100 * nearest_mean(pixels, labels, parts):.1f} %",
        seconds,
        tuple(map(typed, commands)),
        ("gallery/explained.png", "the explanation, large"),
    )


def nearest_mean(pixels: Tensor, labels: Sequence[int], parts: dict[str, list[int]]) -> float:
    """Share of test digits whose class has the nearest mean picture in training."""
    known, names = pixels.flatten(1), torch.tensor(labels)
    train, test = torch.tensor(parts["train"]), torch.tensor(parts["test"])
    means = torch.stack([known[train[names[train] == digit]].mean(0) for digit in range(10)])
    return (torch.cdist(known[test], means).argmin(1) == names[test]).float().mean().item()


def generate(folder: Path) -> Card:
    out = folder / "generated"
    words = ("generate", "--num", "24", "--columns", "6", "--out", str(out), "--overwrite")
    seconds = run(*words)
    drawn = torch.stack([on_white(read_image(path)) for path in list_images(out) if path.stem != "grid"])
    smear = imresize(on_white(read_image(MEDIA / "BloodImage_00037.jpg")), scale=1 / 3).clamp(0, 1)
    real = smear.unfold(1, 64, 32).unfold(2, 64, 49).flatten(1, 2).transpose(0, 1)  # overlapping
    shuffled = real.flatten(2)[..., torch.randperm(64 * 64, generator=torch.Generator().manual_seed(0))].view_as(real)
    grids = [torch.from_numpy(image_grid((255 * images[:16]).byte().numpy(), 4)) for images in (real, drawn)]
    shown = beside([grid.permute(2, 0, 1)[None] / 255 for grid in grids], enlarge=2)[0]
    words_for_eyes = "Patches of a real blood smear, and patches that the Wavelet-VAE drew."
    return Card(
        "Generate pictures",
        "A Wavelet-VAE draws blood cells that never were, from coarse wavelet coefficients to fine ones.",
        (still_picture(folder / "generate.png", shown, ("real", "drawn"), words_for_eyes),),
        "Wavelet details, off those of a real smear by",
        f"factor {detail_factor(drawn, real):.2f}",
        f"real pixels shuffled: factor {detail_factor(shuffled, real):.1f}",
        seconds,
        (typed(words),),
    )


def detail_factor(images: Tensor, real: Tensor) -> float:
    """Typical factor between the mean magnitudes of wavelet details of two sets of images, 1 for equal ones."""
    first, second = (wavelet_statistics(each).mean(0)[:72].view(4, 2, 9)[:, 0] for each in (images, real))
    return (first - second).abs().mean().exp().item()


CARDS: tuple[Callable[[Path], Card], ...] = (predict, deblur, upscale, denoise, generate, detect, pose, classify)


def write_gallery(out: Path, first: Sequence[Card] = ()) -> Path:
    """Make all cards, write the page and what `scripts/gallery_picture.py` draws from, and return the page.

    Args:
        out: Folder of the page; what commands read and write goes into its folder `gallery`.
        first: Cards before the others.
    """
    folder = out / "gallery"
    folder.mkdir(parents=True, exist_ok=True)
    began = time.perf_counter()
    cards = [*first, *(make(folder) for make in CARDS)]
    seconds = time.perf_counter() - began
    page = out / "gallery.html"
    html = gallery_page(
        cards,
        title="What subband does",
        lead="Every bundled model on media it never saw, by one command each. Every number was measured in this run.",
        summary=[
            ("Cards", str(len(cards))),
            ("This page took", f"{seconds:.0f} s"),
            ("Threads", str(torch.get_num_threads())),
        ],
        footer="Photographs: scikit-image; digits: scikit-learn; cells: BCCD. This file holds everything it shows.",
    )
    page.write_text(html, encoding="utf-8")
    rows = [{**card._asdict(), "pictures": [picture._asdict() for picture in card.pictures]} for card in cards]
    (folder / "cards.json").write_text(json.dumps(rows, default=str, indent=1), encoding="utf-8")
    return page


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("runs/demo"), help="folder of the page and its pictures")
    print(f"Open the gallery: {write_gallery(parser.parse_args().out).resolve()}")


if __name__ == "__main__":
    main()
