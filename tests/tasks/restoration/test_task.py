"""Video restoration end to end: every network trains, VD-Diff in three stages; killed, resumed, scored and shown."""

import itertools
import json

import pytest
import torch

import subband
from subband.cli.main import main
from subband.config import build_recipe, merge
from subband.data import DATASETS
from subband.data.restoration.pairs import ClipPairs, PairData, PairSource, PairSpec
from subband.losses import harm_loss
from subband.models.checkpoint import load_model
from subband.tasks.restoration.task import RestorationTask
from subband.training.checkpoints import DivergenceError
from subband.training.loop import evaluate, train

SIDE, FRAMES = 16, 5
VD_DIFF = {"num_feat": 4, "propagation_blocks": 1, "num_blocks": [1, 1], "heads": [1, 2], "prior_feat": 2}
NETWORKS = {
    "estrnn": {"n_features": 2, "n_blocks": 1, "past_frames": 1, "future_frames": 1},
    "ftdeblur": {"channels": 4, "frames": 3, "n_feat": 1, "n_rec": 1, "groups": 2},
    "residual_unet": {"dims": [4, 8], "depth": 1, "frames": 3},
    "vd_diff": {**VD_DIFF, "residual": 1},
}
RECIPE = {
    "task": "restoration",
    "model": {"name": "residual_unet", "args": NETWORKS["residual_unet"]},
    "data": {"name": "moving_bars", "batch_size": 2},
    "loss": [{"name": "charbonnier", "args": {"eps": 1e-6}}, {"name": "fft_modulus", "weight": 0.1}],
    "optim": {"lr": 1e-3, "schedule": "cosine", "warmup_epochs": 1, "grad_clip": 1.0},
    "trainer": {"device": "cpu", "epochs": 2, "log_every_steps": 1, "tensorboard": False, "monitor": "val_psnr"},
    "evaluation": {"num_samples": 2},
}
STAGES = [
    {"name": "teacher", "settings": {"model": {"name": "vd_diff_stage1", "args": VD_DIFF}}},
    {
        "name": "diffusion",
        "settings": {"model": {"name": "vd_diff_stage2", "args": VD_DIFF}, "loss": [{"name": "prior"}]},
    },
    {"name": "together", "settings": {"model": {"name": "vd_diff_stage3", "args": VD_DIFF}}},
]


class Bars(ClipPairs):
    """Bars that move by a pixel a frame, and means over their neighborhood."""

    def __init__(self, spec, *, is_ragged=False):
        self.spec, self.is_ragged = spec, is_ragged

    def __len__(self):
        return 4

    def __getitem__(self, key):
        rng = torch.Generator().manual_seed(key)
        frames = FRAMES + key % 2 * self.is_ragged
        side = SIDE + 4 * (key % 2) * self.is_ragged
        wide = (torch.rand(3, 1, side + frames + 2, generator=rng) > 0.5).float().repeat(1, side, 1)
        sharp = torch.stack([wide[..., place + 1 : place + 1 + side] for place in range(frames)])
        around = [torch.stack([wide[..., p + d : p + d + side] for p in range(frames)]) for d in range(3)]
        return sum(around) / 3, self.spec.with_targets(sharp)

    def source(self, key):
        return PairSource(f"bars {key}", 0)


def moving_bars(*, is_ragged: bool = False, past_frames: int = 0, future_frames: int = 0, scale: int = 1):
    spec = PairSpec(
        frames=FRAMES, height=SIDE, width=SIDE, past_frames=past_frames, future_frames=future_frames, scale=scale
    )
    free = PairSpec(frames=None, height=None, width=None, past_frames=past_frames, future_frames=future_frames)
    whole = Bars(free, is_ragged=True) if is_ragged else Bars(spec)
    return PairData(Bars(spec), whole, whole, spec)


@pytest.fixture
def tiny_pairs(monkeypatch):
    """A recipe that trains in a second; keyword arguments replace settings."""
    monkeypatch.setitem(DATASETS, "moving_bars", f"{__name__}:moving_bars")

    def build(**changes):
        return build_recipe(merge(RECIPE, changes))

    return build


