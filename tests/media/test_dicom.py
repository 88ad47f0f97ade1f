import numpy as np
import pytest
import torch

from subband.media.dicom import is_dicom, num_slices, read_slice

pydicom = pytest.importorskip("pydicom")

VALUES = 100 * np.arange(12, dtype=np.uint16).reshape(3, 4)


def groups(**macros):
    """A functional group of multi-frame files: named sequences of one item."""
    group = pydicom.Dataset()
    for name, tags in macros.items():
        item = pydicom.Dataset()
        item.update(tags)
        setattr(group, name, [item])
    return group


def test_stored_numbers_become_what_they_mean(tmp_path, write_dicom):
    path = tmp_path / "scan"
    write_dicom(path, VALUES, RescaleSlope=2, RescaleIntercept=-1000)
    assert is_dicom(path)
    assert num_slices(path) == 1
    assert torch.equal(read_slice(path), torch.from_numpy(2.0 * VALUES.astype(np.float32) - 1000)[None])
    write_dicom(path, VALUES.astype(np.int16) - 600)
    assert torch.equal(read_slice(path), torch.from_numpy(VALUES.astype(np.float32) - 600)[None])


def test_the_window_cuts_and_monochrome1_is_turned_around(tmp_path, write_dicom):
    path = tmp_path / "scan"
    write_dicom(path, VALUES, WindowCenter=500.5, WindowWidth=401)
    # PS3.3, C.11.2.1.2.1: below 300.5 is the smallest, above 700 the largest, in between a straight line
    line = np.clip(((VALUES.astype(np.float64) - 500) / 400 + 0.5), 0, 1) * 65535
    torch.testing.assert_close(read_slice(path)[0], torch.from_numpy(line).float())
    write_dicom(path, VALUES, kind="MONOCHROME1", WindowCenter=500.5, WindowWidth=401)
    torch.testing.assert_close(read_slice(path)[0], torch.from_numpy(65535 - line).float())
    write_dicom(path, VALUES, kind="MONOCHROME1")
    assert torch.equal(read_slice(path)[0], torch.from_numpy(1100 - VALUES.astype(np.float32)))


def test_every_frame_is_a_slice_with_the_rescaling_of_its_own(tmp_path, write_dicom):
    path = tmp_path / "volume"
    own = [groups(PixelValueTransformationSequence={"RescaleSlope": slope, "RescaleIntercept": 0}) for slope in (1, 3)]
    shared = groups(PixelValueTransformationSequence={"RescaleSlope": 7, "RescaleIntercept": 0})
    tags = {"SharedFunctionalGroupsSequence": [shared], "PerFrameFunctionalGroupsSequence": own}
    write_dicom(path, np.stack([VALUES, VALUES + 1]), **tags)
    assert num_slices(path) == 2
    assert torch.equal(read_slice(path, 0)[0], torch.from_numpy(VALUES.astype(np.float32)))
    assert torch.equal(read_slice(path, 1)[0], torch.from_numpy(3 * (VALUES.astype(np.float32) + 1)))
    write_dicom(path, np.stack([VALUES, VALUES]), SharedFunctionalGroupsSequence=[shared])
    assert torch.equal(read_slice(path, 1)[0], torch.from_numpy(7 * VALUES.astype(np.float32)))


def test_files_that_cannot_be_read_are_named(tmp_path, write_dicom):
    path = tmp_path / "scan.dcm"
    write_dicom(path, np.zeros((3, 4, 3), np.uint16), kind="RGB")
    with pytest.raises(ValueError, match=r"scan.dcm cannot be read as a DICOM file: its pictures are no gray ones"):
        read_slice(path)
    write_dicom(path, VALUES)
    whole = path.read_bytes()
    for length in (140, 200, len(whole) - 5):
        path.write_bytes(whole[:length])
        with pytest.raises(ValueError, match=r"scan.dcm cannot be read as a DICOM file: [^\n]+\.$"):
            read_slice(path)
    path.write_bytes(whole[:131])
    assert not is_dicom(path)


def test_a_list_of_files_has_no_slices(tmp_path, write_dicom):
    write_dicom(tmp_path / "DICOMDIR", VALUES, sop_class="1.2.840.10008.1.3.10")
    assert num_slices(tmp_path / "DICOMDIR") == 0
