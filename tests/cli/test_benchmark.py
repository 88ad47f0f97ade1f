import json

from subband.cli.benchmark import ABLATION
from subband.cli.main import main


def test_the_ablation_takes_up_finished_runs_and_shows_mean_and_spread(tmp_path, capsys):
    for step, name in enumerate(ABLATION.values()):
        for seed in (0, 1):
            folder = tmp_path / f"{name}_seed{seed}"
            folder.mkdir()
            metrics = {"mse": 10.0 * step + seed, "mae": 1.0, "psnr": 20.0, "ssim": 0.5}
            row = {"name": name, "parameters": 1000, "metrics": metrics, "train_seconds": 60.0}
            (folder / "scores.json").write_text(json.dumps({"rows": [row]}))
    assert main(["benchmark", "ablation-wast", "--seeds", "0", "1", "--out", str(tmp_path)]) == 0
    shown = capsys.readouterr().out
    for label, mean in zip(ABLATION, ("0.50", "10.50", "20.50", "30.50"), strict=True):
        line = next(line for line in shown.splitlines() if line.strip().startswith(label))
        assert f"{mean} ± 0.71" in line
