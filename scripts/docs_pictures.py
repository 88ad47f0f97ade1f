"""Draw the pictures of docs/transforms.md. Same input, same bytes: nothing is random and nothing is measured.

usage: python scripts/docs_pictures.py [NAME ...] [--out docs/images/transforms]

The photograph is scikit-image's `camera`, which lies inside that package.
"""

from __future__ import annotations

import argparse
import io
import math
from collections.abc import Callable
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import torch
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure
from PIL import Image
from skimage import data
from torch import Tensor

from subband import transforms

INK, GRAY, TRACK = "#22272b", "#79828a", "#e3e7ea"
BLUE, ORANGE, GREEN = "#0b6e99", "#d1622b", "#16936f"
SIGNED = LinearSegmentedColormap.from_list("signed", [BLUE, "#7fb4cb", "#f7f7f5", "#eba888", ORANGE])
ENERGY = LinearSegmentedColormap.from_list("energy", ["#fbfbfa", "#9cc6d8", BLUE, "#073b52"])
STYLE = {
    "font.family": "DejaVu Sans",
    "font.size": 11,
    "text.color": INK,
    "axes.labelcolor": INK,
    "axes.titlesize": 12,
    "axes.titlecolor": INK,
    "xtick.color": GRAY,
    "ytick.color": GRAY,
    "figure.facecolor": "white",
    "figure.dpi": 110,
    "savefig.dpi": "figure",
}
LARGEST_BYTES = 150_000


def photo(side: int = 512) -> Tensor:
    """The photograph, `(side, side)` in [0, 1]: all of it, or a square around the camera and the tripod."""
    whole = torch.from_numpy(data.camera()).double() / 255
    return whole if side == 512 else whole[60 : 60 + side, 180 : 180 + side]


def bare(axis: Axes) -> None:
    """No frame, no ticks."""
    axis.set_xticks([])
    axis.set_yticks([])
    axis.spines[:].set_visible(False)


def show_gray(axis: Axes, image: Tensor) -> None:
    axis.imshow(image, cmap="gray", interpolation="nearest", vmin=0, vmax=max(1.0, float(image.max())))
    bare(axis)


def compressed(band: Tensor) -> Tensor:
    """Square root of the magnitude with the sign kept, in [-1, 1]: small values become visible."""
    rooted = band.abs().sqrt() * band.sign()
    return (rooted / rooted.abs().flatten().quantile(0.998)).clamp(-1, 1)


def show_signed(axis: Axes, band: Tensor) -> None:
    axis.imshow(compressed(band), cmap=SIGNED, interpolation="nearest", vmin=-1, vmax=1)
    bare(axis)


def label(axis: Axes, text: str, *, size: float = 10, color: str = INK) -> None:
    """Text on a white plate in the upper left corner of an image."""
    plate = {"boxstyle": "round,pad=0.3", "fc": "white", "ec": "none", "alpha": 0.88}
    axis.text(0.025, 0.965, text, transform=axis.transAxes, va="top", fontsize=size, color=color, bbox=plate)


def stems(axis: Axes, positions: Tensor, values: Tensor, color: str, *, hollow: bool = False) -> None:
    axis.vlines(positions, 0, values, color=color, lw=1.8, alpha=0.9)
    axis.plot(positions, values, "o", color=color, mfc="white" if hollow else color, mew=1.6, ms=5.5)


def quiet(axis: Axes) -> None:
    """A zero line and nothing else around a signal."""
    axis.axhline(0, color=GRAY, lw=0.8)
    axis.spines[:].set_visible(False)
    axis.set_yticks([])
    axis.tick_params(length=0)


