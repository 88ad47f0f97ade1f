import errno
import os
import re

import pytest

from subband.files import naming, new_path, utf8_path, write_atomically


def test_a_full_disk_is_said_with_the_name_of_the_file_which_stays_as_it_was(tmp_path, monkeypatch):
    path = tmp_path / "result.csv"
    path.write_text("before")

    def full(descriptor):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left") as caught:
        write_atomically(path, b"after")
    assert caught.value.filename == str(path)
    with pytest.raises(OSError, match="No space left") as caught, new_path(path, overwrite=True) as temporary:
        temporary.write_text("after")
    assert caught.value.filename == str(path)
    # Trouble with another file, or of another kind, is not renamed.
    with pytest.raises(FileNotFoundError, match=re.escape("other.csv")), new_path(path, overwrite=True):
        (tmp_path / "other.csv").read_text()
    assert path.read_text() == "before"
    assert [entry.name for entry in tmp_path.iterdir()] == ["result.csv"]


def test_a_library_that_takes_no_bytes_but_utf8_reads_and_writes_through_a_link(tmp_path):
    with utf8_path(tmp_path / "plain") as path:
        assert path == tmp_path / "plain"
    other = tmp_path / os.fsdecode(b"\xe9")
    with utf8_path(other) as path:
        path.write_bytes(str(path).encode())
    assert other.read_bytes()
    assert not os.path.lexists(path)


def test_errors_name_the_file_that_the_user_knows(tmp_path):
    path, temporary = tmp_path / "clip.mp4", tmp_path / ".aside.mp4"
    for name in (None, str(temporary), f"file:{temporary}", temporary, temporary / "frame_0001.png"):
        with pytest.raises(OSError, match="No space left") as caught, naming(path, temporary):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), name)
        assert caught.value.filename == str(path)
    with pytest.raises(FileNotFoundError) as caught, naming(path, temporary):
        raise FileNotFoundError(errno.ENOENT, "No such file", "other.mp4")
    assert caught.value.filename == "other.mp4"
