import errno
import os
import re

import pytest

from subband import files
from subband.files import (
    LOCK_FILE,
    FolderInUseError,
    contents,
    folder_lock,
    naming,
    new_path,
    remove_folder,
    utf8_path,
    write_atomically,
)


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


def test_a_folder_is_for_one_process_until_that_ends_however_it_ends(tmp_path, in_use):
    folder = tmp_path / "runs" / "a"
    with in_use(folder) as holder:
        said = rf"runs/a is in use by process {holder.pid} of .*; wait until it has ended, or choose another folder\."
        with pytest.raises(FolderInUseError, match=said), folder_lock(folder):
            pass
        with folder_lock(folder.parent):  # its own lock
            pass
    assert [path.name for path in folder.iterdir()] == [LOCK_FILE]  # killed
    assert contents(folder) == []
    with folder_lock(folder):
        (folder / "note.txt").write_text("")
        assert [path.name for path in contents(folder)] == ["note.txt"]
    assert [path.name for path in folder.iterdir()] == ["note.txt"]


def test_a_lock_leaves_no_empty_folder_but_one_that_was_there(tmp_path):
    (tmp_path / "mine").mkdir()
    with folder_lock(tmp_path / "mine"), folder_lock(tmp_path / "runs" / "a"):
        remove_folder(tmp_path / "runs" / "a")  # all but what is locked
        assert (tmp_path / "runs" / "a").is_dir()
    assert [path.name for path in tmp_path.iterdir()] == ["mine"]
    remove_folder(tmp_path / "mine")
    assert not (tmp_path / "mine").exists()
    (tmp_path / "parts").mkdir()
    (tmp_path / "parts" / "note.json").write_text("")
    with folder_lock(tmp_path / "parts"):
        remove_folder(tmp_path / "parts")
    assert not (tmp_path / "parts").exists()


def test_without_locks_work_goes_on_with_a_warning_and_where_nothing_can_be_written_without_one(tmp_path, monkeypatch):
    def no_locks(file, *words):
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    with monkeypatch.context() as patch:
        patch.setattr(files.fcntl, "lockf", no_locks)
        with pytest.warns(UserWarning, match="runs is on a file system without locks"), folder_lock(tmp_path / "runs"):
            pass

    def refused(code):
        def refuse(*words):
            raise OSError(code, os.strerror(code), str(words[0]))

        return refuse

    for code in (errno.EROFS, errno.EACCES):
        monkeypatch.setattr(os, "open", refused(code))
        monkeypatch.setattr(os, "access", lambda *words: False)
        with folder_lock(tmp_path):
            pass
    monkeypatch.setattr(os, "open", refused(errno.ENOSPC))
    with pytest.raises(OSError, match=r"\.lock"), folder_lock(tmp_path):
        pass