def modes() -> Figure:
    """The nine boundary modes on one signal."""
    signal = torch.tensor([0.75, 1.0, 1.3, 1.05, 0.55, 0.35, 0.5])
    rules = {
        "zero": "zeros",
        "constant": "the last value again",
        "symmetric": "mirrored, the edge value twice",
        "reflect": "mirrored, the edge value once",
        "periodic": "starts again from the other end",
        "periodization": "odd length: one copy first, then periodic",
        "antisymmetric": "mirrored, with the other sign",
        "antireflect": "turned by 180° around the edge value",
        "smooth": "a straight line through the last two",
    }
    reach, length = 6, len(signal)
    figure, axes = plt.subplots(3, 3, figsize=(10.5, 5.9), sharex=True, sharey=True, layout="constrained")
    for axis, (mode, rule) in zip(axes.flat, rules.items(), strict=True):
        longer = transforms.extend(signal, reach, reach, mode, -1)
        positions = torch.arange(len(longer)) - reach
        beyond = (positions < 0) | (positions >= length)
        quiet(axis)
        axis.axvspan(-0.5, length - 0.5, color="#eef3f6", lw=0)
        stems(axis, positions[beyond], longer[beyond], ORANGE)
        stems(axis, positions[~beyond], longer[~beyond], BLUE)
        axis.set_title(f"{mode}", loc="left", fontweight="bold", fontsize=12, pad=16)
        axis.text(0, 1.03, rule, transform=axis.transAxes, color=GRAY, fontsize=9.5)
        axis.set_xticks([])
        axis.set_ylim(-1.5, 1.75)
        axis.set_xlim(-reach - 0.7, length + reach + 0.9)
    return figure


def periodization() -> Figure:
    """Coefficients of a signal in modes `periodic` and `periodization`."""
    positions = torch.arange(16.0)
    signal = 0.9 + 0.7 * torch.sin(positions * 2 * math.pi / 16) + 0.35 * torch.cos(positions * 6 * math.pi / 16)
    figure, axes = plt.subplots(
        3, 1, figsize=(10, 6.2), layout="constrained", gridspec_kw={"height_ratios": [1.1, 1, 1]}
    )
    quiet(axes[0])
    longer = transforms.extend(signal, 6, 6, "periodic", -1)
    places = torch.arange(28) - 6
    beyond = (places < 0) | (places > 15)
    axes[0].axvspan(-0.5, 15.5, color="#eef3f6", lw=0)
    stems(axes[0], places[beyond], longer[beyond], ORANGE)
    stems(axes[0], places[~beyond], longer[~beyond], BLUE)
    axes[0].set_title("A signal of 16 samples, continued periodically", loc="left", fontweight="bold")
    axes[0].set_xticks([])
    for axis, mode in zip(axes[1:], ("periodic", "periodization"), strict=True):
        approx, _ = transforms.dwt(signal, "db4", mode)
        # Coefficient k of `periodic` looks at samples 2k - 6 to 2k + 1, that of `periodization` at 2k - 3 to 2k + 4.
        centers = 2 * torch.arange(float(len(approx))) + (-2.5 if mode == "periodic" else 0.5)
        again = torch.arange(len(approx)) >= 8
        quiet(axis)
        stems(axis, centers[~again], approx[~again], GREEN)
        stems(axis, centers[again], approx[again], ORANGE, hollow=True)
        note = (
            "11 coefficients: the last three repeat the first three"
            if mode == "periodic"
            else "8 coefficients, none twice"
        )
        axis.set_title(f"{mode}", loc="left", fontweight="bold", pad=16)
        axis.text(0, 1.03, f"low band with db4: {note}", transform=axis.transAxes, color=GRAY, fontsize=10)
        axis.set_xticks([])
        axis.set_ylim(min(0, float(approx.min())) - 0.2, float(approx.max()) + 0.5)
    for axis in axes:
        axis.set_xlim(-7, 22)
    return figure


