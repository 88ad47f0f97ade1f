"""What pytorch_wavelets 1.3.0 computes: the cases, and the program that wrote `pytorch_wavelets.json`.

    PYTHONPATH=src:benchmarks python tests/golden/pytorch_wavelets_cases.py

Every case runs on either library, in double precision: the forward transform of noise, and the inverse of other noise
in the shapes of its result, so that the inverse is not only seen to undo the transform. Of every tensor the shape is
kept and three sums, weighted by noise, which no error in any of its values leaves as they are.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.utils._pytree import tree_leaves

__all__ = ["CASES", "FILE", "Case", "fingerprint", "noise", "run"]

FILE = Path(__file__).with_name("pytorch_wavelets.json")


class Case(NamedTuple):
    """A pair of modules, `kind` with `Forward` and with `Inverse` behind it, on noise of one shape.

    `shared` are arguments of both, `forward` of the first one; levels in `missing` are `None` for the second one.
    """

    kind: str
    shape: tuple[int, ...]
    shared: dict[str, Any]
    forward: dict[str, Any]
    missing: tuple[int, ...] = ()


def _wavelets() -> Iterator[tuple[str, Case]]:
    sizes = {"haar": (1, 1, 5, 6), "db2": (1, 1, 7, 8), "bior2.2": (1, 2, 9, 7)}
    for wave, shape in sizes.items():
        for mode in ("zero", "symmetric", "reflect", "periodic", "periodization"):
            levels = 1 if mode == "periodization" and wave == "bior2.2" else 2
            yield f"{wave} {mode}", Case("DWT", shape, {"wave": wave, "mode": mode}, {"J": levels})
    yield "three levels, one missing", Case("DWT", (1, 1, 18, 10), {"wave": "db2"}, {"J": 3}, (1,))
    yield "defaults", Case("DWT", (2, 2, 3, 4), {}, {})
    taps = ([0.1, 0.7, 0.5, -0.2], [0.3, -0.6, 0.4, 0.2], [0.6, 0.4], [-0.3, 0.8])
    for name, wave in (("one pair of filters", taps[:2]), ("two pairs of filters", taps)):
        yield name, Case("DWT", (1, 1, 6, 5), {"wave": wave, "mode": "symmetric"}, {})
    for mode in ("zero", "symmetric", "reflect", "periodic", "per"):
        yield f"signals {mode}", Case("DWT1D", (1, 2, 17), {"wave": "db3", "mode": mode}, {"J": 2}, (0,))


def _dual_trees() -> Iterator[tuple[str, Case]]:
    for biort in ("antonini", "legall", "near_sym_a", "near_sym_b"):
        yield biort, Case("DTCWT", (1, 1, 7, 6), {"biort": biort}, {"J": 1})
    for qshift in ("qshift_06", "qshift_a", "qshift_b", "qshift_c", "qshift_d"):
        yield qshift, Case("DTCWT", (1, 1, 6, 9), {"qshift": qshift}, {"J": 2})
    yield "dual tree, three levels", Case("DTCWT", (1, 2, 13, 10), {}, {})
    yield "dual tree, bands left out", Case("DTCWT", (1, 1, 11, 8), {}, {"skip_hps": [True, False, True]})
    yield "dual tree, one missing", Case("DTCWT", (1, 1, 16, 8), {}, {}, (1,))
    yield "dual tree, scales", Case("DTCWT", (1, 1, 6, 8), {}, {"J": 2, "include_scale": True})
    yield "dual tree, one scale", Case("DTCWT", (1, 1, 6, 8), {}, {"J": 2, "include_scale": [False, True]})
    for o_dim, ri_dim in ((1, 2), (-1, 4), (4, -1), (3, 1)):
        places = {"o_dim": o_dim, "ri_dim": ri_dim}
        yield f"dual tree, axes {o_dim} and {ri_dim}", Case("DTCWT", (1, 1, 4, 8), places, {"J": 2})
    yield "dual tree, zero", Case("DTCWT", (1, 1, 6, 8), {"mode": "zero"}, {"J": 2})
    yield "dual tree, zero, finest missing", Case("DTCWT", (1, 1, 6, 8), {"mode": "zero"}, {"J": 2}, (0,))
    mirrored = ([0.2, 0.7, 0.4, -0.1], [-0.1, 0.4, 0.7, 0.2], [0.3, -0.5, 0.1, 0.2], [0.2, 0.1, -0.5, 0.3])
    own = {"biort": ([0.2, 0.6, 0.2], [-0.1, 0.2, -0.5, 0.2, -0.1]), "qshift": mirrored}
    yield "dual tree, own filters", Case("DTCWT", (1, 1, 8, 12), own, {"J": 2})


CASES = dict(chain(_wavelets(), _dual_trees()))


def noise(*shape: int, seed: int = 0) -> Tensor:
    """The same numbers everywhere, in double precision."""
    return torch.from_numpy(np.random.RandomState(seed).standard_normal(shape))


def run(library: Any, case: Case) -> list[Tensor]:
    """Tensors of the forward transform, and the image of the inverse; filters are made in the default dtype."""
    forward = getattr(library, f"{case.kind}Forward")(**case.shared, **case.forward)
    inverse = getattr(library, f"{case.kind}Inverse")(**case.shared)
    low, highs = forward(noise(*case.shape))
    last = low[-1] if isinstance(low, list) else low
    bands = [high if high.ndim == 0 else noise(*high.shape, seed=place) for place, high in enumerate(highs, 2)]
    for place in case.missing:
        bands[place] = None
    return [*tree_leaves((low, highs)), inverse((noise(*last.shape, seed=1), bands))]


def fingerprint(x: Tensor) -> list[Any]:
    """Shape and weighted sums of a tensor."""
    weights = noise(3, x.numel(), seed=99) / max(1, x.numel()) ** 0.5
    return [list(x.shape), (weights @ x.flatten()).tolist()]


def main() -> None:
    """Write the file."""
    from peers.stand_ins import optional

    torch.set_default_dtype(torch.float64)
    library = optional("pytorch_wavelets")
    lines = [
        f"{json.dumps(name)}: {json.dumps(list(map(fingerprint, run(library, case))))}" for name, case in CASES.items()
    ]
    FILE.write_text("{\n" + ",\n".join(lines) + "\n}\n", encoding="utf-8")


if __name__ == "__main__":
    main()
