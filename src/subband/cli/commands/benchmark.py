"""Measure the speed of models on this machine, or train networks against each other over several seeds."""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from subband.cli.comparison import Column, show_comparison
from subband.cli.experiments import EXPERIMENTS, GRIDS, run_and_show
from subband.cli.option_rules import Needs
from subband.cli.options import attempt, example_input, open_table, show_table, sizes_text
from subband.cli.pose_ablation import ablate_pose
from subband.config import read_recipe
from subband.models.registry import create_model, model_spec

if TYPE_CHECKING:
    import torch
    from jsonargparse import ArgumentParser, Namespace
    from torch import Tensor, nn

    from subband.training.comparison import Entry

EXAMPLES = """examples:
  subband benchmark speed wast simvp_gsta tau --threads 1
  subband benchmark ablation-wast --seeds 0 1 2 --out runs/ablation
  subband benchmark ablation-wast --full --device cuda        (a GPU's work; data/ must hold Moving MNIST)
  subband benchmark ablation-deblurring vd_diff --seeds 0 1 2
  subband benchmark ablation-mfpi --path my_videos
  subband benchmark ablation-pose --out runs/ablation_pose          (nine networks and three seeds, four minutes each)
  subband benchmark classifiers --path cifar-10-batches-py
  subband benchmark classifiers vit gfnet --data image_folder --path my_images --epochs 30 --seeds 0
  subband benchmark table1 --seeds 0                     (image generation: rows, a table and a plot in runs/table1)
  subband benchmark lambda --values 0 0.01 0.1 --size 64
  subband benchmark priors --full --path cifar-10-batches-py --device cuda                            (a GPU's work)
"""

ABLATION = {
    "SimVP": "1_simvp",
    "+ time-frequency translator": "2_translator",
    "+ wavelet embedding": "3_wavelet",
    "+ high-frequency focal loss": "4_hffl",
}
METRICS = (("MSE", "mse", 2), ("MAE", "mae", 2), ("PSNR dB", "psnr", 2), ("SSIM", "ssim", 4))
RESTORED = (("PSNR dB", "psnr", 2), ("gain dB", "psnr_gain", 2), ("SSIM", "ssim", 4))
DEBLURRING = {"vd_diff": "VD-Diff", "ftdeblur": "FTDeblur"}
CLASSIFIERS = {"wsfvit": "WSF-ViT", "gfnet": "GFNet", "dct_resnet": "DCT ResNet", "vit": "ViT"}
SPEED, ABLATION_WAST, ABLATION_DEBLURRING, COMPARISON = "speed", "ablation-wast", "ablation-deblurring", "classifiers"
ABLATION_MFPI, ABLATION_POSE = "ablation-mfpi", "ablation-pose"
TRAINED = (ABLATION_WAST, ABLATION_DEBLURRING, ABLATION_MFPI, ABLATION_POSE, COMPARISON, *EXPERIMENTS)
KINDS = {
    "models": (SPEED, ABLATION_DEBLURRING, COMPARISON),
    "--batch-size": (SPEED,),
    "--repeats": (SPEED,),
    "--threads": (SPEED,),
    "--compile": (SPEED,),
    "--seeds": TRAINED,
    "--full": (ABLATION_WAST, *EXPERIMENTS),
    "--epochs": TRAINED,
    "--data": (COMPARISON, *EXPERIMENTS),
    "--path": (COMPARISON, ABLATION_DEBLURRING, ABLATION_MFPI, *EXPERIMENTS),
    "--out": TRAINED,
    "--size": EXPERIMENTS,
    "--images": EXPERIMENTS,
    "--values": GRIDS,
}


def _needs(option: str, kinds: tuple[str, ...]) -> Needs:
    verb, noun = "go" if option == "models" else "goes", "benchmarks" if len(kinds) > 1 else "benchmark"
    others = {SPEED, *TRAINED} - set(kinds)  # an unknown kind has an error of its own
    listed = " and ".join([", ".join(kinds[:-1]), kinds[-1]] if kinds[1:] else kinds)
    return Needs(option, lambda args: args.what not in others, f"{verb} with the {noun} {listed} only")


