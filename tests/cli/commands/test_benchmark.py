import json

import torch

from subband import load_model
from subband.cli.commands.benchmark import ABLATION, CLASSIFIERS, DEBLURRING
from subband.cli.main import main
from subband.media.images import write_image
from subband.models.checkpoint import save_model
from subband.models.complexity import count_macs, count_parameters
from subband.models.registry import create_model
from subband.tasks.pose.ablation import first_entries, student_entries
from subband.tasks.restoration.ablation import ablation_entries


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


def test_ablations_of_deblurring_have_a_table_each(tmp_path, capsys):
    names = {family: [entry.name for entry in ablation_entries(family, None, {})] for family in DEBLURRING}
    for number, name in enumerate(name for some in names.values() for name in some):
        for seed in (0, 1):
            folder = tmp_path / f"{name}_seed{seed}"
            folder.mkdir()
            metrics = {"psnr": 30.0 + number + seed, "psnr_gain": 1.0, "ssim": 0.5}
            row = {"name": name, "parameters": 1000, "metrics": metrics, "train_seconds": 60.0}
            (folder / "scores.json").write_text(json.dumps({"rows": [row]}))
    words = ["benchmark", "ablation-deblurring", "--seeds", "0", "1", "--out", str(tmp_path)]
    assert main(words) == 0
    shown = capsys.readouterr().out
    assert shown.index("VD-Diff:") < shown.index("no prior") < shown.index("FTDeblur:") < shown.index("all in space")
    for number, means in enumerate(f"{30.5 + number:.2f} ± 0.71" for number in range(12)):
        assert means in shown, number
    assert main([*words, "--epochs", "2"]) == 2
    assert "--epochs must be at least 3" in capsys.readouterr().err
    assert main(["benchmark", "ablation-deblurring", "estrnn", "--out", str(tmp_path)]) == 2
    assert "ablation-deblurring compares vd_diff, ftdeblur, not 'estrnn'" in capsys.readouterr().err


def test_classifiers_train_by_one_budget_and_finished_runs_stay(tmp_path, capsys, rng):
    for index in range(84):
        folder = tmp_path / "images" / ("train" if index < 74 else "val") / ("dark", "light")[index % 2]
        folder.mkdir(parents=True, exist_ok=True)
        write_image(folder / f"{index}.png", 0.4 * torch.rand(3, 16, 16, generator=rng) + 0.5 * (index % 2))
    words = ["benchmark", "classifiers", "--data", "image_folder", "--path", str(tmp_path / "images")]
    words += ["--device", "cpu", "--out", str(tmp_path / "runs"), "--epochs", "1", "--seeds"]
    assert main([*words, "3"]) == 0
    first = capsys.readouterr().out
    for name, label in CLASSIFIERS.items():
        folder = tmp_path / "runs" / f"{name}_seed3"
        model = load_model(folder)
        (row,) = json.loads((folder / "scores.json").read_text())["rows"]
        assert (row["seed"], row["steps"]) == (3, 1)  # of 74 pictures a batch of 64
        assert 2.5e6 < count_parameters(model) < 2.8e6  # whatever the number of classes
        counts = count_macs(model.eval(), torch.zeros(1, 3, *model.img_size))
        macs = f"{(counts.macs + counts.fft_macs + counts.dwt_macs) / 1e6:.1f} M"
        cells = [f"{count_parameters(model):,}", macs, f"{100 * row['metrics']['top1']:.2f}"]
        line = next(line for line in first.splitlines() if line.split("  ")[0].strip() == label)
        assert all(cell in line for cell in cells)
        assert model.metadata["preprocessing"]["crop_ratio"] == 1.0
        assert tuple(model.metadata["preprocessing"]["mean"]) == (0.4914, 0.4822, 0.4465)

    capsys.readouterr()
    assert main([words[0], words[1], "vit", *words[2:], "3", "4"]) == 0
    again = capsys.readouterr().out
    assert [line for line in again.splitlines() if line.startswith("training")] == ["training ViT, seed 4"]
    assert "over 2 seed(s)" in again


def test_a_run_with_other_settings_is_not_mixed_in(tmp_path, capsys):
    from subband.config import load_recipe, recipe_text

    folder = tmp_path / "vit_seed0"
    folder.mkdir()
    (folder / "config.yaml").write_text(recipe_text(load_recipe("classification/compare_vit_cifar10")))
    words = ["benchmark", "classifiers", "vit", "--path", "elsewhere", "--seeds", "0", "--out", str(tmp_path)]
    assert main(words) == 2
    assert "vit_seed0 holds a run with other settings" in capsys.readouterr().err


def test_bad_words_are_named(capsys):
    assert main(["benchmark", "classifiers", "resnet"]) == 2
    assert "wsfvit, gfnet, dct_resnet, vit, not 'resnet'" in capsys.readouterr().err
    assert main(["benchmark", "classifiers", "--data", "image_folder"]) == 2
    assert "--data image_folder needs --path" in capsys.readouterr().err


def test_the_ablation_of_pose_shows_scores_over_costs_and_takes_up_finished_runs(tmp_path, capsys):
    entries = first_entries(None, {}) + student_entries(tmp_path, None, {})
    for number, entry in enumerate(entries):
        for seed in (0, 1):
            folder = tmp_path / f"{entry.name}_seed{seed}"
            folder.mkdir()
            metrics = {
                "pck_strict": 0.5 + number / 100 + seed / 50,
                "pck_strict_occluded": 0.4,
                "ap": None,
                "jitter": 1,
            }
            row = {"name": entry.name, "parameters": 1000, "metrics": metrics, "train_seconds": 60.0}
            (folder / "scores.json").write_text(json.dumps({"rows": [row]}))
            (folder / "cpu_seconds.json").write_text(str(90.0 + 60 * seed))
            size = {"num_joints": 2, "channels": 4, "img_size": (32, 32)}
            frames = {} if entry.name == "frame" else {"num_frames": 2, "groups": 2}
            teacher = {"teacher": True} if entry.name == "teacher" else {}
            network = "framepose" if entry.name == "frame" else "freqpose"
            save_model(create_model(network, **size, **frames, **teacher), folder / "model")
    words = ["benchmark", "ablation-pose", "--seeds", "0", "1", "--out", str(tmp_path)]
    assert main(words) == 0
    shown = capsys.readouterr().out
    assert "training" not in shown.replace("training step", "")
    for number, entry in enumerate(entries):
        line = next(line for line in shown.splitlines() if line.strip().split("  ")[0] == entry.label)
        assert f"{51 + number:.2f} ± 1.41" in line, line
        assert "2.0 ± 0.7" in line, line  # minutes
    assert (tmp_path / "plot.png").read_bytes().startswith(b"\x89PNG")
    assert main([*words, "--path", "x"]) == 2
    assert "--path" in capsys.readouterr().err