@pytest.mark.parametrize("name", NETWORKS)
def test_every_network_trains_and_is_scored(name, tiny_pairs, tmp_path):
    """On clips that differ in size and length, too."""
    model = {"name": name, "args": NETWORKS[name]}
    scores = train(
        tiny_pairs(model=model, data={"args": {"is_ragged": True}}, trainer={"ema_decay": 0.9}),
        tmp_path / "run",
        progress=False,
    )
    trained, baseline = scores["rows"]
    assert baseline["name"] == "identity"
    assert baseline["metrics"]["psnr_gain"] == 0
    assert 5 < trained["metrics"]["psnr"] < 60
    assert trained["metrics"]["psnr_gain"] == pytest.approx(trained["metrics"]["psnr"] - baseline["metrics"]["psnr"])
    assert len(trained["per_frame"]["psnr"]) == FRAMES + 1
    assert trained["metrics"]["lpips"] is None
    assert (scores["data"]["clips"], scores["data"]["frames"]) == (4, None)


def test_training_sees_the_frames_that_the_network_restores(tiny_pairs, monkeypatch):
    """ESTRNN gives the middle frames of a clip, in its own range and order; the loss is about these frames in RGB."""
    sharp = torch.rand(1, FRAMES, 3, SIDE, SIDE)
    for past, future in ((0, 0), (1, 1), (2, 0), (2, 2)):
        recipe = tiny_pairs(
            model={"name": "estrnn", "args": NETWORKS["estrnn"]},
            data={"args": {"past_frames": past, "future_frames": future}},
            loss=[{"name": "mse"}],
        )
        data = RestorationTask.build_data(recipe)
        model = RestorationTask.build_model(recipe, data.spec)
        monkeypatch.setattr(model, "forward_clip", lambda clip: clip[:, 1:-1])
        task = RestorationTask(recipe, model, data.spec)
        counted = sharp[:, past : FRAMES - future]
        assert task.losses((sharp, counted), "model").terms["mse"] < 1e-12
        assert task.validate((sharp, counted))["loss"] < 1e-12


def test_three_stages_of_vd_diff(tiny_pairs, tmp_path):
    """Each starts from the one before; the second changes the diffusion alone, the third everything."""
    scores = train(tiny_pairs(stages=STAGES, trainer={"ema_decay": 0.9}), tmp_path, progress=False)
    first, second = (load_model(tmp_path / "stages" / name).state_dict() for name in ("teacher", "diffusion"))
    third = load_model(tmp_path).state_dict()
    assert second.keys() == third.keys()
    for name, value in first.items():
        assert torch.equal(value, second[name]), name
    assert any(name.startswith("diffusion.") for name in second.keys() - first.keys())
    for part in ("teacher.", "restorer.", "diffusion."):
        assert any(not torch.equal(second[name], third[name]) for name in third if name.startswith(part)), part
    assert scores["rows"][0]["model"] == "vd_diff_stage3"
    # Noise is the same in every evaluation, whatever the batch.
    again = evaluate(tiny_pairs(stages=STAGES, data={"batch_size": 3}), tmp_path, tmp_path / "again")
    assert again["rows"][0]["metrics"]["psnr"] == pytest.approx(scores["rows"][0]["metrics"]["psnr"], rel=1e-6)


def test_a_stage_starts_from_stored_weights_of_another(tiny_pairs, tmp_path):
    """Those of a first stage that somebody else has trained, say; what they lack is named."""
    first = subband.create_model("vd_diff_stage1", **VD_DIFF)
    subband.save_model(first, tmp_path / "first")
    recipe = tiny_pairs(
        model={"name": "vd_diff_stage2", "args": VD_DIFF, "weights": str(tmp_path / "first")},
        loss=[{"name": "prior"}],
        trainer={"epochs": 1},
    )
    with pytest.warns(UserWarning, match=r"first have no diffusion, which starts fresh"):
        train(recipe, tmp_path / "run", progress=False)
    second = load_model(tmp_path / "run").state_dict()
    for name, value in first.state_dict().items():
        assert torch.equal(value, second[name]), name
    other = tiny_pairs(
        model={"name": "vd_diff_stage2", "args": {**VD_DIFF, "num_feat": 8}, "weights": str(tmp_path / "first")},
        loss=[{"name": "prior"}],
    )
    with pytest.raises(ValueError, match=r"restorer of this stage does not take that of the one before"):
        train(other, tmp_path / "other", progress=False)
    unet = tiny_pairs(model={"weights": str(tmp_path / "first")})
    with pytest.raises(ValueError, match=r"do not fit the recipe's model"):
        train(unet, tmp_path / "unet", progress=False)


