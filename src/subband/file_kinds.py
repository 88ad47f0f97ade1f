"""What a file is that was given as a checkpoint and is none, told by its first bytes."""

from __future__ import annotations

import re
import tarfile
import zipfile
from pathlib import Path

__all__ = ["is_safetensors", "other_kind"]

HEAD = 4096  # bytes that are looked at
SHOWN = 3  # names inside an archive that a message lists
SHOWN_TEXT = 60  # characters of a text that a message repeats

UNPACK = "unpack it first"
MAGIC = (
    (b"\x1f\x8b", f"is compressed with gzip; {UNPACK}"),
    (b"BZh", f"is compressed with bzip2; {UNPACK}"),
    (b"\xfd7zXZ\x00", f"is compressed with xz; {UNPACK}"),
    (b"\x28\xb5\x2f\xfd", f"is compressed with Zstandard; {UNPACK}"),
    (b"7z\xbc\xaf\x27\x1c", f"is a 7-Zip archive; {UNPACK}"),
    (b"Rar!\x1a\x07", f"is a RAR archive; {UNPACK}"),
    (b"version https://git-lfs", "is a pointer of Git LFS, not the file it stands for; fetch that with `git lfs pull`"),
    (b"\x89HDF\r\n\x1a\n", "is an HDF5 file, as Keras writes them, not a PyTorch checkpoint"),
    (b"\x93NUMPY", "is a NumPy array, not a PyTorch checkpoint"),
    (b"GGUF", "is a GGUF file, not a PyTorch checkpoint"),
    (b"\x89PNG", "is a PNG picture, not a checkpoint"),
    (b"\xff\xd8\xff", "is a JPEG picture, not a checkpoint"),
    (b"GIF8", "is a GIF picture, not a checkpoint"),
    (b"%PDF-", "is a PDF document, not a checkpoint"),
    (b"\x7fELF", "is a program, not a checkpoint"),
)
ZIP = b"PK"
TORCH_NUMBER = b"l\xfc\x9cF\xf9 j\xa8P\x19"  # near the begin of what torch.save wrote before it wrote zip archives
LARGEST_HEADER = 100_000_000  # bytes, as in safetensors itself
TENSORFLOW = re.compile(r"\.(pb|index|meta|data-\d{5}-of-\d{5})$")
TAR_OF_TORCH = {"storages", "tensors", "pickle"}


def other_kind(path: Path) -> str | None:
    """What a file or folder is, as the rest of a sentence that begins with its name; None if it may be a checkpoint.

    Args:
        path: Something that exists.

    Raises:
        OSError: If it cannot be read.

    Example:
        >>> page = getfixture("tmp_path") / "model.pth"
        >>> _ = page.write_text("<!DOCTYPE html><title>Quota exceeded</title>")
        >>> other_kind(page)[:38]
        "is an HTML page ('Quota exceeded'), as"
    """
    if path.is_dir():
        return _folder(path)
    if not path.is_file():
        return "is no regular file; write what it gives into one"
    size = path.stat().st_size
    if size == 0:
        return "is empty (0 bytes)"
    with path.open("rb") as file:
        head = file.read(HEAD)
    if _has_safetensors_header(head):
        return None
    for magic, words in MAGIC:
        if head.startswith(magic):
            return words
    if head.startswith(ZIP):
        return _zip(path)
    if head.count(0) == len(head):
        return "begins with zeros only; its download may not have ended"
    if head[:1] == b"\x80" and TORCH_NUMBER in head[:32]:
        return None
    return _tar(path, head) or _binary(path, head) or _text(head) or "is in no format of weights that is known here"


def is_safetensors(path: Path) -> bool:
    """Whether a file begins as one of safetensors, whatever its suffix."""
    with path.open("rb") as file:
        return _has_safetensors_header(file.read(9))


def _has_safetensors_header(head: bytes) -> bool:
    """The length of a JSON header, and that header."""
    return head[8:9] == b"{" and 2 <= int.from_bytes(head[:8], "little") <= LARGEST_HEADER


