import numpy as np
import pytest
import torch

from subband.data import build_data
from subband.data.video.kitticaltech import starts_within_sources

ARGS = {"in_frames": 3, "out_frames": 1, "val_fraction": 0.25}


@pytest.fixture
def frames():
    random = np.random.default_rng(0)
    return {name: random.integers(0, 256, (20, 128, 160, 3), dtype=np.uint8) for name in ("train", "test")}


@pytest.fixture
def npy_root(tmp_path, frames):
    folder = tmp_path / "kitticaltech_npy"
    folder.mkdir()
    for split in ("train", "test"):
        np.save(folder / f"{split}_data.npy", frames[split])
        np.save(folder / f"{split}_idx.npy", np.arange(0, 20, 4))
    return tmp_path


def expected(frames, start):
    return torch.from_numpy(frames[start : start + 4]).permute(0, 3, 1, 2).float() / 255


def test_npy_layout(npy_root, frames):
    data = build_data("kitticaltech", {"root": str(npy_root), **ARGS}, 0)
    assert (len(data.train), len(data.val), len(data.test)) == (4, 1, 5)
    assert torch.equal(torch.cat(data.train[2]), expected(frames["train"], 8))
    assert torch.equal(torch.cat(data.val[0]), expected(frames["train"], 16))
    assert torch.equal(torch.cat(data.test[3]), expected(frames["test"], 12).flip(1))


def test_caltech_may_stay_blue_green_red(npy_root, frames):
    data = build_data("kitticaltech", {"root": str(npy_root), "caltech_bgr": True, **ARGS}, 0)
    assert torch.equal(torch.cat(data.test[3]), expected(frames["test"], 12))


def test_hickle_layout(tmp_path, frames):
    hickle = pytest.importorskip("hickle")
    (tmp_path / "kitti_hkl").mkdir()
    (tmp_path / "caltech").mkdir()
    hickle.dump(frames["train"], str(tmp_path / "kitti_hkl" / "X_train.hkl"))
    hickle.dump(["a"] * 9 + ["b"] * 11, str(tmp_path / "kitti_hkl" / "sources_train.hkl"))
    np.save(tmp_path / "caltech" / "data_cache.npy", frames["test"].astype(np.float32) / 255)
    np.save(tmp_path / "caltech" / "indices_cache.npy", np.array([2, 9]))
    data = build_data("kitticaltech", {"root": str(tmp_path), **ARGS}, 0)
    assert [*data.train.starts, *data.val.starts] == [0, 4, 9, 13]
    assert torch.equal(torch.cat(data.val[0]), expected(frames["train"], 13))
    assert torch.equal(torch.cat(data.test[1]), expected(frames["test"], 9).flip(1))


def test_clips_stay_in_one_recording():
    assert starts_within_sources(np.array(list("aaaaabbbbcc")), 2).tolist() == [0, 2, 5, 7, 9]
    assert starts_within_sources(np.array(list("ab")), 3).tolist() == []


def test_missing_files_are_named(npy_root, tmp_path):
    (npy_root / "kitticaltech_npy" / "test_idx.npy").unlink()
    with pytest.raises(FileNotFoundError, match=r"kitticaltech_npy/test_idx\.npy"):
        build_data("kitticaltech", {"root": str(npy_root)}, 0)
    with pytest.raises(FileNotFoundError, match=r"kitti_hkl/X_train\.hkl"):
        build_data("kitticaltech", {"root": str(tmp_path / "elsewhere")}, 0)


def test_damaged_arrays_are_named(npy_root):
    path = npy_root / "kitticaltech_npy" / "test_data.npy"
    for content in (b"", path.read_bytes()[:5000], b"no array"):
        path.write_bytes(content)
        with pytest.raises(ValueError, match=r"test_data.npy cannot be read as an array \(.npy\): \w+"):
            build_data("kitticaltech", {"root": str(npy_root), **ARGS}, 0)