def test_the_teacher_may_restore_in_the_third_stage(tiny_pairs):
    """Then only the loss on priors trains the diffusion."""
    model = {"name": "vd_diff_stage3", "args": VD_DIFF}
    grads = {}
    for restored_with, weight in (("diffused", 0.0), ("teacher", 0.0), ("teacher", 1.0)):
        prior = {"name": "prior", "weight": weight, "args": {"restored_with": restored_with}}
        recipe = tiny_pairs(model=model, loss=[{"name": "charbonnier"}, prior])
        data = RestorationTask.build_data(recipe)
        torch.manual_seed(0)
        network = RestorationTask.build_model(recipe, data.spec)
        with torch.no_grad():
            network.restorer.head.weight.normal_()
        task = RestorationTask(recipe, network, data.spec)
        degraded, sharp = RestorationTask.collate([data.train[0]])
        terms = task.losses((degraded, sharp), "model").terms
        assert set(terms) == {"charbonnier", "prior"}
        sum(terms.values()).backward()
        denoiser = [p.grad for p in network.diffusion.denoiser.parameters()]
        grads[restored_with, weight] = sum(0.0 if grad is None else grad.abs().sum().item() for grad in denoiser)
    assert grads["diffused", 0.0] > 0
    assert grads["teacher", 0.0] == 0
    assert grads["teacher", 1.0] > 0


@pytest.mark.parametrize("past_frames", [0, 1])
def test_harm_compares_frames_with_those_they_were_made_of(past_frames, tiny_pairs):
    recipe = tiny_pairs(
        model={"name": "residual_unet", "args": {"dims": [4], "depth": 1, "frames": 3}},
        data={"args": {"past_frames": past_frames}},
        loss=[{"name": "l1"}, {"name": "harm", "weight": 2.0, "args": {"eps": 1e-6}}],
    )
    data = RestorationTask.build_data(recipe)
    network = RestorationTask.build_model(recipe, data.spec)
    task = RestorationTask(recipe, network, data.spec)
    degraded, sharp = RestorationTask.collate([data.train[0]])
    assert task.losses((degraded, sharp), "model").terms["harm"] == 0  # a fresh network changes nothing
    with torch.no_grad():
        network.head.bias.fill_(0.1)
    counted = degraded[:, 1:-1]
    wanted = 2 * harm_loss(counted + 0.1, sharp[:, 1 - past_frames : -1], counted, eps=1e-6)
    assert wanted > 0
    torch.testing.assert_close(task.losses((degraded, sharp), "model").terms["harm"], wanted)
    assert task.validate((list(degraded), list(sharp)))["loss"] > 0


@pytest.mark.slow
def test_stages_resume_wherever_they_were_killed(tiny_pairs, tmp_path, losses, monkeypatch):
    recipe = tiny_pairs(stages=STAGES, trainer={"checkpoint_every_steps": 1, "epochs": 1})
    train(recipe, tmp_path / "whole", progress=False)
    original = RestorationTask.losses
    for stop in (1, 3, 5):  # the second step of every stage
        calls = itertools.count()

        def cut(self, batch, part, calls=calls, stop=stop):
            if next(calls) == stop:
                raise KeyError("power cut")
            return original(self, batch, part)

        folder = tmp_path / f"cut_at_{stop}"
        monkeypatch.setattr(RestorationTask, "losses", cut)
        with pytest.raises(KeyError, match=r"power cut"):
            train(recipe, folder, progress=False)
        monkeypatch.setattr(RestorationTask, "losses", original)
        train(recipe, folder, resume=True, progress=False)
        for stage in ("stages/teacher", "stages/diffusion", "."):
            assert losses(folder / stage) == losses(tmp_path / "whole" / stage)


def test_evaluate_report_info_and_export(tiny_pairs, tmp_path, capsys):
    run = tmp_path / "run"
    scores = train(tiny_pairs(), run, progress=False)
    assert evaluate(tiny_pairs(), run, tmp_path / "again")["rows"][0]["metrics"] == scores["rows"][0]["metrics"]
    assert main(["evaluate", str(run), "--device", "cpu"]) == 0
    shown = capsys.readouterr().out
    assert "moving_bars, test set: 4 clips, 5 frames, 16 x 16 pixels" in shown
    for word in ("PSNR", "Gain", "SSIM", "tOF", "identity", "VD-Diff", "ESTRNN"):
        assert word in shown
    # Bars have no detail along their columns; without weights there is no LPIPS. Neither is passed over.
    assert "Back in hl" in shown
    missing = "Back in lh, Back in hh, LPIPS (needs evaluation.lpips_weights and the package lpips)"
    assert shown.splitlines()[-2:] == [f"not computed: {missing}", f"scores: {run / 'scores.json'}"]
    assert main(["report", str(run), "--out", str(tmp_path / "page.html")]) == 0
    page = (tmp_path / "page.html").read_text()
    for words in (
        "Signal to noise against",
        "Clip by clip",
        "bars 3",
        "Restored clips",
        "Frame by frame",
        "Back in hh",
    ):
        assert words in page
    assert main(["info", str(run), "--device", "cpu", "--repeats", "1"]) == 0
    assert "(B T C H W)" in capsys.readouterr().out
    assert main(["export", str(run), "--out", str(tmp_path / "network.pt2")]) == 0
    assert (tmp_path / "network.pt2").stat().st_size > 0


