"""Bounds of mutual information on correlated Gaussians, whose information is known, and what they promise beyond."""

import math

import pytest
import torch

from subband.losses.mutual_information import (
    ConditionalGaussian,
    barber_agakov_bound,
    club_bound,
    cosine_critic,
    info_nce_bound,
    nwj_bound,
    vid_loss,
    vsd_loss,
)

ENTRIES, RHO = 4, 0.8
TRUE = -ENTRIES / 2 * math.log(1 - RHO**2)
ENTROPY = ENTRIES / 2 * math.log(2 * math.pi * math.e)


def gaussians(rng, count):
    a, noise = torch.randn(2, count, ENTRIES, generator=rng, dtype=torch.float64)
    return a, RHO * a + (1 - RHO**2) ** 0.5 * noise


def best_critic(a, b):
    """`log p(b | a) / p(b)` of all pairs."""
    distance = (b[None] - RHO * a[:, None]).square().sum(-1) / (1 - RHO**2)
    return TRUE - 0.5 * distance + 0.5 * b.square().sum(-1)


def test_the_true_value():
    assert pytest.approx(2.0433, abs=5e-5) == TRUE


def test_barber_agakov(rng):
    a, b = gaussians(rng, 20_000)
    exact = barber_agakov_bound(b, RHO * a, torch.full((ENTRIES,), 1 - RHO**2).double(), ENTROPY)
    assert exact.item() == pytest.approx(TRUE, abs=0.05)
    poor = barber_agakov_bound(b, 0.5 * a, torch.ones(ENTRIES).double(), ENTROPY)
    assert poor.item() == pytest.approx(1.1, abs=0.05)


def test_a_learned_conditional_comes_close(rng):
    torch.manual_seed(0)
    a, b = (x.float() for x in gaussians(rng, 1000))
    model = ConditionalGaussian(ENTRIES, ENTRIES, hidden=16)
    optimizer = torch.optim.Adam(model.parameters(), lr=0.05)
    for _ in range(60):
        optimizer.zero_grad()
        loss = vid_loss(b, *model(a))
        loss.backward()
        optimizer.step()
    bound = barber_agakov_bound(b, *model(a), ENTROPY)
    assert 1.8 < bound.item() < 2.2


@pytest.mark.parametrize(("count", "wanted", "tolerance"), [(8, 1.35, 0.05), (64, 1.88, 0.05), (512, 2.00, 0.05)])
def test_info_nce(rng, count, wanted, tolerance):
    repeats = max(6, 3072 // count)
    found = [info_nce_bound(best_critic(*gaussians(rng, count))) for _ in range(repeats)]
    assert torch.stack(found).mean().item() == pytest.approx(wanted, abs=tolerance)
    assert max(found) <= math.log(count) + 1e-9


def test_nwj(rng):
    found = torch.stack([nwj_bound(1 + best_critic(*gaussians(rng, 64))) for _ in range(150)])
    assert found.mean().item() == pytest.approx(2.05, abs=0.08)
    assert 0.1 < found.std().item() < 0.4


def test_club(rng):
    a, b = gaussians(rng, 20_000)
    variance = torch.full((ENTRIES,), 1 - RHO**2).double()
    assert club_bound(b, RHO * a, variance).item() == pytest.approx(ENTRIES * RHO**2 / (1 - RHO**2), rel=0.02)
    few, means = b[:6], RHO * a[:6]
    densities = -0.5 * ((few[None] - means[:, None]).square() / variance).sum(-1)  # rows: what is given
    others = densities[~torch.eye(6, dtype=torch.bool)].mean()
    torch.testing.assert_close(club_bound(few, means, variance), densities.diagonal().mean() - others)


def test_samples_of_one_clip_are_no_negatives(rng):
    scores = torch.randn(6, 6, generator=rng)
    groups = torch.tensor([0, 0, 1, 1, 2, 2])
    first = [scores[0, j] for j in (0, 2, 3, 4, 5)]
    wanted = math.log(5) + scores[0, 0] - torch.stack(first).logsumexp(0)
    rows = [scores[i] for i in range(6)]
    every = [
        math.log(5) + row[i] - torch.stack([row[j] for j in range(6) if j == i or groups[j] != groups[i]]).logsumexp(0)
        for i, row in enumerate(rows)
    ]
    torch.testing.assert_close(every[0], wanted)
    torch.testing.assert_close(info_nce_bound(scores, groups=groups), torch.stack(every).mean())
    assert info_nce_bound(scores, groups=torch.zeros(6)).item() == pytest.approx(0)


def test_vsd(rng):
    teacher, student = torch.rand(2, 2, 3, 5, 4, generator=rng)
    visible = torch.tensor([[1.0, 0.0, 2.0], [0.0, 0.0, 1.0]])
    p, q = ((maps / 0.1).flatten(2).softmax(-1) for maps in (teacher, student))
    divergence = (p * (p / q).log()).sum(-1)
    wanted = 0.01 * divergence[visible > 0].mean()
    torch.testing.assert_close(vsd_loss(teacher, student, visible), wanted)
    student = student.requires_grad_()
    teacher = teacher.requires_grad_()
    vsd_loss(teacher, student, torch.zeros(2, 3)).backward()
    assert not student.grad.any()
    assert teacher.grad is None


def test_half_precision_and_autocast(rng):
    a, b = (x.float() for x in gaussians(rng, 32))
    calls = (
        lambda: info_nce_bound(cosine_critic(a, b)),
        lambda: vid_loss(b, a, torch.ones(ENTRIES)),
        lambda: club_bound(b, a, torch.ones(ENTRIES)),
    )
    for call in calls:
        with torch.autocast("cpu", torch.bfloat16):
            inside = call()
        assert torch.equal(inside, call())
    assert vid_loss(b.bfloat16(), a.bfloat16(), torch.ones(ENTRIES)).dtype == torch.float32


def test_maps_and_vectors_are_guessed_alike(rng):
    model = ConditionalGaussian(3, 5)
    maps = torch.randn(2, 3, 4, 6, generator=rng)
    mean, variance = model(maps)
    torch.testing.assert_close(mean[:, :, 1, 2], model(maps[:, :, 1, 2])[0])
    assert vid_loss(torch.zeros_like(mean), mean, variance).isfinite()
    assert variance.flatten().tolist() == pytest.approx([1.0001] * 5, abs=1e-4)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: info_nce_bound(torch.zeros(3, 4)), r"scores must be \(N, N\)"),
        (lambda: info_nce_bound(torch.zeros(3, 3), groups=torch.zeros(2)), r"groups must be \(3,\)"),
        (lambda: nwj_bound(torch.zeros(1, 1)), "N at least 2"),
        (lambda: club_bound(torch.zeros(1, 3), torch.zeros(1, 3), torch.ones(3)), "two samples"),
        (lambda: cosine_critic(torch.zeros(2, 3), torch.zeros(2, 3), temperature=0), "temperature positive"),
        (lambda: vsd_loss(torch.zeros(2, 3, 4, 4), torch.zeros(2, 3, 4, 4), torch.zeros(2)), "visible must be"),
        (lambda: barber_agakov_bound(torch.zeros(0, 3), torch.zeros(0, 3), torch.ones(3), 1.0), "hold samples"),
        (lambda: vid_loss(torch.zeros(2, 3), torch.zeros(3, 2), torch.ones(3)), "one shape"),
    ],
)
def test_what_is_refused(call, words):
    with pytest.raises(ValueError, match=words):
        call()
