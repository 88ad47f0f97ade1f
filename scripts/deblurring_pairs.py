"""Make the pairs that the network for deblurring inside the package was trained on (recipe motion_unet_clips).

Blur of many lengths, from hardly any to a whole frame's, with and without noise and compression, made from photographs
and from videos; videos also as they are after strong compression, so that the network meets what it must leave alone;
soft ones, as after an enlargement; and sharp clips in which nothing moves.
Takes some twelve minutes of one CPU core.

usage: python scripts/deblurring_pairs.py PHOTOS VIDEOS VALIDATION OUT

PHOTOS is a folder of photographs to which those inside scikit-image and two frames of every video are added, VIDEOS and
VALIDATION are folders of videos. OUT gets train/, val/ and test/, the latter the same as val/.
"""

from __future__ import annotations

import argparse
import io
import random
import shutil
from pathlib import Path

import av
import torch
from PIL import Image

from subband.cli.main import main as subband_command
from subband.data.restoration.blurred_photos import TRAIN_PHOTOS, bundled_photos
from subband.media import list_images, read_clip, write_image

# Longer side of the photograph, speed, exposure, and what else: shares of noise and of compression, its quality.
PHOTO_SETS = (
    (400, 8, (0.3, 1.0), {}),
    (700, 12, (0.05, 1.0), {"noise-share": 0.3, "jpeg-share": 0.4}),
    (480, 8, (0.05, 0.4), {"jpeg-share": 0.6}),
    (960, 20, (0.3, 1.0), {}),
    (560, 10, (0.3, 1.0), {"noise-share": 0.2, "jpeg-share": 0.3, "highlights": 0.2, "brightness": (0.7, 1.2)}),
    (400, 6, (0.3, 1.0), {}),
    (320, 6, (0.2, 1.0), {}),
    (620, 12, (0.05, 1.0), {"noise-share": 0.4, "jpeg-share": 0.5}),
    (600, 8, (0.05, 0.3), {"jpeg-share": 0.7, "jpeg-quality": (50, 98)}),
    (520, 14, (0.3, 1.0), {}),
    (450, 10, (0.2, 1.0), {"jpeg-share": 0.3}),
    # Sharp, though things move: as many as there are of anything else, or motion itself would pass for blur.
    (520, 16, (0.01, 0.08), {"jpeg-share": 0.5}),
    (400, 8, (0.01, 0.05), {"jpeg-share": 0.7}),
    (700, 24, (0.01, 0.05), {"jpeg-share": 0.5, "noise-share": 0.2}),
    (460, 10, (0.01, 0.1), {"jpeg-share": 0.5}),
    (480, 12, (0.01, 0.03), {"jpeg-share": 0.8}),
)
# Whether the videos are those that were compressed strongly; frames of an exposure, exposure, and what else.
VIDEO_SETS = (
    (True, 2, (0.3, 1.0), {}),
    (False, 2, (0.5, 1.0), {}),
    (False, 3, (0.3, 1.0), {}),
    (True, 1, (0.05, 0.3), {}),
    (True, 3, (0.5, 1.0), {}),
    (False, 1, (0.05, 0.5), {"jpeg-share": 0.6}),
    (False, 4, (0.5, 1.0), {"jpeg-share": 0.2}),
)
STILLS_OF, STILLS, STILL_FRAMES = (3, 9, 13, 16), (2, 6), 6  # sets, their frames, and how often each
MOST_FRAMES = {4: 40, 6: 50}  # of the clips of sets of videos that are nearly sharp
# Sets that are there again with soft frames on both sides, and how many of their clips are compressed.
SOFT_SETS = {"p1": 0.3, "p3": 0.5, "p9": 0.0, "p10": 0.3, "v2": 0.3, "v6": 0.5}
SOFTNESS, SOFT_FRAMES, SOFT_QUALITY = (0.4, 0.8), 40, (60, 95)  # side over side of what was enlarged
NUM_FRAMES, SIDE, VIDEO_SIDE = 9, 224, 384
FRAMES = (0, 60)  # of a video, which serve as photographs
CODECS = (("libx264", ".mp4", {"crf": "30"}), ("mpeg4", ".avi", {"b": "600000", "g": "12"}))
VAL_SIDE, VAL_FRAMES, VAL_QUALITY = 480, slice(10, 15), 90


def synthesize(source: Path, out: Path, options: dict[str, object]) -> None:
    """`subband synthesize-blur SOURCE OUT` with options."""
    words = ["synthesize-blur", str(source), str(out)]
    for name, value in options.items():
        values = value if isinstance(value, tuple) else () if value is True else (value,)
        words += [f"--{name}", *map(str, values)]
    if code := subband_command(words):
        raise SystemExit(code)


def take_over(made: Path, split: Path, prefix: str, most: int | None = None) -> None:
    """Move the clips of one set, or their first frames, into a split; sets have clips of the same names."""
    for side in ("blur", "sharp"):
        (split / side).mkdir(parents=True, exist_ok=True)
        for clip in sorted((made / side).iterdir()):
            for file in list_images(clip)[most:] if most else []:
                file.unlink()
            clip.rename(split / side / f"{prefix}_{clip.name}")
    shutil.rmtree(made)


def add_stills(split: Path, prefix: str) -> None:
    """Add clips that show one frame all the time."""
    for side in ("blur", "sharp"):
        for clip in sorted((split / side).glob(f"{prefix}_*")):
            files = list_images(clip)
            for still in STILLS:
                folder = clip.with_name(f"{clip.name}_still{still}")
                folder.mkdir()
                for number in range(STILL_FRAMES):
                    shutil.copy(files[still], folder / f"{number:06d}.png")