def test_a_run_may_keep_no_samples(tiny_pairs, tmp_path):
    train(tiny_pairs(evaluation={"num_samples": 0}, trainer={"epochs": 1}), tmp_path / "run", progress=False)
    assert main(["report", str(tmp_path / "run")]) == 0


def test_the_first_stage_alone_is_scored_with_a_warning(tiny_pairs, tmp_path):
    recipe = tiny_pairs(model={"name": "vd_diff_stage1", "args": VD_DIFF}, trainer={"epochs": 1})
    with pytest.warns(UserWarning, match=r"run is given the sharp frames: these are scores of an ideal prior"):
        scores = train(recipe, tmp_path / "run", progress=False)
    assert scores["rows"][0]["metrics"]["psnr"] > 0


def test_bf16_and_a_loss_that_is_no_number(tiny_pairs, tmp_path, monkeypatch):
    recipe = tiny_pairs(trainer={"precision": "bf16", "epochs": 1})
    assert train(recipe, tmp_path / "bf16", progress=False)["rows"][0]["metrics"]["psnr"] > 0
    stage = tiny_pairs(stages=STAGES[:1], trainer={"epochs": 1})
    original = RestorationTask.losses

    def broken(self, batch, part):
        found = original(self, batch, part)
        return found._replace(terms={name: value * float("nan") for name, value in found.terms.items()})

    monkeypatch.setattr(RestorationTask, "losses", broken)
    with pytest.raises(DivergenceError, match=r"the loss is not a number at step 0 .*lower optim.lr"):
        train(stage, tmp_path / "nan", progress=False)


