import struct

import numpy as np
import pytest
import torch

from subband.data import SampleLoader, build_data


def field(number, payload):
    return bytes([number << 3 | 2]) + varint(len(payload)) + payload


def varint(value):
    out = b""
    while value > 0x7F:
        out += bytes([value & 0x7F | 0x80])
        value >>= 7
    return out + bytes([value])


def example(frames):
    """A `tf.train.Example` with frames of two cameras and a float feature per frame, as BAIR has them."""
    entries = b""
    for number, pixels in enumerate(frames):
        for camera, values in (("image_main", pixels[::-1]), ("image_aux1", pixels)):
            feature = field(1, field(1, values.tobytes()))
            entries += field(1, field(1, f"{number}/{camera}/encoded".encode()) + field(2, feature))
        floats = field(2, field(1, struct.pack("<3f", 1, 2, 3)))
        entries += field(1, field(1, f"{number}/endeffector_pos".encode()) + field(2, floats))
    return field(1, entries)


def record(payload):
    return struct.pack("<Q", len(payload)) + bytes(4) + payload + bytes(4)


@pytest.fixture
def recordings():
    return np.random.default_rng(0).integers(0, 256, (4, 6, 64, 64, 3), dtype=np.uint8)


@pytest.fixture
def root(tmp_path, recordings):
    for split, parts in (("train", recordings[:3]), ("test", recordings[3:])):
        folder = tmp_path / "softmotion30_44k" / split
        folder.mkdir(parents=True)
        (folder / "traj_0_to_255.tfrecords").write_bytes(b"".join(record(example(frames)) for frames in parts))
    return tmp_path


ARGS = {"in_frames": 1, "out_frames": 3, "val_fraction": 0.34}


def test_every_window_of_every_recording(root, recordings):
    data = build_data("bair", {"root": str(root), **ARGS}, 0)
    assert (len(data.train), len(data.val), len(data.test)) == (6, 3, 3)
    for split, key, recording, start in ((data.train, 4, 1, 1), (data.val, 2, 2, 2), (data.test, 3, 3, 0)):
        expected = torch.from_numpy(recordings[recording, start : start + 4]).permute(0, 3, 1, 2).float() / 255
        assert torch.equal(torch.cat(split[key]), expected)


def test_too_short_recordings(root):
    with pytest.raises(ValueError, match="has recordings of 6 frames, too few for 8"):
        build_data("bair", {"root": str(root), "in_frames": 4, "out_frames": 4, "val_fraction": 0.34}, 0)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"abc", "is cut off or no TensorFlow record file"),
        (record(b"\x0a\x05ab"), "no tf.train.Example"),
        (record(b"\x07"), "no tf.train.Example"),
    ],
)
def test_broken_files_are_named(root, content, message):
    (root / "softmotion30_44k" / "test" / "traj_0_to_255.tfrecords").write_bytes(content)
    with pytest.raises(ValueError, match=f"traj_0_to_255.tfrecords.*{message}"):
        build_data("bair", {"root": str(root), **ARGS}, 0)


def test_missing_folders_are_named(root):
    (root / "softmotion30_44k" / "test" / "traj_0_to_255.tfrecords").unlink()
    with pytest.raises(FileNotFoundError, match=r"test holds no .tfrecords file"):
        build_data("bair", {"root": str(root), **ARGS}, 0)
    with pytest.raises(FileNotFoundError, match=r"BAIR folder not found: looked for .*nowhere"):
        build_data("bair", {"root": str(root / "nowhere")}, 0)


def test_a_damaged_record_costs_its_clips(root, recordings):
    broken = example(recordings[1]).replace(b"3/image_aux1/encoded", b"9/image_aux1/encoded")
    parts = [example(recordings[0]), broken, b"\x07" * 9, example(recordings[2])]
    path = root / "softmotion30_44k" / "train" / "traj_0_to_255.tfrecords"
    path.write_bytes(b"".join(map(record, parts)))
    data = build_data("bair", {"root": str(root), **ARGS, "val_fraction": 0.25}, 0)
    with pytest.warns(UserWarning, match=r"left out 6 of 9 samples: ") as said:
        clips = torch.cat(
            [torch.cat(batch, 1) for batch in SampleLoader(data.train, 2, shuffle=False, drop_last=False, seed=0)]
        )
    assert len(clips) == 3
    for words in ("holds a record whose frame 3 has 0 bytes", "holds a record that is no tf.train.Example"):
        assert f"{path} {words}" in str(said[0].message)