OPTION_RULES = tuple(_needs(option, kinds) for option, kinds in KINDS.items())
SPEED_MODELS = ("wast", "simvp_gsta", "simvp_incepu", "tau", "wsfvit_video")


def add_arguments(parser: ArgumentParser) -> None:
    """Options of the command."""
    parser.add_argument(
        "what",
        type=str,
        help="speed, ablation-wast, ablation-deblurring, ablation-mfpi, ablation-pose, classifiers, or an experiment "
        f"of image generation: {', '.join(EXPERIMENTS)}.",
    )
    parser.add_argument(
        "models",
        nargs="*",
        type=str,
        default=[],
        help=f"Models for speed (some video models by default); which of {', '.join(CLASSIFIERS)} for classifiers, of "
        f"{', '.join(DEBLURRING)} for ablation-deblurring (all by default).",
    )
    parser.add_argument("--device", type=str, default="auto", help="auto, cpu, cuda or mps.")
    parser.add_argument("--batch-size", type=int, default=1, help="Clips or images at a time, for speed.")
    parser.add_argument("--repeats", type=int, default=5, help="Timed runs, for speed; the shortest counts.")
    parser.add_argument("--threads", type=int, default=None, help="CPU threads, for speed; all by default.")
    parser.add_argument("--compile", action="store_true", help="Time compiled models, for speed.")
    parser.add_argument(
        "--seeds", nargs="+", type=int, default=[0, 1, 2], help="Seeds of every network that is trained."
    )
    parser.add_argument("--full", action="store_true", help="The ablation or the experiment at full size.")
    parser.add_argument("--epochs", type=int, default=None, help="Length of training; that of the recipes by default.")
    parser.add_argument(
        "--data",
        type=str,
        default=None,
        help="Data: cifar10 (the default), cifar100 or image_folder for classifiers; data without labels, such as "
        "unlabelled_folder, for experiments, those of their recipes by default.",
    )
    parser.add_argument(
        "--path",
        type=str,
        default=None,
        help="Where the data lies; videos for ablation-mfpi, photographs for deblurring.",
    )
    parser.add_argument("--size", type=int, default=None, help="Side of the images of an experiment.")
    parser.add_argument("--images", type=int, default=None, help="Training images per epoch of an experiment.")
    parser.add_argument(
        "--values",
        nargs="+",
        type=float,
        default=None,
        help="What an experiment varies: weights of the penalty (lambda), levels, bits per pixel (rate_distortion), "
        "noise (denoise), factors (sr), accelerations (mri).",
    )
    parser.add_argument("--out", type=str, default=None, help="Folder of the runs; runs/NAME by default.")


def run(args: Namespace) -> None:
    """Run the chosen benchmark."""
    from subband.environment import describe_environment

    benchmarks: dict[str, Callable[[Namespace], None]] = {
        SPEED: _speed,
        ABLATION_WAST: _ablation_wast,
        ABLATION_DEBLURRING: _ablation_deblurring,
        ABLATION_MFPI: _ablation_mfpi,
        ABLATION_POSE: ablate_pose,
        COMPARISON: _classifiers,
        **dict.fromkeys(EXPERIMENTS, run_and_show),
    }
    if args.what not in benchmarks:
        raise ValueError(f"unknown benchmark {args.what!r}; known: {', '.join(benchmarks)}.")
    print(" | ".join(f"{key} {value}" for key, value in describe_environment().items()))
    benchmarks[args.what](args)


