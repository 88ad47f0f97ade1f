import numpy as np
import pytest
import torch

from subband.data import build_data


@pytest.fixture
def arrays():
    random = np.random.default_rng(0)
    sizes = {"X_train": 40, "Y_train": 40, "X_test": 5, "Y_test": 5}
    return {name: random.uniform(-1, 1, (size, 4, 2, 32, 32)) for name, size in sizes.items()}


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_published_archive(tmp_path, arrays, save):
    (tmp_path / "taxibj").mkdir()
    save(tmp_path / "taxibj" / "dataset.npz", **arrays)
    data = build_data("taxibj", {"root": str(tmp_path), "val_fraction": 0.1}, 0)
    assert (len(data.train), len(data.val), len(data.test)) == (29, 4, 5)
    for split, first, name in ((data.train, 0, "train"), (data.val, 36, "train"), (data.test, 0, "test")):
        inputs, targets = split.batch([3, 1])
        for frames, stored in ((inputs, arrays[f"X_{name}"]), (targets, arrays[f"Y_{name}"])):
            expected = torch.from_numpy((stored[[first + 3, first + 1]] + 1) / 2).float()
            torch.testing.assert_close(frames, expected, atol=1e-6, rtol=0)


def test_augmentation_mirrors_inputs_and_targets_alike(tmp_path, arrays):
    (tmp_path / "taxibj").mkdir()
    np.savez(tmp_path / "taxibj" / "dataset.npz", **arrays)
    plain, augmented = (
        build_data("taxibj", {"root": str(tmp_path), "augment": is_on}, 0).train for is_on in (False, True)
    )
    keys = list(range(len(plain), 9 * len(plain)))
    (inputs, targets), (seen_inputs, seen_targets) = plain.batch(keys), augmented.batch(keys)
    mirrored = (seen_inputs != inputs).flatten(1).any(1)
    assert torch.equal(seen_inputs[mirrored], inputs[mirrored].flip(-1))
    assert torch.equal(seen_targets[mirrored], targets[mirrored].flip(-1))
    assert torch.equal(seen_targets[~mirrored], targets[~mirrored])
    assert abs(mirrored.float().mean() - 0.5) < 0.15  # 248 samples: five standard errors


def test_broken_archives_are_named(tmp_path, arrays):
    (tmp_path / "taxibj").mkdir()
    path = tmp_path / "taxibj" / "dataset.npz"
    path.write_bytes(b"PK nothing")
    with pytest.raises(ValueError, match=r"dataset\.npz cannot be read as an npz archive"):
        build_data("taxibj", {"root": str(tmp_path)}, 0)
    np.savez(path, **{name: array for name, array in arrays.items() if name != "X_test"})
    with pytest.raises(ValueError, match=r"dataset\.npz lacks an array: .*X_test"):
        build_data("taxibj", {"root": str(tmp_path)}, 0)
    np.savez(path, **{**arrays, "Y_test": np.array([{}], dtype=object)})
    with pytest.raises(ValueError, match=r"dataset\.npz cannot be read as an npz archive: .*allow_pickle=False"):
        build_data("taxibj", {"root": str(tmp_path)}, 0)


def test_missing_archive_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"TaxiBJ archive not found: looked for .*taxibj/dataset\.npz"):
        build_data("taxibj", {"root": str(tmp_path)}, 0)


def test_other_shapes_are_refused(tmp_path, arrays):
    (tmp_path / "taxibj").mkdir()
    np.savez(tmp_path / "taxibj" / "dataset.npz", **{**arrays, "Y_test": arrays["Y_test"][:, :3]})
    with pytest.raises(ValueError, match="TaxiBJ arrays must be"):
        build_data("taxibj", {"root": str(tmp_path)}, 0)