def test_lpips_is_printed_where_there_are_weights(tmp_path, capsys):
    pytest.importorskip("lpips")
    from torchvision.models import alexnet

    from subband.media.images import write_image

    for name in ("blur", "sharp"):
        (tmp_path / "pairs" / "test" / name / "a").mkdir(parents=True)
        for number in range(2):
            write_image(tmp_path / "pairs" / "test" / name / "a" / f"{number}.png", torch.rand(3, 32, 40))
    torch.save(alexnet(weights=None).state_dict(), tmp_path / "alexnet.pth")
    subband.save_model(subband.create_model("identity"), tmp_path / "weights")
    words = ["--data.args.path", str(tmp_path / "pairs"), "--evaluation.lpips_weights", str(tmp_path / "alexnet.pth")]
    assert main(["evaluate", str(tmp_path / "weights"), *words, "--device", "cpu", "--out", str(tmp_path / "out")]) == 0
    shown = capsys.readouterr().out
    assert "not computed" not in shown
    score = json.loads((tmp_path / "out" / "scores.json").read_text())["rows"][0]["metrics"]["lpips"]
    assert score > 0
    assert f"{score:.4f}" in shown


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"model": {"name": "identity", "args": {}}}, "identity has nothing to train"),
        ({"model": {"name": "wast", "args": {}}}, "model 'wast' is for video_prediction, the recipe for restoration"),
        ({"data": {"args": {"scale": 2}}}, "the data has scale 2; it must be 1"),
        (
            {"model": {"name": "mfpi", "args": {"channels": 4, "groups": 2}}, "data": {"args": {"scale": 2}}},
            "MFPI makes frames 4 times as large, but the data has scale 2; it must be 4",
        ),
        ({"model": {"name": "residual_unet", "args": {"frames": 7}}}, "needs clips of 7 frames, the data has 5"),
        (
            {"model": {"name": "vd_diff_stage3", "args": VD_DIFF}, "data": {"args": {"past_frames": 1}}},
            "past_frames and future_frames must be 0",
        ),
        ({"loss": [{"name": "prior"}]}, "loss 'prior' is for the second and third stage of VD-Diff, not for ResidualU"),
        (
            {"model": {"name": "vd_diff_stage2", "args": VD_DIFF}},
            "VDDiffStage2 trains its diffusion alone and restores no frames: its only loss is 'prior'",
        ),
        (
            {
                "model": {"name": "vd_diff_stage2", "args": VD_DIFF},
                "loss": [{"name": "prior", "args": {"restored_with": "teacher"}}],
            },
            "restored_with of loss 'prior' is for the third stage",
        ),
        ({"loss": [{"name": "prior", "args": {"restored_with": "me"}}]}, "must be diffused or teacher, got 'me'"),
        ({"loss": [{"name": "prior", "args": {"eps": 0}}]}, "eps of loss 'prior' must be a positive number, got 0"),
        ({"loss": [{"name": "prior", "args": {"esp": 1.0}}]}, "loss 'prior' has no argument 'esp'; it takes eps, rest"),
        ({"loss": [{"name": "harm", "args": {"eps": -1.0}}]}, "eps of loss 'harm' must be a positive number, got -1"),
        ({"loss": [{"name": "harm", "args": {"k": 2}}]}, "loss 'harm' has no argument 'k'; it takes eps"),
        ({"loss": [{"name": "privilege"}]}, "loss 'privilege' is for MFPI with its teacher, not for ResidualUNet"),
        ({"loss": [{"name": "privilege", "args": {"told": 2}}]}, "told must lie within 0 and 1 and states_weight not"),
        ({"loss": [{"name": "l1"}, {"name": "l1"}]}, "loss 'l1' is named twice"),
        ({"drop_path": {"rate": 0.1}}, "drop_path.rate is set, but model 'residual_unet' has no stochastic depth"),
    ],
)
def test_what_does_not_fit_is_said_before_training(changes, message, tiny_pairs, tmp_path):
    with pytest.raises((ValueError, TypeError), match=message):
        train(tiny_pairs(**changes), tmp_path / "run", progress=False)
    assert not (tmp_path / "run").exists()


def test_scores_on_a_folder_of_pairs_without_a_recipe(tmp_path, capsys):
    """`identity` and any stored weights can be scored on the user's own pairs."""
    from subband.media.images import write_image

    for clip, (name, shift) in itertools.product("ab", (("blur", 0.1), ("sharp", 0.0))):
        folder = tmp_path / "pairs" / "test" / name / clip
        folder.mkdir(parents=True)
        for number in range(3):
            frame = torch.rand(3, 20, 24, generator=torch.Generator().manual_seed(number))
            write_image(folder / f"{number:03d}.png", 0.8 * frame + (shift if clip == "a" else shift / 10))
    subband.save_model(subband.create_model("residual_unet", dims=(4, 8), depth=1, frames=3), tmp_path / "weights")
    command = ["evaluate", str(tmp_path / "weights"), "--data.args.path", str(tmp_path / "pairs"), "--device", "cpu"]
    assert main([*command, "--out", str(tmp_path / "scores"), "--evaluation.lpips_weights", "nowhere.pth"]) == 2
    assert capsys.readouterr().err == "subband: error: evaluation.lpips_weights: no file nowhere.pth.\n"
    assert main([*command, "--out", str(tmp_path / "scores")]) == 0
    shown = capsys.readouterr().out
    assert "2 clips, 3 frames, 24 x 20 pixels" in shown
    table = [line.split() for line in shown.partition("by clip")[2].splitlines()]
    printed = {line[0]: float(line[1]) for line in table if line[:1] in (["a"], ["b"])}
    assert printed["a"] == pytest.approx(20, abs=0.1)
    assert printed["b"] > printed["a"] + 15
    rows = json.loads((tmp_path / "scores" / "scores.json").read_text())["rows"]
    # A fresh network of this kind changes nothing.
    assert rows[0]["metrics"]["psnr_gain"] == pytest.approx(0, abs=1e-4)
    for row in rows:  # the degraded frames themselves, too
        scores = row["per_clip"]
        assert scores["a"]["psnr"] == pytest.approx(20, abs=0.1)
        assert scores["b"]["psnr"] > scores["a"]["psnr"] + 15
        assert scores["b"]["ssim"] > scores["a"]["ssim"]
        mean = (scores["a"]["psnr"] + scores["b"]["psnr"]) / 2
        assert row["metrics"]["psnr"] == pytest.approx(mean)
