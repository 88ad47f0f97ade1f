"""Small wavelet transforms beside PyWavelets and ptwt, where calls cost more than numbers, and how long they compile.

All take turns in the same process, in single and double precision, with and without a gradient to be recorded, and the
shortest time counts. With `--compile`, a fresh process each compiles three levels of "db2" and their inverse, of ours
and of ptwt, with `dynamic=True`, and runs them forward and backward; the compiler's caches are empty.

usage: python benchmarks/small_transforms.py [--compile] [--rounds 20] [--out FILE.json]
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from functools import partial
from importlib.metadata import version

import numpy as np
import ptwt
import pywt
import torch
from torch import Tensor

from records import Cell, add_out_argument, measured, rounded, write_record
from subband import transforms as st
from timing import shortest

PICTURE, LARGER, SIGNAL = (8, 8), (16, 16), (16,)


def calls(x: Tensor, shape: tuple[int, ...]) -> dict[str, dict[str, Callable[[], object]]]:
    """The calls of a shape by name, and by library."""
    array = x.detach().numpy()
    if shape == SIGNAL:
        return {
            "dwt of 16 samples": {
                "subband": partial(st.dwt, x, "db2"),
                "PyWavelets": partial(pywt.dwt, array, "db2"),
            }
        }
    if shape == PICTURE:
        bands = st.dwt2(x.detach(), "db2").requires_grad_(x.requires_grad)
        return {
            "dwt2 of 8 x 8": {"subband": partial(st.dwt2, x, "db2"), "PyWavelets": partial(pywt.dwt2, array, "db2")},
            "idwt2 to 8 x 8": {
                "subband": partial(st.idwt2, bands, "db2"),
                "PyWavelets": partial(pywt.idwt2, pywt.dwt2(array, "db2"), "db2"),
            },
        }
    return {
        "wavedec2 of 16 x 16, 2 levels": {
            "subband": partial(st.wavedec2, x, "db2", level=2),
            "PyWavelets": partial(pywt.wavedec2, array, "db2", level=2),
            "ptwt": partial(ptwt.wavedec2, x, "db2", mode="symmetric", level=2),
        }
    }


def small_rows(rounds: int) -> list[list[Cell]]:
    rows: list[list[Cell]] = []
    for shape in (SIGNAL, PICTURE, LARGER):
        for dtype in (torch.float32, torch.float64):
            for with_gradient in (False, True):
                x = torch.from_numpy(np.random.default_rng(0).random(shape)).to(dtype).requires_grad_(with_gradient)
                for name, functions in calls(x, shape).items():
                    times = shortest(functions, rounds, x.device)
                    ours, theirs, others = (1e3 * times.get(n, float("nan")) for n in ("subband", "PyWavelets", "ptwt"))
                    label = f"{name}, {str(dtype).removeprefix('torch.')}{', gradient recorded' * with_gradient}"
                    rows.append(
                        [
                            label,
                            rounded(ours, 1),
                            rounded(theirs, 1),
                            rounded(others, 1) if "ptwt" in times else None,
                            rounded(ours / theirs, 1),
                        ]
                    )
                    print(*rows[-1], sep="  ", flush=True)
    return rows


def round_trip(library: str) -> Callable[[Tensor], Tensor]:
    """Three levels there and back."""
    if library == "subband":
        return lambda x: st.wavedec2(x, "db2", level=3).inverse()
    return lambda x: ptwt.waverec2(ptwt.wavedec2(x, "db2", level=3), "db2")


def compile_once(library: str) -> None:
    """Print the seconds of processor time until the first gradient of the compiled round trip."""
    x = torch.rand(2, 3, 64, 64, requires_grad=True)
    function = torch.compile(round_trip(library), dynamic=True)
    started = time.process_time()
    function(x).sum().backward()
    print(time.process_time() - started)


def seconds_to_compile(library: str) -> str:
    """`compile_once` in a process of its own, in words; the children of the compiler do not count, in neither."""
    with tempfile.TemporaryDirectory() as folder:
        settings = {"TORCHINDUCTOR_CACHE_DIR": folder, "TORCHINDUCTOR_FORCE_DISABLE_CACHES": "1"}
        command = [sys.executable, __file__, "--compile-once", library]
        run = subprocess.run(command, env=os.environ | settings, capture_output=True, text=True)
    if run.returncode == 0:
        return f"{float(run.stdout.split()[-1]):.0f} s of processor time"
    errors = [line for line in run.stderr.splitlines() if line.startswith("torch.")]
    return f"does not compile ({errors[-1] if errors else f'exit code {run.returncode}'})"


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=20, help="turns of each library")
    parser.add_argument("--compile", action="store_true", help="also measure compilation, which takes minutes")
    parser.add_argument("--compile-once", choices=("subband", "ptwt"), help=argparse.SUPPRESS)
    add_out_argument(parser)
    return parser.parse_args()


def main() -> None:
    options = parse()
    torch.set_num_threads(1)
    warnings.filterwarnings("ignore")
    if options.compile_once:
        compile_once(options.compile_once)
        return
    rows = small_rows(options.rounds)
    notes = []
    if options.compile:
        ours, theirs = (seconds_to_compile(library) for library in ("subband", "ptwt"))
        notes.append(
            "Compiling `wavedec2(x, 'db2', level=3)` and its inverse with a gradient, `dynamic=True`, inductor, until "
            f"the first gradient: ours {ours}; ptwt {theirs}."
        )
        print(notes[-1])
    if options.out is not None:
        record = measured(
            "Small transforms",
            ["call", "subband (µs)", "PyWavelets (µs)", "ptwt (µs)", "subband / PyWavelets"],
            rows,
            seeds=[0],
            software=", ".join(f"{name} {version(name)}" for name in ("PyWavelets", "ptwt")),
            about=["What a call costs: one thread, processor time, shortest of interleaved rounds."],
            notes=notes,
        )
        write_record(record, options.out)


if __name__ == "__main__":
    main()
