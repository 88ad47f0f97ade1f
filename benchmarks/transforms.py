"""Time of the transforms against `clone`, which is what reading and writing costs, and against other libraries.

`clone` copies the input, or as many values as the result has where those are more (undecimated and continuous
transforms).

Every case first checks in double precision that all contestants compute the numbers of PyWavelets (scipy for cosine
transforms, dtcwt for dual-tree wavelets) and, where they have gradients, the right ones; a library that does not is
measured all the same and marked. Then all take turns on the same single-precision input, and the shortest time counts.
"f+b" is the forward transform and the gradient of the input.

usage: python benchmarks/transforms.py [--quick] [--cases PATTERN] [--compile] [--threads 1] [--device cuda] ...
"""

from __future__ import annotations

import argparse
import re
import statistics
import sys
import warnings
from dataclasses import replace
from functools import partial
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import torch
from torch import Tensor

from peers.cases import CASES, Case
from peers.checks import ForwardBackward, gradient_error, value_error
from peers.contestant import Contestant, flat
from peers.table import Row, columns, headings, write_csv, write_json, write_markdown
from records import add_out_argument, describe_environment, measured, write_record
from timing import describe_clock, keep_memory, shortest

LIBRARIES = ("PyWavelets", "ptwt", "pytorch_wavelets", "torch_dct", "scipy", "dtcwt", "numpy")
SINGLE_PRECISION = 2e-5  # relative error allowed to compiled and GPU variants, which are checked on the timed input
DIRECTIONS = ("forward", "f+b")


class DisagreementError(Exception):
    """Numbers of subband that are not those of the yardstick."""


def check(case: Case) -> dict[tuple[str, str], str]:
    """Remarks on contestants whose numbers or gradients are wrong; raises if they are ours."""
    x = case.input(torch.float64, torch.device("cpu"), small=True)
    remarks = {}
    previous = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    try:
        yardstick, *others = case.contestants()
        wanted = [band.clone() for band in yardstick.bands(yardstick.run(*yardstick.arguments(x)))]
        for contestant in others:
            errors = {"forward": value_error(contestant, wanted, x)}
            errors["f+b"] = gradient_error(contestant, yardstick, x) if contestant.is_tensor_program else 0.0
            for direction, error in errors.items():
                if not error <= contestant.tolerance * (1 if direction == "forward" else 100):
                    remarks[contestant.name, direction] = (
                        f"{'gradient' if direction == 'f+b' else 'value'} off by {error:.0e}"
                    )
    finally:
        torch.set_default_dtype(previous)
    return remarks


def compiled(contestant: Contestant) -> Contestant:
    """The same under `torch.compile`."""
    run = torch.compile(contestant.run, fullgraph=True)
    return replace(contestant, name=f"{contestant.name}, compiled", run=run, can_compile=False)


def is_ours(name: str) -> bool:
    return name.split(",")[0] == "subband"


def field(case: Case, device: torch.device, with_compiled: bool, own_only: bool) -> list[Contestant]:
    """Contestants that are timed."""
    with device:  # filters of modules are made where they are used
        everyone = [c for c in case.contestants() if c.is_tensor_program or device.type == "cpu"]
    everyone = [c for c in everyone if is_ours(c.name) or not own_only]
    if with_compiled:
        everyone += [compiled(contestant) for contestant in everyone if contestant.can_compile]
    return everyone


def measure(case: Case, options: argparse.Namespace, device: torch.device, failures: list[str]) -> list[Row]:
    """Check and time one case in the wanted directions; what could not run is added to `failures`."""
    remarks = check(case)
    mine = {key: remark for key, remark in remarks.items() if is_ours(key[0])}
    if mine:
        raise DisagreementError(f"{case.name}: {mine}")
    torch._dynamo.reset()
    x = case.input(torch.float32, device)
    contestants, reasons = runnable(field(case, device, options.compile, options.own), x)
    failures += [f"{case.name}, {reason}" for reason in reasons]
    check_on_timed_input(case, contestants, x)
    floor = x.flatten().repeat(redundancy(contestants[0], x))
    rows = []
    for direction in DIRECTIONS:
        if not re.search(options.cases, f"{case.name} {direction}"):
            continue
        functions = {"clone": floor.clone, **prepared(contestants, x, direction)}
        with torch.set_grad_enabled(direction == "f+b"):
            times = shortest(functions, options.rounds, device)
        rows.append(Row(case.name, direction, times, {n: r for (n, d), r in remarks.items() if d == direction}))
    return rows


def redundancy(contestant: Contestant, x: Tensor) -> int:
    """How many times as many real values as the input the result has, to the nearest whole number."""
    with torch.no_grad():
        tensors = flat(contestant.run(*contestant.arguments(x)))
    return max(1, round(sum(t.numel() * (1 + t.is_complex()) for t in tensors) / x.numel()))


def runnable(contestants: list[Contestant], x: Tensor) -> tuple[list[Contestant], list[str]]:
    """Contestants whose first forward and backward pass succeed, and why the others fail (compilers refuse a lot)."""
    kept, reasons = [], []
    for contestant in contestants:
        try:
            with torch.no_grad():
                contestant.run(*contestant.arguments(x))
            if contestant.is_tensor_program:
                ForwardBackward(contestant, x)()
        except Exception as error:
            reasons.append(f"{contestant.name}: {first_line(error)}")
        else:
            kept.append(contestant)
    return kept, reasons


def first_line(error: Exception) -> str:
    text = str(error).strip().split("\n")
    context = [line.split("context:")[1] for line in text if "context:" in line]
    return f"{type(error).__name__}: {text[0]}{''.join(context)}"


