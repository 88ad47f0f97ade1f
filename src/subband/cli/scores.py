"""The score table as the terminal shows it."""

from __future__ import annotations

from typing import Any

from subband.cli.options import open_table, show_table

# Heading, key of the metrics, decimals. The unit of mse and mae is a sum over the pixels of a frame.
COLUMNS = (
    ("top-1", "top1", 4),
    ("top-5", "top5", 4),
    ("cross-entropy", "cross_entropy", 4),
    ("MSE", "mse", 2),
    ("MAE", "mae", 2),
    ("PSNR dB", "psnr", 2),
    ("SSIM", "ssim", 4),
    ("SSIM (OpenSTL)", "ssim_openstl", 4),
    ("LPIPS", "lpips", 4),
)


def show_scores(scores: dict[str, Any]) -> None:
    """Print `scores.json` as a table; what was not computed shows as a dash."""
    data = scores["data"]
    amount = (
        f"{data['images']} images, {len(data['classes'])} classes"
        if scores["task"] == "classification"
        else f"{data['sequences']} clips, {data['in_frames']} -> {data['out_frames']} frames"
    )
    title = f"{data.get('folder', data['name'])}, {data['split']} set: {amount}"
    shown = [column for column in COLUMNS if any(row["metrics"].get(column[1]) is not None for row in scores["rows"])]
    headings = ["model", "parameters", *(heading for heading, _, _ in shown), "train s"]
    table = open_table(headings, title=title, right=headings[1:])
    for row in scores["rows"]:
        values = [_number(row["metrics"].get(key), digits) for _, key, digits in shown]
        table.add_row(row["name"], f"{row['parameters']:,}", *values, _number(row.get("train_seconds"), 1))
    show_table(table)


def _number(value: float | None, digits: int) -> str:
    return "-" if value is None else f"{value:.{digits}f}"