def _speed(args: Namespace) -> None:
    import torch

    from subband.device import pick_device
    from subband.models.complexity import count_parameters

    for option in ("batch_size", "repeats", "threads"):
        if args[option] is not None and args[option] < 1:
            raise ValueError(f"--{option.replace('_', '-')} must be at least 1, got {args[option]}.")
    names = args.models or SPEED_MODELS
    for name in names:
        model_spec(name)  # an unknown name is an error before any work
    if args.threads is not None:
        torch.set_num_threads(args.threads)
    device = pick_device(args.device)
    headings = ["model", "parameters", "input", "forward ms", "training step ms"]
    table = open_table(headings, title=f"batch {args.batch_size} on {device}", right=headings[1:])
    for name in names:
        torch.manual_seed(0)
        model = create_model(name).to(device)
        if args.compile:
            model.compile()
        inputs = tuple(tensor.to(device) for tensor in example_input(model, batch=args.batch_size))
        size = sizes_text(inputs)
        with attempt(f"{name} does not run on {size}"):
            forward = _shortest(_forward(model, inputs), args.repeats, device)
            step = _step_ms(name, model, inputs, args.repeats)
        table.add_row(name, f"{count_parameters(model):,}", size, f"{forward:.1f}", step)
    show_table(table)


def _forward(model: nn.Module, inputs: tuple[Tensor, ...]) -> Callable[[], None]:
    import torch

    def work() -> None:
        with torch.inference_mode():
            model.eval()(*inputs)

    return work


def _step_ms(name: str, model: nn.Module, inputs: tuple[Tensor, ...], repeats: int) -> str:
    """Time of a training step; a dash where there is none, with a warning if that depends on the batch."""
    from subband.models.arguments import first_output
    from subband.models.complexity import is_too_few_values

    def work() -> None:
        model.train().zero_grad()
        first_output(model(*inputs)).square().mean().backward()

    if not any(parameter.requires_grad for parameter in model.parameters()):
        return "-"
    try:
        return f"{_shortest(work, repeats, inputs[0].device):.1f}"
    except (ValueError, RuntimeError) as error:  # the second when compiled
        if not is_too_few_values(error):
            raise
        warnings.warn(
            f"{name} cannot train on a batch of {len(inputs[0])}: its last batch norm would see a single value per "
            "channel; give a larger --batch-size.",
            stacklevel=2,
        )
        return "-"


def _shortest(work: Callable[[], None], repeats: int, device: torch.device) -> float:
    """Milliseconds of the shortest of several runs after a warm-up."""
    from subband.models.complexity import synchronize

    times = []
    for _ in range(repeats + 1):
        started = time.perf_counter()
        work()
        synchronize(device)
        times.append(1e3 * (time.perf_counter() - started))
    return min(times[1:])


def _ablation_wast(args: Namespace) -> None:
    from subband.training.comparison import Entry

    size = "full_" if args.full else ""
    changes = _trainer_changes(args)
    entries = [
        Entry(label=label, name=f"{size}{name}", recipe=f"video_prediction/ablation_wast_{size}{name}", changes=changes)
        for label, name in ABLATION.items()
    ]
    rows = _train(entries, args.seeds, Path(args.out or "runs/ablation_wast"))
    columns = [Column(heading, _metric(key), digits) for heading, key, digits in METRICS]
    show_comparison(rows, [*columns, Column("train s", _train_seconds, 0)])


def _ablation_deblurring(args: Namespace) -> None:
    _ablate(args, {family: DEBLURRING[family] for family in _chosen(args, DEBLURRING)}, "runs/ablation_deblurring")


def _ablation_mfpi(args: Namespace) -> None:
    if args.path is None:
        raise ValueError("ablation-mfpi needs --path, a folder of videos.")
    _ablate(args, {"mfpi": "MFPI"}, "runs/ablation_mfpi")


