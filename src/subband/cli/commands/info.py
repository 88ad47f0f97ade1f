"""Show what a model is made of and what it costs: parts, parameters, multiply-accumulates, memory, time."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from subband.catalogue.entries import list_weights
from subband.cli.options import (
    add_model_arguments,
    attempt,
    example_input,
    open_model,
    open_table,
    show_table,
    sizes_text,
)
from subband.models.registry import model_spec
from subband.tasks import input_axes

if TYPE_CHECKING:
    from jsonargparse import ArgumentParser, Namespace
    from torch import nn

    from subband.models.complexity import Complexity


EXAMPLES = """examples:
  subband info wast
  subband info simvp_gsta --set in_shape=[10,3,128,160] --set hid_T=256 --batch 4
  subband info runs/wast --depth 3 --device cpu
  subband info wsfvit_t --height 384 --width 384
"""


def add_arguments(parser: ArgumentParser) -> None:
    """Options of the command."""
    add_model_arguments(parser)
    parser.add_argument("--depth", type=int, default=2, help="Levels of the module tree.")
    parser.add_argument("--batch", type=int, default=1, help="Clips or images in the measured batch.")
    parser.add_argument("--height", type=int, default=None, help="Height of the input; that of training by default.")
    parser.add_argument("--width", type=int, default=None, help="Width of the input; that of training by default.")
    parser.add_argument("--repeats", type=int, default=3, help="Timed passes; the median is shown.")
    parser.add_argument("--device", type=str, default="auto", help="auto, cpu, cuda or mps.")
    parser.add_argument("--json", action="store_true", help="Print a JSON object instead of a table.")


def run(args: Namespace) -> None:
    """Measure the model and print the result."""
    from rich.console import Console

    from subband.device import pick_device
    from subband.models.complexity import count_macs, measure_complexity

    if args.depth < 0:
        raise ValueError(f"--depth must not be negative, got {args.depth}.")
    if args.repeats < 1:
        raise ValueError(f"--repeats must be at least 1, got {args.repeats}.")
    device = pick_device(args.device)
    model = open_model(args.model, args.set).to(device)
    given = example_input(model, batch=args.batch, height=args.height, width=args.width)
    inputs = tuple(tensor.to(device) for tensor in given)
    progress = Console(stderr=True).status("measuring: some passes through the network")  # on a terminal only
    with progress, attempt(f"{args.model} cannot be measured on {sizes_text(inputs)}"):
        counts = count_macs(model, inputs)
        cost = measure_complexity(model, inputs, repeats=args.repeats, counts=counts)
    config: Any = model.model_config
    spec = model_spec(config["name"])
    facts = {
        "model": args.model,
        "name": config["name"],
        "task": spec.task,
        "paper": spec.paper,
        "loads_published": spec.layout is not None,
        "published": [row.name for row in list_weights() if config["name"] in row.models],
        "input_shape": list(inputs[0].shape),
        "input_axes": input_axes(model),
        **asdict(cost),
    }
    modules = module_rows(model, counts.by_module, args.depth)
    if args.json:
        print(json.dumps({**facts, "modules": modules}, indent=2))
    else:
        _show(facts, modules, cost)


def module_rows(model: nn.Module, macs: dict[str, float], depth: int) -> list[dict[str, Any]]:
    """The module tree down to a depth, without modules that neither hold values nor compute.

    Args:
        model: Any network.
        macs: Multiply-accumulates by dotted module name.
        depth: Levels below the whole network.

    Returns:
        Dicts with `module` (dotted name), `type`, `level`, `parameters` and `macs`, parents before children.
    """
    from subband.models.complexity import count_parameters

    rows = []
    for name, module in model.named_modules():
        level = name.count(".") + 1 if name else 0
        parameters, cost = count_parameters(module), _macs_below(name, module, macs)
        if level <= depth and (parameters or cost or not name):
            rows.append(
                {"module": name, "type": type(module).__name__, "level": level, "parameters": parameters, "macs": cost}
            )
    return rows


def _macs_below(name: str, module: nn.Module, macs: dict[str, float]) -> float:
    """A container such as ModuleList is never called itself, so its parts count."""
    if name in macs:
        return macs[name]
    return sum(_macs_below(f"{name}.{child}", part, macs) for child, part in module.named_children())


def _published(facts: dict[str, Any]) -> str:
    if facts["published"]:
        return f"{', '.join(facts['published'])} (`subband weights info NAME`)"
    return "none known; a file of that layout loads with `subband convert`" if facts["loads_published"] else "none"


def _show(facts: dict[str, Any], modules: list[dict[str, Any]], cost: Complexity) -> None:
    lines = {
        "model": f"{facts['name']} ({facts['task']})",
        "paper": facts["paper"],
        "published weights": _published(facts),
        "input": " x ".join(map(str, facts["input_shape"])) + f" ({facts['input_axes']})",
        "parameters": f"{cost.params:,}",
        "MACs": f"{cost.macs / 1e9:.3f} G convolutions, products and norms, as published tables count",
        "  Fourier": cost.fft_macs
        and f"{cost.fft_macs / 1e6:.2f} M (5 n log2 n operations for n points, half of that for real ones)",
        "  Haar": cost.dwt_macs
        and f"{cost.dwt_macs / 1e6:.2f} M (one sum or difference per sample and axis; two make a MAC)",
        "training memory": f"{cost.activation_mb:.1f} MiB kept for the backward pass, without weights",
        "inference memory": f"{cost.peak_mb:.1f} MiB at the peak, without weights and input",
        "time": f"{cost.ms:.1f} ms per batch (median) on {cost.device}, {cost.threads} CPU threads",
    }
    for label, text in lines.items():
        if text:
            print(f"{label + ':':<19}{text}")
    table = open_table(("module", "type", "parameters", "MACs (G)"), right=("parameters", "MACs (G)"))
    for row in modules:
        name = "  " * row["level"] + (row["module"].rpartition(".")[2] or "(all)")
        table.add_row(name, row["type"], f"{row['parameters']:,}", f"{row['macs'] / 1e9:.3f}")
    show_table(table)
