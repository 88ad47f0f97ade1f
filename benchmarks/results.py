"""Make RESULTS.md out of the files in results/.

usage: python benchmarks/results.py            write RESULTS.md
       python benchmarks/results.py --check    only say whether RESULTS.md is what the files give
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from records import Record, read_record, table

HERE = Path(__file__).parent
PAGE, FOLDER = HERE / "RESULTS.md", HERE / "results"

# Files in the order of the page; what is not named here follows in order of the names.
ORDER = (
    "transforms",
    "small_transforms",
    "video_models",
    "video_models_batch_4",
    "video_models_macs",
    "restoration",
    "restoration_720p",
    "restoration_command",
    "deblurring",
    "deblurring_bundled",
    "super_resolution",
    "super_resolution_small",
    "super_resolution_bundled",
    "ablation_deblurring",
    "ablation_ftdeblur",
    "ablation_mfpi",
    "generation_training",
    "generation_sampling",
    "generation_reconstruct",
    "generation_denoising",
    "classification",
    "classification_batch_32",
    "classification_compiled",
    "classifiers_cifar10",
    "detection",
    "detection_small",
    "detection_overfit",
    "pose_speed",
    "ablation_pose",
    "ablation_pose",
    "pose_smoothing",
    "scenes",
    "digits_robustness",
    "quantization",
    "demo",
    "ablation_wast",
    "bundled_model",
    "bundled_model_clips",
    "moving_mnist",
    "media",
    "import_time",
    "gpu",
)
INTRODUCTION = """# Results

This page is made of the files in `results/` by `python benchmarks/results.py`; do not edit it. Every script writes such
a file with `--out`. Who measured: the subband authors. Published figures stand in columns that say so. Timings of a
shared machine are good as ratios within one run, less as absolute numbers.
"""


def files() -> list[Path]:
    """The files of the page in their order."""
    found = {path.stem: path for path in sorted(FOLDER.glob("*.json"))}
    names = [*(name for name in ORDER if name in found), *(name for name in found if name not in ORDER)]
    return [found[name] for name in names]


def section(record: Record) -> str:
    """Heading, facts, commands, table and paragraphs of a record."""
    word = "seed" if len(record.seeds) == 1 else "seeds"
    seeds = f", {word} {' '.join(map(str, record.seeds))}" if record.seeds else ""
    commit = f"commit {record.commit}" if record.commit else "commit not noted"
    parts = [f"## {record.title}", f"{record.date}, {record.hardware}, {record.software}, {commit}{seeds}."]
    if record.command:
        parts.append("\n".join(f"    {command}" for command in record.command))
    parts += record.about
    if record.rows:
        parts.append(table(record))
    return "\n\n".join([*parts, *record.notes]) + "\n"


def page() -> str:
    """All of RESULTS.md."""
    return "\n".join([INTRODUCTION, *(section(read_record(file)) for file in files())])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="write nothing; exit code 1 if RESULTS.md is out of date")
    options = parser.parse_args()
    text = page()
    if not options.check:
        PAGE.write_text(text, encoding="utf-8")
    elif PAGE.read_text("utf-8") != text:
        sys.exit(
            f"{PAGE.name} is not what the files in {FOLDER.name}/ give; run python benchmarks/{Path(__file__).name}."
        )


if __name__ == "__main__":
    main()
