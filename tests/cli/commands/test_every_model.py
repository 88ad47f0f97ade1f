"""Every name of `subband models` goes through `info`, `benchmark speed` and `export`, at a small size."""

import json
from typing import Any

import pytest
import torch

import subband
from subband.cli.main import main
from subband.models.complexity import count_parameters
from subband.models.registry import catalog, create_model

VIDEO = {"in_shape": (2, 1, 32, 32)}
VD_DIFF = {
    "num_feat": 8,
    "propagation_blocks": 1,
    "num_blocks": (1, 1),
    "heads": (1, 2),
    "prior_feat": 4,
    "residual": 2,
}
WAVELET_VAE = {
    "img_size": 16,
    "levels": 2,
    "widths": (8, 8, 16),
    "blocks": 1,
    "refine_width": 8,
    "refine_blocks": 1,
    "prior_width": 8,
    "prior_blocks": 1,
}
# Arguments that make a network small without making it another one, by the name of its class.
SMALL: dict[str, dict[str, Any]] = {
    "SimVP": {**VIDEO, "hid_S": 16, "hid_T": 32, "N_S": 2, "N_T": 2, "drop_path": 0.0},
    "WaST": {**VIDEO, "encoder_dim": 4, "block_list": (1, 1, 1)},
    "Persistence": VIDEO,
    "GFNet": {"img_size": 32, "drop_path_rate": 0.1, "num_classes": 3},
    "ViT": {"img_size": 32, "dim": 24, "depth": 2, "num_heads": 3, "num_classes": 3},
    "WSFViT": {
        "img_size": 32,
        "dims": (16, 32, 64, 128),
        "depths": (1, 1, 1, 1),
        "num_heads": (2, 4, 8, 16),
        "head_dim": 8,
        "stem_dim": 16,
        "num_classes": 3,
    },
    "DCTResNet": {"img_size": 64, "depths": (1, 1, 1, 1), "width": 8, "num_classes": 3},
    "FreqPose": {"img_size": (32, 32), "channels": 4, "groups": 2, "num_frames": 3, "num_joints": 3},
    "FramePose": {"img_size": (32, 32), "channels": 4, "num_joints": 3},
    "ViTPose": {"img_size": (64, 48), "dim": 24, "depth": 2, "num_heads": 3},
    "ESTRNN": {"n_features": 4, "n_blocks": 1},
    "FTDeblur": {"channels": 4, "n_feat": 1, "n_rec": 1, "groups": 2, "frames": 3},
    "MotionUNet": {"dims": (4, 8), "depth": 1},
    "ResidualUNet": {"dims": (4, 8), "depth": 1, "frames": 3},
    "VDDiff": VD_DIFF,
    "VDDiffStage1": VD_DIFF,
    "VDDiffStage2": VD_DIFF,
    "VDDiffStage3": VD_DIFF,
    "VDDiffNoPrior": VD_DIFF,
    "Identity": {},
    "Bicubic": {},
    "BasicVSRPP": {"channels": 4, "blocks": 1, "groups": 2},
    "MFPI": {"channels": 4, "blocks": 1, "head_blocks": 1, "rec_blocks": 1, "groups": 2},
    "DCTMobileNetV2": {"img_size": 64, "num_classes": 3},
    "WaveletVAE": WAVELET_VAE,
    "WaveletVideoVAE": {
        "num_frames": 2,
        "img_size": 8,
        "levels": 1,
        "time_levels": 1,
        "widths": (8, 8),
        "prior_width": 8,
        "prior_blocks": 1,
    },
    "WaveletDiffusion": {"img_size": 16, "base_dims": [32], "multipliers": [[1]], "attention": [[]]},
    "Detector": {
        "backbone_args": {
            "img_size": 64,
            "dims": [8, 16, 24, 32],
            "depths": [1, 1, 1, 1],
            "num_heads": [2, 4, 4, 8],
            "head_dim": 4,
            "stem_dim": 8,
        },
        "dim": 8,
        "hidden_dim": 8,
        "num_classes": 3,
    },
    # The two names differ in width and in what is minimized; both are tried with the likelihood.
    "ConvVAE": {"img_size": 16, "widths": (8, 16), "blocks": 1, "latent_dim": 4, "objective": "elbo"},
}


def small_args(name: str) -> dict[str, Any]:
    spec = catalog()[name]
    args = dict(SMALL[spec.builder.__name__])
    if spec.builder.__name__ == "GFNet":
        count = len(spec.args["dims"])
        args |= {
            "dims": (8, 16, 24, 32)[:count],
            "depths": (1,) * count,
            **({"layer_scale": 1e-3} if count > 1 else {}),
        }
    if "vitpose" in spec.args.get("backbone", ""):
        args |= {"backbone_args": {"dim": 8, "depth": 1, "num_heads": 2}}
    return args


