"""The demo behind `make demo`: a wavelet video model, its rival and a baseline learn moving digits on this CPU.

Trains WaST and SimVP of about equal size for the same number of steps, prints their scores and writes one report. Every
step is a command that can be typed as well.

usage: python examples/demo.py [--out runs/demo] [--clips 3200]
"""

import argparse
import shlex
import time
from pathlib import Path

from subband.cli.main import main as subband_command

RECIPES = {"wast": "video_prediction/wast_digits", "simvp": "video_prediction/simvp_digits"}


def run(*words: str) -> None:
    """Run a command of subband; ends the demo if it fails."""
    print(f"$ subband {shlex.join(words)}", flush=True)
    code = subband_command(words)
    if code:
        raise SystemExit(code)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("runs/demo"), help="folder of the two runs and the report")
    parser.add_argument("--clips", type=int, default=None, help="training clips; the recipe's number by default")
    options = parser.parse_args()
    started = time.perf_counter()
    clips = [] if options.clips is None else ["--data.args.num_train", str(options.clips)]
    for name, recipe in RECIPES.items():
        run("train", recipe, "--out", str(options.out / name), "--overwrite", *clips)
    report = options.out / "report.html"
    run("report", *(str(options.out / name) for name in RECIPES), "--out", str(report), "--overwrite")
    print(f"{time.perf_counter() - started:.0f} s in all. Open the report: {report.resolve()}")
    print("Next: subband predict YOUR_CLIP.mp4 --num-frames 20 --out future.mp4")


if __name__ == "__main__":
    main()