def subbands() -> Figure:
    """One level of the photograph, with every name of every band."""
    image = photo(256)
    approx, (horizontal, vertical, diagonal) = transforms.dwt2(image, "haar", stack=None)
    figure = plt.figure(figsize=(10.5, 5.4), layout="constrained")
    grid = figure.add_gridspec(2, 4)
    axis = figure.add_subplot(grid[:, :2])
    show_gray(axis, image)
    axis.set_title("x", loc="left", fontweight="bold")
    for (row, column), band, names, meaning in (
        ((0, 2), approx, "ll = aa = cA", "smaller picture"),
        ((0, 3), vertical, "hl = ad = cV", "vertical edges"),
        ((1, 2), horizontal, "lh = da = cH", "horizontal edges"),
        ((1, 3), diagonal, "hh = dd = cD", "both at once"),
    ):
        axis = figure.add_subplot(grid[row, column])
        (show_gray if band is approx else show_signed)(axis, band / 2 if band is approx else band)
        axis.set_title(names, loc="left", fontweight="bold", fontsize=11.5)
        axis.set_xlabel(meaning, fontsize=10, color=GRAY)
    return figure


def pyramid() -> Figure:
    """Three levels as one mosaic."""
    coeffs = transforms.wavedec2(photo(256), "haar", "periodization", level=3)
    mosaic = transforms.to_array(coeffs.map(compressed))
    picture = torch.from_numpy(SIGNED((mosaic / 2 + 0.5).numpy())[..., :3])
    picture[:32, :32] = (coeffs.approx / 8).clamp(0, 1)[..., None]
    figure = plt.figure(figsize=(6.4, 6.4), dpi=120)
    axis = figure.add_axes((0, 0, 1, 1))  # three screen pixels a coefficient, and nothing around
    axis.imshow(picture, interpolation="nearest")
    bare(axis)
    for level, side in enumerate((128, 64, 32), start=1):
        axis.plot([side - 0.5, side - 0.5], [-0.5, 2 * side - 0.5], color="white", lw=2)
        axis.plot([-0.5, 2 * side - 0.5], [side - 0.5, side - 0.5], color="white", lw=2)
        plate = {"boxstyle": "round,pad=0.25", "fc": "white", "ec": "none", "alpha": 0.88}
        for (row, column), name in (((0, side), "hl"), ((side, 0), "lh"), ((side, side), "hh")):
            where = (column + 3 + 0.02 * side, row + 4 + 0.02 * side)
            axis.text(*where, f"{name} {level}", va="top", fontsize=12.5 - 1.5 * level, bbox=plate)
    axis.text(
        3,
        4,
        "ll 3",
        va="top",
        fontsize=8,
        bbox={"boxstyle": "round,pad=0.25", "fc": "white", "ec": "none", "alpha": 0.88},
    )
    return figure


def zone_plate(side: int) -> Tensor:
    """Rings whose frequency along each axis grows from zero in the first corner to the highest in the last one."""
    place = torch.arange(side, dtype=torch.float64) / side
    phase = 0.5 * math.pi * side * place**2
    return torch.cos(phase[:, None] + phase[None, :])


def energy(mosaic: Tensor) -> Tensor:
    """Magnitude averaged over 2x2 neighbors, which hides the oscillation and shows where the energy is."""
    return torch.nn.functional.avg_pool2d(mosaic.square()[None], 2)[0].sqrt()


