"""Which files count as pictures, and what becomes of names that file systems allow."""

import os
import warnings
from contextlib import suppress
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from subband.files import new_path, shown
from subband.media import frame_folders, open_clip, probe, read_clip
from subband.media.frames import natural_key
from subband.media.images import list_images, read_image, write_image
from subband.media.picture_files import find_pictures, is_animated, picture_format, pictures_in

NAMES = ["a:b", "-dash", "two\nlines", "$x^2$ $", "²1²2", "emoji😀", "50% #1?", os.fsdecode(b"caf\xe9"), "x" * 251]


def animate(path: Path, durations: list[int], **options) -> None:
    first, *rest = [Image.new("RGB", (8, 6), (40 * index, 0, 0)) for index in range(len(durations))]
    first.save(path, save_all=True, append_images=rest, duration=durations, **options)


def test_animations_that_are_cut_anywhere_raise_no_other_errors(tmp_path):
    """Pillow raises errors of many kinds, an IndexError for one, and none for a GIF that ends between two pictures."""
    for name in ("x.gif", "x.webp"):
        frames = [Image.effect_noise((8, 6), 200).convert("RGB") for _ in range(3)]
        frames[0].save(tmp_path / name, save_all=True, append_images=frames[1:], duration=100, lossless=True)
        content = (tmp_path / name).read_bytes()
        for end in range(1, len(content) - 1, 3):
            (tmp_path / name).write_bytes(content[:end])
            is_animated(tmp_path / name)
            with suppress(ValueError), warnings.catch_warnings(record=True) as seen:
                warnings.simplefilter("always")
                assert len(read_clip(tmp_path / name)) <= 3
                assert name == "x.webp" or "x.gif is damaged: data is missing" in str(seen[-1].message)


def test_natural_order_knows_no_number_but_digits():
    names = ["x²", "²1²2", "x10", "x9", "x09", "X9"]
    ordered = [file.name for file in sorted(map(Path, names), key=natural_key)]
    assert ordered.index("x9") < ordered.index("x10")
    assert sorted(map(Path, reversed(names)), key=natural_key) == [Path(name) for name in ordered], "one order only"


def test_nothing_of_a_folder_is_left_out_silently(tmp_path):
    photo = tmp_path / "photo.jpg"
    write_image(photo, torch.rand(3, 8, 8))
    for name in ("b.jfif", "c.JPE", "without_suffix", "d.jpg_large"):
        (tmp_path / name).write_bytes(photo.read_bytes())
    for suffix in (".avif", ".qoi", ".tga", ".dib", ".ppm"):
        with Image.open(photo) as image:
            image.save(tmp_path / f"e{suffix}")
    (tmp_path / "f.heic").write_bytes(b"\0\0\0\x18ftypheic" + bytes(40))
    (tmp_path / "g.csv").write_text("1,2")
    (tmp_path / "h.png").symlink_to(tmp_path / "nothing")
    os.mkfifo(tmp_path / "i.png")
    (tmp_path / "inside").mkdir()
    (tmp_path / "loop").symlink_to(tmp_path)
    for ours_not in ("Thumbs.db", ".hidden.png", "desktop.ini"):
        (tmp_path / ours_not).write_bytes(b"x")
    (tmp_path / "__MACOSX").mkdir()
    with pytest.warns(UserWarning, match="left out in") as caught:
        files = list_images(tmp_path)
    assert len(files) == 10, "the content decides where the name says nothing"
    for file in files:
        assert read_image(file).pixels.shape == (3, 8, 8), file
    (message,) = [str(each.message) for each in caught]
    assert "1 file: needs the package pillow-heif (f.heic)" in message
    assert "1 file: no picture (g.csv)" in message
    assert "1 file: a link to nothing (h.png)" in message
    assert "1 file: no file (i.png)" in message
    assert "2 folders inside, not searched (inside, loop)" in message
    assert "Thumbs" not in message
    assert len(find_pictures(tmp_path, with_subfolders=True).files) == 10, "no folder is searched twice"
    with pytest.raises(ValueError, match=r"f\.heic is a HEIF image, .* pip install pillow-heif"):
        read_image(tmp_path / "f.heic")
    (tmp_path / "named.png").write_bytes(photo.read_bytes())
    assert read_image(tmp_path / "named.png").info.file_format == "JPEG"


def test_files_with_more_than_one_picture_are_counted(tmp_path):
    animate(tmp_path / "a.gif", [40, 80])
    animate(tmp_path / "b.webp", [40, 80], lossless=True)
    animate(tmp_path / "c.png", [40, 80])
    first, second = Image.new("L", (4, 4)), Image.new("L", (4, 4))
    first.save(tmp_path / "d.tif", save_all=True, append_images=[second])
    for name in ("e.png", "f.gif", "g.webp", "h.tif"):
        first.save(tmp_path / name)
    (tmp_path / "i.gif").write_bytes(b"GIF89a")
    (tmp_path / "j.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    assert [file.name for file in sorted(tmp_path.iterdir()) if is_animated(file)] == [
        "a.gif",
        "b.webp",
        "c.png",
        "d.tif",
    ]
    with pytest.warns(UserWarning, match=r"first image counts of 4 animated or multi-page files \(a\.gif, b\.webp, "):
        list_images(tmp_path)


