"""Writing files so that a reader never sees half of one, and nothing is lost by accident."""

import errno
import hashlib
import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

NO_SPACE = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS}
"""Numbers of the errors after which nothing else can be written either."""

_NAMES = (str, bytes, os.PathLike)
# Control characters, line and paragraph separators, marks that turn the direction of text, bytes that are no UTF-8.
_UNSHOWN = re.compile("[\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")


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