def kinds() -> dict[str, list[str]]:
    """Names that are one network at the small size, by the first of them."""
    found: dict[str, list[str]] = {}
    for name, spec in catalog().items():
        found.setdefault(repr((spec.builder, {**spec.args, **small_args(name)})), []).append(name)
    return {names[0]: names for names in found.values()}


def words(name: str) -> list[str]:
    return [word for key, value in small_args(name).items() for word in ("--set", f"{key}={value}")]


def test_every_name_is_of_a_kind():
    assert sorted(name for names in kinds().values() for name in names) == subband.list_models()
    assert 10 < len(kinds()) < 60


def test_info(capsys, case):
    for name in kinds():
        with case(name):
            code = main(["info", name, *words(name), "--repeats", "1", "--device", "cpu", "--json"])
            out, error = capsys.readouterr()
            assert (code, error) == (0, "")
            facts = json.loads(out)
            assert facts["activation_mb"] > 0 or facts["params"] == 0
            assert facts["params"] == count_parameters(create_model(name, **small_args(name)))


def test_speed(capsys, case, monkeypatch):
    monkeypatch.setattr(
        "subband.cli.commands.benchmark.create_model", lambda name: create_model(name, **small_args(name))
    )
    for name in kinds():
        with case(name):
            code = main(["benchmark", "speed", name, "--repeats", "1", "--device", "cpu"])
            out, error = capsys.readouterr()
            row = next(line for line in out.splitlines() if line.split()[:1] == [name])
            assert code == 0
            step = row.split()[-1]
            if step == "-" and name not in ("persistence", "identity", "bicubic"):
                assert "cannot train on a batch of 1: its last batch norm" in error
                assert main(["benchmark", "speed", name, "--repeats", "1", "--device", "cpu", "--batch-size", "2"]) == 0
                out, error = capsys.readouterr()
                row = next(line for line in out.splitlines() if line.split()[:1] == [name])
                assert float(row.split()[-1]) > 0
            assert not error


EXPORTED = [name for name in kinds() if catalog()[name].task not in ("video_prediction", "detection")]


# In both formats: networks for clips by the tests of `subband export` itself, classifiers by those of all classifiers.
# How much a detector finds depends on the image: as ONNX file it gives a fixed number of rows (`tests/export`).
@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
@pytest.mark.usefixtures("shallow")
@pytest.mark.parametrize("name", EXPORTED)
def test_export(name, tmp_path, capsys):
    path = tmp_path / "net.pt2"
    assert main(["export", name, *words(name), "--out", str(path)]) == 0, capsys.readouterr().err
    assert path.is_file()


def test_a_detector_is_no_program(tmp_path, capsys):
    name = "wsfvit_p0_fasterrcnn_s"
    assert main(["export", name, *words(name), "--out", str(tmp_path / "net.pt2")]) == 2
    assert "a detector cannot be exported: how much it finds" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


@pytest.mark.slow
def test_parameter_counts_of_the_tables_are_those_of_the_networks():
    for name, spec in catalog().items():
        with torch.device("meta"):
            assert count_parameters(create_model(name)) == spec.params, name


def test_a_last_map_of_one_pixel(capsys):
    """A batch norm cannot train on one value; what one sample keeps is told from two and three."""
    facts = {}
    for batch in ("1", "2", "4"):
        options = ["--set", "img_size=32", "--repeats", "1", "--device", "cpu", "--batch", batch, "--json"]
        assert main(["info", "wsfvit_p0", *options]) == 0
        facts[batch] = json.loads(capsys.readouterr().out)["activation_mb"]
    assert facts["1"] == pytest.approx((3 * facts["2"] - facts["4"]) / 2)
    assert 0 < facts["1"] < facts["2"]


def test_what_does_not_run_is_one_sentence(capsys, tmp_path, monkeypatch):
    def fail(*_: Any, **__: Any) -> None:
        raise RuntimeError("no kernel for this.\nTraceback of a compiler")

    monkeypatch.setattr("subband.models.complexity.count_macs", fail)
    monkeypatch.setattr("subband.export.program.export_program", fail)
    monkeypatch.setattr("subband.models.persistence.Persistence.forward", fail)
    cases = {
        "info persistence": "persistence cannot be measured on 1 x 10 x 1 x 64 x 64: no kernel for this.",
        f"export persistence --out {tmp_path}/a.pt2": "persistence cannot be written as .pt2: no kernel for this.",
        "benchmark speed persistence": "persistence does not run on 1 x 10 x 1 x 64 x 64: no kernel for this.",
        "benchmark speed persistence waste": "unknown model 'waste'; did you mean wast",
        **{
            f"benchmark speed persistence {option} 0": f"{option} must be at least 1, got 0."
            for option in ("--repeats", "--batch-size", "--threads")
        },
    }
    for command, sentence in cases.items():
        assert main(command.split()) == 2, command
        error = capsys.readouterr().err
        assert sentence in error
        assert error.count("\n") == 1
