import numpy as np
import pytest
import torch

from subband.data import SampleLoader
from subband.data.images import gray_files
from subband.data.images.folder import gray_folder, unlabelled_folder
from subband.media.images import write_image

RAMP = np.arange(64, dtype=np.uint16).reshape(8, 8)


@pytest.fixture
def scans(tmp_path, write_dicom):
    """Two pictures and two DICOM files, of which one has five slices."""
    for number in range(2):
        write_image(tmp_path / f"{number}.png", torch.rand(1, 8, 8), bit_depth=16)
    (tmp_path / "inside").mkdir()
    write_dicom(tmp_path / "inside" / "volume", np.stack([RAMP + 1000 * number for number in range(5)]))
    write_dicom(tmp_path / "scan.dcm", RAMP, kind="MONOCHROME1")
    return tmp_path


def test_slices_stand_among_pictures_and_stay_together(scans):
    data = gray_folder(path=str(scans), img_size=8, percentiles=(0, 100), fractions=(0.5, 0.25, 0.25), order="sorted")
    assert [len(split) for split in (data.train, data.val, data.test)] == [2, 5, 1]
    ramp = torch.arange(64.0).view(1, 8, 8) / 63
    for index in range(5):
        torch.testing.assert_close(data.val[index], ramp)  # the values of every slice are stretched
    torch.testing.assert_close(data.test[0], 1 - ramp)


def test_a_damaged_slice_is_left_out_by_name(scans):
    path = scans / "inside" / "volume"
    path.write_bytes(path.read_bytes()[:200])
    data = gray_folder(path=str(scans), img_size=8, fractions=(0.25, 0.25, 0.5), order="sorted")
    loader = SampleLoader(data.test, 2, shuffle=False, drop_last=False, seed=0, collate=torch.stack)
    with pytest.warns(UserWarning, match=r"left out 1 of 2 samples: .*inside/volume cannot be read as a DICOM file"):
        assert sum(map(len, loader)) == 1


def test_other_folders_of_pictures_take_no_slices(scans):
    write_image(scans / "2.png", torch.rand(1, 8, 8))
    with pytest.warns(UserWarning, match=r"left out in .*: 2 files: no picture \(volume, scan.dcm\)"):
        assert len(unlabelled_folder(path=str(scans), img_size=8, gray=True).train) == 1


def test_the_package_that_is_missing_is_named(tmp_path, monkeypatch):
    monkeypatch.setattr(gray_files, "has_dicom_reader", lambda: False)
    for number in range(3):
        (tmp_path / f"{number}.dcm").write_bytes(bytes(128) + b"DICM")
    with pytest.raises(ValueError, match=r"holds no photographs; it holds 3 files: needs the package pydicom"):
        gray_folder(path=str(tmp_path))
    for number in range(3):
        write_image(tmp_path / f"{number}.png", torch.rand(1, 8, 8))
    with pytest.warns(UserWarning, match=r"3 files: needs the package pydicom \(pip install 'subband\[dicom\]'\)"):
        assert len(gray_folder(path=str(tmp_path), img_size=8).train) == 1
