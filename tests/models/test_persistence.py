"""The persistence baseline."""

import torch

import subband


def test_repeats_the_last_frame_for_any_size_and_length(rng):
    model = subband.create_model("persistence", in_shape=(3, 2, 8, 8))
    frames = torch.rand(2, 3, 2, 5, 7, generator=rng)
    assert torch.equal(model(frames), frames[:, -1:].repeat(1, 3, 1, 1, 1))
    assert torch.equal(model.predict(frames, 7), frames[:, -1:].repeat(1, 7, 1, 1, 1))
    assert not list(model.parameters())


def test_prediction_does_not_share_memory_with_the_input(rng):
    model = subband.create_model("persistence", in_shape=(3, 1, 8, 8))
    frames = torch.rand(1, 3, 1, 8, 8, generator=rng)
    last = frames[:, -1].clone()
    model(frames).zero_()
    assert torch.equal(frames[:, -1], last)


def test_gray_baseline_takes_color(rng):
    model = subband.create_model("persistence")
    frames = torch.rand(1, 10, 3, 8, 8, generator=rng)
    assert torch.equal(model.predict(frames, 2), frames[:, -1:].repeat(1, 2, 1, 1, 1))
