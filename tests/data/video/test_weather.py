import numpy as np
import pytest
import torch

from subband.data import build_data
from subband.data.video.weather import Field, _moments, read_series, weather

netcdf = pytest.importorskip("netCDF4")

LEVELS = [50, 150, 500, 850]


def write(root, folder, name, year, num_hours, *, with_levels=False, seed=0):
    path = root / "weather_5_625deg" / folder / f"{folder}_{year}_5.625deg.nc"
    path.parent.mkdir(parents=True, exist_ok=True)
    shape = (num_hours, len(LEVELS), 4, 8) if with_levels else (num_hours, 4, 8)
    values = np.random.default_rng(year + seed).normal(280, 10, shape).astype(np.float32)
    with netcdf.Dataset(path, "w") as data:
        axes = ("time", "level", "lat", "lon") if with_levels else ("time", "lat", "lon")
        for axis, size in zip(axes, shape, strict=True):
            data.createDimension(axis, size)
        clock = data.createVariable("time", "f8", ("time",))
        clock.units = f"hours since {year}-01-01 00:00:00"
        clock[:] = np.arange(num_hours)
        if with_levels:
            data.createVariable("level", "i4", ("level",))[:] = LEVELS
        data.createVariable(name, "f4", axes)[:] = values
    return values


YEARS = {"train_years": (2010, 2011), "val_years": (2016, 2016), "test_years": (2017, 2017)}
HOURS = {2010: 24 * 16 + 5, 2011: 24 * 14, 2016: 24 * 28, 2017: 24 * 29}


@pytest.fixture
def daily(tmp_path):
    """Values of t2m, all hours of the training years and of the test year; 2010 ends in the middle of a day."""
    stored = {year: write(tmp_path, "2m_temperature", "t2m", year, hours) for year, hours in HOURS.items()}
    return tmp_path, stored


def test_daily_samples_are_standardized_with_training_statistics(daily):
    root, stored = daily
    data = build_data("weather", {"root": str(root), "variable": "t2m", **YEARS}, 0)
    train = np.concatenate([stored[2010], stored[2011]])[::24]
    # Counts follow the published formula: frames - 24, of which 2010-2015 has 2,191.
    assert (len(data.train), len(data.val), len(data.test)) == (len(train) - 24, 28 - 24, 29 - 24)
    assert data.spec.in_shape == (12, 1, 4, 8)
    assert data.spec.data_range is None
    np.testing.assert_allclose(data.spec.mean, train.mean(), rtol=1e-6)
    np.testing.assert_allclose(data.spec.std, train.std(), rtol=1e-4)
    for split, series in ((data.train, train), (data.test, stored[2017][::24])):
        frames = torch.cat(split[3])[:, 0] * data.spec.std[0] + data.spec.mean[0]
        torch.testing.assert_close(frames, torch.from_numpy(series[3:27]), atol=1e-3, rtol=0)


def test_published_standardization_uses_each_split(daily):
    root, stored = daily
    args = {"root": str(root), "variable": "t2m", "standardize": "per_split", **YEARS}
    data = build_data("weather", args, 0)
    series = stored[2017][::24]
    expected = (series[:12] - series.mean()) / series.std()
    torch.testing.assert_close(data.test[0][0][:, 0], torch.from_numpy(expected), atol=1e-4, rtol=0)
    np.testing.assert_allclose(data.spec.mean, np.concatenate([stored[2010], stored[2011]])[::24].mean(), rtol=1e-6)


def test_several_variables_at_three_levels(tmp_path):
    names = {"relative_humidity": "r", "temperature": "t", "u_component_of_wind": "u", "v_component_of_wind": "v"}
    years = {2010: 300, 2016: 260, 2017: 264}
    stored = {
        (name, year): write(tmp_path, folder, name, year, hours, with_levels=True, seed=len(folder))
        for folder, name in names.items()
        for year, hours in years.items()
    }
    args = {"root": str(tmp_path), "variable": "mv", **YEARS, "train_years": (2010, 2010)}
    data = build_data("weather", args, 0)
    assert data.spec.in_shape == (4, 12, 4, 8)
    assert data.spec.channel_groups == {"r": (0, 1, 2), "t": (3, 4, 5), "u": (6, 7, 8), "v": (9, 10, 11)}
    assert len(data.test) == 44 - 37
    frames = torch.cat(data.test[2])
    physical = frames * torch.tensor(data.spec.std).view(-1, 1, 1) + torch.tensor(data.spec.mean).view(-1, 1, 1)
    hours = 6 * (2 + 17 + np.array([-17, -11, -5, 0, 1, 7, 13, 19]))
    expected = np.concatenate([stored[name, 2017][hours][:, 1:] for name in names.values()], axis=1)
    torch.testing.assert_close(physical, torch.from_numpy(expected), atol=1e-3, rtol=0)
    longer = build_data("weather", args | {"out_frames": 2}, 0)
    assert longer.test[0][1].shape == (2, 12, 4, 8)


