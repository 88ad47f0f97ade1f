"""Scores of classifiers: against torchmetrics and scikit-learn, in batches, and what is refused."""

import pytest
import torch
from sklearn.metrics import log_loss
from torch import Tensor
from torchmetrics.functional.classification import multiclass_accuracy

from subband.metrics.classification import CrossEntropy, PerClassAccuracy, TopAccuracy, classification_metrics
from subband.metrics.descriptors import CLASSIFICATION_METRICS

NUM_CLASSES = 12


@pytest.fixture
def answers(rng: torch.Generator) -> tuple[Tensor, Tensor]:
    labels = torch.randint(NUM_CLASSES, (200,), generator=rng)
    return torch.randn(200, NUM_CLASSES, generator=rng), labels


def in_batches(metric, logits: Tensor, labels: Tensor):
    for part, right in zip(logits.split(64), labels.split(64), strict=True):
        metric.update(part, right)
    return metric.compute()


@pytest.mark.parametrize("k", [1, 5])
def test_accuracy_is_that_of_torchmetrics(k: int, answers: tuple) -> None:
    wanted = multiclass_accuracy(*answers, NUM_CLASSES, average="micro", top_k=k)
    assert in_batches(TopAccuracy(k), *answers).item() == pytest.approx(wanted.item())


def test_accuracy_is_an_exact_share(answers: tuple) -> None:
    logits, labels = answers
    right = int((logits.argmax(1) == labels).sum())
    assert in_batches(TopAccuracy(), logits, labels).item() == right / 200


def test_equal_logits_count_as_the_first_class() -> None:
    for label, share in ((0, 1.0), (1, 0.0)):
        metric = TopAccuracy()
        metric.update(torch.zeros(1, 40), torch.tensor([label]))
        assert metric.compute().item() == share


def test_cross_entropy_is_that_of_scikit_learn(answers: tuple) -> None:
    logits, labels = answers
    wanted = log_loss(labels.numpy(), logits.double().softmax(1).numpy(), labels=range(NUM_CLASSES))
    assert in_batches(CrossEntropy(), logits, labels).item() == pytest.approx(wanted, rel=1e-12)


def test_cross_entropy_keeps_64_bits() -> None:
    """Ten small values beside a large one are lost in 32 bits."""
    metric = CrossEntropy()
    metric.update(torch.tensor([[0.0, 1e9]]), torch.tensor([0]))
    for _ in range(10):
        metric.update(torch.zeros(1, 2), torch.tensor([0]))
    assert 11 * metric.compute().item() - 1e9 == pytest.approx(10 * torch.tensor(2.0).log().item(), rel=1e-5)


def test_accuracy_of_every_class(answers: tuple) -> None:
    wanted = multiclass_accuracy(*answers, NUM_CLASSES, average="none")
    assert in_batches(PerClassAccuracy(NUM_CLASSES), *answers).tolist() == pytest.approx(wanted.tolist())
    few = PerClassAccuracy(3)
    few.update(torch.eye(3), torch.tensor([0, 0, 2]))
    torch.testing.assert_close(few.compute(), torch.tensor([0.5, torch.nan, 1.0]).double(), equal_nan=True)


def test_collection(answers: tuple) -> None:
    scores = in_batches(classification_metrics(NUM_CLASSES), *answers)
    alone = {"top1": TopAccuracy(), "top5": TopAccuracy(5), "cross_entropy": CrossEntropy()}
    assert scores == {name: in_batches(metric, *answers) for name, metric in alone.items()}
    assert sorted(classification_metrics(5)) == ["cross_entropy", "top1"]


def test_metrics_that_agree_on_the_first_batch_stay_apart() -> None:
    metrics = classification_metrics(6)
    metrics.update(torch.eye(6), torch.arange(6))
    metrics.update(torch.eye(6)[:, [1, 0, 2, 3, 4, 5]], torch.arange(6))
    scores = metrics.compute()
    assert scores["top1"] < scores["top5"]


def test_direction_agrees_with_the_description() -> None:
    metrics = classification_metrics(NUM_CLASSES)
    directions = {name: metric.higher_is_better for name, metric in metrics.items()}
    assert directions == {info.key: info.higher_is_better for info in CLASSIFICATION_METRICS}


def test_memory_is_constant_and_reset_forgets(answers: tuple) -> None:
    for metric in (TopAccuracy(5), CrossEntropy(), PerClassAccuracy(NUM_CLASSES)):
        metric.update(*answers)
        sizes, first = {name: state.shape for name, state in metric.metric_state.items()}, metric.compute()
        metric.update(answers[0].flip(0), answers[1])
        assert {name: state.shape for name, state in metric.metric_state.items()} == sizes
        metric.reset()
        metric.update(*answers)
        assert torch.equal(metric.compute(), first)


@pytest.mark.parametrize("build", [TopAccuracy, CrossEntropy, lambda: PerClassAccuracy(NUM_CLASSES)])
def test_processes_are_added_up(build, answers: tuple) -> None:
    whole, own, other = build(), build(), build()
    whole.update(*answers)
    own.update(*(part[:150] for part in answers))  # uneven on purpose
    other.update(*(part[150:] for part in answers))
    states = iter(other.metric_state.values())
    own.sync(dist_sync_fn=lambda state, group: [state, next(states)], distributed_available=lambda: True)
    for name, state in whole.metric_state.items():
        torch.testing.assert_close(own.metric_state[name], state)


def test_errors() -> None:
    for metric in (TopAccuracy(), CrossEntropy(), PerClassAccuracy(4)):
        with pytest.raises(ValueError, match=r"got \(3, 4\) and \(2,\)"):
            metric.update(torch.zeros(3, 4), torch.zeros(2, dtype=torch.long))
        with pytest.raises(ValueError, match="no image was added"):
            metric.compute()
    with pytest.raises(ValueError, match=r"logits must be \(B, 4\)"):
        PerClassAccuracy(4).update(torch.zeros(3, 5), torch.zeros(3, dtype=torch.long))
    with pytest.raises(ValueError, match="at least 5 classes, got 4"):
        TopAccuracy(5).update(torch.zeros(3, 4), torch.zeros(3, dtype=torch.long))
    with pytest.raises(ValueError, match="k must be positive"):
        TopAccuracy(0)
