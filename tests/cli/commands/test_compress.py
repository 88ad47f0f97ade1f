import csv
import errno
import os
from pathlib import Path
from xml.etree import ElementTree

import pytest
import torch
from PIL import ImageCms
from skimage import data
from skimage.metrics import peak_signal_noise_ratio

from subband.cli.commands import compress
from subband.cli.main import main
from subband.media.images import read_image, write_image


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    pixels = torch.from_numpy(data.astronaut()[20:116, 170:298].copy()).permute(2, 0, 1) / 255
    write_image(tmp_path / "photo.png", pixels)
    return tmp_path / "photo.png"


def table(path: Path) -> list[dict[str, float]]:
    with open(path, newline="") as file:
        return [{key: float(value) for key, value in row.items()} for row in csv.DictReader(file)]


def test_table_images_and_plot(photo, tmp_path, capsys):
    assert main(["compress", str(photo), "--keep", "0.1", "0.02"]) == 0
    out = tmp_path / "photo_compressed"
    assert sorted(path.name for path in out.iterdir()) == [
        "keep_10_percent.png",
        "keep_10_percent.sbw",
        "keep_2_percent.png",
        "keep_2_percent.sbw",
        "rates.csv",
        "rates.svg",
    ]
    rows = table(out / "rates.csv")
    assert [row["keep"] for row in rows] == [0.02, 0.1]
    for row, name in zip(rows, ("keep_2_percent", "keep_10_percent"), strict=True):
        assert row["bits_per_pixel"] == pytest.approx(8 * row["num_bytes"] / (96 * 128))
        assert row["num_bytes"] == (out / f"{name}.sbw").stat().st_size
        images = (read_image(path).pixels.numpy() for path in (photo, out / f"{name}.png"))
        # The written image is rounded to 8 bits, the table is not.
        assert row["psnr"] == pytest.approx(peak_signal_noise_ratio(*images, data_range=1), abs=0.05)
    ElementTree.parse(out / "rates.svg")
    shown = capsys.readouterr().out
    assert "bits per pixel" in shown
    assert f"{rows[1]['psnr']:.2f}" in shown


def test_folders_show_means_and_one_plot(photo, tmp_path, capsys):
    folder = tmp_path / "photos"
    folder.mkdir()
    pixels = read_image(photo).pixels
    write_image(folder / "a.png", pixels)
    write_image(folder / "b.png", pixels[:1])
    assert main(["compress", str(folder), "--no-images", "--keep", "0.05"]) == 0
    out = tmp_path / "photos_compressed"
    files = sorted(path.relative_to(out).as_posix() for path in out.rglob("*") if path.is_file())
    names = ("keep_5_percent.sbw", "rates.csv", "rates.svg")
    assert files == [*(f"a/{name}" for name in names), *(f"b/{name}" for name in names), "rates.svg"]
    mean = sum(table(out / name / "rates.csv")[0]["psnr"] for name in "ab") / 2
    last = next(line for line in capsys.readouterr().out.splitlines() if "mean" in line)
    assert float(last.split()[-1]) == pytest.approx(mean, abs=0.006)


def test_results_of_a_photograph_appear_when_they_are_complete(photo, tmp_path, capsys, monkeypatch):
    def full(path, *words):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))

    monkeypatch.setattr(compress, "_write_plot", full)
    assert main(["compress", str(photo), "--out", str(tmp_path / "out")]) == 2
    assert f"{tmp_path / 'out'}: No space left on device." in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_options_reach_the_coder(photo, tmp_path):
    variants = [[], ["--wavelet", "haar"], ["--mode", "symmetric"], ["--level", "1"]]
    results = []
    for index, options in enumerate(variants):
        words = ["compress", str(photo), "--keep", "0.05", "--no-images", "--out", str(tmp_path / f"{index}")]
        assert main([*words, *options]) == 0
        results.append((tmp_path / f"{index}" / "rates.csv").read_text())
    assert len(set(results)) == len(variants)


def test_black_images_have_an_infinite_quality(tmp_path, capsys):
    write_image(tmp_path / "black.png", torch.zeros(1, 32, 32))
    assert main(["compress", str(tmp_path / "black.png"), "--keep", "0.1"]) == 0
    assert "inf" in capsys.readouterr().out


def test_transparency_is_left_out_with_a_word(tmp_path, capsys):
    write_image(tmp_path / "a.png", torch.rand(3, 32, 32), alpha=torch.ones(1, 32, 32))
    assert main(["compress", str(tmp_path / "a.png"), "--keep", "0.1"]) == 0
    assert "the transparency of a.png is not coded" in capsys.readouterr().err


def test_color_profiles_are_left_out_with_a_word(tmp_path, capsys):
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    write_image(tmp_path / "a.png", torch.rand(3, 32, 32), icc_profile=profile)
    assert main(["compress", str(tmp_path / "a.png"), "--keep", "0.1"]) == 0
    assert "the color profile of a.png is not coded" in capsys.readouterr().err
    assert read_image(tmp_path / "a_compressed" / "keep_10_percent.png").info.icc_profile == profile


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--keep", "0"), "keep must lie in (0, 1]"),
        (("--keep", "0.1", "2"), "keep must lie in (0, 1]"),
        (("--keep", "much"), "keep"),
        (("--wavelet", "nowave"), "nowave"),
        (("--level", "-1"), "level"),
        (("--out", "{folder}/photo.png"), "is the photograph itself"),
    ],
)
def test_wrong_options_are_one_sentence(words, message, photo, tmp_path, capsys):
    assert main(["compress", str(photo), *(word.format(folder=tmp_path) for word in words)]) == 2
    shown = capsys.readouterr().err
    assert message in shown
    assert shown.count("\n") == 1
    assert [path.name for path in tmp_path.iterdir()] == ["photo.png"]
