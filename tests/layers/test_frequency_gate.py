"""The gate against the published module, its noise, its start."""

import pytest
import torch

from published.dct import Gate
from subband.layers.frequency_gate import FrequencyGate, gate_penalty


@pytest.fixture
def pair():
    """Our gate and the published one with equal weights that drop about half of the channels."""
    ours, theirs = FrequencyGate(12), Gate(12)
    for value in theirs.state_dict().values():
        if value.is_floating_point():
            value.uniform_(0.5, 1.5)
    theirs.inp_gate_l.bias.data.normal_()
    theirs.inp_gate_l.weight.data.normal_()
    state = zip(ours.state_dict(), theirs.state_dict().values(), strict=True)
    ours.load_state_dict(dict(state))
    return ours, theirs


@pytest.mark.parametrize("training", [False, True])
def test_published_gate(rng, pair, training):
    slope, results = torch.randn(5, 12, 6, 8, generator=rng), []
    images = torch.randn(5, 12, 6, 8, generator=rng)
    for gate in pair:
        inputs = images.clone().requires_grad_()
        torch.manual_seed(1)
        gated, keep = gate.train(training)(inputs)
        keep = keep.flatten(1)
        ((gated * slope).sum() + 3 * gate_penalty(keep)).backward()
        results.append([gated, keep, inputs.grad, *(p.grad for p in gate.parameters()), *gate.buffers()])
    assert {0.0, 1.0} == set(results[0][1].round(decimals=5).unique().tolist())
    torch.testing.assert_close(*results, rtol=1e-4, atol=1e-5)


def test_evaluation_has_no_noise_and_training_has(rng, pair):
    gate, _ = pair
    images = torch.randn(40, 12, 3, 3, generator=rng)
    gate.eval()
    assert torch.equal(gate(images)[1], gate(images)[1])
    gate.train()
    assert not torch.equal(gate(images)[1], gate(images)[1])


def test_noise_draws_by_probability(rng):
    gate = FrequencyGate(4)
    torch.nn.init.zeros_(gate.decide.weight)
    gate.decide.bias.data = torch.tensor([0.0, 0.0, 0.0, 1.0, 1.0, 0.0, 2.0, -1.0])
    share = gate(torch.rand(4000, 4, 1, 1, generator=rng))[1].mean(0)
    wanted = gate.decide.bias.detach().view(4, 2).softmax(-1)[:, 1]
    torch.testing.assert_close(share, wanted, rtol=0, atol=0.03)


def test_nearly_everything_is_kept_at_the_start(rng):
    gate = FrequencyGate()
    gated, keep = gate(torch.randn(64, 192, 2, 2, generator=rng))
    assert 0.8 < gate_penalty(keep) < 0.95  # 1 / (1 + exp(0.1 - 2)) = 0.87
    assert gate.eval()(gated)[1].min() == 1
    assert gate.decide.weight.std().item() == pytest.approx(0.001, rel=0.2)


def test_a_single_image_in_training(rng):
    gate = FrequencyGate(3)
    gate(torch.rand(1, 3, 4, 4, generator=rng))[0].sum().backward()
    assert gate.norm.running_mean.abs().max() == 0
