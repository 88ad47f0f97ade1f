"""WeatherBench (Rasp et al., JAMES 2020): ERA5 fields on a 5.625 or 1.40625 degree grid.

Layout: `weather_5_625deg/` (or `weather/`) or `weather_1_40625deg/` with one folder of yearly NetCDF files per
variable, for example `2m_temperature/2m_temperature_2010_5.625deg.nc`.
"""

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Any, Literal, NamedTuple

import numpy as np

from subband.data.dataset_files import existing, reading_as
from subband.data.spec import ClipSpec, VideoData
from subband.data.video.series import SeriesClips
from subband.extras import names_extra

Years = tuple[int, int]

_FRAMES_AT_ONCE = 1024


class Field(NamedTuple):
    """Where a variable is stored: folder, name in the file, pressure levels in hPa (`"last"`: only the last one)."""

    folder: str
    name: str
    levels: tuple[int, ...] | Literal["last"] | None = None


class Preset(NamedTuple):
    """One of the published tasks: what is predicted, from when to when."""

    fields: tuple[Field, ...]
    train_years: Years
    step_hours: int
    in_offsets: tuple[int, ...]
    out_offsets: tuple[int, ...]


_LEVELS = (150, 500, 850)
_DAILY = (24, tuple(range(-11, 1)), tuple(range(1, 13)))
_SIX_HOURLY = (6, (-17, -11, -5, 0))

PRESETS: dict[str, Preset] = {
    "t2m": Preset((Field("2m_temperature", "t2m"),), (2010, 2015), *_DAILY),
    "r": Preset((Field("relative_humidity", "r", "last"),), (2010, 2015), *_DAILY),
    "tcc": Preset((Field("total_cloud_cover", "tcc"),), (2010, 2015), *_DAILY),
    "uv10": Preset(
        (Field("10m_u_component_of_wind", "u10"), Field("10m_v_component_of_wind", "v10")), (2010, 2015), *_DAILY
    ),
    "mv": Preset(
        (
            Field("relative_humidity", "r", _LEVELS),
            Field("temperature", "t", _LEVELS),
            Field("u_component_of_wind", "u", _LEVELS),
            Field("v_component_of_wind", "v", _LEVELS),
        ),
        (1979, 2015),
        *_SIX_HOURLY,
        (1, 7, 13, 19),
    ),
}


def weather(
    *,
    root: str,
    variable: Literal["t2m", "r", "tcc", "uv10", "mv"],
    resolution: Literal["5.625", "1.40625"] = "5.625",
    out_frames: int | None = None,
    train_years: tuple[int, int] | None = None,
    val_years: tuple[int, int] = (2016, 2016),
    test_years: tuple[int, int] = (2017, 2018),
    standardize: Literal["training", "per_split"] = "training",
) -> VideoData:
    """WeatherBench. All frames of the chosen years are held in memory as float32 (18 MB for t2m, 5.3 GB for mv).

    `t2m`, `r` (last level), `tcc` and `uv10` take one frame a day, twelve in and twelve out: 2,167 training and 706
    test samples. `mv` has relative humidity, temperature and both winds at 150, 500 and 850 hPa every six hours, with
    inputs at -17, -11, -5, 0 and targets at 1, 7, 13, 19, ...: 54,019 training and 2,883 test samples.

    Args:
        root: Data folder with `weather_5_625deg/`, `weather/` or `weather_1_40625deg/`.
        variable: What is predicted.
        resolution: Degrees per grid cell; chooses the folder.
        out_frames: Target frames; None: 12, or 4 for mv (28 is benchmarked too).
        train_years: First and last year of training; None: 2010-2015, or 1979-2015 for mv.
        val_years: Years of validation.
        test_years: Years of test.
        standardize: Subtract mean and divide by standard deviation per channel: of the training years, so that metrics
            map back to physical units exactly; or of each split's own years, as the published scores were made.

    Returns:
        Standardized clips without fixed range; `spec` holds the training years' mean and std, and for mv the channels
        of each variable.

    Raises:
        ImportError: If netCDF4 is not installed.
        FileNotFoundError: If a variable's folder or a year is missing.
        ValueError: If a name is unknown, the files disagree, or years are too few for a sample.
    """
    preset = _preset(variable, out_frames, train_years)
    if standardize not in ("training", "per_split"):
        raise ValueError(f"standardize must be 'training' or 'per_split', got {standardize!r}")
    folder = _folder(Path(root), resolution)
    years = (preset.train_years, val_years, test_years)
    splits = [read_series(folder, preset.fields, span, preset.step_hours) for span in years]
    moments = [_moments(series) for series in splits]
    for series, own in zip(splits, moments, strict=True):
        mean, std = own if standardize == "per_split" else moments[0]
        series -= mean[:, None, None]
        series /= std[:, None, None]
    spec = _spec(preset, splits[0].shape, *moments[0])
    clips = partial(SeriesClips, in_offsets=preset.in_offsets, out_offsets=preset.out_offsets, spec=spec)
    train, val, test = (clips(series, _starts(preset, len(series))) for series in splits)
    return VideoData(train, val, test, spec)


