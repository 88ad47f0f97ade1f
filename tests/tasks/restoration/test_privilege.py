"""Training of MFPI: a teacher that is told what sharp frames say, a student that guesses it, or both at once."""

import pytest
import torch

from subband.config import build_recipe
from subband.data.restoration.pairs import PairSpec
from subband.models.super_resolution.mfpi import MFPI
from subband.tasks.restoration.networks import restored, training_pass
from subband.tasks.restoration.task import RestorationTask

SMALL = {"channels": 8, "blocks": 1, "head_blocks": 1, "rec_blocks": 1, "groups": 2}
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
