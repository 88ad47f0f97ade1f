"""Training of MFPI: a teacher that is told what sharp frames say, a student that guesses it, or both at once."""

from dataclasses import replace

import pytest
import torch

from subband.config import build_recipe
from subband.data.restoration.pairs import ClipPairs, PairData, PairSource, PairSpec
from subband.models.super_resolution.mfpi import MFPI
from subband.models.vd_diff.stages import VDDiffStage1
from subband.tasks.restoration.networks import restored, training_pass
from subband.tasks.restoration.task import RestorationTask

SMALL = {"channels": 8, "blocks": 1, "head_blocks": 1, "rec_blocks": 1, "groups": 2}
STAGE1 = {"num_feat": 4, "propagation_blocks": 1, "num_blocks": (1, 1), "heads": (1, 2), "prior_feat": 4}
SPEC = PairSpec(frames=2, height=8, width=8, scale=4)


@pytest.fixture
def pair(rng):
    return torch.rand(2, 2, 3, 8, 8, generator=rng), torch.rand(2, 2, 3, 32, 32, generator=rng)


@pytest.fixture
def network(rng):
    """A network that makes something of what it is told."""
    model = MFPI(**SMALL)
    for layer in (model.upsampling.last, model.inject):
        torch.nn.init.normal_(layer.weight, std=0.1, generator=rng)
    return model


class MadePairs(ClipPairs):
    """Pairs of tensors."""

    spec = SPEC

    def __init__(self, degraded, sharp):
        self.pairs = list(zip(degraded, sharp, strict=True))

    def __len__(self):
        return len(self.pairs)

    def __getitem__(self, key):
        return self.pairs[key]

    def source(self, key):
        return PairSource(f"clip{key}", 0)


def task_of(model, **args):
    loss = [{"name": "l1"}, {"name": "privilege", "args": args}]
    recipe = {"task": "restoration", "model": {"name": "mfpi", "args": SMALL}, "data": {"name": "x"}, "loss": loss}
    return RestorationTask(build_recipe(recipe), model, SPEC)


def test_a_teacher_restores_with_what_it_is_told_and_a_student_with_its_guess(network, pair):
    network.eval()  # without noise on what is told
    told, guessed = (training_pass(network, *pair, SPEC, told_share=share).frames for share in (1.0, 0.0))
    assert torch.equal(guessed, restored(network, *pair, SPEC))
    assert (told - guessed).abs().max() > 1e-4
    found = training_pass(network, *pair, SPEC, told_share=0.5, generator=torch.Generator().manual_seed(3)).frames
    which = [torch.equal(found[place], frames[place]) for place in range(2) for frames in (told, guessed)]
    assert sum(which) == 2


class Unreadable:
    """Sharp frames that nobody may look at."""

    def __getattr__(self, name):
        raise AssertionError(f"sharp frames are read: {name}")


def test_in_tests_sharp_frames_are_not_read(network, pair):
    network.eval()
    found = restored(network, pair[0], Unreadable(), SPEC)
    assert torch.equal(found, network.restore(pair[0]))
    with pytest.raises(AssertionError, match="sharp frames are read"):  # a network that does
        restored(VDDiffStage1(**STAGE1).eval(), pair[0], Unreadable(), SPEC)


def test_scores_change_with_the_sharp_frames_and_restored_frames_do_not(network, rng):
    """Evaluation of a whole set, of which the sharp frames are once others."""
    network.eval()
    recipe = {"task": "restoration", "model": {"name": "mfpi", "args": SMALL}, "data": {"name": "x"}}
    recipe = build_recipe({**recipe, "loss": [{"name": "l1"}]})
    small, sharp = torch.rand(2, 2, 3, 8, 8, generator=rng), torch.rand(2, 2, 3, 32, 32, generator=rng)
    results = []
    for targets in (sharp, 1 - sharp):
        pairs = MadePairs(small, targets)
        data = PairData(pairs, pairs, pairs, SPEC)
        results.append(RestorationTask.evaluate(recipe, {"network": network}, data, torch.device("cpu")))
    first, second = results
    assert (first.samples["prediction/network"] == second.samples["prediction/network"]).all()
    assert (first.samples["targets"] != second.samples["targets"]).any()
    scores = [result.rows["network"]["per_clip"] for result in results]
    assert list(scores[0]) == ["clip0", "clip1"]
    assert scores[0]["clip0"]["psnr"] != scores[1]["clip0"]["psnr"]


def test_mirrored_clips_are_seen_there_and_back(network, pair):
    """As many frames again in training; in tests both visits of a frame are averaged."""
    network.eval()
    there, sharp = (torch.cat([clips, clips.flip(1)], 1) for clips in pair)
    spec = replace(SPEC, mirrored=True)
    passed = training_pass(network, *pair, spec, told_share=0.0)
    assert torch.equal(passed.frames, network(there))
    assert torch.equal(passed.sharp, sharp)
    assert len(passed.privilege.told) == 4
    twice = network.restore(there)
    found = restored(network, *pair, replace(spec, past_frames=1))
    assert torch.equal(found, (twice[:, 1:2] + twice[:, 2:3]) / 2)


@pytest.mark.parametrize(("told", "learns"), [(1.0, True), (0.5, True), (0.0, False)])
def test_a_student_leaves_the_encoder_of_sharp_frames_alone(told, learns, network, pair):
    task = task_of(network, told=told, states_weight=0.05 if told == 0 else 0.0)
    losses = task.losses(pair, "model")
    assert set(losses.terms) == {"l1", "privilege"}
    torch.stack(list(losses.terms.values())).sum().backward()
    grads = [value.grad for value in network.encode.parameters()]
    assert all((grad is not None) == learns for grad in grads)
    assert all(value.grad is not None for value in network.guess.parameters())


def test_states_are_compared_with_those_of_the_teacher(network, pair):
    network.eval()
    alone, with_states = (
        task_of(network, told=0.0, states_weight=weight).losses(pair, "model").terms["privilege"]
        for weight in (0.0, 2.0)
    )
    states = training_pass(network, *pair, SPEC, told_share=0.0, compares_states=True).privilege.states
    amplitudes = [
        [(torch.fft.rfft2(x, norm="ortho").abs().square() + 1e-8).sqrt().log1p() for x in direction]
        for bank in states
        for direction in bank
    ]
    half = len(amplitudes) // 2
    wanted = sum(
        torch.stack([(a - b).abs().mean() for a, b in zip(own, other, strict=True)]).mean()
        for own, other in zip(amplitudes[:half], amplitudes[half:], strict=True)
    )
    assert wanted > 1e-5
    torch.testing.assert_close(with_states - alone, 2 * wanted, rtol=1e-3, atol=1e-6)


def test_evaluation_does_not_read_the_sharp_frames(network, pair):
    small, sharp = pair
    network.eval()
    assert torch.equal(restored(network, small, sharp, SPEC), restored(network, small, torch.zeros_like(sharp), SPEC))
