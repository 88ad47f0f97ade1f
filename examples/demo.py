"""The demo behind `make demo`: two minutes of training on this CPU, then every bundled model at work, on one page.

WaST and SimVP of about equal size learn moving digits for the same number of steps; a report shows them beside the same
WaST after an hour of training, whose weights lie inside the package. The gallery is that of `gallery.py`. Every step is
a command that can be typed as well.

usage: python examples/demo.py [--out runs/demo] [--clips 1440]
"""

import argparse
import json
import time
from pathlib import Path

import numpy as np
import torch
from gallery import beside, moving_picture, run, typed, write_gallery

from subband.visual.gallery import Card

RECIPES = {"wast": "video_prediction/wast_digits", "simvp": "video_prediction/simvp_digits"}
LONG = "wast_digits"
FRAME_SIZE = 4  # screen pixels of a pixel of the digits


def train_and_report(out: Path, clips: int | None) -> Card:
    """Train both, score them beside the bundled network on the same clips, write the report, and return its card."""
    changed = [] if clips is None else ["--data.args.num_train", str(clips)]
    commands = [
        ("train", recipe, "--out", str(out / name), "--overwrite", *changed) for name, recipe in RECIPES.items()
    ]
    commands.append(("evaluate", LONG, "--recipe", RECIPES["wast"], "--out", str(out / LONG)))
    folders = [out / name for name in (*RECIPES, LONG)]
    commands.append(("report", *map(str, folders), "--out", str(out / "report.html"), "--overwrite"))
    seconds = sum(run(*words) for words in commands)
    return digits_card(out, seconds, tuple(map(typed, commands)))


def digits_card(out: Path, seconds: float, commands: tuple[str, ...]) -> Card:
    """What the runs say of the first test clip, and how far each is off on all of them."""
    given = target = np.zeros(0)
    predicted, errors = {}, {}
    for name in (*RECIPES, LONG):
        samples = np.load(out / name / "samples.npz")
        rows = json.loads((out / name / "scores.json").read_text())["rows"]
        given, target = samples["inputs"][0], samples["targets"][0]
        predicted[name] = samples[f"prediction/{rows[0]['name']}"][0]
        errors |= {name: rows[0]["metrics"]["mse"], rows[1]["name"]: rows[1]["metrics"]["mse"]}
    columns = [predicted["wast"], predicted[LONG], predicted["simvp"], target]
    clips = [torch.from_numpy(np.concatenate([given, column])) / 255 for column in columns]
    heads = ("WaST, this run", "WaST, an hour", "SimVP, this run", "what came")
    words_for_eyes = "Four given frames of moving digits, then what three networks make of them, and what came."
    shown = beside(clips, enlarge=FRAME_SIZE)
    return Card(
        "Train on moving digits",
        "Two networks of equal size learn from nothing in this run; the third is the same WaST after an hour.",
        (moving_picture(out / "gallery" / "digits.webp", shown, heads, words_for_eyes, still=-2),),
        "Squared error of a frame (MSE) after an hour",
        f"{errors[LONG]:.1f}",
        f"this run: {errors['wast']:.1f}, last frame kept: {errors['persistence']:.1f}",
        seconds,
        commands,
        ("report.html", "the report"),
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("runs/demo"), help="folder of the runs and both pages")
    parser.add_argument("--clips", type=int, default=None, help="training clips; the recipe's number by default")
    options = parser.parse_args()
    started = time.perf_counter()
    (options.out / "gallery").mkdir(parents=True, exist_ok=True)
    digits = train_and_report(options.out, options.clips)
    page = write_gallery(options.out, [digits])
    print(f"{time.perf_counter() - started:.0f} s in all. Open the gallery: {page.resolve()}")
    print(f"The report about the digits: {(options.out / 'report.html').resolve()}")
    print("Next: subband predict YOUR_CLIP.mp4 --num-frames 20 --out future.mp4")
    print("      subband deblur YOUR_CLIP.mp4 sharp.mp4 --compare")
    print("      subband --help")


if __name__ == "__main__":
    main()