def add_soft_clips(split: Path, prefix: str, jpeg_share: float) -> None:
    """Add clips whose sharp frames are soft, too, as after an enlargement: that is no blur by motion, and stays."""
    for clip in sorted((split / "blur").glob(f"{prefix}_*")):
        if "_still" in clip.name:
            continue
        draws = random.Random(f"soft {clip.name}")
        scale = draws.uniform(*SOFTNESS)
        quality = draws.randint(*SOFT_QUALITY) if draws.random() < jpeg_share else None
        for side in ("blur", "sharp"):
            folder = split / side / f"soft_{clip.name}"
            folder.mkdir()
            for file in list_images(split / side / clip.name)[:SOFT_FRAMES]:
                frame = Image.open(file)
                small = frame.resize([round(length * scale) for length in frame.size], Image.Resampling.BICUBIC)
                frame = small.resize(frame.size, Image.Resampling.BICUBIC)
                if quality is not None and side == "blur":
                    frame = as_jpeg(frame, quality)
                frame.save(folder / file.name)


def as_jpeg(frame: Image.Image, quality: int) -> Image.Image:
    """A frame after compression."""
    buffer = io.BytesIO()
    frame.save(buffer, "jpeg", quality=quality)
    return Image.open(buffer)


def compress(video: Path, folder: Path) -> None:
    """Write a video again, smaller, with few bits."""
    for codec, suffix, options in CODECS:
        target = folder / f"{video.stem}_{codec}{suffix}"
        with av.open(str(video)) as source, av.open(str(target), "w") as out:
            stream = source.streams.video[0]
            scale = VIDEO_SIDE / max(stream.width, stream.height)
            made = out.add_stream(codec, rate=stream.average_rate, options=options)
            made.width, made.height = (int(side * scale) // 2 * 2 for side in (stream.width, stream.height))
            made.pix_fmt = "yuv420p"
            for number, frame in enumerate(source.decode(stream)):
                small = frame.reformat(made.width, made.height, "yuv420p")
                small.pts, small.time_base, small.pict_type = number, 1 / stream.average_rate, 0
                out.mux(made.encode(small))
            out.mux(made.encode(None))


def add_photos(folder: Path, videos: Path) -> None:
    """Add what scikit-image has, and frames of videos."""
    for name, photo in zip(TRAIN_PHOTOS, bundled_photos(TRAIN_PHOTOS), strict=True):
        write_image(folder / f"{Path(name).stem}.png", photo / 255)
    for video in sorted(videos.iterdir()):
        for number in FRAMES:
            frame = read_clip(video, start=number, num_frames=1)[0]
            write_image(folder / f"{video.stem}_{number}.png", frame)


def shorten(made: Path, split: Path) -> None:
    """Of every clip a few frames with their blur, and the same with compression alone."""
    for clip in sorted((made / "sharp").iterdir()):
        blurred, sharp = (list_images(made / side / clip.name)[VAL_FRAMES] for side in ("blur", "sharp"))
        for kind, frames in (("blurred", blurred), ("compressed", sharp)):
            for side, files in (("blur", frames), ("sharp", sharp)):
                folder = split / side / f"{kind}_{clip.name}"
                folder.mkdir(parents=True)
                for number, file in enumerate(files):
                    target = folder / f"{number:06d}.png"
                    if side == "blur" and kind == "compressed":
                        as_jpeg(Image.open(file), VAL_QUALITY).save(target)
                    else:
                        shutil.copy(file, target)


def main() -> None:
    """Make all sets, then the split for validation."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ("photos", "videos", "validation", "out"):
        parser.add_argument(name, type=Path)
    options = parser.parse_args()
    torch.set_num_threads(1)
    work = options.out / "work"
    photos, small = work / "photos", work / "compressed"
    shutil.copytree(options.photos, photos)
    small.mkdir()
    add_photos(photos, options.videos)
    for video in sorted(options.videos.iterdir()):
        compress(video, small)
    train = options.out / "train"
    for number, (side, speed, exposure, more) in enumerate(PHOTO_SETS, 1):
        usual = {"photos": True, "num-frames": NUM_FRAMES, "size": (SIDE, SIDE), "max-side": side, "speed": speed}
        synthesize(photos, work / "set", {**usual, "exposure": exposure, "seed": number, **more})
        take_over(work / "set", train, f"p{number}")
        if number in STILLS_OF:
            add_stills(train, f"p{number}")
    for number, (are_small, stride, exposure, more) in enumerate(VIDEO_SETS, 1):
        usual = {"max-side": VIDEO_SIDE, "stride": stride, "exposure": exposure, "seed": number}
        synthesize(small if are_small else options.videos, work / "set", {**usual, **more})
        take_over(work / "set", train, f"v{number}", MOST_FRAMES.get(number))
    for prefix, jpeg_share in SOFT_SETS.items():
        add_soft_clips(train, prefix, jpeg_share)
    synthesize(options.validation, work / "set", {"max-side": VAL_SIDE, "stride": 3, "exposure": (0.5, 1.0)})
    shorten(work / "set", options.out / "val")
    shutil.copytree(options.out / "val", options.out / "test")
    shutil.rmtree(work)


if __name__ == "__main__":
    main()
