"""The losses of pose by name: their values, what they ask of a teacher, and what is refused."""

import pytest
import torch

from subband.config import LossTerm
from subband.losses import heatmap_fourier_loss, heatmap_mse_loss
from subband.losses.mutual_information import club_bound, cosine_critic, info_nce_bound, vid_loss, vsd_loss
from subband.tasks.pose.losses import PoseLosses
from subband.tasks.pose.networks import PoseMaps

PLAIN = LossTerm(name="heatmap_mse")


def rand(*shape):
    return torch.rand(shape, generator=torch.Generator().manual_seed(sum(shape)))


MAPS = PoseMaps(rand(4, 3, 8, 6), rand(4, 3, 8, 6) + 0.1, rand(4, 5, 8, 6))
TEACHER = PoseMaps(rand(4, 3, 8, 6).square(), None, rand(4, 5, 8, 6).square())
WANTED, VISIBLE = rand(4, 3, 8, 6).sqrt(), torch.tensor([[1.0, 1, 0], [1, 1, 1], [0, 1, 1], [1, 0, 1]])
CLIPS = torch.tensor([0, 1, 1, 2])


def value(name, weight=2.0, **args):
    losses = PoseLosses([PLAIN, LossTerm(name=name, weight=weight, args=args)], 5)
    return losses, losses(MAPS, WANTED, VISIBLE, TEACHER, CLIPS)[name]


def test_every_loss_is_what_its_name_says():
    torch.testing.assert_close(value("early_mse")[1], 2 * heatmap_mse_loss(MAPS.early, WANTED, VISIBLE))
    wanted = 2 * heatmap_fourier_loss(MAPS.heatmaps, WANTED, VISIBLE, beta=0.5)
    torch.testing.assert_close(value("heatmap_fourier", beta=0.5)[1], wanted)
    torch.testing.assert_close(value("distill_l2")[1], 2 * (MAPS.motion - TEACHER.motion).square().mean())
    wanted = 2 * vsd_loss(TEACHER.heatmaps, MAPS.heatmaps, VISIBLE, temperature=0.2)
    torch.testing.assert_close(value("distill_vsd", temperature=0.2)[1], wanted)
    scores = cosine_critic(MAPS.motion.mean((2, 3)), TEACHER.motion.mean((2, 3)))
    torch.testing.assert_close(value("distill_infonce")[1], -2 * info_nce_bound(scores, groups=CLIPS))
    losses, found = value("distill_ba")
    torch.testing.assert_close(found, 2 * vid_loss(TEACHER.motion, *losses.guess(MAPS.motion)))


def test_the_teacher_gets_no_gradient_and_the_student_does():
    for name in ("distill_l2", "distill_ba", "distill_infonce", "distill_vsd"):
        own, other = (
            PoseMaps(*(part.clone().requires_grad_() for part in maps[::2]), None) for maps in (MAPS, TEACHER)
        )
        own, other = (PoseMaps(heat, None, motion) for heat, motion, *_ in (own, other))
        losses = PoseLosses([PLAIN, LossTerm(name=name)], 5)
        losses(own, WANTED, VISIBLE, other, CLIPS)[name].backward()
        assert other.heatmaps.grad is None
        assert other.motion.grad is None
        asked = own.heatmaps if name == "distill_vsd" else own.motion
        assert asked.grad.abs().sum() > 0


def places(part):
    return part.permute(0, 2, 3, 1).reshape(-1, part.shape[1])


def gated(**parts):
    return MAPS._replace(noise=rand(4, 5, 8, 6) - 0.3 * MAPS.motion, **parts)


