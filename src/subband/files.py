"""Writing files so that nothing is lost by accident: no half of one is ever read, no two processes write the same."""

import errno
import hashlib
import os
import platform
import re
import shutil
import sys
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

if sys.platform == "win32":
    import msvcrt
else:
    import fcntl

NO_SPACE = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS}
"""Numbers of the errors after which nothing else can be written either."""

LOCK_FILE = ".lock"
"""Name of the file in a folder by which `folder_lock` keeps other processes out."""

_NAMES = (str, bytes, os.PathLike)
_HASHED_AT_ONCE = 1 << 20  # bytes
_FAR = 1 << 30  # place of the byte that Windows locks, beyond what is read
# Control characters, line and paragraph separators, marks that turn the direction of text, bytes that are no UTF-8.
_UNSHOWN = re.compile("[\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")


class FolderInUseError(OSError):
    """Another process writes into a folder."""


def shown(name: Path | str) -> str:
    r"""A file name as one line of text that every terminal, table, page and plot can show.

    Control characters and bytes that are no UTF-8 become backslash escapes; everything else stays as it is.

    Args:
        name: Any name or path that a file system allows.

    Example:
        >>> print(shown("two\nlines.png"), shown(os.fsdecode(b"caf\xe9.png")), shown("$ 5.png"))
        two\nlines.png caf\xe9.png $ 5.png
    """
    return _UNSHOWN.sub(_escape, str(name))


def _escape(match: re.Match[str]) -> str:
    code = ord(match[0])
    is_byte = 0xDC80 <= code <= 0xDCFF  # how Python holds a byte that is no UTF-8
    return f"\\x{code - 0xDC00:02x}" if is_byte else match[0].encode("unicode_escape").decode()


def described(error: Exception) -> str:
    """What an error says, as one line without the full stop; of one of the operating system the file and the reason.

    Args:
        error: The error.

    Example:
        >>> described(FileNotFoundError(2, "No such file or directory", "a.png"))
        'a.png: No such file or directory'
    """
    if isinstance(error, OSError) and error.strerror:
        name = error.filename
        return shown(f"{os.fsdecode(name)}: {error.strerror}" if isinstance(name, _NAMES) else error.strerror)
    return shown(" ".join(str(error).split()).rstrip("."))


def is_utf8(path: Path) -> bool:
    """Whether every byte of a path is UTF-8.

    Args:
        path: Any path.
    """
    return not re.search("[\ud800-\udfff]", str(path))


@contextmanager
def utf8_path(path: Path) -> Iterator[Path]:
    """Yields a path for libraries that take no bytes but UTF-8: `path` itself, or a link to it for as long as needed.

    Args:
        path: File or folder, which need not be there yet.
    """
    if is_utf8(path):
        yield path
    else:
        with tempfile.TemporaryDirectory(prefix="subband-") as folder:
            link = Path(folder) / "link"
            link.symlink_to(path.absolute())
            yield link


@contextmanager
def new_path(path: Path | str, *, overwrite: bool = False) -> Iterator[Path]:
    """Yields a temporary path beside `path` that becomes `path` when the block ends without an error.

    The block may create a file or a folder there. When it raises, the temporary path is removed and `path` is as it
    was.

    Args:
        path: Where the result shall be.
        overwrite: Allows `path` to exist; it is replaced as a whole.

    Raises:
        FileNotFoundError: If the folder that shall hold `path` does not exist.
        FileExistsError: If `path` exists and `overwrite` is False.
        PermissionError: If the folder cannot be written to.

    Example:
        >>> folder = getfixture("tmp_path")
        >>> with new_path(folder / "note.txt") as temporary:
        ...     _ = temporary.write_text("hello")
        >>> (folder / "note.txt").read_text()
        'hello'
    """
    path = Path(path)
    check_new_path(path, overwrite=overwrite)
    with _aside(path) as temporary:
        yield temporary


def write_atomically(path: Path, content: bytes) -> None:
    """Writes a file of the program's own aside, then renames it: a full disk or a kill leaves the old file as it was.

    Args:
        path: File to write or to replace; its folder must exist.
        content: All of the file.
    """
    with _aside(path) as temporary:
        temporary.write_bytes(content)


def leavings(path: Path) -> list[Path]:
    """What kills in the middle of writing a file have left beside it.

    Args:
        path: The file, whether it is there or not.
    """
    return sorted(path.parent.glob(f"{_beginning(path)}*"))


def _beginning(path: Path) -> str:
    """How the temporary names of a file begin."""
    # Not with the name itself, which may be as long as a name can be.
    return f".{hashlib.blake2b(os.fsencode(path.name), digest_size=8).hexdigest()}-"


@contextmanager
def _aside(path: Path) -> Iterator[Path]:
    """A path beside `path` that is flushed to disk and renamed when the block ends without an error."""
    temporary = path.with_name(f"{_beginning(path)}{os.getpid()}{path.suffix}")
    try:
        with naming(path, temporary):
            yield temporary
            if temporary.is_file():
                with open(temporary, "rb+") as file:
                    os.fsync(file.fileno())
            _replace(temporary, path)
    finally:
        _remove(temporary)


@contextmanager
def naming(path: Path, temporary: Path) -> Iterator[None]:
    """Errors inside name the file that the user knows: those that name a temporary one, or none, as of a full disk.

    Args:
        path: The file to name.
        temporary: File or folder in place of which it is named.

    Raises:
        OSError: With `path` in it.
    """
    try:
        yield
    except OSError as error:
        # FFmpeg names a file by its address.
        name = os.fsdecode(error.filename).removeprefix("file:") if isinstance(error.filename, _NAMES) else None
        if error.errno is None or not (name is None or Path(name).is_relative_to(temporary)):
            raise
        raise OSError(error.errno, error.strerror, str(path)) from error


