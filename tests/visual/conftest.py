"""Run folders as `subband train` leaves them, made of moving blobs and blurred copies of them."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

MakeRun = Callable[..., Path]

_IN, _OUT, _CLIPS, _SIDE = 10, 10, 2, 64
_BANDS = {"ll": (1, 1), "lh": (1, -1), "hl": (-1, 1), "hh": (-1, -1)}


def moving_blobs(clips: int, frames: int, side: int, channels: int, seed: int) -> np.ndarray:
    """`(N, T, C, H, W)` uint8: two bright discs with a sharp edge that move on straight lines."""
    rng = np.random.default_rng(seed)
    rows, columns = np.mgrid[:side, :side]
    video = np.zeros((clips, frames, channels, side, side))
    for clip in range(clips):
        for radius in (0.11 * side, 0.16 * side):
            start, speed = rng.uniform(0.25, 0.75, 2) * side, rng.uniform(-0.025, 0.025, 2) * side
            colour = rng.uniform(0.5, 1, channels)
            for frame in range(frames):
                distance = np.hypot(*(axis - (start + speed * frame)[i] for i, axis in enumerate((rows, columns))))
                disc = np.clip(radius - distance, 0, 1) * colour[:, None, None]
                video[clip, frame] = np.maximum(video[clip, frame], disc)
    return np.round(255 * video).astype(np.uint8)


def _blur(video: np.ndarray, strength: float) -> np.ndarray:
    """A mean over neighbours that grows with the frame number, as real predictions lose detail."""
    blurred = video.astype(float)
    for frame in range(video.shape[1]):
        for _ in range(round(1 + strength * frame)):
            now = blurred[:, frame]
            blurred[:, frame] = sum(np.roll(now, s, a) for s in (-1, 1) for a in (2, 3)) / 8 + now / 2
    return np.round(blurred).astype(np.uint8)


def _energies(video: np.ndarray) -> dict[str, float]:
    x = video / 255
    corners = x[..., ::2, ::2], x[..., ::2, 1::2], x[..., 1::2, ::2], x[..., 1::2, 1::2]
    signs = {band: (1, column, row, row * column) for band, (row, column) in _BANDS.items()}
    return {b: float(np.square(sum(s * c for s, c in zip(signs[b], corners, strict=True)) / 2).sum()) for b in _BANDS}


def _spectrum(video: np.ndarray) -> list[float]:
    power = np.abs(np.fft.fft2(video / 255)).mean((0, 1, 2)) ** 2
    axis = np.fft.fftfreq(video.shape[-1])
    radius = np.round(np.hypot(axis[:, None], axis) * video.shape[-1]).astype(int)
    return [float(power[radius == ring].mean()) for ring in range(video.shape[-1] // 2)]


def score_row(name: str, prediction: np.ndarray, target: np.ndarray, **facts: Any) -> dict[str, Any]:
    """An entry of `scores.json`; mse, mae and psnr are the real ones, ssim only looks like it."""
    error = (prediction / 255.0 - target / 255.0) ** 2
    mse = error.sum((2, 3, 4)).mean(0)
    psnr = 10 * np.log10(1 / error.mean((2, 3, 4)).clip(1e-9)).mean(0)
    ssim = np.exp(-mse / 150)
    mae = np.abs(prediction / 255.0 - target / 255.0).sum((2, 3, 4)).mean(0)
    per_frame = {"mse": mse, "mae": mae, "psnr": psnr, "ssim": ssim}
    metrics = {key: float(values.mean()) for key, values in per_frame.items()}
    metrics |= {"rmse": metrics["mse"] ** 0.5, "snr": metrics["psnr"] - 9, "lpips": None}
    metrics |= {"ssim_openstl": metrics["ssim"] ** 0.9, "psnr_legacy_uint8": metrics["psnr"] + 12}
    frequency = [ring / target.shape[-1] for ring in range(target.shape[-1] // 2)]
    return {
        "name": name,
        "parameters": 0,
        "train_seconds": None,
        "steps": None,
        "seed": None,
        "metrics": metrics,
        "per_frame": {key: values.tolist() for key, values in per_frame.items()},
        "subband_energy": {"target": _energies(target), "prediction": _energies(prediction)},
        "spectrum": {"frequency": frequency, "target": _spectrum(target), "prediction": _spectrum(prediction)},
        **facts,
    }


def _log(steps: int, seed: int) -> str:
    """Sparse CSV as Lightning writes it: training and validation values in rows of their own."""
    rng = np.random.default_rng(seed)
    lines = ["epoch,lr,step,train_loss,val_loss,val_psnr,val_ssim"]
    for step in range(0, steps, 10):
        loss = 0.02 + 0.2 * np.exp(-step / 150) * rng.uniform(0.85, 1.15)
        lines.append(f"{step // 100},0.001,{step},{loss:.5f},,,")
        if step % 100 == 90:
            lines.append(f"{step // 100},,{step},,{loss * 1.05:.5f},{22 - 60 * loss:.3f},{1 - 2 * loss:.4f}")
    return "\n".join(lines) + "\n"


@pytest.fixture
def make_run(tmp_path: Path) -> MakeRun:
    """Makes a run folder: `make_run("wast_digits", blur=0.4, seed=1, channels=1)`."""

    def make(name: str, *, blur: float = 0.5, seed: int = 1, channels: int = 1, data: str = "moving_digits") -> Path:
        video = moving_blobs(_CLIPS, _IN + _OUT, _SIDE, channels, seed=7)
        inputs, target = video[:, :_IN], video[:, _IN:]
        predictions = {name: _blur(target, blur), "persistence": np.repeat(inputs[:, -1:], _OUT, axis=1)}
        trained = {"parameters": 1_234_567 + seed, "train_seconds": 3725.4 * blur, "steps": 2000, "seed": seed}
        rows = [score_row(key, item, target, **(trained if key == name else {})) for key, item in predictions.items()]
        size = {"channels": channels, "height": _SIDE, "width": _SIDE, "data_range": [0, 1]}
        environment = {"date": "2026-11-21", "hardware": "a small machine", "python": "3.11.7", "torch": "2.13.0"}
        environment |= {"subband": "0.1.0", "commit": "abc1234", "command": f"subband train {name}.yaml", "threads": 1}
        scores = {
            "task": "video_prediction",
            "data": {"name": data, "split": "test", "sequences": _CLIPS, "in_frames": _IN, "out_frames": _OUT, **size},
            "rows": rows,
            "environment": environment,
        }
        folder = tmp_path / f"run_{name}_{seed}"
        folder.mkdir()
        (folder / "scores.json").write_text(json.dumps(scores))
        (folder / "config.yaml").write_text(f"model:\n  name: {name}\n  args: {{embed_dim: 20}}\nseed: {seed}\n")
        (folder / "metrics.csv").write_text(_log(1000, seed))
        arrays = {f"prediction/{key}": item for key, item in predictions.items()}
        np.savez_compressed(folder / "samples.npz", inputs=inputs, targets=target, **arrays)
        return folder

    return make
