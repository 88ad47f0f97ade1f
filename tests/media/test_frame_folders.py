"""Folders of frames by the numbers in their names."""

import warnings
from pathlib import Path

import pytest
import torch

from subband.data.video.folder import find_videos
from subband.media import open_clip, read_clip, write_clip
from subband.media.frame_folders import frame_numbers, missing_frames
from subband.media.images import write_image


def paths(*names: str) -> list[Path]:
    return [Path(name) for name in names]


def test_numbers_are_those_in_which_names_differ():
    assert frame_numbers(paths("c2_0009.png", "c2_0010.jpg", "C2_11.png")) == [9, 10, 11]
    assert frame_numbers(paths("7_blur.png", "8_blur.png")) == [7, 8]
    for names in (("a.png", "b.png"), ("1_1.png", "2_2.png"), ("a1.png", "b2.png"), ("1.png", "1a.png"), ("1.png",)):
        assert frame_numbers(paths(*names)) is None, names


def test_missing_frames_are_named_as_the_others_are():
    assert missing_frames(paths("000001.png", "000002.png", "000004.png")) == ["000003.png"]
    assert missing_frames(paths("f8.jpg", "f9.jpg", "f12.jpg", "f13.jpg")) == ["f10.jpg", "f11.jpg"]
    assert missing_frames(paths("0098_0098.png", "0098_0099.png", "0098_0101.png")) == ["0098_0100.png"]
    assert missing_frames(paths("0.png", "5.png", "10.png", "20.png")) == ["15.png"]
    for names in ((3, 17, 18, 40), (1, 2, 4, 6, 9), (4, 9), (7,), (1, 3, 5, 6, 8)):  # whole, or no count of frames
        assert missing_frames(paths(*(f"{name}.png" for name in names))) == [], names
    assert missing_frames(paths("a1.png", "a2.png", "b4.png")) == []
    assert missing_frames(paths("1.jpg", "1.png", "3.png")) == []


def test_a_gap_is_said_once_for_a_folder_wherever_it_is_opened(tmp_path):
    for name in ("whole", "gap"):
        write_clip(tmp_path / name, torch.rand(12, 3, 8, 8))
    names = [path.name for path in sorted((tmp_path / "gap").iterdir())]
    for name in names[3:10]:
        (tmp_path / "gap" / name).unlink()
    said = rf"7 frames of .*gap are missing by the numbers of the others: {names[3]}, .*{names[7]}, \.\.\.\."
    with pytest.warns(UserWarning, match=said) as told:
        assert [video.num_frames for video in find_videos(tmp_path, 2)] == [5, 12]
    assert len(told) == 1
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert len(read_clip(tmp_path / "gap")) == 5
        for number in range(80):  # more folders than are kept in memory
            (tmp_path / f"{number}").mkdir()
            write_image(tmp_path / f"{number}" / "1.png", torch.rand(3, 8, 8))
            with open_clip(tmp_path / f"{number}"):
                pass
        assert len(read_clip(tmp_path / "gap")) == 5
    write_image(tmp_path / "gap" / names[3], torch.rand(3, 8, 8))  # another gap
    with pytest.warns(UserWarning, match=rf"6 frames of .*gap are missing .*: {names[4]}"):
        read_clip(tmp_path / "gap")
