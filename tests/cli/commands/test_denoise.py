from pathlib import Path

import pytest
import torch
from PIL import Image, ImageCms
from skimage import data

from subband.cli.main import main
from subband.media.images import read_image, write_image


@pytest.fixture
def clean() -> torch.Tensor:
    return torch.from_numpy(data.astronaut()[40:136, 180:276].copy()).permute(2, 0, 1) / 255


@pytest.fixture
def noisy(clean, tmp_path, rng) -> Path:
    write_image(tmp_path / "noisy.png", clean + 0.1 * torch.randn(clean.shape, generator=rng))
    return tmp_path / "noisy.png"


def error(path: Path, clean: torch.Tensor) -> float:
    return (read_image(path).pixels - clean).square().mean().item()


def test_noise_goes(noisy, clean, tmp_path, capsys):
    assert main(["denoise", str(noisy)]) == 0
    assert error(tmp_path / "noisy_denoised.png", clean) < 0.4 * error(noisy, clean)
    shown = capsys.readouterr().out
    row = next(line for line in shown.splitlines() if "noisy.png" in line)
    assert "96 x 96 color, 8 bit" in row
    assert float(row.split()[7]) == pytest.approx(0.1, rel=0.3)


def test_options_reach_the_function(noisy, tmp_path):
    words = ["denoise", str(noisy), "--cycle-spins", "0", "--sigma", "0.1"]
    variants = [[], ["--method", "visu"], ["--threshold", "hard"], ["--wavelet", "haar"], ["--level", "1"]]
    variants += [["--mode", "zero"], ["--color", "rgb"], ["--sigma", "0.2"], ["--cycle-spins", "1"]]
    results = []
    for index, options in enumerate(variants):
        out = tmp_path / f"{index}.png"
        assert main([*words, *options, "--out", str(out)]) == 0
        results.append(out.read_bytes())
    assert len(set(results)) == len(variants)


def test_depth_transparency_profile_and_gray_are_kept(clean, tmp_path):
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    alpha = torch.linspace(0, 1, 96).expand(1, 96, 96)
    write_image(tmp_path / "deep.png", clean[:1], alpha=alpha, bit_depth=16, icc_profile=profile)
    assert main(["denoise", str(tmp_path / "deep.png"), "--cycle-spins", "0"]) == 0
    image = read_image(tmp_path / "deep_denoised.png")
    assert image.pixels.shape == (1, 96, 96)
    assert image.info.bit_depth == 16
    assert image.info.icc_profile == profile
    torch.testing.assert_close(image.alpha, alpha, rtol=0, atol=1e-4)


@pytest.mark.parametrize("kind", ["P", "CMYK", "1", "turned"])
def test_unusual_files(kind, clean, tmp_path):
    image = Image.fromarray((clean[:, :, :64] * 255).byte().permute(1, 2, 0).numpy())
    exif = Image.Exif()
    if kind == "turned":
        exif[0x0112] = 6
    path = tmp_path / ("a.jpg" if kind in ("CMYK", "turned") else "a.png")
    (image if kind == "turned" else image.convert(kind)).save(path, exif=exif)
    assert main(["denoise", str(path), "--cycle-spins", "0"]) == 0
    size = (64, 96) if kind == "turned" else (96, 64)
    assert read_image(tmp_path / "a_denoised.png").pixels.shape == (1 if kind == "1" else 3, *size)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--sigma", "25"), "--sigma must lie in [0, 1], white being 1 (divide 8-bit numbers by 255)"),
        (("--sigma", "-0.1"), "--sigma must lie in [0, 1]"),
        (("--method", "sure"), "method must be one of bayes, visu"),
        (("--threshold", "firm"), "threshold must be one of"),
        (("--wavelet", "dbx"), "dbx"),
        (("--mode", "wrap"), "mode"),
        (("--level", "-1"), "level"),
        (("--cycle-spins", "-1"), "cycle_spins must not be negative"),
        (("--cycles-spin", "3"), "did you mean --cycle-spins?"),
        (("--out", "{folder}/a.gif"), "no suffix of an image that can be written"),
        (("--out", "{folder}/noisy.png/a.png"), "a.png"),
    ],
)
def test_wrong_options_are_one_sentence(words, message, noisy, tmp_path, capsys):
    assert main(["denoise", str(noisy), *(word.format(folder=tmp_path) for word in words)]) == 2
    shown = capsys.readouterr().err
    assert message in shown
    assert shown.count("\n") == 1
    assert [path.name for path in tmp_path.iterdir()] == ["noisy.png"]


def test_jpeg_cannot_hold_transparency(clean, tmp_path, capsys):
    write_image(tmp_path / "a.png", clean, alpha=torch.ones(1, 96, 96))
    assert main(["denoise", str(tmp_path / "a.png"), "--out", str(tmp_path / "b.jpg")]) == 2
    assert "b.jpg cannot hold transparency; write a .png" in capsys.readouterr().err
