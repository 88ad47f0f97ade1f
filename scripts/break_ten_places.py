"""How many of ten small faults does the test suite notice?

Each fault is put into a temporary copy of the source, one at a time, and the tests of the rooms it lies in run until
the first failure. Run it before and after tests are thinned, the first time with `--suite` at the old tests:

    python scripts/break_ten_places.py
    python scripts/break_ten_places.py --suite ../before/tests

The suite must pass on the source as it is; this is not checked.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
FAILED, PASSED = 1, 0  # exit codes of pytest


@dataclass(frozen=True)
class Fault:
    """One place to break.

    Attributes:
        name: What goes wrong, in a few words.
        file: Path below `src/subband`.
        old: Text that stands there once.
        new: Text that replaces it.
        tests: Patterns of test files below the suite; those without a match are passed over.
        words: What names of tests or of their files must have, as for `pytest -k`; all tests of the files if empty.
    """

    name: str
    file: str
    old: str
    new: str
    tests: tuple[str, ...]
    words: str = ""


FAULTS = (
    Fault(
        "compiled filters along rows change their sign",
        "transforms/_maps.py",
        "return tuple(part.transpose(-1, -2) for part in",
        "return tuple(-part.transpose(-1, -2) for part in",
        ("transforms/test_compile_and_export.py", "transforms/test_dwt.py", "transforms/test_multilevel.py"),
    ),
    Fault(
        "an exported network keeps an operator that only this package knows",
        "layers/fused.py",
        "if not torch.compiler.is_compiling() or is_exporting() or torch.is_grad_enabled():",
        "if not torch.compiler.is_compiling() or torch.is_grad_enabled():",
        ("layers/test_fused.py",),
    ),
    Fault(
        "an exported block transform knows one batch size only",
        "layers/block_dct.py",
        "planes = zip(x.split(1, -3), self.keep_per_channel, strict=True)",
        "planes = zip(x.reshape(int(x.shape[0]), *x.shape[1:]).split(1, -3), self.keep_per_channel, strict=True)",
        ("layers/test_compile_and_export.py", "layers/test_block_dct.py"),
        words="block_dct and export",
    ),
    Fault(
        "packets of level 3 come back in the wrong order",
        "transforms/packets.py",
        "places = sorted(range(coeffs.shape[stack]), key=_natural_positions(level, len(axes)).__getitem__)",
        "places = list(_natural_positions(level, len(axes)))",
        ("transforms/test_packets.py",),
    ),
    Fault(
        "periodization reaches too few samples of the next period",
        "transforms/_filter_bank.py",
        "self.wrap = 2 * (num_taps // 4) if self.is_periodic else 0",
        "self.wrap = 2 * (num_taps // 8) if self.is_periodic else 0",
        ("transforms/test_filter_bank.py", "transforms/test_dwt.py"),
    ),
    Fault(
        "a compiled convolution over time is a little too large",
        "models/wast/conv3d.py",
        "out = F.conv3d(x, weight, bias, padding=1, groups=groups)",
        "out = 1.001 * F.conv3d(x, weight, bias, padding=1, groups=groups)",
        ("models/wast/test_conv3d.py", "models/wast/test_wast.py"),
    ),
    Fault(
        "the mask of the frequency loss takes height for width",
        "losses/focal_frequency.py",
        "high_frequency_mask(power.shape[-2], power.shape[-1], tau, power)",
        "high_frequency_mask(power.shape[-1], power.shape[-2], tau, power)",
        ("losses/test_focal_frequency.py",),
    ),
    Fault(
        "a published detector is loaded with other heads",
        "convert/wsfvit.py",
        '**{"num_heads": (4, 8, 16, 32), **overrides}',
        '**{"num_heads": (2, 4, 8, 16), **overrides}',
        ("convert/test_wsfvit.py",),
    ),
    Fault(
        "another model inherits the arguments of the base recipe's",
        "config.py",
        'if not (renamed and k == "args")',
        'if not (renamed and k == "arguments")',
        ("test_config.py", "recipes/test_recipes.py"),
    ),
    Fault(
        "one recipe of many asks for a schedule that does not exist",
        "recipes/video_prediction/wast_kth.yaml",
        "schedule: onecycle}",
        "schedule: onecycle, per_epoch: true}",
        ("recipes/test_recipes.py",),
    ),
)


def copy_tree(folder: Path, suite: Path) -> None:
    """The source beside the tests of `suite`, with what tests import from outside both."""
    without_caches = shutil.ignore_patterns("__pycache__")
    for name in ("src", "benchmarks"):
        shutil.copytree(ROOT / name, folder / name, ignore=without_caches)
    shutil.copytree(suite, folder / "tests", ignore=without_caches)
    shutil.copy(ROOT / "pyproject.toml", folder)


def files_of(fault: Fault, tests: Path, only: list[str]) -> list[str]:
    """Test files to run, relative to the folder above `tests`.

    Raises:
        ValueError: If the suite has none of them.
    """
    patterns = only or fault.tests
    found = sorted({path for pattern in patterns for path in tests.glob(pattern)})
    if not found:
        raise ValueError(f"{tests}: no test file matches {', '.join(patterns)}")
    return [str(path.relative_to(tests.parent)) for path in found]


def is_noticed(fault: Fault, folder: Path, only: list[str]) -> bool:
    """Break the copy, run the tests, and mend it again.

    Raises:
        ValueError: If the place to break is not there exactly once.
        RuntimeError: If the tests could not run at all.
    """
    path = folder / "src" / "subband" / fault.file
    text = path.read_text()
    if text.count(fault.old) != 1:
        raise ValueError(f"{fault.file}: {fault.old!r} must stand there once, found {text.count(fault.old)} times")
    path.write_text(text.replace(fault.old, fault.new))
    command = [sys.executable, "-m", "pytest", "-q", "-x", "--no-header", *files_of(fault, folder / "tests", only)]
    command += ["-k", fault.words] if fault.words and not only else []
    try:
        done = subprocess.run(
            command,
            cwd=folder,
            env={**os.environ, "PYTHONPATH": str(folder / "src"), "PYTHONDONTWRITEBYTECODE": "1"},
            capture_output=True,
            text=True,
        )
    finally:
        path.write_text(text)
    if done.returncode not in (PASSED, FAILED):
        raise RuntimeError(f"pytest did not run for {fault.name!r}:\n{done.stdout}{done.stderr}")
    return done.returncode == FAILED


def main() -> None:
    """Break one place after the other and print which ones the tests notice."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--suite", type=Path, default=ROOT / "tests", help="folder of tests to judge")
    parser.add_argument("--tests", nargs="+", default=[], help="run these files below the suite, not those of a fault")
    words = parser.parse_args()
    if not words.suite.is_dir():
        parser.error(f"--suite: no folder {words.suite}")
    noticed = 0
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        copy_tree(folder, words.suite.resolve())
        for fault in FAULTS:
            is_seen = is_noticed(fault, folder, words.tests)
            noticed += is_seen
            print(f"{'noticed' if is_seen else 'MISSED ':7}  {fault.file}: {fault.name}", flush=True)
    print(f"{noticed} of {len(FAULTS)} faults were noticed")


if __name__ == "__main__":
    main()