def read_series(folder: Path, fields: Sequence[Field], years: Years, step_hours: int) -> np.ndarray:
    """All frames of some years.

    Args:
        folder: Holds one folder per variable.
        fields: What to read, in the order of the channels.
        years: First and last.
        step_hours: Every so many hours.

    Returns:
        `(N, C, H, W)` float32.

    Raises:
        ImportError: If netCDF4 is not installed.
        FileNotFoundError: If a variable has no file, or none of a year.
        ValueError: If variables cover different times, or a level is missing.
    """
    parts = [_read_field(folder, field, years, step_hours) for field in fields]
    for field, part in zip(fields, parts, strict=True):
        if part.shape[0] != parts[0].shape[0] or part.shape[2:] != parts[0].shape[2:]:
            raise ValueError(
                f"{folder / field.folder} has frames {part.shape[0]} x {part.shape[2:]} in {years[0]}-{years[1]}, "
                f"{folder / fields[0].folder} has {parts[0].shape[0]} x {parts[0].shape[2:]}"
            )
    return parts[0] if len(parts) == 1 else np.concatenate(parts, axis=1)


def _read_field(folder: Path, field: Field, years: Years, step_hours: int) -> np.ndarray:
    netcdf = _import_netcdf()
    files = sorted(existing(folder / field.folder, f"WeatherBench variable {field.folder!r}").glob("*.nc"))
    parts, found, hours = [], set(), 0
    for file in files:
        with reading_as(file, f"cannot be read for {field.name}"), netcdf.Dataset(file) as data:
            clock = data.variables["time"]
            dates = netcdf.num2date(clock[:], clock.units, getattr(clock, "calendar", "standard"))
            wanted = np.flatnonzero([years[0] <= date.year <= years[1] for date in np.atleast_1d(dates)])
            found |= {dates[index].year for index in wanted}
            first = -hours % step_hours  # the step goes on over the border between two files
            hours += len(wanted)
            if chosen := wanted[first::step_hours].tolist():
                parts.append(_read_frames(data, field, chosen))
    if missing := set(range(years[0], years[1] + 1)) - found:
        raise FileNotFoundError(
            f"{folder / field.folder} holds no NetCDF file of {', '.join(map(str, sorted(missing)))}"
        )
    return np.concatenate(parts)


def _read_frames(data: Any, field: Field, times: list[int]) -> np.ndarray:
    """`(N, levels or 1, H, W)` float32."""
    variable = data.variables[field.name]
    if field.levels is None:
        parts = [variable[times]]
    elif field.levels == "last":
        parts = [variable[times, -1]]
    else:
        stored = data.variables["level"][:].tolist()
        if absent := set(field.levels) - set(stored):
            raise ValueError(f"it lacks the pressure levels {sorted(absent)}")
        parts = [variable[times, stored.index(level)] for level in field.levels]
    frames = np.stack([np.ma.filled(part, np.nan).astype(np.float32, copy=False) for part in parts], axis=1)
    if not np.isfinite(frames).all():  # one of them would make the mean of the whole series none
        raise ValueError("some values are missing or not finite")
    return frames


def _import_netcdf() -> ModuleType:
    with names_extra("files of WeatherBench need"):
        import netCDF4
    return netCDF4


def _preset(variable: str, out_frames: int | None, train_years: Years | None) -> Preset:
    if variable not in PRESETS:
        raise ValueError(f"variable must be one of {', '.join(PRESETS)}, got {variable!r}")
    preset = PRESETS[variable]
    if out_frames is not None:
        distance = preset.out_offsets[1] - preset.out_offsets[0]
        preset = preset._replace(out_offsets=tuple(range(1, 1 + out_frames * distance, distance)))
    return preset if train_years is None else preset._replace(train_years=train_years)


def _folder(root: Path, resolution: str) -> Path:
    names = {"5.625": ("weather_5_625deg", "weather"), "1.40625": ("weather_1_40625deg",)}
    if resolution not in names:
        raise ValueError(f"resolution must be one of {', '.join(names)}, got {resolution!r}")
    for name in names[resolution]:
        if (root / name).is_dir():
            return root / name
    return existing(root / names[resolution][0], "WeatherBench folder")


def _moments(series: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean and standard deviation of each channel, `(C,)` float32."""
    mean = series.mean(axis=(0, 2, 3), dtype=np.float64)
    center = mean.astype(np.float32)[:, None, None]
    blocks = (series[first : first + _FRAMES_AT_ONCE] for first in range(0, len(series), _FRAMES_AT_ONCE))
    squares = sum(np.square(block - center).sum(axis=(0, 2, 3), dtype=np.float64) for block in blocks)
    return mean.astype(np.float32), np.sqrt(squares / series[:, 0].size).astype(np.float32)


def _starts(preset: Preset, num_frames: int) -> np.ndarray:
    """Frames that offset 0 may stand for; the very last possible one is left out, as the published counts have it."""
    return np.arange(-preset.in_offsets[0], num_frames - preset.out_offsets[-1] - 1)


def _spec(preset: Preset, shape: tuple[int, ...], mean: np.ndarray, std: np.ndarray) -> ClipSpec:
    groups, first = {}, 0
    for field in preset.fields:
        count = len(field.levels) if isinstance(field.levels, tuple) else 1
        groups[field.name] = tuple(range(first, first + count))
        first += count
    return ClipSpec(
        in_frames=len(preset.in_offsets),
        out_frames=len(preset.out_offsets),
        channels=shape[1],
        height=shape[2],
        width=shape[3],
        data_range=None,
        mean=tuple(mean.tolist()),
        std=tuple(std.tolist()),
        channel_groups=groups if len(groups) > 1 and first > len(groups) else None,
    )
