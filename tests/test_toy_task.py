"""The contract of a task: one file and two lines in the explicit tables make a task that does all the others do.

Squares of varying number lie on a dark image (ragged targets). A first stage trains a generator to count them; a second
trains it against a critic, each with an optimizer of its own, beside a frozen teacher.
"""

import itertools

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import subband
from subband.cli.main import main
from subband.config import build_recipe
from subband.data import registry as datasets
from subband.data.loader import SampleLoader
from subband.metrics.descriptors import MetricInfo
from subband.models import registry as models
from subband.tasks import TASKS
from subband.training.evaluation import Evaluation
from subband.training.loop import evaluate, train
from subband.training.task import Losses, Task, random_input
from subband.visual.html import section
from subband.visual.report.task_report import TaskReport

SIDE = 16


class Squares:
    def __len__(self):
        return 8

    def __getitem__(self, key):
        rng = np.random.default_rng(key)
        boxes = torch.from_numpy(rng.integers(0, SIDE - 4, (rng.integers(1, 5), 2)))
        image = torch.zeros(1, SIDE, SIDE)
        for y, x in boxes:
            image[:, y : y + 4, x : x + 4] = 1
        return image, boxes  # (n, 2), another n for every sample


class SquaresData:
    train = val = test = Squares()
    spec = None


def squares() -> SquaresData:
    return SquaresData()


class Counter(nn.Module):
    def __init__(self, width: int = 4) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Conv2d(1, width, 4, 4), nn.ReLU(), nn.Flatten(), nn.Linear(width * 16, 1))
        self.critic = nn.Linear(1, 1)

    def forward(self, image: Tensor) -> Tensor:
        return self.body(image)


def count(boxes):
    return torch.tensor([[float(len(item))] for item in boxes])


class CountTask(Task):
    title = "counting"
    metrics = (
        MetricInfo(
            key="off", heading="Off", unit="squares", decimals=2, higher_is_better=False, definition="mean error."
        ),
    )
    data_type, input_axes, uses_teacher = SquaresData, "B C H W", True

    @staticmethod
    def collate(samples):
        return {"images": torch.stack([image for image, _ in samples]), "boxes": [boxes for _, boxes in samples]}

    @staticmethod
    def batch_size(batch):
        return len(batch["boxes"])

    @staticmethod
    def describe_data(facts):
        return f"{facts['images']} images"

    @classmethod
    def build_model(cls, recipe, spec):
        return subband.create_model(recipe.model.name, **recipe.model.args)

    @staticmethod
    def example_input(model, *, batch, height, width):
        return random_input((batch, 1, height or SIDE, width or SIDE))

    def parts(self):
        both = {"generator": self.model.body, "critic": self.model.critic}
        return both if self.teacher is not None else {"generator": self.model.body}

    def losses(self, batch, part):
        found, true = self.model(batch["images"]), count(batch["boxes"])
        if self.teacher is None:
            return Losses({"count": (found - true).square().mean()})
        judged = self.model.critic(found if part == "generator" else found.detach()).mean()
        if part == "critic":
            return Losses({"critic": judged - self.model.critic(true).mean()})
        kept = (found - self.teacher(batch["images"])).abs().mean()
        return Losses({"count": (found - true).square().mean(), "fooled": -0.1 * judged}, {"from_teacher": kept})

    def validate(self, batch):
        return {"loss": (self.model(batch["images"]) - count(batch["boxes"])).abs().mean()}

    @staticmethod
    @torch.inference_mode()
    def evaluate(recipe, models, data, device):
        batch = next(
            iter(SampleLoader(data.test, 8, shuffle=False, drop_last=False, seed=0, collate=CountTask.collate))
        )
        found = {name: model(batch["images"]) for name, model in models.items()}
        rows = {
            name: {"metrics": {"off": (n - count(batch["boxes"])).abs().mean().item()}} for name, n in found.items()
        }
        samples = {f"prediction/{name}": n[:2].numpy() for name, n in found.items()}
        samples |= {"inputs": (255 * batch["images"][:2]).byte().numpy(), "targets": count(batch["boxes"])[:2].numpy()}
        return Evaluation({"name": "squares", "split": "test", "images": 8}, rows, samples)

    @staticmethod
    def check_samples(inputs, targets, predictions):
        return all(item.shape == targets.shape for item in predictions.values())

    @classmethod
    def report(cls):
        return TaskReport(
            name=cls.title,
            lead="How many squares?",
            verdict=lambda runs, rows: f"Off by {rows[0].facts['metrics']['off']:.2f}.",
            facts=lambda runs: [("Images", "8")],
            sections=lambda runs, rows, styles: [section("Squares", "All of them.", "<p>drawn by the toy task</p>")],
        )


