import csv
import json
from pathlib import Path

import pytest
import pywt
import torch
from skimage import data

from subband.cli.main import main
from subband.media.images import read_image, write_image


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    write_image(tmp_path / "photo.png", torch.from_numpy(data.camera()[100:196, 200:328].copy())[None] / 255)
    return tmp_path / "photo.png"


def test_image_and_table(photo, tmp_path, capsys):
    assert main(["decompose", str(photo), "--wavelet", "db2", "--mode", "periodization", "--level", "2"]) == 0
    assert read_image(tmp_path / "photo_bands.png").pixels.shape == (1, 96, 128)
    with open(tmp_path / "photo_bands.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    approx, coarse, fine = pywt.wavedec2(data.camera()[100:196, 200:328] / 255, "db2", "periodization", 2)
    expected = {"LL2": approx, "LH2": coarse[0], "HL2": coarse[1], "HH2": coarse[2], "LH1": fine[0], "HL1": fine[1]}
    found = {f"{row['band']}{row['level']}": float(row["energy"]) for row in rows}
    assert list(found) == [*expected, "HH1"]
    assert all(found[name] == pytest.approx((band**2).sum(), rel=1e-5) for name, band in expected.items())
    shown = capsys.readouterr().out
    assert all(name in shown for name in found)
    assert "photo_bands.csv" in shown


def test_json_labels_and_separators(photo, tmp_path):
    out = tmp_path / "bands.png"
    assert (
        main(["decompose", str(photo), "--table", "json", "--level", "1", "--separator", "0", "--out", str(out)]) == 0
    )
    content = json.loads((tmp_path / "bands.json").read_text())
    assert content["photograph"] == "photo.png"
    assert content["wavelet"] == "haar"
    assert sum(row["share"] for row in content["bands"]) == pytest.approx(1)
    labelled = tmp_path / "labelled.png"
    assert main(["decompose", str(photo), "--level", "1", "--labels", "--out", str(labelled)]) == 0
    assert not torch.equal(read_image(out).pixels, read_image(labelled).pixels)


def test_folders_have_one_table_for_all(photo, tmp_path, capsys):
    folder = tmp_path / "photos"
    folder.mkdir()
    for name in ("one.png", "two.png"):
        (folder / name).write_bytes(photo.read_bytes())
    assert main(["decompose", str(folder), "--level", "2"]) == 0
    names = sorted(path.name for path in (tmp_path / "photos_bands").iterdir())
    assert names == ["one.csv", "one.png", "two.csv", "two.png"]
    shown = capsys.readouterr().out
    assert all(text in shown for text in ("one.png", "two.png", "LL2", "details 2", "details 1"))


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--level", "0"), "--level must be at least 1"),
        (("--table", "xml"), "--table must be csv or json"),
        (("--separator", "-1"), "separator must not be negative"),
        (("--wavelet", "nowave"), "nowave"),
        (("--mode", "wrap"), "mode"),
        (("--out", "{folder}/bands.xyz"), "no suffix of an image"),
    ],
)
def test_wrong_options_are_one_sentence(words, message, photo, tmp_path, capsys):
    assert main(["decompose", str(photo), *(word.format(folder=tmp_path) for word in words)]) == 2
    shown = capsys.readouterr().err
    assert message in shown
    assert shown.count("\n") == 1
    assert [path.name for path in tmp_path.iterdir()] == ["photo.png"]


def test_a_table_in_the_way_stays(photo, tmp_path, capsys):
    (tmp_path / "photo_bands.csv").write_text("mine")
    assert main(["decompose", str(photo)]) == 2
    assert "photo_bands.csv exists already" in capsys.readouterr().err
    assert (tmp_path / "photo_bands.csv").read_text() == "mine"
    assert not (tmp_path / "photo_bands.png").exists()
