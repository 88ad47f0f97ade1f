"""Make `.venv` and install subband into it with the wanted extras. Standard library only; the second run takes no time.

usage: python3 scripts/bootstrap.py EXTRA[,EXTRA...]
"""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
PYTHON = VENV / ("Scripts" if os.name == "nt" else "bin") / "python"
TORCH_PACKAGES = ("torch==", "torchvision==")
FIND_TORCH = "import torch, sys; sys.stdout.write(torch.__version__)"


def main() -> None:
    extras = sys.argv[1] if len(sys.argv) > 1 else "demo"
    if sys.version_info < (3, 10):  # noqa: UP036 - this script is what tells users of an older Python
        sys.exit(f"subband needs Python 3.10 or newer, this is {sys.version.split()[0]}; try: make PYTHON=python3.12")
    stamp = VENV / f".installed-{extras.replace(',', '-')}"
    wanted = fingerprint()
    if stamp.is_file() and stamp.read_text() == wanted:
        return
    if not PYTHON.exists():
        make_venv()
    print(f"installing subband[{extras}] into {VENV} ...", flush=True)
    install(extras)
    stamp.write_text(wanted)


def fingerprint() -> str:
    """Changes when what has to be installed changes."""
    content = b"".join((ROOT / name).read_bytes() for name in ("pyproject.toml", "constraints.txt"))
    return hashlib.sha256(content + str(ROOT).encode()).hexdigest()


def make_venv() -> None:
    """A new environment; one that sees the calling Python's torch if that is a GPU build, so that it is kept."""
    command = [sys.executable, "-m", "venv", str(VENV)]
    if "+cu" in torch_version(sys.executable) or "+rocm" in torch_version(sys.executable):
        command.append("--system-site-packages")
    subprocess.run(command, check=True)


def install(extras: str) -> None:
    """Install with the tested versions; a torch that is already there stays as it is."""
    constraints = (ROOT / "constraints.txt").read_text().splitlines()
    present = torch_version(str(PYTHON))
    if present:
        constraints = [line for line in constraints if not line.startswith(TORCH_PACKAGES)]
        constraints.append(f"torch=={present}")
    with tempfile.NamedTemporaryFile("w", suffix=".txt", delete=False) as file:
        file.write("\n".join(constraints) + "\n")
    pip = [str(PYTHON), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--constraint", file.name]
    try:
        if not present:  # first and by its exact version, so that the resolver never picks another build
            subprocess.run([*pip, *[line for line in constraints if line.startswith("torch==")]], check=True)
        subprocess.run([*pip, "--editable", f"{ROOT}[{extras}]"], check=True)
    finally:
        os.unlink(file.name)


def torch_version(python: str) -> str:
    """Version of the torch a Python would import; empty if none."""
    result = subprocess.run([python, "-c", FIND_TORCH], capture_output=True, text=True)
    return result.stdout if result.returncode == 0 else ""


if __name__ == "__main__":
    main()