def _ablate(args: Namespace, families: dict[str, str], default_out: str) -> None:
    """Train networks for restoration without each of their parts.

    Args:
        args: Values of the options.
        families: Keys of `subband.tasks.restoration.ablation.FAMILIES`, and what they are called.
        default_out: Folder of the runs.
    """
    from subband.tasks.restoration.ablation import ablation_entries

    data = {} if args.path is None else {"data": {"args": {"path": args.path}}}
    changes = {"trainer": {"device": args.device}, **data}
    entries = {family: ablation_entries(family, args.epochs, changes) for family in families}
    # All of them at once, so that a mistake in the last one shows before the first training.
    rows = _train([entry for some in entries.values() for entry in some], args.seeds, Path(args.out or default_out))
    columns = [Column(heading, _metric(key), digits) for heading, key, digits in RESTORED]
    for family, some in entries.items():
        print(f"\n{families[family]}:")
        show_comparison(
            {entry.label: rows[entry.label] for entry in some}, [*columns, Column("train s", _train_seconds, 0)]
        )


def _chosen(args: Namespace, known: dict[str, str]) -> list[str]:
    """The names that were given, all without any."""
    for name in args.models:
        if name not in known:
            raise ValueError(f"{args.what} compares {', '.join(known)}, not {name!r}.")
    return list(dict.fromkeys(args.models)) or list(known)


def _classifiers(args: Namespace) -> None:
    from subband.training.comparison import Entry

    names = _chosen(args, CLASSIFIERS)
    out = Path(args.out or "runs/classifiers")
    recipes = {name: f"classification/compare_{name}_cifar10" for name in names}
    entries = [
        Entry(label=CLASSIFIERS[name], name=name, recipe=recipe, changes=_data_changes(args, recipe))
        for name, recipe in recipes.items()
    ]
    rows = _train(entries, args.seeds, out)
    macs = {entry.label: _macs(out, entry, args.seeds[0]) for entry in entries if rows[entry.label]}
    columns = [
        Column("top-1 %", lambda run: 100 * run["metrics"]["top1"], 2),
        Column("cross-entropy", _metric("cross_entropy"), 3),
        Column("train s", _train_seconds, 0),
    ]
    show_comparison(rows, columns, facts={"MACs": macs})


def _train(entries: list[Entry], seeds: list[int], out: Path) -> dict[str, list[dict[str, Any]]]:
    from subband.training.comparison import train_entries

    how = "the same command again"
    return train_entries(entries, seeds, out, announce=lambda text: print(text, flush=True), resume_command=how)


def _trainer_changes(args: Namespace) -> dict[str, Any]:
    length = {} if args.epochs is None else {"epochs": args.epochs}
    return {"trainer": {"device": args.device, **length}}


def _data_changes(args: Namespace, recipe: str) -> dict[str, Any]:
    """Settings for the data that the options name; sizes and augmentation stay those of the recipe."""
    data = read_recipe(recipe)["data"]
    changes = {"args": {"path": args.path}} if args.path else {}
    if args.data not in (None, data["name"]):
        if not args.path:
            raise ValueError(f"--data {args.data} needs --path, the folder it lies in.")
        whole = {"crop_ratio": 1.0} if args.data == "image_folder" else {}  # the images of CIFAR are not cropped
        changes = {"name": args.data, "args": {**data["args"], **whole, "path": args.path}}
    return {**_trainer_changes(args), "data": changes}


def _macs(out: Path, entry: Entry, seed: int) -> str:
    """Multiply-accumulates for one image, of the network that a run has saved."""
    from subband.models.checkpoint import load_model
    from subband.models.complexity import count_macs
    from subband.training.comparison import run_folder

    model = load_model(run_folder(out, entry, seed)).eval()
    counts = count_macs(model, example_input(model))
    return f"{(counts.macs + counts.fft_macs + counts.dwt_macs) / 1e6:.1f} M"


def _metric(key: str) -> Callable[[dict[str, Any]], float]:
    return lambda run: run["metrics"][key]


def _train_seconds(run: dict[str, Any]) -> float | None:
    return run["train_seconds"]
