import torch

from subband.models.wast.activity import activity


def test_what_rests_has_none_and_what_moves_nearly_one():
    frames = torch.full((1, 4, 2, 40, 40), 0.5)
    frames[:, 2, 0, 20, 10:13] = 0.9
    found = activity(frames)
    assert found.shape == (1, 1, 2, 40, 40)
    assert found[0, 0, 0, 20, 11] > 0.9
    assert (found[0, 0, 1] == 0).all()  # the other channel rests
    rows, columns = found[0, 0, 0].nonzero().T
    assert (rows.min(), rows.max(), columns.min(), columns.max()) == (13, 27, 3, 19)


def test_a_change_of_one_hundredth_counts_one_half():
    frames = torch.zeros(1, 2, 1, 20, 20)
    frames[:, 1] = 0.01
    torch.testing.assert_close(activity(frames), torch.full((1, 1, 1, 20, 20), 0.5))


def test_one_frame_has_no_change():
    assert torch.equal(activity(torch.rand(2, 1, 3, 8, 8)), torch.zeros(2, 1, 3, 8, 8))


def test_gradients_reach_the_frames():
    frames = torch.rand(1, 3, 1, 8, 8, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda x: activity(x), [frames])
