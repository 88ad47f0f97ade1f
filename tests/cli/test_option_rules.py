"""Options that have no effect with the others are refused, or warned about, in every command."""

import importlib

import pytest

from subband.cli.main import COMMANDS, main

TO_PUBLISHED = ("convert", "runs/x", "--out", "x.pth", "--to-published")
EXPORT = ("export", "persistence", "--out", "x.onnx")
SPEED, ABLATION, COMPARISON = (("benchmark", kind) for kind in ("speed", "ablation-wast", "classifiers"))
DEBLURRING = ("benchmark", "ablation-deblurring")
GENERATION = "table1, s_ablation, lambda, levels, wavelets, priors, posterior, rate_distortion, denoise, sr and mri"
TRAINED = f"ablation-wast, ablation-deblurring, ablation-mfpi, ablation-pose, classifiers, {GENERATION}"
TRAIN = ("train", "video_prediction/wast_digits")
# Words of a command line, the option that has no effect on it, and what is said.
REFUSED = [
    (
        ("benchmark", "speed", "wast", "--epochs", "5", "--full", "--data", "nonsense"),
        "--full",
        f"ablation-wast, {GENERATION} only",
    ),
    (
        (*SPEED, "--seeds", "1"),
        "--seeds",
        f"goes with the benchmarks {TRAINED} only",
    ),
    (
        (*SPEED, "--epochs", "5"),
        "--epochs",
        f"goes with the benchmarks {TRAINED} only",
    ),
    ((*SPEED, "--data", "nonsense"), "--data", f"goes with the benchmarks classifiers, {GENERATION} only"),
    (
        (*SPEED, "--path", "x"),
        "--path",
        f"goes with the benchmarks classifiers, ablation-deblurring, ablation-mfpi, {GENERATION} only",
    ),
    ((*ABLATION, "--size", "8"), "--size", f"goes with the benchmarks {GENERATION} only"),
    ((*COMPARISON, "--images", "8"), "--images", f"goes with the benchmarks {GENERATION} only"),
    (
        ("benchmark", "table1", "--values", "8"),
        "--values",
        "goes with the benchmarks lambda, levels, rate_distortion, denoise, sr and mri only",
    ),
    (
        (*SPEED, "--out", "x"),
        "--out",
        f"goes with the benchmarks {TRAINED} only",
    ),
    ((*ABLATION, "wast"), "models", "go with the benchmarks speed, ablation-deblurring and classifiers only"),
    ((*ABLATION, "--batch-size", "2"), "--batch-size", "goes with the benchmark speed only"),
    ((*ABLATION, "--repeats", "2"), "--repeats", "goes with the benchmark speed only"),
    ((*ABLATION, "--threads", "2"), "--threads", "goes with the benchmark speed only"),
    ((*ABLATION, "--compile"), "--compile", "goes with the benchmark speed only"),
    ((*ABLATION, "--data", "cifar100"), "--data", f"goes with the benchmarks classifiers, {GENERATION} only"),
    ((*DEBLURRING, "--full"), "--full", f"goes with the benchmarks ablation-wast, {GENERATION} only"),
    ((*COMPARISON, "--full"), "--full", f"goes with the benchmarks ablation-wast, {GENERATION} only"),
    (("benchmark", "priors", "--compile"), "--compile", "goes with the benchmark speed only"),
    ((*COMPARISON, "--compile"), "--compile", "goes with the benchmark speed only"),
    ((*EXPORT, "--calibration-images", "9"), "--calibration-images", "goes with --int8 and --calibration FOLDER"),
    ((*EXPORT, "--batch", "4", "--dynamic-batch"), "--batch", "--dynamic-batch leaves it open; use one of them"),
    ((*TO_PUBLISHED, "--model", "wast"), "--model", "does not go with --to-published"),
    ((*TO_PUBLISHED, "--set", "a=1"), "--set", "does not go with --to-published"),
    (("evaluate", "run", "--radii", "0.5"), "--radii", "goes with --robustness"),
    (("evaluate", "run", "--qualities", "20"), "--qualities", "goes with --robustness"),
    ((*TRAIN, "--resume", "--model.weights", "x"), "--model.weights", "but --resume goes on with a run"),
    (("synthesize-blur", "x", "y", "--num-frames", "9"), "--num-frames", "goes with photographs only (--photos)"),
    (("synthesize-blur", "x", "y", "--size", "32", "32"), "--size", "goes with photographs only (--photos)"),
    (("synthesize-blur", "x", "y", "--speed", "3"), "--speed", "goes with photographs only (--photos)"),
    (("synthesize-blur", "x", "y", "--max-objects", "1"), "--max-objects", "goes with photographs only (--photos)"),
    (("synthesize-blur", "x", "y", "--photos", "--stride", "3"), "--stride", "goes with videos only"),
    (("synthesize-blur", "x", "y", "--photos", "--no-interpolate"), "--no-interpolate", "goes with videos only"),
    (("synthesize-blur", "x", "y", "--sharp-exposure", "0.2"), "--sharp-exposure", "goes with --sharp-share"),
    (("synthesize-blur", "x", "y", "--jpeg-quality", "9", "9"), "--jpeg-quality", "goes with --jpeg-share"),
    (("synthesize-blur", "x", "y", "--fps", "12"), "--fps", "goes with --format mkv"),
    (("deblur", "a.mp4", "b.mp4", "--reference", "c.mp4"), "--reference", "goes with --compare"),
    (("deblur", "a.mp4", "b.mp4", "--duration", "2", "--preview", "1"), "--duration", "and --preview exclude each"),
    (("pose", "a.mp4", "--boxes", "b.json", "--detector", "c"), "--detector", "and --boxes exclude each other"),
    (("pose", "a.mp4", "--detector-score", "0.5"), "--detector-score", "goes with --detector"),
    (("push", "run", "me/pets", "--out", "x"), "--out", "goes with --dry-run"),
    (("upscale", "a.mp4", "b.mp4", "--reference", "c.mp4"), "--reference", "goes with --compare"),
    (("upscale", "a.mp4", "b.mp4", "--duration", "2", "--preview", "1"), "--duration", "and --preview exclude each"),
    *(
        ((*words, "--model", "x", option, value), option, "is for the plain pyramid; a network has its own")
        for words in (("latent", "a.png"), ("edit", "a.png"), ("interpolate", "a.png", "b.png"))
        for option, value in (("--wavelet", "db2"), ("--levels", "5"))
    ),
    (("edit", "a.png", "--mask", "m.png", "--smooth-background", "m.png"), "--mask", "is what --smooth-background has"),
    (("edit", "a.png", "--gain", "level=1:0", "--copy-from", "b.png"), "--copy-from", "goes with --copy"),
    *(
        (("denoise", "a.png", "--model", "x", option, value), option, "is for wavelet shrinkage, not for --model")
        for option, value in (
            ("--method", "visu"),
            ("--threshold", "hard"),
            ("--wavelet", "haar"),
            ("--mode", "zero"),
            ("--level", "2"),
            ("--cycle-spins", "1"),
            ("--color", "rgb"),
        )
    ),
    (("denoise", "a.png", "--steps", "3"), "--steps", "goes with --model"),
    (("denoise", "a.png", "--seed", "3"), "--seed", "goes with --model"),
    (("weights", "info", "gfnet_ti", "--task", "pose"), "--task", "goes with list only"),
    (("weights", "get", "gfnet_ti", "--json"), "--json", "goes with list and info only"),
    (("weights", "list", "--dry-run"), "--dry-run", "goes with get only"),
    (("weights", "get", "gfnet_ti", "--dry-run", "--from", "x"), "--from", "goes with get, and not with --dry-run"),
    (("fuse", "a.png", "b.png", "--rule", "exposure", "--window", "5"), "--window", "goes with --rule largest"),
]
WARNED = [
    (("classify", "no.png", "--model", "gfnet_digits", "--overwrite"), "--overwrite", "goes with --out"),
    (("denoise", "no.png", "--device", "cpu"), "--device", "goes with --model"),
    *(
        (("push", "no", "me/pets", "--dry-run", *words), words[0], "has no effect with --dry-run, which asks nobody")
        for words in (("--private",), ("--revision", "v1"), ("--message", "x"), ("--overwrite",))
    ),
    *(
        ((*TRAIN, "--print-config", *words), words[0], "has no effect with --print-config, which trains nothing")
        for words in (("--out", "x"), ("--overwrite",), ("--resume",), ("--quiet",))
    ),
]