def check_on_timed_input(case: Case, contestants: list[Contestant], x: Tensor) -> None:
    """Compiled and GPU variants against the yardstick on the very input that is timed."""
    checked = [c for c in contestants if is_ours(c.name) and (c.name.endswith("compiled") or x.is_cuda)]
    if not checked:
        return
    yardstick = case.contestants()[0]
    wanted = [band.clone() for band in yardstick.bands(yardstick.run(*yardstick.arguments(x.cpu())))]
    for contestant in checked:
        error = value_error(contestant, wanted, x)
        if not error <= SINGLE_PRECISION:
            raise DisagreementError(f"{case.name}: {contestant.name} is off by {error:.0e}")


def prepared(contestants: list[Contestant], x: Tensor, direction: str) -> dict[str, object]:
    if direction == "f+b":
        return {c.name: ForwardBackward(c, x) for c in contestants if c.is_tensor_program}
    return {c.name: partial(c.run, *c.arguments(x)) for c in contestants}


def environment(memory: str, device: torch.device) -> dict[str, str | int]:
    versions = []
    for library in LIBRARIES:
        try:
            versions.append(f"{library} {version(library)}")
        except PackageNotFoundError:
            versions.append(f"{library} not installed")
    return {
        **describe_environment(),
        "libraries": ", ".join(versions),
        "memory": memory,
        "clock": describe_clock(device),
    }


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--cases", default="", metavar="PATTERN", help="only cases whose name has this regular expression"
    )
    parser.add_argument("--list", action="store_true", help="list the cases")
    parser.add_argument("--quick", action="store_true", help="a third of the cases, two rounds")
    parser.add_argument("--compile", action="store_true", help="also time ours under torch.compile")
    parser.add_argument("--own", action="store_true", help="time ours only, for work on the kernels")
    parser.add_argument(
        "--rounds", type=int, default=None, help="turns of each contestant; 5 by default, 2 with --quick"
    )
    parser.add_argument("--threads", type=int, default=1, help="CPU threads")
    parser.add_argument("--device", default="cpu", help="cpu or cuda")
    parser.add_argument("--system-memory", action="store_true", help="leave the memory policy of the system as it is")
    for kind in ("json", "csv", "markdown", "plot"):
        parser.add_argument(f"--{kind}", type=Path, metavar="FILE", help=f"write the {kind} here")
    add_out_argument(parser)
    options = parser.parse_args()
    options.rounds = options.rounds or (2 if options.quick else 5)
    return options


def write_plot(file: Path, rows: list[Row], facts: dict[str, str | int], with_compiled: bool) -> None:
    from peers.plot import draw

    draw(file, rows, facts)


def main() -> None:
    options = parse()
    device = torch.device(options.device)
    torch.set_num_threads(options.threads)
    cases = [case for case in CASES if case.is_quick or not options.quick]
    cases = [case for case in cases if any(re.search(options.cases, f"{case.name} {d}") for d in DIRECTIONS)]
    if options.list:
        sys.exit("\n".join(case.name for case in cases))
    memory = "as the system does it" if options.system_memory else keep_memory()
    facts = environment(memory, device)
    warnings.filterwarnings("ignore", "Torchinductor does not support code generation for complex operators")
    print("\n".join(f"{key}: {value}" for key, value in facts.items()), end="\n\n")
    print(headings(options.compile), flush=True)
    rows, failures = [], []
    for case in cases:
        try:
            found = measure(case, options, device, failures)
        except Exception as error:  # whatever a library raises; the other cases go on
            failures.append(f"{case.name}: {first_line(error)}")
            continue
        for row in found:
            print(row.summary(options.compile), flush=True)
        rows += found
    report(rows, failures, facts, options)


def report(rows: list[Row], failures: list[str], facts: dict[str, str | int], options: argparse.Namespace) -> None:
    """Summary on the screen, files where wanted; exit code 1 if our own numbers are wrong anywhere."""
    gains = [row.gain(options.compile) for row in rows]
    known = sorted(gain for gain in gains if gain is not None)
    if known:
        print(f"\ntimes faster than the fastest peer: median {statistics.median(known):.2f}, least {known[0]:.2f}")
    for row in rows:
        for name, remark in row.remarks.items():
            print(f"note: {name}, {row.case} {row.direction}: {remark}")
    writers = {"json": write_json, "csv": write_csv, "markdown": write_markdown, "plot": write_plot}
    for kind, write in writers.items():
        if (file := getattr(options, kind)) is not None:
            file.parent.mkdir(parents=True, exist_ok=True)
            write(file, rows, facts, options.compile)
    if options.out is not None:
        write_out(rows, failures, facts, options)
    if failures:
        sys.exit("not measured:\n" + "\n".join(failures))


def write_out(rows: list[Row], failures: list[str], facts: dict[str, str | int], options: argparse.Namespace) -> None:
    """The record of this run."""
    record = measured(
        "Transforms",
        columns(options.compile),
        [row.cells(options.compile) for row in rows],
        seeds=[0],
        software=str(facts["libraries"]),
        about=[
            f"Float32, shortest of {options.rounds} interleaved rounds, {facts['clock']}, memory: {facts['memory']}.",
            '"x clone" is the time over that of copying the input, "f+b" is forward and the gradient of the input, '
            '"faster than peer" is the time of the fastest peer over ours. All numbers are compared with those of '
            "PyWavelets, SciPy or dtcwt before; * marks a contestant whose numbers or gradient are wrong.",
        ],
        notes=[f"Not measured: {failure}." for failure in failures],
    )
    write_record(record, options.out)


if __name__ == "__main__":
    main()
