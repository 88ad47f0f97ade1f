"""Writing files so that a reader never sees half of one, and nothing is lost by accident."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


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


@contextmanager
def _aside(path: Path) -> Iterator[Path]:
    """A path beside `path` that is flushed to disk and renamed when the block ends without an error."""
    temporary = path.with_name(f".{path.stem}-{os.getpid()}{path.suffix}")
    try:
        yield temporary
        if temporary.is_file():
            with open(temporary, "rb+") as file:
                os.fsync(file.fileno())
        _replace(temporary, path)
    finally:
        _remove(temporary)


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
    old = path.with_name(f".{path.name}-{os.getpid()}-old")
    os.replace(path, old)
    os.replace(temporary, path)
    _remove(old)


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
