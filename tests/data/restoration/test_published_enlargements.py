"""REDS, Vimeo-90K, Vid4 and UDM10: made folders in the layouts of the sets, their splits, what counts in the test."""

import pytest
import torch

from subband.cli.main import main
from subband.data.registry import build_data
from subband.media.images import write_image


def write(folder, count, size, name="{:08d}.png", first=0):
    folder.mkdir(parents=True)
    for number in range(count):
        write_image(folder / name.format(first + number), torch.full((3, *size), (number + 1) / 10))


def write_pair(small, large, count=2, size=(6, 8), **options):
    write(small, count, size, **options)
    write(large, count, (4 * size[0], 4 * size[1]), **options)


@pytest.fixture(scope="module")
def reds(tmp_path_factory):
    root = tmp_path_factory.mktemp("REDS")
    for split, clips in (("train", ("000", "001", "011", "015", "020")), ("val", ("000", "001", "002"))):
        for clip in clips:
            write_pair(root / f"{split}_sharp_bicubic" / "X4" / clip, root / f"{split}_sharp" / clip)
    return root


@pytest.fixture(scope="module")
def vimeo(tmp_path_factory):
    root = tmp_path_factory.mktemp("vimeo")
    for number in range(1, 4):
        clip = f"00001/000{number}"
        write_pair(root / "BIx4" / clip, root / "GT" / clip, 7, (64, 112), name="im{}.png", first=1)
    (root / "sep_trainlist.txt").write_text("00001/0001\n00001/0002\n\n")
    (root / "sep_testlist.txt").write_text("00001/0003\n\n")
    return root


def test_reds_is_split_as_published(reds):
    data = build_data("reds", {"root": str(reds), "frames": 2, "crop": 4}, 0)
    assert {(pair.sharp.parent.name, pair.name) for pair in data.train.pairs} == {
        ("train_sharp", "001"),
        ("val_sharp", "002"),
    }
    assert [pair.name for pair in data.val.pairs] == ["000", "001"]
    assert [pair.name for pair in data.test.pairs] == ["000", "011", "015", "020"]
    small, large = data.train[3]
    assert (small.shape, large.shape) == ((2, 3, 4, 4), (2, 3, 16, 16))
    assert torch.equal(small[:, :, 0, 0], large[:, :, 0, 0])
    assert data.test[0][1].shape == (2, 3, 24, 32)


def test_of_a_septuplet_the_middle_is_scored(vimeo):
    assert not build_data("vimeo90k", {"root": str(vimeo), "crop": 8, "mirrored": False}, 0).test.spec.mirrored
    data = build_data("vimeo90k", {"root": str(vimeo), "crop": 8}, 0)
    assert data.spec.mirrored
    assert data.test.spec.mirrored
    assert [len(split.pairs) for split in (data.train, data.val, data.test)] == [1, 1, 1]
    assert data.train[0][1].shape == (7, 3, 32, 32)
    assert data.val[0][1].shape == (7, 3, 256, 448)
    small, large = data.test[0]
    assert (small.shape, large.shape) == ((7, 3, 64, 112), (1, 3, 256, 448))
    assert torch.equal(large[0, :, 0, 0], small[3, :, 0, 0])


def test_sets_for_tests_are_not_trained_on(tmp_path, capsys):
    for clip in ("calendar", "walk"):
        write_pair(tmp_path / "Vid4" / "BDx4" / clip, tmp_path / "Vid4" / "GT" / clip, 3, (8, 8))
        write_pair(tmp_path / "UDM10" / clip / "blur4", tmp_path / "UDM10" / clip / "truth", name="{:04d}.png")
    assert len(build_data("udm10", {"root": str(tmp_path / "UDM10")}, 0).test.pairs) == 2
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text(
        "task: restoration\nmodel: {name: basicvsr_pp_s, args: {channels: 4, blocks: 1, groups: 2}}\n"
        f"data: {{name: vid4, args: {{root: '{tmp_path / 'Vid4'}', degradation: BD}}}}\nloss: [{{name: l1}}]\n"
    )
    assert main(["train", str(recipe), "--out", str(tmp_path / "run")]) == 2
    assert "nothing to train on" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("name", "args", "words"),
    [
        ("reds", {"root": "none"}, "none"),
        ("vid4", {"root": "none"}, "folder of pairs not found"),
        ("vimeo90k", {"root": "{vimeo}", "degradation": "BX"}, "must be 'BI' or 'BD'|degradation"),
        ("vimeo90k", {"root": "{vimeo}", "degradation": "BD"}, "BDx4"),
        ("vimeo90k", {"root": "{vimeo}", "crop": 100}, "crop must be at most 64 pixels"),
    ],
)
def test_mistakes(name, args, words, vimeo):
    args = {key: value.format(vimeo=vimeo) if isinstance(value, str) else value for key, value in args.items()}
    with pytest.raises((ValueError, FileNotFoundError), match=words):
        build_data(name, args, 0)


def test_a_clip_without_partner_is_named(tmp_path):
    for split in ("train", "val"):
        write_pair(tmp_path / f"{split}_sharp_bicubic" / "X4" / "000", tmp_path / f"{split}_sharp" / "000")
    write(tmp_path / "train_sharp" / "001", 2, (24, 32))
    with pytest.raises(ValueError, match="do not hold the same clips: 001 has no partner"):
        build_data("reds", {"root": str(tmp_path)}, 0)
    write(tmp_path / "train_sharp_bicubic" / "X4" / "001", 1, (6, 8))
    with pytest.raises(ValueError, match="clip 001: 1 degraded but 2 sharp frames"):
        build_data("reds", {"root": str(tmp_path)}, 0)
