"""Run folders as `subband train` leaves them, made of moving blobs and blurred copies of them."""

import html
import json
import os
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

MakeRun = Callable[..., Path]

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
FLAGS = (
    "--headless --disable-gpu --disable-quic --no-first-run --disable-background-networking --disable-component-update "
    "--disable-sync --hide-scrollbars --enable-logging=stderr --virtual-time-budget=8000 --dump-dom"
)

# A page of this width in a frame of its own, since headless windows cannot be as narrow as a phone. The script runs
# outside the report and asks what the browser made of it.
PROBE = """<!DOCTYPE html><body><iframe id="frame" style="width: WIDTHpx; height: 900px; border: 0"
srcdoc="PAGE"></iframe>
<pre id="answer"></pre><script>
addEventListener("load", () => {
  const frame = document.getElementById("frame"), page = frame.contentDocument;
  page.querySelectorAll("details").forEach(part => part.open = true);
  const note = (() => { SCRIPT })();
  const images = [...page.images];
  document.getElementById("answer").textContent = JSON.stringify({
    width: page.documentElement.scrollWidth,
    wide: [...page.body.querySelectorAll("*")].filter(part => part.getBoundingClientRect().right > WIDTH + 1
      && !part.closest(".scroll, pre")).map(part => part.outerHTML.slice(0, 120)),
    images: images.length,
    broken: images.filter(image => !image.complete || !image.naturalWidth).map(image => image.alt),
    requests: frame.contentWindow.performance.getEntriesByType("resource").map(entry => entry.name)
      .filter(name => !name.startsWith("data:")),
    heading: page.querySelector("h1").textContent,
    note,
    plots: page.querySelectorAll("figure svg").length,
  });
});
</script>"""

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
            color = rng.uniform(0.5, 1, channels)
            for frame in range(frames):
                distance = np.hypot(*(axis - (start + speed * frame)[i] for i, axis in enumerate((rows, columns))))
                disc = np.clip(radius - distance, 0, 1) * color[:, None, None]
                video[clip, frame] = np.maximum(video[clip, frame], disc)
    return np.round(255 * video).astype(np.uint8)


def _blur(video: np.ndarray, strength: float) -> np.ndarray:
    """A mean over neighbors that grows with the frame number, as real predictions lose detail."""
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


def classifier_scores(logits: np.ndarray, labels: np.ndarray, classes: list[str]) -> dict[str, Any]:
    """What is measured on test images: the numbers are the real ones."""
    count, found = len(classes), logits.argmax(1)
    right = found == labels
    rank = (logits > logits[np.arange(len(labels)), labels][:, None]).sum(1)
    logarithms = logits - np.log(np.exp(logits).sum(1, keepdims=True))
    metrics = {"top1": float(right.mean())} | ({"top5": float((rank < 5).mean())} if count > 5 else {})
    metrics["cross_entropy"] = float(-logarithms[np.arange(len(labels)), labels].mean())
    confusion = np.zeros((count, count), int)
    np.add.at(confusion, (labels, found), 1)
    per_class = {name: float(right[labels == index].mean()) for index, name in enumerate(classes)}
    return {"metrics": metrics, "per_class": per_class} | ({"confusion": confusion.tolist()} if count <= 100 else {})


def _probabilities(logits: np.ndarray) -> np.ndarray:
    return (np.exp(logits) / np.exp(logits).sum(1, keepdims=True)).astype(np.float32)


def _robustness_rows(top1: float, count: int) -> list[dict[str, Any]]:
    guess = 1 / count
    filters = [("low_pass", radius, radius**0.5) for radius in (0.1, 0.3, 1.0)]
    filters += [("high_pass", radius, 1 - radius) for radius in (0.1, 0.3, 1.0)]
    cases = [("none", None, 1.0), *filters, *(("jpeg", quality, quality / 100) for quality in (5, 50, 95))]
    return [
        {"distortion": name, "strength": strength, "top1": guess + (top1 - guess) * share}
        for name, strength, share in cases
    ]


