"""Attention in windows, over grids and across channels, against loops and closed forms."""

import pytest
import torch
from torch import nn

from subband.layers.attention import (
    ChannelAttention,
    ChannelAttentionBlock,
    PartitionAttentionBlock,
    RelativeAttention,
    SwinAttention,
    relative_position_index,
)


class Recorder(nn.Module):
    """Keeps the tokens it is given, so that the partition can be looked at."""

    def forward(self, tokens):
        self.tokens = tokens
        return tokens


@pytest.mark.parametrize("is_dilated", [False, True])
def test_parts_hold_the_right_pixels_and_go_back(is_dilated):
    block = PartitionAttentionBlock(32, window=(2, 3), head_dim=32, is_dilated=is_dilated).double()
    block.attn = Recorder()
    height, width = 4, 6
    numbers = torch.arange(height * width, dtype=torch.float64).view(1, height, width, 1).expand(-1, -1, -1, 32)
    torch.testing.assert_close(block._attend(numbers), numbers)
    second = [1, 3, 5, 13, 15, 17] if is_dilated else [3, 4, 5, 9, 10, 11]  # part 1 is one to the right of part 0
    assert block.attn.tokens[1, :, 0].tolist() == second


def test_position_bias_is_query_minus_key():
    index = relative_position_index((3, 3)).view(3, 3, 3, 3)
    assert index[0, 0, 0, 0] == 2 * 5 + 2
    assert index[2, 0, 0, 1] == (2 - 0 + 2) * 5 + (0 - 1 + 2)


@pytest.mark.parametrize("roles", [(0, 1, 2), (1, 2, 0)])
def test_swin_attention_equals_the_formula(rng, roles):
    attn = SwinAttention(12, window=(2, 2), head_dim=6, roles=roles).double()
    nn.init.normal_(attn.position_bias, generator=rng)
    tokens = torch.randn(3, 4, 12, generator=rng).double()
    joint = attn.qkv(tokens)
    outputs = []
    for head in range(2):
        thirds = joint[..., 18 * head : 18 * head + 18].split(6, -1)
        query, key, value = (thirds[role] for role in roles)
        scores = query @ key.mT / 6**0.5 + attn.position_bias[relative_position_index((2, 2)), head]
        outputs.append(scores.softmax(-1) @ value)
    torch.testing.assert_close(attn(tokens), attn.proj(torch.cat(outputs, -1)), rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("roles", [(0, 1, 2), (1, 2, 0)])
def test_relative_attention_equals_the_formula(rng, roles):
    rows, columns = 2, 3
    attn = RelativeAttention(12, window=(rows, columns), head_dim=6, roles=roles).double()
    nn.init.normal_(attn.position_bias, generator=rng)
    tokens = torch.randn(3, rows * columns, 12, generator=rng).double()
    thirds = attn.qkv(tokens).split(12, -1)
    places = [(y, x) for y in range(rows) for x in range(columns)]
    outputs = []
    for head in range(2):
        query, key, value = (thirds[role][..., 6 * head : 6 * head + 6] for role in roles)
        bias = torch.stack(
            [
                torch.stack([attn.position_bias[head, yk - yq + rows - 1, xk - xq + columns - 1] for yk, xk in places])
                for yq, xq in places
            ]
        )
        outputs.append((query @ key.mT / 6**0.5 + bias).softmax(-1) @ value)
    torch.testing.assert_close(attn(tokens), attn.proj(torch.cat(outputs, -1)), rtol=1e-10, atol=1e-10)


def test_head_width_must_divide():
    with pytest.raises(ValueError, match=r"dim must be a multiple of head_dim, got 24 and 32"):
        RelativeAttention(24, window=(2, 2), head_dim=32)


def test_channel_attention_equals_the_formula(rng):
    attn = ChannelAttention(6, num_heads=2).double()
    tokens = torch.randn(2, 5, 6, generator=rng).double()
    first, second, third = attn.qkv(tokens).split(6, -1)
    outputs = []
    for head in range(2):
        part = slice(3 * head, 3 * head + 3)
        weights = (second[..., part].mT @ third[..., part] / 3**0.5).softmax(-1)
        outputs.append((weights @ first[..., part].mT).mT)
    torch.testing.assert_close(attn(tokens), attn.proj(torch.cat(outputs, -1)), rtol=1e-10, atol=1e-10)


def test_channel_scores_are_not_rounded_under_autocast(rng):
    attn = ChannelAttention(4, num_heads=1)
    tokens = torch.randn(1, 4096, 4, generator=rng)
    with torch.autocast("cpu", torch.bfloat16):
        rounded = attn(tokens)
    assert rounded.dtype == torch.bfloat16
    torch.testing.assert_close(rounded.float(), attn(tokens), atol=0.03, rtol=0.05)


def test_channel_block_gradients(rng):
    block = ChannelAttentionBlock(4, num_heads=2, mlp_ratio=2.0)
    x = torch.randn(1, 3, 2, 4, generator=rng).requires_grad_()
    (gradient,) = torch.autograd.grad(block(x).square().sum(), x)
    step = 1e-2 * torch.randn(x.shape, generator=rng)
    change = (block(x + step).square().sum() - block(x - step).square().sum()) / 2
    torch.testing.assert_close((gradient * step).sum(), change, rtol=1e-2, atol=1e-4)