def rules():
    modules = {command: importlib.import_module(module) for command, (module, _) in COMMANDS.items()}
    return {
        (command, rule.option): rule for command, item in modules.items() for rule in getattr(item, "OPTION_RULES", ())
    }


@pytest.mark.parametrize(("words", "option", "sentence"), REFUSED)
def test_an_option_without_effect_is_refused_before_any_work(words, option, sentence, capsys):
    assert main(list(words)) == 2
    shown = capsys.readouterr()
    assert shown.err.startswith(f"subband: error: {option} ")
    assert sentence in shown.err
    assert len(shown.err.splitlines()) == 1
    assert not shown.out


@pytest.mark.parametrize(("words", "option", "sentence"), WARNED)
def test_a_harmless_one_is_warned_about(words, option, sentence, capsys):
    main(list(words))
    assert f"subband: warning: {option} {sentence}" in capsys.readouterr().err


def test_every_rule_is_tried():
    tried = {(words[0], option) for words, option, _ in [*REFUSED, *WARNED]}
    assert tried == set(rules())
    assert {(words[0], option) for words, option, _ in WARNED} == {
        key for key, rule in rules().items() if rule.is_harmless
    }


@pytest.mark.parametrize("words", [["--list", "--out", "x"], [TRAIN[1], "--list"], ["--optim.lr=1", "--list"]])
def test_listing_the_recipes_stands_alone(words, capsys):
    assert main(["train", *words]) == 2
    shown = capsys.readouterr()
    other = next(word.split("=")[0] for word in words if word != "--list")
    assert shown.err == f"subband: error: --list lists the recipes and stops; leave out {other}.\n"
    assert not shown.out


def test_an_unknown_benchmark_is_named_whatever_else_is_given(capsys):
    assert main(["benchmark", "sped", "--epochs", "5"]) == 2
    assert (
        "unknown benchmark 'sped'; known: speed, ablation-wast, ablation-deblurring, ablation-mfpi, ablation-pose, "
        in capsys.readouterr().err
    )