def test_the_split_of_motion_is_judged_by_a_bound_that_a_network_of_its_own_learns_to_compute():
    losses = PoseLosses([PLAIN, LossTerm(name="motion_club", weight=0.5)], 5, has_gates=True)
    maps = gated(motion=MAPS.motion.clone().requires_grad_())
    maps.noise.requires_grad_()
    for _ in range(50):  # a guess that is no better than none would give a bound below 0, which is cut off
        for value in losses.parameters():
            value.grad = None
        losses(maps, WANTED, VISIBLE)["motion_club_fit"].backward()
        with torch.no_grad():
            for value in losses.parameters():
                value -= 0.3 * value.grad
    assert maps.motion.grad is maps.noise.grad is None, "the guess is fitted to the motion, not the motion to it"
    found = losses(maps, WANTED, VISIBLE)
    guess = losses.club_guess(places(maps.noise))
    wanted = club_bound(places(maps.motion), *guess)
    assert wanted > 0
    torch.testing.assert_close(found["motion_club"], 0.5 * wanted)
    torch.testing.assert_close(found["motion_club_fit"], vid_loss(places(maps.motion), *guess))
    before = [value.grad.clone() for value in losses.parameters()]
    found["motion_club"].backward()
    assert maps.motion.grad.abs().sum() > 0
    assert maps.noise.grad.abs().sum() > 0
    assert all(value.grad.equal(old) for value, old in zip(losses.parameters(), before, strict=True))
    with torch.no_grad():
        assert set(losses(maps, WANTED, VISIBLE)) == {"heatmap_mse", "motion_club"}, "nothing is fitted in validation"


def test_two_parts_that_tell_of_each_other_are_parted():
    """What passes is a signal and a share of the noise; the loss alone takes that share away."""
    torch.manual_seed(0)
    losses = PoseLosses([PLAIN, LossTerm(name="motion_club")], 5, has_gates=True)
    share = torch.full((5, 1, 1), 0.9, requires_grad=True)
    optimizer = torch.optim.Adam([{"params": [share], "lr": 0.02}, {"params": losses.parameters(), "lr": 0.02}])
    heat = torch.zeros(4, 3, 8, 6)
    for _ in range(200):
        signal, noise = torch.randn(2, 4, 5, 8, 6)
        found = losses(PoseMaps(heat, None, signal + share * noise, noise), heat, VISIBLE)
        optimizer.zero_grad()
        (found["motion_club"] + found["motion_club_fit"]).backward()
        optimizer.step()
    assert share.abs().max() < 0.25


def test_without_a_teacher_only_heatmaps_are_compared():
    losses = PoseLosses([PLAIN, LossTerm(name="distill_ba"), LossTerm(name="distill_vsd")], 5)
    assert losses.asks_teacher
    assert set(losses(MAPS, WANTED, VISIBLE)) == {"heatmap_mse"}


def test_heatmaps_can_be_distilled_to_a_network_that_guesses_no_motion():
    losses = PoseLosses([PLAIN, LossTerm(name="distill_vsd")], None)
    plain = PoseMaps(MAPS.heatmaps, None, None)
    assert losses(plain, WANTED, VISIBLE, PoseMaps(TEACHER.heatmaps, None, None))["distill_vsd"] > 0


@pytest.mark.parametrize(
    ("terms", "chans", "error", "message"),
    [
        ([LossTerm(name="mse")], 5, ValueError, "loss 'mse' is none for pose; it must be heatmap_mse or"),
        ([PLAIN, PLAIN], 5, ValueError, "loss 'heatmap_mse' is named twice"),
        ([LossTerm(name="distill_vsd")], 5, ValueError, "needs the loss heatmap_mse or heatmap_fourier"),
        ([PLAIN, LossTerm(name="distill_l2")], None, ValueError, "'distill_l2' is for networks that guess motion"),
        ([PLAIN, LossTerm(name="motion_club")], 5, ValueError, "'motion_club' is for a teacher that splits its motion"),
        ([PLAIN, LossTerm(name="early_mse")], None, ValueError, "'early_mse' is for networks that guess motion"),
        (
            [PLAIN, LossTerm(name="distill_l2", args={"temperature": 1.0})],
            5,
            TypeError,
            "'distill_l2' has no argument 'temperature'; it takes a weight alone",
        ),
        ([PLAIN, LossTerm(name="distill_vsd", args={"tau": 1.0})], 5, TypeError, "no argument 'tau'; it takes temp"),
        (
            [PLAIN, LossTerm(name="distill_vsd", args={"temperature": 0})],
            5,
            ValueError,
            "temperature of loss 'distill_vsd' must be a positive number, got 0",
        ),
        ([LossTerm(name="heatmap_mse", args={"beta": 1.0})], 5, TypeError, "beta"),
    ],
)
def test_impossible_losses_are_refused(terms, chans, error, message):
    with pytest.raises(error, match=message):
        PoseLosses(terms, chans)