@pytest.fixture
def make_classifier_run(tmp_path: Path) -> MakeRun:
    """Makes a run folder: `make_classifier_run("gfnet", skill=3.0, classes=["cat", "dog"])`."""

    def make(name: str, *, skill: float = 2.0, classes: list[str] | None = None, robust: bool = True) -> Path:
        classes = classes or [f"sort {index}" for index in range(7)]
        rng = np.random.default_rng(7)
        labels = np.arange(20 * len(classes)) % len(classes)
        images = rng.integers(0, 256, (6, 3, 16, 12), np.uint8)
        noise = np.random.default_rng(len(name)).normal(size=(len(labels), len(classes)))
        logits = noise + skill * np.eye(len(classes))[labels]
        scores = classifier_scores(logits, labels, classes)
        row = {"name": name, "parameters": 92_938, "train_seconds": 61.0, "steps": 300, "seed": 0, **scores}
        data = {"name": "digits", "split": "test", "images": len(labels), "classes": classes, "height": 16, "width": 12}
        environment = {"date": "2026-11-21", "subband": "0.1.0", "command": f"subband train {name}.yaml"}
        document = {"task": "classification", "data": data, "rows": [row], "environment": environment}
        folder = tmp_path / f"run_{name}"
        folder.mkdir()
        (folder / "scores.json").write_text(json.dumps(document))
        (folder / "config.yaml").write_text(f"model:\n  name: {name}\n")
        (folder / "metrics.csv").write_text(
            "epoch,lr-AdamW/pg1,lr-AdamW/pg2,step,train_loss,val_loss,val_top1\n"
            ",0.001,0.001,9,,,\n0,,,9,2.0,,\n0,,,9,,1.9,0.4\n,0.0005,0.0005,19,,,\n1,,,19,1.0,,\n1,,,19,,0.9,0.6\n"
        )
        if robust:
            rows = _robustness_rows(scores["metrics"]["top1"], len(classes))
            (folder / "robustness.json").write_text(json.dumps({**document, "rows": rows, "model": name}))
        wrong = np.flatnonzero(logits.argmax(1) != labels)[:2]
        arrays = {"inputs": images, "targets": labels[:6], f"prediction/{name}": _probabilities(logits[:6])}
        arrays |= {f"mistakes/{name}/inputs": images[:2], f"mistakes/{name}/targets": labels[wrong]}
        arrays |= {f"mistakes/{name}/prediction": _probabilities(logits[wrong])}
        np.savez_compressed(folder / "samples.npz", **arrays)
        return folder

    return make


@pytest.fixture
def look() -> Callable[..., tuple[dict[str, Any], list[str]]]:
    """What Chromium finds on a page of a width, and what it writes to its console.

    A script can act on `page` before; what it returns is the note.
    """
    if CHROMIUM is None:
        pytest.skip("no chromium, chromium-browser or google-chrome on PATH")
    return _look


def _look(page: Path, width: int, script: str = "") -> tuple[dict[str, Any], list[str]]:
    assert CHROMIUM is not None
    probe = page.with_name("probe.html")
    content = html.escape(page.read_text(encoding="utf-8"))
    probe.write_text(
        PROBE.replace("WIDTH", str(width)).replace("SCRIPT", script).replace("PAGE", content), encoding="utf-8"
    )
    flags = [*FLAGS.split(), f"--user-data-dir={page.parent / 'browser'}"]
    if hasattr(os, "geteuid") and os.geteuid() == 0:
        flags.append("--no-sandbox")
    command = [CHROMIUM, *flags, probe.as_uri()]
    result = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
    answer = re.search(r'<pre id="answer">(.*?)</pre>', result.stdout, re.DOTALL)
    assert answer is not None
    assert answer.group(1), result.stderr
    return json.loads(html.unescape(answer.group(1))), [
        line for line in result.stderr.splitlines() if "CONSOLE" in line
    ]