@pytest.mark.parametrize(
    ("suffix", "options"), [(".webp", {"lossless": True}), (".png", {}), (".gif", {}), (".apng", {})]
)
def test_animations_keep_the_durations_of_their_frames(tmp_path, suffix, options):
    path = tmp_path / f"a{suffix}"
    animate(path, [40, 80, 120], **({"format": "PNG"} if suffix == ".apng" else options))
    with open_clip(path) as reader:
        assert reader.info.num_frames == 3
        assert reader.fps == 25
        frames = list(reader.stream())
    assert [frame.duration for frame in frames] == [Fraction(ms, 1000) for ms in (40, 80, 120)]
    assert [int(frame.pixels[0, 0, 0]) for frame in frames] == pytest.approx([0, 40, 80], abs=2)


def test_a_stream_of_jpeg_pictures_is_a_video(tmp_path):
    for number in range(3):
        Image.new("RGB", (16, 16), (80 * number,) * 3).save(tmp_path / f"{number}.jpg")
    pictures = sorted(tmp_path.iterdir())
    (tmp_path / "clip.mjpeg").write_bytes(b"".join(path.read_bytes() for path in pictures))
    assert picture_format(tmp_path / "clip.mjpeg") is None
    assert find_pictures(tmp_path).files == pictures
    assert len(read_clip(tmp_path / "clip.mjpeg")) == 3


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".tif", ".bmp"])
def test_a_still_picture_is_a_clip_of_one_frame(tmp_path, suffix):
    image = Image.new("RGB", (18, 13), (10, 90, 200))
    image.save(tmp_path / f"a{suffix}")
    clip = read_clip(tmp_path / f"a{suffix}")
    assert clip.shape == (1, 3, 13, 18)
    assert (clip.mean((0, 2, 3)) * 255).round().tolist() == pytest.approx([10, 90, 200], abs=3)
    if suffix == ".tif":
        image.save(tmp_path / "a.tif", save_all=True, append_images=[image])
        with pytest.raises(ValueError, match=r"a\.tif holds several pages and no times; put them into a folder"):
            read_clip(tmp_path / "a.tif")


def test_the_picture_for_viewers_without_animation_is_no_frame(tmp_path):
    still = Image.new("RGB", (8, 6), "white")
    frames = [Image.new("RGB", (8, 6), (40 * index, 0, 0)) for index in (1, 2)]
    still.save(tmp_path / "a.png", save_all=True, append_images=frames, default_image=True, duration=50)
    clip = read_clip(tmp_path / "a.png")
    assert (255 * clip[:, 0, 0, 0]).round().tolist() == [40, 80]


def test_frames_of_folders_go_through_the_decoder_of_photographs(tmp_path):
    deep = torch.linspace(0, 1, 48).reshape(1, 6, 8)
    write_image(tmp_path / "1.png", deep, bit_depth=16)
    write_image(tmp_path / "2.png", torch.zeros(3, 6, 8), alpha=torch.full((1, 6, 8), 0.2))
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(np.arange(48, dtype=np.uint8).reshape(8, 6)).save(tmp_path / "3.png", exif=exif)
    Image.fromarray(deep[0].numpy()).save(tmp_path / "4.tif")
    clip = read_clip(tmp_path)
    assert clip.shape == (4, 3, 6, 8)
    assert (clip[0] - deep).abs().max() <= 0.51 / 255, "sixteen bits are not cut to black"
    assert clip[1].unique().tolist() == pytest.approx([204 / 255]), "transparent parts are white"
    expected = torch.from_numpy(np.rot90(np.arange(48).reshape(8, 6), -1).copy())
    assert torch.equal((clip[2, 0] * 255).round().long(), expected)
    assert (clip[3] - deep).abs().max() <= 0.51 / 255
    (tmp_path / "0").mkdir()
    write_image(tmp_path / "0" / "a.jpg", torch.rand(3, 12, 10))
    with Image.open(tmp_path / "0" / "a.jpg") as image:
        image.save(tmp_path / "0" / "b.jpg", exif=exif)
    (tmp_path / "0" / "a.jpg").unlink()
    info = probe(tmp_path / "0")
    assert (info.height, info.width) == (10, 12)
    assert read_clip(tmp_path / "0").shape == (1, 3, 10, 12)


def test_a_folder_of_frames_is_listed_once(tmp_path, monkeypatch):
    for index in range(3):
        write_image(tmp_path / f"{index}.png", torch.rand(3, 4, 4))
    calls = []
    monkeypatch.setattr(frame_folders, "pictures_in", lambda *words: calls.append(words) or pictures_in(*words))
    for _ in range(3):
        assert probe(tmp_path).num_frames == 3
    assert len(calls) == 1
    write_image(tmp_path / "3.png", torch.rand(3, 4, 4))
    os.utime(tmp_path, ns=(1, 1))
    assert probe(tmp_path).num_frames == 4


def test_any_name_is_read_and_written(tmp_path):
    for name in NAMES:
        path = tmp_path / f"{name}.png"
        write_image(path, torch.full((1, 2, 3), 0.2))
        assert read_image(path).pixels.shape == (1, 2, 3)
        assert picture_format(path) == "PNG"
        text = shown(path.name)
        assert text.isprintable(), text
        text.encode()
    assert shown(os.fsdecode(b"caf\xe9\n\x1b[0m")) == "caf\\xe9\\n\\x1b[0m"
    assert shown("👩‍🔬 $5 é") == "👩‍🔬 $5 é"
    with warnings.catch_warnings(), new_path(tmp_path / ("y" * 255)) as temporary:
        warnings.simplefilter("error")
        temporary.write_text("as long as a name can be")
    assert len(list(tmp_path.iterdir())) == len(NAMES) + 1