def check_new_path(path: Path, *, overwrite: bool = False) -> None:
    """Refuses early what `new_path` refuses, for work that takes long before there is anything to write.

    Args:
        path: Where the result shall be.
        overwrite: Allows `path` to exist.

    Raises:
        FileNotFoundError: If the folder that shall hold `path` does not exist.
        FileExistsError: If `path` exists and `overwrite` is False.
        PermissionError: If the folder cannot be written to.
    """
    is_taken = any(path.iterdir()) if path.is_dir() else path.exists()  # an empty folder counts as free
    if is_taken and not overwrite:
        raise FileExistsError(
            f"{path} exists already; choose another name, or allow it with overwrite=True (--overwrite)."
        )
    if not path.parent.is_dir():
        raise FileNotFoundError(f"the folder {path.parent} for {path.name} does not exist; make it first.")
    if not os.access(path.parent, os.W_OK):
        raise PermissionError(f"{path} cannot be written: the folder {path.parent} is read-only.")


def _replace(temporary: Path, path: Path) -> None:
    """Moves `temporary` to `path`; an old folder there makes room first: a rename cannot replace a full folder."""
    if not path.is_dir():
        os.replace(temporary, path)
        return
    old = temporary.with_name(f"{temporary.name}-old")
    os.replace(path, old)
    os.replace(temporary, path)
    _remove(old)


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


@contextmanager
def folder_lock(folder: Path) -> Iterator[None]:
    """Keeps other processes out of a folder for as long as the block lasts, as far as they ask for the same lock.

    The operating system gives the lock back when the process ends, however it ends. A folder that is not there is made,
    and removed again if it is empty when the block ends. Where nothing can be written nothing is locked; where the file
    system has no locks, a warning says so.

    Args:
        folder: What only one process may write into.

    Raises:
        FolderInUseError: If another process has the lock.
        OSError: If the folder cannot be made for another reason than permission.

    Example:
        >>> folder = getfixture("tmp_path") / "run"
        >>> with folder_lock(folder):
        ...     _ = (folder / "note.txt").write_text("hello")
        >>> [path.name for path in folder.iterdir()]
        ['note.txt']
    """
    was_empty = folder.is_dir() and not any(folder.iterdir())
    made = [path for path in (folder, *folder.parents) if not path.exists()]
    file = _open_lock(folder)
    try:
        yield
    finally:
        if file is not None:
            _give_back(folder / LOCK_FILE, file)
        with suppress(OSError):  # not empty
            for path in [] if was_empty else made or [folder]:
                path.rmdir()


def contents(folder: Path) -> list[Path]:
    """What lies in a folder beside its lock; nothing if there is no folder.

    Args:
        folder: The folder.
    """
    return [path for path in folder.iterdir() if path.name != LOCK_FILE] if folder.is_dir() else []


def remove_folder(folder: Path) -> None:
    """Removes all that is in a folder, and the folder, which stays if this process holds its lock.

    Args:
        folder: The folder.
    """
    for path in contents(folder):
        _remove(path)
    with suppress(OSError):
        folder.rmdir()


def _open_lock(folder: Path) -> int | None:
    """The locked file of a folder; None where there can be none."""
    path = folder / LOCK_FILE
    while True:
        try:
            folder.mkdir(parents=True, exist_ok=True)
            file = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
        except OSError as error:
            is_writable = folder.is_dir() and os.access(folder, os.W_OK)
            if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS) and not is_writable:
                return None  # no other process of this user can do harm there
            raise
        try:
            _lock(file, folder)
            with suppress(OSError):  # removed by the process that had it until now
                if os.path.samestat(os.fstat(file), path.stat()):
                    _sign(file)
                    return file
        except BaseException:
            os.close(file)
            raise
        os.close(file)


def _lock(file: int, folder: Path) -> None:
    try:
        if sys.platform == "win32":
            os.lseek(file, _FAR, os.SEEK_SET)
            msvcrt.locking(file, msvcrt.LK_NBLCK, 1)
        else:
            # Not flock, whose lock the processes have, too, that are forked from this one and may outlive it.
            fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno in (errno.EACCES, errno.EAGAIN, errno.EDEADLK):
            os.lseek(file, 0, os.SEEK_SET)
            owner = os.read(file, 200).decode(errors="replace") or "another process"
            raise FolderInUseError(
                f"{shown(folder)} is in use by {shown(owner)}; wait until it has ended, or choose another folder."
            ) from None
        message = f"{shown(folder)} is on a file system without locks; see to it that no other process writes there."
        warnings.warn(message, stacklevel=2)


def _give_back(path: Path, file: int) -> None:
    # Removed while it is locked, so that it is not that of the next process; Windows removes no file that is open.
    steps = [path.unlink, lambda: os.close(file)]
    for step in reversed(steps) if sys.platform == "win32" else steps:
        with suppress(OSError):
            step()


def _sign(file: int) -> None:
    """Notes whose lock it is."""
    with suppress(OSError):  # a full disk, on which a lock can be held all the same
        os.ftruncate(file, 0)
        os.lseek(file, 0, os.SEEK_SET)
        os.write(file, f"process {os.getpid()} of {platform.node()}".encode())


def sha256_of(path: Path) -> str:
    """The SHA-256 of a file in 64 digits.

    Args:
        path: The file.
    """
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(_HASHED_AT_ONCE):
            digest.update(chunk)
    return digest.hexdigest()
