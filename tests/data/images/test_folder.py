import warnings

import pytest
import torch

from subband.data import SampleLoader
from subband.data.images.folder import gray_folder, stretched, unlabelled_folder
from subband.media.images import write_image


def pictures(folder, count, **options):
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(count):
        write_image(folder / f"{number}.png", torch.full((3, 20, 30), number / 255), **options)


def numbers(split):
    return [round(255 * split[index].mean().item()) for index in range(len(split))]


def test_a_flat_folder_is_dealt_out_by_names_or_in_order(tmp_path):
    pictures(tmp_path, 20)
    ordered = unlabelled_folder(path=str(tmp_path), img_size=8, order="sorted")
    assert [numbers(split) for split in (ordered.train, ordered.val, ordered.test)] == [
        list(range(16)),
        [16, 17],
        [18, 19],
    ]
    shuffled = unlabelled_folder(path=str(tmp_path), img_size=8)
    parts = [numbers(split) for split in (shuffled.train, shuffled.val, shuffled.test)]
    assert sorted(number for part in parts for number in part) == list(range(20))
    assert parts[0] != sorted(parts[0])
    assert parts == [
        numbers(getattr(unlabelled_folder(path=str(tmp_path), seed=5), name)) for name in ("train", "val", "test")
    ]


def test_named_splits_sizes_and_gray(tmp_path):
    for name, count in (("train", 3), ("val", 1), ("test", 2)):
        pictures(tmp_path / name / "inside", count)
    data = unlabelled_folder(path=str(tmp_path), img_size=(4, 12), gray=True)
    assert data.train[0].shape == (1, 4, 12)
    assert [numbers(split) for split in (data.train, data.val, data.test)] == [[0, 1, 2], [0], [0, 1]]
    write_image(tmp_path / "train" / "green.png", torch.tensor([0.0, 1.0, 0.0])[:, None, None].expand(3, 8, 8))
    data = unlabelled_folder(path=str(tmp_path), img_size=4, gray=True)
    assert max(data.train[index].max().item() for index in range(4)) == pytest.approx(0.587)


def test_gray_pictures_are_colored_where_three_channels_are_wanted(tmp_path):
    for number in range(3):
        write_image(tmp_path / f"{number}.png", torch.rand(1, 8, 8))
    image = unlabelled_folder(path=str(tmp_path), img_size=8).test[0]
    assert image.shape == (3, 8, 8)
    assert torch.equal(image[0], image[2])


def test_sixteen_bits_are_stretched_between_percentiles(tmp_path):
    ramp = (1000 + torch.arange(1600).float().view(1, 40, 40)) / 65535
    for number in range(3):
        write_image(tmp_path / f"{number}.png", ramp, bit_depth=16)
    image = gray_folder(path=str(tmp_path), img_size=40).train[0]
    low, high = 0.001 * 1599, 0.999 * 1599
    wanted = ((torch.arange(1600.0).view(1, 40, 40) - low) / (high - low)).clamp(0, 1)
    torch.testing.assert_close(image, wanted, rtol=0, atol=1e-4)
    half = gray_folder(path=str(tmp_path), img_size=40, percentiles=(0, 50)).train[0]
    assert half[0, 20:].min() > 0.99
    assert len(image.unique()) > 1500


def test_a_picture_without_contrast_is_black_and_not_nan():
    assert torch.equal(stretched(torch.full((1, 4, 4), 0.3), (0.1, 99.9)), torch.zeros(1, 4, 4))


def test_damaged_pictures_are_left_out_named_and_counted(tmp_path):
    pictures(tmp_path, 12)
    (tmp_path / "3.png").write_bytes((tmp_path / "3.png").read_bytes()[:50])
    (tmp_path / "5.png").write_bytes(b"")
    data = unlabelled_folder(path=str(tmp_path), img_size=8, order="sorted")
    loader = SampleLoader(data.train, 4, shuffle=False, drop_last=False, seed=0, collate=torch.stack)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        assert sum(map(len, loader)) == 8
    (said,) = [str(item.message) for item in caught]
    assert said.startswith("left out 2 of 10 samples: ")
    assert "3.png" in said
    assert "5.png" in said


def test_wrong_arguments_are_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"folder of pictures not found: .*nothing"):
        unlabelled_folder(path=str(tmp_path / "nothing"))
    with pytest.raises(ValueError, match=r"holds no photographs"):
        unlabelled_folder(path=str(tmp_path))
    pictures(tmp_path, 2)
    with pytest.raises(ValueError, match=r"has 2 usable pictures, three splits need at least 3"):
        gray_folder(path=str(tmp_path))
    with pytest.raises(ValueError, match=r"percentiles must be \(low, high\)"):
        gray_folder(path=str(tmp_path), percentiles=(50, 50))
    pictures(tmp_path / "more", 1)
    with pytest.raises(ValueError, match=r"fractions must be three positive numbers with sum 1"):
        unlabelled_folder(path=str(tmp_path), fractions=(0.5, 0.2, 0.2))
