"""Check the package on a GPU against the CPU, and time it: one command, at most nine minutes, one result file.

Every part has its seconds. What does not fit is left out and recorded as such; a part that fails does not stop the
others. The file is written anew after every check, so a kill keeps what was done. TF32 is off, except in the tests of
the suite: it would hide errors, and `torch.backends.cudnn.allow_tf32` is on by default.

usage: python benchmarks/gpu.py --out FILE.json [--parts NAME ...] [--seconds 540]
       python benchmarks/gpu.py --device cpu --quick --out FILE.json     to try the script itself
"""

from __future__ import annotations

import argparse
import dataclasses
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterable
from decimal import Decimal
from pathlib import Path

import torch

from gpu_checks import application, compiled, detection, layers, models, scores, speed, suite, training, transforms
from gpu_checks.check import Part, Setting
from gpu_checks.runner import Row, supervise
from records import Cell, Record, add_out_argument, measured, write_record

SECONDS = 540
MOST_SECONDS = 45  # of one part
# A later task adds its part here; the order is that of importance. Where all seconds together are more than there are,
# every part gets its share of them.
PARTS = (
    Part("suite", 45, suite.checks),
    Part("transforms", 30, transforms.checks),
    Part("layers", 20, layers.checks),
    Part("losses and metrics", 15, scores.checks),
    Part("video models", 45, models.check_video_models),
    Part("restorers", 45, models.check_restorers),
    Part("classifiers", 45, models.check_classifiers),
    Part("generators", 30, models.check_generators),
    Part("detectors", 30, detection.check_detectors),
    Part("pose", 30, models.check_pose),
    Part("application", 30, application.checks),
    Part("training", 45, training.checks),
    Part("training of restorers", 45, training.check_restorers),
    Part("compiled transforms", 45, compiled.check_transforms),
    Part("compiled models", 45, compiled.check_models),
    Part("compiled restorers", 45, compiled.check_restorers),
    Part("speed of transforms", 40, speed.check_transforms),
    Part("speed of models", 45, speed.check_models),
    Part("speed of restorers", 45, speed.check_restorers),
)
COLUMNS = list(Row._fields)
ABOUT = (
    "Every number on the device against the CPU: `value` must not exceed `limit`; errors are relative to the largest "
    "value. Times and memory have no limit. `seconds` stands in the first row of a check."
)


def tf32_off() -> None:
    """Full float32 products in this process."""
    torch.backends.cudnn.allow_tf32 = False
    torch.backends.cuda.matmul.allow_tf32 = False


def in_process(work: object, connection: object) -> None:
    """What the process of the checks runs."""
    from gpu_checks import runner

    tf32_off()
    runner.in_process(work, connection)  # type: ignore[arg-type]


def new_record(device: torch.device) -> Record:
    """The file without rows: date, commit, hardware, driver, versions."""
    facts = f"CUDA {torch.version.cuda}, cuDNN {torch.backends.cudnn.version()}, driver {driver()}"
    notes = ["TF32 was off."] if device.type == "cuda" else []
    return measured("GPU check", COLUMNS, [], seeds=[0], software=facts, about=[ABOUT], notes=notes)


def driver() -> str:
    """Version of the NVIDIA driver; `none` where there is none."""
    command = ["nvidia-smi", "--query-gpu=driver_version", "--format=csv,noheader"]
    try:
        result = subprocess.run(command, capture_output=True, text=True, timeout=20)
    except (OSError, subprocess.TimeoutExpired):
        return "none"
    return result.stdout.strip().splitlines()[0] if result.returncode == 0 and result.stdout.strip() else "none"


def cells(row: Row) -> list[Cell]:
    """A row as it is stored: four significant digits."""
    numbers = {name: exact(getattr(row, name)) for name in ("value", "limit", "seconds")}
    return [numbers.get(name, getattr(row, name)) for name in COLUMNS]


def exact(value: float | None) -> Cell:
    """A number for JSON; text for what is no number."""
    if value is None:
        return None
    number = Decimal(f"{value:.4g}")
    return number if number.is_finite() else str(number)


def follow(rows: Iterable[Row], record: Record, out: Path) -> list[Row]:
    """Show what fails as it comes, and keep the file up to date."""
    done: list[Row] = []
    for row in rows:
        if not done or done[-1].part != row.part:
            print(f"{row.part} ...", flush=True)
        done.append(row)
        if row.status == "fail":
            error = row.remark.splitlines()[-1] if row.remark else f"{row.value:.3g} is more than {row.limit:.3g}"
            print(f"  FAIL {row.check}: {error}", flush=True)
        write_record(dataclasses.replace(record, rows=[cells(row) for row in done]), out, is_final=False)
    return done


def summary(rows: list[Row], parts: Iterable[Part], seconds: float) -> str:
    """How many checks of every part passed, failed and were left out; why; and what failed."""
    lines = [f"\n{'part':<22}{'pass':>6}{'fail':>6}{'skipped':>9}{'seconds':>9}"]
    for part in parts:
        own = [row for row in rows if row.part == part.name]
        count = Counter(row.status for row in own)
        taken = sum(row.seconds or 0 for row in own)
        lines.append(f"{part.name:<22}{count['pass']:>6}{count['fail']:>6}{count['skipped']:>9}{taken:>9.1f}")
    reasons = Counter(row.remark.splitlines()[0] for row in rows if row.status == "skipped")
    lines += [f"skipped {count}: {reason}" for reason, count in reasons.most_common()]
    failed = [row for row in rows if row.status == "fail"]
    lines += [f"FAILED {row.part}: {row.check}" for row in failed]
    verdict = f"{len(failed)} of {len(rows)} FAILED" if failed else f"nothing failed, {len(rows)} numbers"
    return "\n".join([*lines, f"{verdict}, {seconds:.0f} s"])


def parse(words: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    names = [part.name for part in PARTS]
    parser.add_argument("--device", default="cuda", help="cuda, cuda:INDEX, or cpu with --quick")
    parser.add_argument("--quick", action="store_true", help="smallest sizes and few checks of every part")
    parser.add_argument("--parts", nargs="+", choices=names, default=names, metavar="NAME", help=", ".join(names))
    parser.add_argument("--seconds", type=float, default=SECONDS, help="for everything")
    add_out_argument(parser)
    options = parser.parse_args(words)
    if options.out is None:
        parser.error("--out FILE.json is needed: where the results go")
    options.device = torch.device(options.device)
    if options.device.type == "cuda" and (options.device.index or 0) >= torch.cuda.device_count():
        parser.error(
            f"PyTorch sees {torch.cuda.device_count()} CUDA devices here; --device cpu --quick tries the script"
        )
    if options.device.type == "cpu" and not options.quick:
        parser.error("on a CPU there is nothing to compare with; add --quick to try the script")
    return options


def main() -> int:
    began = time.time()
    options = parse()
    setting = Setting(options.device, options.quick)
    parts = [part for part in PARTS if part.name in options.parts]
    record = new_record(options.device)
    print(f"{record.hardware}, {record.software}, commit {record.commit}", flush=True)
    rows = follow(supervise(parts, setting, options.seconds, run=in_process), record, options.out)
    write_record(dataclasses.replace(record, rows=[cells(row) for row in rows]), options.out)
    print(summary(rows, parts, time.time() - began))
    return 1 if any(row.status == "fail" for row in rows) else 0


if __name__ == "__main__":
    sys.exit(main())