def packets() -> Figure:
    """Nodes of a packet tree in both orders."""
    image = zone_plate(256)
    figure, axes = plt.subplots(1, 3, figsize=(11.5, 4.3), layout="constrained")
    axes[0].imshow(image, cmap="gray")
    axes[0].set_title("x: frequency grows with the distance", loc="left", fontsize=11, fontweight="bold")
    bare(axes[0])
    grids = {"freq": transforms.packet_paths(2, order="freq")}
    natural = transforms.packet_paths(2, order="natural")
    grids["natural"] = [natural[4 * row : 4 * row + 4] for row in range(4)]
    for axis, (order, paths) in zip(axes[1:], grids.items(), strict=True):
        nodes = transforms.wavelet_packet(image, "db8", level=2, order=order, mode="periodization")
        tiles = nodes.unflatten(0, (4, 4)) if nodes.ndim == 3 else nodes
        side = tiles.shape[-1]
        mosaic = tiles.permute(0, 2, 1, 3).reshape(4 * side, 4 * side)
        axis.imshow(energy(mosaic), cmap=ENERGY, interpolation="nearest")
        bare(axis)
        for row in range(4):
            for column in range(4):
                # The label goes to the half of the tile that holds less energy.
                tile = tiles[row, column].square()
                is_low = tile[: side // 2].sum() > tile[side // 2 :].sum()
                place = (column * side // 2 + 2, (row + is_low) * side // 2 + (-2.5 if is_low else 2.5))
                align = "bottom" if is_low else "top"
                axis.text(*place, paths[row][column], va=align, fontsize=9.5, family="DejaVu Sans Mono", color=INK)
        for k in range(1, 4):
            axis.axhline(k * side // 2 - 0.5, color=TRACK, lw=1)
            axis.axvline(k * side // 2 - 0.5, color=TRACK, lw=1)
        axis.set_title(f'order="{order}"', loc="left", fontsize=11, fontweight="bold")
    return figure


def stationary() -> Figure:
    """A step, and the same step one sample later, under the decimated and the undecimated transform."""
    places = torch.arange(32)
    figure, axes = plt.subplots(3, 2, figsize=(10.5, 4.3), sharex=True, layout="constrained")
    for column, start in enumerate((12, 13)):
        signal = (places >= start).double()
        _, decimated = transforms.dwt(signal, "haar", "periodization")
        undecimated = transforms.swt(signal, "haar", level=1)[0][1]
        rows = (
            (places, signal, BLUE, f"step at sample {start}"),
            (2 * torch.arange(16) + 0.5, decimated, ORANGE, "dwt, high band"),
            (places, undecimated, GREEN, "swt, high band"),
        )
        for axis, (positions, values, color, title) in zip(axes[:, column], rows, strict=True):
            quiet(axis)
            stems(axis, positions, values, color)
            axis.set_title(title, loc="left", fontweight="bold", fontsize=11)
            axis.set_ylim((-0.2, 1.15) if values is signal else (-0.9, 0.25))
            axis.set_xlim(3.5, 22.5)
            axis.set_xticks([])
    return figure


def orientations() -> Figure:
    """One wavelet of every band of the dual-tree transform, and of the ordinary one."""
    side, level = 64, 3
    figure, axes = plt.subplots(2, 6, figsize=(11, 4.3), layout="constrained")
    empty = transforms.dtcwt2(torch.zeros(side, side, dtype=torch.float64), level=level)
    for direction, axis in enumerate(axes[0]):
        coeffs = empty.map(torch.zeros_like)
        coeffs.highs[-1][direction, 4, 4] = 1
        show_wave(axis, transforms.idtcwt2(coeffs))
        axis.set_title(f"{15 + 30 * direction}°", fontsize=11.5, fontweight="bold")
    blank = transforms.wavedec2(torch.zeros(side, side, dtype=torch.float64), "db4", "periodization", level=level)
    for column, (key, name) in enumerate((("da", "lh"), ("ad", "hl"), ("dd", "hh"))):
        coeffs = blank.map_all(torch.zeros_like)
        coeffs.details[0][key][4, 4] = 1
        axis = axes[1, 2 * column]
        show_wave(axis, coeffs.inverse())
        axis.set_title(name, fontsize=11.5, fontweight="bold")
    for axis in axes[1, 1::2]:
        axis.set_visible(False)
    axes[0, 0].set_ylabel("dual-tree", fontsize=11, color=GRAY)
    axes[1, 0].set_ylabel("dwt2, db4", fontsize=11, color=GRAY)
    return figure


def show_wave(axis: Axes, wave: Tensor, shown: int = 36) -> None:
    """A wavelet in the middle of a small square."""
    energy = wave.square()
    places = torch.arange(len(wave), dtype=wave.dtype)
    middle = [int((energy.sum(1 - axis) * places).sum() / energy.sum() + 0.5) for axis in (0, 1)]
    first = (len(wave) - shown) // 2
    wave = wave.roll([len(wave) // 2 - place for place in middle], (0, 1))[first : first + shown, first : first + shown]
    largest = float(wave.abs().max())
    axis.imshow(wave, cmap=SIGNED, interpolation="bicubic", vmin=-largest, vmax=largest)
    bare(axis)


def block_cosine() -> Figure:
    """The 64 patterns of an 8x8 block, and the photograph from the first few of them."""
    figure = plt.figure(figsize=(11, 4.0), layout="constrained")
    grid = figure.add_gridspec(1, 3)
    axis = figure.add_subplot(grid[0])
    patterns = transforms.idct2(torch.eye(64).view(8, 8, 8, 8))
    mosaic = torch.nn.functional.pad(patterns, (0, 1, 0, 1), value=float("nan")).permute(0, 2, 1, 3).reshape(72, 72)
    axis.imshow(mosaic, cmap="gray", interpolation="nearest")
    bare(axis)
    axis.set_title("the 64 patterns of a block", loc="left", fontsize=11, fontweight="bold")
    image = photo(256)[None, None]
    coeffs = transforms.block_dct2(image, layout="channels", order="zigzag")
    for place, kept in ((1, 3), (2, 15)):
        few = coeffs * (torch.arange(64) < kept)[:, None, None]
        back = transforms.block_idct2(few, layout="channels", order="zigzag")[0, 0]
        axis = figure.add_subplot(grid[place])
        show_gray(axis, back.clamp(0, 1))
        axis.set_title(f"the first {kept} of 64 per block", loc="left", fontsize=11, fontweight="bold")
    return figure


def scalogram() -> Figure:
    """A rising tone and two clicks, seen by a continuous wavelet transform."""
    time = torch.arange(1024, dtype=torch.float64) / 1024
    signal = torch.sin(2 * math.pi * (20 * time + 90 * time**2))
    signal[300] += 4
    signal[700] += 4
    scales = 2 ** torch.linspace(2, 6, 90, dtype=torch.float64)
    coeffs, frequencies = transforms.cwt(signal, scales, "cmor1.5-1.0", sampling_period=1 / 1024)
    figure, axes = plt.subplots(2, 1, figsize=(10.5, 5), sharex=True, layout="constrained", height_ratios=[1, 2.6])
    axes[0].plot(time, signal, color=BLUE, lw=1)
    axes[0].spines[:].set_visible(False)
    axes[0].set_yticks([])
    axes[0].set_title("signal: a rising tone and two clicks", loc="left", fontsize=11, fontweight="bold")
    axes[1].pcolormesh(time, frequencies, coeffs.abs(), cmap="magma", shading="nearest", rasterized=True)
    axes[1].set_yscale("log", base=2)
    axes[1].set_yticks([16, 32, 64, 128, 256], ["16", "32", "64", "128", "256"])
    axes[1].set_ylabel("frequency in Hz")
    axes[1].set_xlabel("seconds")
    axes[1].set_title("magnitude of cwt", loc="left", fontsize=11, fontweight="bold")
    return figure


PICTURES: dict[str, Callable[[], Figure]] = {
    "modes": modes,
    "periodization": periodization,
    "subbands": subbands,
    "pyramid": pyramid,
    "packets": packets,
    "stationary": stationary,
    "orientations": orientations,
    "block_cosine": block_cosine,
    "scalogram": scalogram,
}


def save(figure: Figure, file: Path) -> None:
    """Write with as many colors as fit into the size limit; the palette makes a picture a third as large."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", metadata={"Software": None})
    plt.close(figure)
    image = Image.open(buffer).convert("RGB")
    for colors in (256, 128, 64, 32):
        image.quantize(colors, method=Image.Quantize.MEDIANCUT, kmeans=1, dither=Image.Dither.NONE).save(
            file, optimize=True
        )
        if file.stat().st_size < LARGEST_BYTES:
            return
    raise ValueError(f"{file} is larger than {LARGEST_BYTES} bytes")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(PICTURES))
    parser.add_argument("--out", type=Path, default=Path("docs/images/transforms"))
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    plt.rcParams.update(STYLE)
    for name in options.names or PICTURES:
        save(PICTURES[name](), options.out / f"{name}.png")


if __name__ == "__main__":
    main()
