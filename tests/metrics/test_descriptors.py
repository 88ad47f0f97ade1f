"""Metrics in words: how values read, which are described, and what importing them costs."""

import math
import subprocess
import sys

import pytest

import subband.metrics.descriptors as descriptors
from subband.metrics.descriptors import (
    CLASSIFICATION_METRICS,
    RESTORATION_METRICS,
    VIDEO_METRICS,
    MetricInfo,
    describe_metrics,
)
from subband.metrics.generation_descriptors import GENERATION_METRICS, VIDEO_GENERATION_METRICS
from subband.metrics.pose_descriptors import POSE_METRICS

TABLES = {"video": VIDEO_METRICS, "classification": CLASSIFICATION_METRICS, "restoration": RESTORATION_METRICS}
TABLES["pose"] = POSE_METRICS
TABLES |= {"generation": GENERATION_METRICS, "video_generation": VIDEO_GENERATION_METRICS}


def info(**changes: object) -> MetricInfo:
    about = {"key": "psnr", "heading": "PSNR", "unit": "dB", "decimals": 2, "higher_is_better": True}
    return MetricInfo(**{**about, "definition": "signal to noise in dB.", **changes})


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "-"),
        (math.nan, "not a number"),
        (math.inf, "∞"),
        (-math.inf, "-∞"),
        (31.256, "31.26"),
        (0.0, "0.00"),
        (-0.001, "0.00"),
    ],
)
def test_text(value: float | None, text: str) -> None:
    assert info().text(value) == text


def test_percent() -> None:
    assert info(unit="%", factor=100, decimals=1).text(0.12345) == "12.3"


def test_label_and_mode() -> None:
    assert (info().label, info(unit="").label) == ("PSNR dB", "PSNR")
    assert (info().mode, info(higher_is_better=False).mode) == ("max", "min")


@pytest.mark.parametrize("table", TABLES.values(), ids=TABLES)
def test_tables_are_complete(table: tuple[MetricInfo, ...]) -> None:
    assert len({entry.key for entry in table}) == len({entry.heading for entry in table}) == len(table)
    for entry in table:
        assert entry.definition.endswith(".")
        assert not entry.definition[:-1].endswith(".")
        assert (entry.unit == "%") == (entry.factor == 100)


def test_logged_metrics() -> None:
    logged = {task: [entry.key for entry in table if entry.is_logged] for task, table in TABLES.items()}
    assert logged == {
        "video": ["mse", "mae", "ssim", "psnr"],
        "classification": ["top1", "top5"],
        "restoration": ["psnr", "psnr_gain", "ssim"],
        "pose": ["pck", "pck_strict"],
        "generation": ["psnr", "mse", "rate", "bits_per_dim"],
        "video_generation": ["psnr", "mse", "rate", "bits_per_dim"],
    }


def test_describe_keeps_the_order_of_the_table_and_adds_variables() -> None:
    keys = ["rmse_u10", "ssim", "mse_rmse", "mse", "kept", "mse_", "ssim_u10"]
    described = describe_metrics(VIDEO_METRICS, keys)
    assert [entry.key for entry in described] == ["mse", "ssim", "rmse_u10", "mse_rmse"]
    variable = described[2]
    assert (variable.label, variable.definition) == ("RMSE u10", "RMSE of u10 alone.")
    assert not variable.is_main
    assert variable.mode == "min"


def test_a_key_of_the_table_is_never_a_variable() -> None:
    own = info(key="mse_log", heading="log MSE", higher_is_better=False)
    assert describe_metrics([own], ["mse_log"]) == [own]


def test_the_file_needs_neither_torch_nor_torchmetrics() -> None:
    heavy = "{'torch', 'torchmetrics'} & {*sys.modules}"
    code = f"import runpy, sys; runpy.run_path({descriptors.__file__!r}); print({heavy})"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "set()"