def test_last_level_and_two_winds(tmp_path):
    humidity = write(tmp_path, "relative_humidity", "r", 2010, 50, with_levels=True)
    east = write(tmp_path, "10m_u_component_of_wind", "u10", 2010, 50)
    north = write(tmp_path, "10m_v_component_of_wind", "v10", 2010, 50, seed=1)
    folder = tmp_path / "weather_5_625deg"
    series = read_series(folder, [Field("relative_humidity", "r", "last")], (2010, 2010), 24)
    np.testing.assert_array_equal(series[:, 0], humidity[::24, -1])
    winds = [Field("10m_u_component_of_wind", "u10"), Field("10m_v_component_of_wind", "v10")]
    series = read_series(folder, winds, (2010, 2010), 24)
    np.testing.assert_array_equal(series, np.stack([east[::24], north[::24]], axis=1))


def test_moments_of_a_long_series():
    series = np.random.default_rng(0).normal(5, 3, (3_000, 2, 2, 3)).astype(np.float32)
    mean, std = _moments(series)
    np.testing.assert_allclose(mean, series.mean((0, 2, 3), dtype=np.float64), rtol=1e-6)
    np.testing.assert_allclose(std, series.std((0, 2, 3), dtype=np.float64), rtol=1e-6)


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"variable": "t3m"}, ValueError, "variable must be one of t2m, r, tcc, uv10, mv"),
        ({"resolution": "1"}, ValueError, "resolution must be one of 5.625, 1.40625"),
        ({"resolution": "1.40625"}, FileNotFoundError, "WeatherBench folder not found: .*weather_1_40625deg"),
        ({"variable": "tcc"}, FileNotFoundError, "WeatherBench variable 'total_cloud_cover' not found"),
        ({"train_years": (2010, 2013)}, FileNotFoundError, "no NetCDF file of 2012, 2013"),
        ({"standardize": "no"}, ValueError, "standardize must be"),
        ({"out_frames": 30}, ValueError, "frames are too few"),
    ],
)
def test_mistakes_are_named(daily, changes, error, message):
    with pytest.raises(error, match=message):
        weather(**{"root": str(daily[0]), "variable": "t2m", **YEARS, **changes})


def test_files_that_disagree_are_named(tmp_path):
    write(tmp_path, "10m_u_component_of_wind", "u10", 2010, 50)
    write(tmp_path, "10m_v_component_of_wind", "v10", 2010, 20)
    fields = [Field("10m_u_component_of_wind", "u10"), Field("10m_v_component_of_wind", "v10")]
    with pytest.raises(ValueError, match="10m_v_component_of_wind has frames 1 x"):
        read_series(tmp_path / "weather_5_625deg", fields, (2010, 2010), 24)
    write(tmp_path, "temperature", "t", 2010, 5, with_levels=True)
    with pytest.raises(ValueError, match="lacks the pressure levels"):
        read_series(tmp_path / "weather_5_625deg", [Field("temperature", "t", (150, 300))], (2010, 2010), 1)


def test_damaged_files_and_missing_values_are_named(daily):
    root, _ = daily
    path = root / "weather_5_625deg" / "2m_temperature" / "2m_temperature_2016_5.625deg.nc"
    whole = path.read_bytes()

    def refused(words):
        with pytest.raises(ValueError, match=rf"2m_temperature_2016_5.625deg.nc cannot be read for t2m: {words}"):
            weather(root=str(root), variable="t2m", **YEARS)

    with netcdf.Dataset(path, "a") as data:
        data.variables["t2m"][24 * 3, 1, 2] = np.nan
    refused("some values are missing or not finite")
    path.write_bytes(whole)
    with netcdf.Dataset(path, "a") as data:
        data.renameVariable("t2m", "temperature")
    refused("KeyError 't2m'")
    for damaged in (whole[: len(whole) // 2], whole[:4000] + bytes(len(whole) - 4000)):
        path.write_bytes(damaged)
        with pytest.raises((ValueError, OSError), match=r"2m_temperature_2016_5.625deg.nc"):
            weather(root=str(root), variable="t2m", **YEARS)
