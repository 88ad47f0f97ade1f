"""What users call with tensors on a device: imaging, explanations, predictors, data drawn on the device, costs."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any
from warnings import catch_warnings

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

import subband
from gpu_checks.check import (
    DEEP,
    LINEAR,
    SUMS,
    Check,
    Figure,
    LeftOutError,
    Setting,
    noise,
    on,
    relative_error,
    tensors_of,
)
from gpu_checks.models import SMALL, build_small, inputs_of
from subband.data import ClipSpec, Preprocessing
from subband.data.video.moving_photos import MovingPhotos
from subband.data.video.moving_sprites import MovingSprites
from subband.data.video.photo_tiles import PhotoTiles
from subband.explain.explanation import explain
from subband.explain.filters import filter_spectra
from subband.imaging import (
    band_energies,
    coefficient_mosaic,
    denoise_wavelet,
    encode_image,
    estimate_sigma,
    fuse,
    rate_distortion,
)
from subband.models.complexity import count_macs, measure_complexity
from subband.predictors import ClipNetwork, ImageClassifier, NetworkRunner, VideoPredictor, View
from subband.transforms import wavedec2

__all__ = ["IMAGING", "checks"]


def photo() -> Tensor:
    """A noisy ramp in three colors, `(3, 48, 40)` in [0, 1]."""
    ramp = torch.linspace(0.1, 0.9, 40).expand(3, 48, 40)
    return (ramp + 0.05 * noise(3, 48, 40)).clamp(0, 1)


IMAGING: dict[str, Callable[[Tensor], Any]] = {
    "denoise_wavelet": lambda x: denoise_wavelet(x, cycle_spins=1, color="ycbcr"),
    "denoise_wavelet, sigma": lambda x: denoise_wavelet(x, 0.05, method="visu", threshold="hard"),
    "estimate_sigma": estimate_sigma,
    "fuse largest": lambda x: fuse([x, x.flip(-1)]),
    "fuse exposure": lambda x: fuse([x, 0.5 * x], rule="exposure"),
    "coefficient_mosaic": lambda x: coefficient_mosaic(wavedec2(x, "haar", level=2)),
    "band_energies": lambda x: torch.tensor([band.energy for band in band_energies(wavedec2(x, "db2", level=2))]),
}


def checks(setting: Setting) -> Iterator[Check]:
    """Each on both devices."""
    for name, function in IMAGING.items():
        yield Check(name, partial(compare, function, photo(), setting, SUMS))
    yield Check("coder", partial(code, setting))
    yield Check("explain", partial(explanations, setting))
    yield Check(
        "global filters",
        partial(compare, lambda x: filter_spectra(on(x.device, build_small("gfnet"))), photo(), setting, LINEAR),
    )
    yield Check("classify", partial(compare_classes, setting))
    yield Check("predict and compare", partial(compare_frames, setting))
    yield Check("windows and tiles of a clip", partial(compare_windows, setting))
    yield Check("moving sprites", partial(compare_data, sprites(), setting, 0.0))
    yield Check("moving photographs", partial(compare_data, photographs(), setting, 2e-3))
    yield Check("info", partial(costs, setting))


def compare(function: Callable[[Tensor], Any], x: Tensor, setting: Setting, limit: float) -> Figure:
    """A function of one tensor on both devices, without gradients."""
    with torch.no_grad():
        wanted, found = (tensors_of(function(x.to(device))) for device in ("cpu", setting.device))
    return Figure(relative_error(found, wanted), limit)


def code(setting: Setting) -> Figure:
    """The code of an image does not depend on where the image lies."""
    image = photo()
    on_device = image.to(setting.device)
    assert encode_image(on_device, 0.1) == encode_image(image, 0.1), "other bytes"
    pairs = zip(rate_distortion(on_device, [0.1]), rate_distortion(image, [0.1]), strict=True)
    return Figure(max(abs(found.psnr - wanted.psnr) / wanted.psnr for found, wanted in pairs), SUMS)


def explanations(setting: Setting) -> Figure:
    """Grad-CAM, occlusion of subbands, and shares of cosine frequencies."""
    worst = 0.0
    for family in ("wsfvit", "gfnet_h", "dct_resnet_gated"):
        results = []
        for device in (torch.device("cpu"), setting.device):
            model: Any = on(device, build_small(family))
            image = noise(model.in_chans, *model.img_size).to(device)
            found = explain(model, image, classes=list("abcde"), preprocessing=Preprocessing(), class_index=1)
            drops = torch.stack([drop.logit for drop in found.drops])
            shares = [] if found.shares is None else [found.shares.logit.nan_to_num()]
            results.append([found.heat, drops, found.probabilities, *shares])
        worst = max(worst, relative_error(results[1], results[0]))
    return Figure(worst, 5 * DEEP)


def compare_classes(setting: Setting) -> Figure:
    """Probabilities of an image from a file's pixels."""
    image = (255 * photo()).to(torch.uint8).permute(1, 2, 0).numpy()
    results = []
    for device in ("cpu", str(setting.device)):
        results.append(ImageClassifier(build_small("gfnet"), classes=list("abcde"), device=device).classify(image))
    return Figure(relative_error(results[1:], results[:1]), DEEP)