def _folder(path: Path) -> str:
    names = {item.name for item in path.iterdir()}
    if "data.pkl" in names:
        return "is a folder with the unpacked parts of a PyTorch file; get that file again, without unpacking it"
    if "saved_model.pb" in names:
        return "is a model of TensorFlow, not a PyTorch checkpoint"
    if {"config.json", "model.safetensors"} <= names:
        return "is a model folder, not a published file; it is opened as a model, without a checkpoint"
    return "is a folder; name a file in it"


def _zip(path: Path) -> str | None:
    try:
        with zipfile.ZipFile(path) as archive:
            names = [name for name in archive.namelist() if not name.endswith("/")]
    except (zipfile.BadZipFile, NotImplementedError, ValueError):
        return "is cut off or damaged, a zip archive without its end; download it again"
    inside = {name.partition("/")[2] for name in names}
    if any(name.startswith("code/") for name in inside):
        return "is a TorchScript program, not a checkpoint; save its state dict with torch.save"
    if "archive_format" in inside or any(name.startswith("serialized_exported_program") for name in names):
        return "is a torch.export program, not a checkpoint; save the state dict of its network with torch.save"
    if "data.pkl" in inside:
        return None
    if names and all(name.endswith(".npy") for name in names):
        return "is an archive of NumPy arrays (.npz), not a PyTorch checkpoint"
    return f"is a zip archive {_holding(names)}, not a checkpoint itself; {UNPACK}"


def _tar(path: Path, head: bytes) -> str | None:
    if head[257:262] != b"ustar" and not TAR_OF_TORCH & {head[:100].rstrip(b"\0").decode("latin-1").strip("./")}:
        return None
    try:
        with tarfile.open(path, "r:") as archive:
            names = [member.name for member in archive if member.isfile()]
    except tarfile.TarError:
        return "is a damaged tar archive; download it again"
    if {name.removeprefix("./") for name in names} >= TAR_OF_TORCH:
        return (
            "is in the tar format of PyTorch before 0.1.10, which cannot be read without running code from it; open it "
            "with the program it came with and save its state dict anew"
        )
    return f"is a tar archive {_holding(names)}, not a checkpoint itself; {UNPACK}"


def _holding(names: list[str]) -> str:
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return f"that holds {', '.join(names[:SHOWN])}{more}" if names else "that holds nothing"


def _binary(path: Path, head: bytes) -> str | None:
    """Formats without a clear signature."""
    if head[4:8] == b"TFL3":
        return "is a model of TensorFlow Lite, not a PyTorch checkpoint"
    if TENSORFLOW.search(path.name):
        return "is a file of TensorFlow, not a PyTorch checkpoint"
    if path.suffix == ".onnx" or re.match(rb"\x08[\x01-\x1f]\x12.(pytorch|tf2onnx|keras|onnx|skl)", head, re.DOTALL):
        return "is an ONNX model, not a checkpoint"
    if re.match(rb"\x80[\x02-\x05]", head):
        return "is a Python pickle that torch.save did not write, and reading it could run code; save it by torch.save"
    return None


def _text(head: bytes) -> str | None:
    try:
        text = head.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        if error.start < len(head) - 4:  # not only the last letter is cut
            return None
        text = head[: error.start].decode("utf-8-sig")
    if any(not letter.isprintable() and not letter.isspace() for letter in text):
        return None
    begin = text.lstrip().lower()
    if re.match(r"<!doctype html|<html|<head|<body|<meta|<script", begin):
        title = re.search(r"<title[^>]*>(.*?)</title>", text, re.IGNORECASE | re.DOTALL)
        named = f" ({_quoted(title[1])})" if title else ""
        return (
            f"is an HTML page{named}, as servers send it in place of a file, for example when a download quota is used "
            "up; open the address in a browser and download it again"
        )
    if begin.startswith("<"):
        return f"is an XML page that begins with {_quoted(text)}, not a checkpoint; download it again"
    if begin.startswith(("{", "[")):
        return f"is JSON that begins with {_quoted(text)}, not a checkpoint"
    return f"is a text that begins with {_quoted(text)}, not a checkpoint"


def _quoted(text: str) -> str:
    words = " ".join(text.split())
    return repr(words if len(words) <= SHOWN_TEXT else f"{words[:SHOWN_TEXT]}...")
