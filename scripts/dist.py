"""Build the wheel and the sdist into dist/, look at what is in them, and try the wheel in empty environments.

usage: python scripts/dist.py    (in an environment with the extra `dist`; `make dist` does both)
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
import time
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "src" / "subband"
DIST = ROOT / "dist"
# What belongs into the wheel, and how many of it at least.
DATA = {
    r"subband/py\.typed": 1,
    r"subband/recipes/[^/]+/[^/]+\.yaml": 100,
    r"subband/weights/catalogue\.json": 1,
    r"subband/weights/[^/]+/config\.json": 7,
    r"subband/weights/[^/]+/model\.safetensors": 7,
    r"subband/visual/templates/.+": 10,
    r"subband-[^/]+\.dist-info/licenses/LICENSE": 1,
}
UNWANTED = re.compile(r"(^|/)(tests?|golden|benchmarks|runs|docs|\.venv|__pycache__|\.git)/|\.pyc$|\.ckpt$|(^|/)\.env")
TEXTS = (".py", ".yaml", ".json", ".html", ".css", ".js", ".md", ".toml", ".txt", ".cff")
# A folder of somebody's machine: of no use to others, and none of their business.
MACHINE_PATH = re.compile(
    rb"/(?:home|Users)/(?!me/|you/|user/)[a-z][\w.-]*/|/root/|[A-Z]:\\+Users\\|" + re.escape(bytes(ROOT)) + rb"/"
)
MAX_WHEEL_MB = 40


def main() -> None:
    began = time.perf_counter()
    if DIST.exists():
        shutil.rmtree(DIST)
    subprocess.run(
        [sys.executable, "-m", "build", "--outdir", str(DIST), str(ROOT)], check=True, stdout=subprocess.DEVNULL
    )
    (wheel,), (sdist,) = DIST.glob("*.whl"), DIST.glob("*.tar.gz")
    for path in (wheel, sdist):
        print(f"{path.name}: {path.stat().st_size / 1e6:.1f} MB")
    subprocess.run([sys.executable, "-m", "twine", "check", "--strict", str(wheel), str(sdist)], check=True)
    contents = wheel_contents(wheel)
    faults = wheel_faults(contents) + machine_paths(contents) + machine_paths(sdist_contents(sdist))
    if wheel.stat().st_size > MAX_WHEEL_MB * 1e6:
        faults.append(f"the wheel is larger than {MAX_WHEEL_MB} MB")
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", folder, str(sdist)]
        subprocess.run(command, check=True)
        (again,) = Path(folder).glob("*.whl")
        faults += [f"{name} is not in both the wheel and that of the sdist" for name in differences(wheel, again)]
    if faults:
        sys.exit("\n".join(faults))
    print(f"{len(contents)} files, as they should be; {time.perf_counter() - began:.0f} s", flush=True)
    subprocess.run([sys.executable, str(ROOT / "scripts" / "dist_smoke.py"), str(wheel)], check=True)
    print(f"make dist: {time.perf_counter() - began:.0f} s in all")


def wheel_contents(path: Path) -> dict[str, bytes]:
    """Names and contents of the files of a wheel."""
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def sdist_contents(path: Path) -> dict[str, bytes]:
    """Names and contents of the files of an sdist."""
    with tarfile.open(path) as archive:
        files = {member.name: archive.extractfile(member) for member in archive.getmembers() if member.isfile()}
        return {name: file.read() for name, file in files.items() if file is not None}


def wheel_faults(contents: dict[str, bytes]) -> list[str]:
    """What is missing in a wheel, and what should not be there."""
    faults = []
    for pattern, least in DATA.items():
        found = sum(re.fullmatch(pattern, name) is not None for name in contents)
        if found < least:
            faults.append(f"the wheel has {found} files of {pattern}, {least} at least are needed")
    names = {name for name in contents if not name.startswith("subband-")}
    source = {f"subband/{path.relative_to(PACKAGE).as_posix()}" for path in package_files()}
    faults += [f"{name} is not in the wheel" for name in sorted(source - names)]
    faults += [f"{name} is in the wheel, but not in src" for name in sorted(names - source)]
    return faults + [f"{name} should not be in the wheel" for name in sorted(contents) if UNWANTED.search(name)]


def package_files() -> list[Path]:
    """Files of the package in the checkout, without what Python leaves there."""
    files = (path for path in PACKAGE.rglob("*") if path.is_file())
    return [path for path in files if "__pycache__" not in path.parts]


def machine_paths(contents: dict[str, bytes]) -> list[str]:
    """Texts that name a folder of the machine on which they were written."""
    found = []
    for name, content in contents.items():
        if name.endswith(TEXTS) and "/tests/" not in name and not name.endswith("scripts/dist.py"):
            found += [f"{name} names {match.decode()}" for match in sorted(set(MACHINE_PATH.findall(content)))]
    return found


def differences(first: Path, second: Path) -> list[str]:
    """Names that only one of two wheels has."""
    return sorted(set(wheel_contents(first)) ^ set(wheel_contents(second)))


if __name__ == "__main__":
    main()
