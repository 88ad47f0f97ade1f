"""Times of transforms and networks beside other libraries and plain translations of the published graphs; memory."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from gpu_checks.check import AUTOCAST_DEEP, DEEP, Check, Figure, LeftOutError, Setting, relative_error
from gpu_checks.models import build_small
from timing import shortest

__all__ = ["check_models", "check_restorers", "check_transforms"]

PEERS = ("ptwt", "pytorch_wavelets", "torch_dct")
ROUNDS = 3
IMAGES, CLIPS = 64, 16  # in a batch


def check_transforms(setting: Setting) -> Iterator[Check]:
    """The quick cases of the benchmark of the transforms, and which libraries it lacks here."""
    try:
        from peers.cases import CASES
        from peers.stand_ins import optional
    except ModuleNotFoundError as error:
        yield Check("transforms", partial(left_out, f"the package {error.name} is not installed"))
        return
    cases = [case for case in CASES if case.is_quick]
    for case in cases[: 1 if setting.is_quick else None]:
        for direction in ("forward", "f+b"):
            yield Check(f"{case.name}, {direction}", partial(time_transform, case, direction, setting))
    for name in PEERS:
        if optional(name) is None:
            yield Check(f"peer {name}", partial(left_out, f"the package {name} is not installed"))


def left_out(reason: str) -> Figure:
    """A check that cannot be done."""
    raise LeftOutError(reason)


def time_transform(case: Any, direction: str, setting: Setting) -> list[Figure]:
    """Milliseconds of a copy of the input, of ours and of the peers; peers that fail are named."""
    from transforms import field, is_ours, prepared, runnable

    x = case.input(torch.float32, setting.device, small=setting.is_quick)
    contestants, reasons = runnable(field(case, setting.device, False, False), x)
    lost = [reason for reason in reasons if is_ours(reason.split(":")[0])]
    assert not lost, "; ".join(lost)
    with torch.set_grad_enabled(direction == "f+b"):
        functions: dict[str, Any] = {"clone": x.clone, **prepared(contestants, x, direction)}
        times = shortest(functions, 1 if setting.is_quick else ROUNDS, setting.device)
    remark = f"not measured: {'; '.join(reasons)}" if reasons else ""
    return [Figure(time, None, "ms", name, remark if name == "clone" else "") for name, time in times.items()]


def check_models(setting: Setting) -> Iterator[Check]:
    """Networks of published size beside plain translations, the most used first."""
    if setting.is_quick:
        yield Check("gfnet, small", partial(time_model, lambda: (build_small("gfnet"), build_small("gfnet")), setting))
        return
    import classification
    import video_models

    device = setting.device
    builders: dict[str, Callable[[], tuple[nn.Module, nn.Module]]] = {
        **{name: partial(classification.build, name, device) for name in classification.PUBLISHED},
        **{name: partial(video_models.build, name) for name in video_models.PUBLISHED},
    }
    first = ("wsfvit_p0", "wast", "wsfvit_t", "gfnet_xs", "simvp_gsta", "tau", "wsfvit_video", "gfnet_h_ti")
    names = [*first, *(name for name in builders if name not in first)]
    for name in names:
        yield Check(name, partial(time_model, builders[name], setting))


def check_restorers(setting: Setting) -> Iterator[Check]:
    """Networks for video restoration beside plain translations: float32, then channels last with bfloat16, then all
    that compiled, which takes longest and may be left out.
    """
    import restoration

    clip = "5x32x32" if setting.is_quick else "5x256x256"
    for name in ("vd_diff", "estrnn"):
        for way in restoration.WAYS[: 1 if setting.is_quick else None]:
            yield Check(f"{name}, {clip}, {way}", partial(time_restorer, name, clip, way, setting))


def time_restorer(name: str, clip: str, way: str, setting: Setting) -> list[Figure]:
    """Milliseconds and memory of the published graph in float32 and of ours in some way; the outputs must agree."""
    import restoration

    if "bfloat16" in way and not restoration.has_fast_bfloat16(setting.device):
        raise LeftOutError("the device has no instructions for bfloat16")
    runs = restoration.runs_of(name, clip, setting.device, [way])
    restored: dict[str, Tensor] = {}
    calls = {who: partial(restoration.keep, restored, who, run) for who, run in runs.items()}
    times = shortest(calls, 1 if setting.is_quick else ROUNDS, setting.device, warmups=1)
    error = relative_error([restored[way].float()], [restored["plain"]])
    figures = [Figure(error, AUTOCAST_DEEP if "bfloat16" in way else DEEP)]
    figures += [Figure(time, None, "ms", who) for who, time in times.items()]
    if setting.device.type == "cuda":
        figures += [Figure(peak_mb(run, setting.device), None, "MiB", who) for who, run in runs.items()]
    return figures


def time_model(build: Callable[[], tuple[nn.Module, nn.Module]], setting: Setting) -> list[Figure]:
    """Milliseconds of a forward pass and of a training step in bfloat16 autocast, and the memory of the step."""
    from classification import MODES

    device = setting.device
    theirs, ours = (model.to(device) for model in build())
    inputs = batch_for(ours, setting)
    figures = []
    for mode, prepare in MODES.items():
        runs = {"ours": prepare(ours, inputs, True), "published": prepare(theirs, inputs, True)}
        remark = ""
        try:
            runs["published"]()
        except Exception as error:
            del runs["published"]
            remark = f"the plain translation does not run here: {type(error).__name__}: {error}"
        times = shortest(runs, 1 if setting.is_quick else ROUNDS, device)
        figures += [Figure(time, None, "ms", f"{mode}, {who}", remark) for who, time in times.items()]
        if mode == "train" and device.type == "cuda":
            figures += [Figure(peak_mb(run, device), None, "MiB", f"train, {who}") for who, run in runs.items()]
    return figures


def batch_for(model: Any, setting: Setting) -> Tensor:
    """Images or clips of the size of training."""
    is_video = hasattr(model, "in_shape")
    count = 1 if setting.is_quick else CLIPS if is_video else IMAGES
    shape = model.in_shape if is_video else (model.in_chans, *model.img_size)
    return torch.rand(count, *shape, generator=torch.Generator().manual_seed(0)).to(setting.device)


def peak_mb(run: Callable[[], object], device: torch.device) -> float:
    """Most memory that one call takes beyond what is there before."""
    torch.cuda.synchronize(device)
    before = torch.cuda.memory_allocated(device)
    torch.cuda.reset_peak_memory_stats(device)
    run()
    torch.cuda.synchronize(device)
    return (torch.cuda.max_memory_allocated(device) - before) / 2**20
