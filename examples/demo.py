"""The demo behind `make demo`: a wavelet video model, its rival and a baseline learn moving digits on this CPU.

Trains WaST and SimVP of about equal size for the same number of steps, prints one table and writes one report.

usage: python examples/demo.py [--out runs/demo] [--clips 3200]
"""

import argparse
import time
from pathlib import Path

from subband.cli.scores import show_scores
from subband.config import load_recipe
from subband.training.loop import train
from subband.visual.report.page import write_report

RECIPES = {"wast": "video_prediction/wast_digits", "simvp": "video_prediction/simvp_digits"}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("runs/demo"), help="folder of the two runs and the report")
    parser.add_argument("--clips", type=int, default=None, help="training clips; the recipe's number by default")
    options = parser.parse_args()
    started = time.perf_counter()
    data = {} if options.clips is None else {"args": {"num_train": options.clips}}
    runs = {}
    for name, recipe in RECIPES.items():
        print(f"training {name} ({recipe}) ...", flush=True)
        runs[name] = train(load_recipe(recipe, {"data": data}), options.out / name, overwrite=True)
    scores = runs["wast"]
    scores["rows"].insert(1, runs["simvp"]["rows"][0])  # persistence, the last row, is the same in both
    show_scores(scores)
    report = write_report([options.out / name for name in RECIPES], options.out / "report.html", overwrite=True)
    print(f"{time.perf_counter() - started:.0f} s in all. Open the report: {report.resolve()}")
    print("Next: subband predict YOUR_CLIP.mp4 --num-frames 20 --out future.mp4")


if __name__ == "__main__":
    main()