def compare_frames(setting: Setting) -> Figure:
    """Bundled weights on a clip that stays on the CPU, and on one that lies on the device."""
    try:
        model = subband.load_model("wast_photos")
    except FileNotFoundError:
        raise LeftOutError("no bundled weights") from None
    generator = torch.Generator().manual_seed(0)
    wanted_frames, side = model.in_shape[0], 32
    clip = torch.rand(wanted_frames + 3, 1, side, side, generator=generator)
    wanted = VideoPredictor(model, device="cpu").predict(clip, 3)
    predictor = VideoPredictor(model, device=str(setting.device))
    found = [predictor.predict(clip, 3), predictor.predict(clip.to(setting.device), 3).cpu()]
    scores = predictor.compare(clip.to(setting.device), 3).per_frame["model"]
    assert all(np.isfinite(values).all() for values in scores.values()), "scores are not finite"
    return Figure(relative_error(found, [wanted, wanted]), DEEP)


def compare_windows(setting: Setting) -> Figure:
    """A network on windows of a clip: whole frames as memory allows, tiles, and tiles after the memory ran out."""
    clip = (0.5 + 0.1 * noise(7, 3, 90, 120)).clamp(0, 1)
    sizes: list[int] = []

    def restore(frames: Tensor, view: View) -> Tensor:
        sizes.append(frames.shape[-1])
        return F.avg_pool2d(frames[1:], 5, 1, 2, count_include_pad=False)

    def restore_in_little_memory(frames: Tensor, view: View) -> Tensor:
        if frames.shape[-1] > 64:
            frames.new_empty(2**46)
        return restore(frames, view)

    facts = {"past_frames": 1, "window": 4, "tile_overlap": 16, "size_multiple": 8}
    wanted = NetworkRunner(ClipNetwork(restore=restore, **facts), tile="off").run(clip)
    found = []
    for function, tile in ((restore, "auto"), (restore, 64), (restore_in_little_memory, "auto")):
        sizes.clear()
        network = ClipNetwork(restore=function, device=setting.device, bytes_per_pixel=1.0, **facts)
        with catch_warnings(record=True) as told:
            found.append(NetworkRunner(network, tile=tile).run(clip))
        side = 56 if function is not restore else 120 if tile == "auto" else 64
        assert max(sizes) == side, "other tiles"
        assert bool(told) == (function is restore_in_little_memory), "a warning too many or too few"
    measured = NetworkRunner(ClipNetwork(restore=restore, device=setting.device, **facts)).run(clip)
    return Figure(relative_error([*found, measured], 4 * [wanted]), SUMS)


def sprites() -> list[Any]:
    """Every kind of noise, with and without backgrounds."""
    generator = torch.Generator().manual_seed(0)
    pixels = torch.randint(0, 256, (5, 14, 14), dtype=torch.uint8, generator=generator)
    scenes = torch.randint(0, 256, (4, 3, 32, 32), dtype=torch.uint8, generator=generator)
    options = [{"noise": kind} for kind in (None, "dynamic", "missing", "perceptual")]
    return [
        MovingSprites(pixels, length=8, img_size=32, in_frames=3, out_frames=3, **option)
        for option in (*options, {"backgrounds": scenes})
    ]


def photographs() -> list[Any]:
    """A camera over tiles of noise."""
    spec = ClipSpec(in_frames=3, out_frames=3, channels=3, height=32, width=32)
    generator = torch.Generator().manual_seed(0)
    tiles = torch.randint(0, 256, (3, 3, 96, 96), dtype=torch.uint8, generator=generator)
    return [MovingPhotos(PhotoTiles(tiles, np.array([0, 1, 3])), spec, length=8, speed=4.0, seed=0)]


def compare_data(sets: list[Any], setting: Setting, limit: float) -> Figure:
    """Clips drawn on both devices; sprites are the same to the last bit."""
    worst = 0.0
    for data in sets:
        wanted, found = data.batch([0, 3, 9]), data.batch([0, 3, 9], setting.device)
        worst = max(worst, relative_error(list(found), list(wanted)))
    return Figure(worst, limit)


def costs(setting: Setting) -> list[Figure]:
    """What `subband info` measures: as many operations on every device; memory and time are finite."""
    figures = []
    for family in list(SMALL)[: 1 if setting.is_quick else None]:
        model = build_small(family)
        inputs = inputs_of(model)
        macs = count_macs(model, inputs).macs
        moved = on(setting.device, model)
        cost = measure_complexity(moved, on(setting.device, inputs), repeats=1)
        assert cost.ms > 0, f"{family}: no time"
        # Kernels for the CPU also multiply some of the zeros beyond the border.
        figures.append(Figure(abs(cost.macs - macs) / max(macs, 1), 0.2, name=family))
    return figures
