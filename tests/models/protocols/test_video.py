"""What all video models share: checks, padding, roll-out, checkpointing."""

import pytest
import torch

from subband import create_model
from subband.models.protocols.video import VideoModel


class Drift(VideoModel):
    """Adds 0.1 to every frame, so that a roll-out shows how often it ran."""

    def forward_clip(self, frames):
        return frames + 0.1


@pytest.fixture
def gray():
    return Drift((2, 1, 4, 4), size_multiple=(2, 4))


@pytest.mark.parametrize(("num_frames", "passes"), [(1, [1]), (2, [1, 1]), (3, [1, 1, 2]), (5, [1, 1, 2, 2, 3])])
def test_roll_out_feeds_whole_passes_back(gray, num_frames, passes):
    future = gray.predict(torch.zeros(1, 2, 1, 4, 4), num_frames)
    torch.testing.assert_close(future.mean((0, 2, 3, 4)), 0.1 * torch.tensor(passes, dtype=torch.float32))


def test_only_the_last_frames_count(gray, rng):
    frames = torch.rand(1, 7, 1, 4, 4, generator=rng)
    assert torch.equal(gray.predict(frames, 3), gray.predict(frames[:, -2:], 3))


def test_a_gray_model_takes_color_channel_by_channel(gray, rng):
    frames = torch.rand(2, 2, 3, 4, 4, generator=rng)
    future = gray.predict(frames, 3)
    for channel in range(3):
        assert torch.equal(future[:, :, channel : channel + 1], gray.predict(frames[:, :, channel : channel + 1], 3))


def test_a_color_model_takes_gray(rng):
    color = Drift((2, 3, 4, 4))
    frames = torch.rand(1, 2, 1, 4, 4, generator=rng)
    torch.testing.assert_close(color.predict(frames, 2), frames + 0.1)


def test_other_sizes_are_padded_and_cropped(gray, rng):
    frames = torch.rand(1, 2, 1, 5, 6, generator=rng)
    torch.testing.assert_close(gray(frames), frames + 0.1)


@pytest.mark.parametrize(
    ("shape", "call", "words"),
    [
        ((1, 3, 1, 4, 4), "forward", "takes 2 frames .* got 3"),
        ((1, 2, 2, 4, 4), "forward", r"takes 1 channel\(s\), got 2"),
        ((2, 1, 4, 4), "forward", "got 4 axes"),
        ((1, 1, 1, 4, 4), "predict", "needs 2 input frames, got 1"),
        ((2, 1, 4, 4), "predict", "got 4 axes"),
    ],
)
def test_frames_that_do_not_fit_are_refused(gray, shape, call, words):
    arguments = (torch.zeros(shape),) if call == "forward" else (torch.zeros(shape), 1)
    with pytest.raises(ValueError, match=words):
        getattr(gray, call)(*arguments)


def test_without_padding_other_sizes_are_refused():
    with pytest.raises(ValueError, match="sides must be multiples of 2 x 4"):
        Drift((2, 1, 4, 4), size_multiple=(2, 4), pad=False)(torch.zeros(1, 2, 1, 5, 4))


@pytest.mark.parametrize("shape", [5, (1, 2, 3), (0, 1, 4, 4)])
def test_in_shape_must_be_four_sizes(shape):
    with pytest.raises(ValueError, match="in_shape must be four positive sizes"):
        Drift(shape)


@pytest.mark.parametrize("name", ["simvp_gsta", "wast"])
def test_checkpointing_changes_neither_gradients_nor_running_averages(name, rng):
    small = {"in_shape": (2, 1, 8, 8)}
    small |= {"hid_S": 4, "hid_T": 8, "N_T": 2} if name == "simvp_gsta" else {"encoder_dim": 4, "block_list": (1, 1, 1)}
    frames = torch.rand(2, 2, 1, 8, 8, generator=rng)
    results = []
    for enable in (False, True):
        torch.manual_seed(0)
        model = create_model(name, **small)
        model.set_grad_checkpointing(enable)
        model(frames).square().mean().backward()
        gradients = {key: parameter.grad for key, parameter in model.named_parameters()}
        buffers = {key: buffer for key, buffer in model.named_buffers() if not key.endswith("num_batches_tracked")}
        results.append(gradients | buffers)
    for key, value in results[0].items():
        torch.testing.assert_close(results[1][key], value, msg=key)
