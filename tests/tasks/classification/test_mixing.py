import pytest
import torch

from subband.tasks.classification.mixing import mix_images


@pytest.fixture
def batch():
    return torch.arange(4.0).reshape(4, 1, 1, 1).expand(4, 3, 16, 20), torch.arange(4)


@pytest.mark.parametrize(("mixup", "cutmix"), [(0.8, 0.0), (0.0, 1.0), (0.8, 1.0)])
def test_the_share_is_what_is_left_of_the_image(batch, mixup, cutmix):
    images, labels = batch
    shares = []
    for seed in range(40):
        torch.manual_seed(seed)
        mixed, others, share = mix_images(images, labels, mixup=mixup, cutmix=cutmix)
        assert torch.equal(others, labels.flip(0))
        wanted = share * labels + (1 - share) * others
        torch.testing.assert_close(mixed.mean((1, 2, 3)), wanted, atol=1e-5, rtol=0)
        shares.append(share)
    assert min(shares) < 0.5
    assert max(shares) > 0.7


def test_cutmix_keeps_pixels_whole(batch):
    torch.manual_seed(3)
    mixed, _, _ = mix_images(*batch, mixup=0.0, cutmix=1.0)
    assert set(mixed.unique().tolist()) <= {0.0, 1.0, 2.0, 3.0}


def test_off_changes_nothing_and_draws_nothing(batch):
    state = torch.get_rng_state()
    mixed, others, share = mix_images(*batch, mixup=0.0, cutmix=0.0)
    assert mixed is batch[0]
    assert others is batch[1]
    assert share == 1.0
    assert torch.equal(torch.get_rng_state(), state)
    with pytest.raises(ValueError, match=r"mixup and cutmix must not be negative, got -1"):
        mix_images(*batch, mixup=-1, cutmix=0.0)