RECIPE = {
    "task": "count",
    "model": {"name": "counter", "args": {"width": 8}},
    "data": {"name": "squares", "batch_size": 4},
    "optim": {"name": "adam", "lr": 1e-2, "schedule": "constant", "grad_clip": 1.0},
    "trainer": {"device": "cpu", "epochs": 2, "log_every_steps": 1, "tensorboard": False, "checkpoint_every_steps": 1},
    "stages": [
        {"name": "alone", "settings": {"trainer": {"epochs": 3}}},
        {"name": "against", "settings": {"model": {"teacher": "previous"}}},
    ],
}


@pytest.fixture
def recipe(monkeypatch):
    spec = models.ModelSpec(task="count", network=Counter, args={}, params=17, paper="this file")
    monkeypatch.setitem(TASKS, "count", f"{__name__}:CountTask")
    monkeypatch.setitem(datasets.DATASETS, "squares", f"{__name__}:squares")
    monkeypatch.setitem(models.catalog(), "counter", spec)
    return build_recipe(RECIPE)


def test_stages_resume_wherever_they_were_killed(recipe, tmp_path, losses, monkeypatch):
    train(recipe, tmp_path / "whole", progress=False)
    assert len(losses(tmp_path / "whole" / "stages" / "alone")) == 3 * 2
    assert len(losses(tmp_path / "whole")) == 2 * 2
    original = CountTask.losses
    for stop in (3, 6 + 2 + 2):  # a step of the first stage, the second step of the last one, which has two turns
        calls = itertools.count()

        def cut(self, batch, part, calls=calls, stop=stop):
            if next(calls) == stop:
                raise KeyError("power cut")
            return original(self, batch, part)

        folder = tmp_path / f"cut_at_{stop}"
        monkeypatch.setattr(CountTask, "losses", cut)
        with pytest.raises(KeyError, match=r"power cut"):
            train(recipe, folder, progress=False)
        monkeypatch.setattr(CountTask, "losses", original)
        train(recipe, folder, resume=True, progress=False)
        for stage in ("stages/alone", "."):
            assert losses(folder / stage) == losses(tmp_path / "whole" / stage)


def test_evaluate_report_info_and_export_know_the_task(recipe, tmp_path, capsys):
    run = tmp_path / "run"
    scores = train(recipe, run, progress=False)
    assert evaluate(recipe, run, tmp_path / "again")["rows"][0]["metrics"] == scores["rows"][0]["metrics"]
    assert main(["evaluate", str(run), "--device", "cpu"]) == 0
    assert "squares, test set: 8 images" in capsys.readouterr().out
    assert main(["report", str(run), "--out", str(tmp_path / "page.html")]) == 0
    page = (tmp_path / "page.html").read_text()
    assert "drawn by the toy task" in page
    assert "How many squares?" in page
    assert main(["info", str(run), "--device", "cpu", "--repeats", "1"]) == 0
    assert "1 x 1 x 16 x 16 (B C H W)" in capsys.readouterr().out
    assert main(["export", str(run), "--out", str(tmp_path / "counter.pt2")]) == 0
    assert (tmp_path / "counter.pt2").stat().st_size > 0
