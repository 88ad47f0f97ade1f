"""Train a video-prediction model with plain PyTorch: no recipe, no Lightning. Takes about ten seconds.

usage: python examples/plain_pytorch.py [STEPS]
"""

import sys

import torch
from torch.nn import functional as F

import subband
from subband.data import SampleLoader, build_data


def main(num_steps: int = 60) -> float:
    """Train a small WaST on moving digits; returns the last loss."""
    torch.manual_seed(0)
    data = build_data("moving_digits", {"in_frames": 4, "out_frames": 4, "img_size": 32, "sprite_size": 14}, seed=0)
    model = subband.create_model("wast", in_shape=data.spec.in_shape, encoder_dim=6, block_list=(1, 1, 1))
    optimizer = torch.optim.Adam(model.parameters(), lr=5e-3)
    loader = SampleLoader(data.train, 16, shuffle=True, drop_last=True, seed=0)
    for step, (inputs, targets) in zip(range(num_steps), loader, strict=False):
        loss = F.mse_loss(model(inputs), targets)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        if step % 20 == 0:
            print(f"step {step:3d}  loss {loss.item():.4f}")
    future = model.eval().predict(inputs, num_frames=10)
    print(f"last loss {loss.item():.4f}; predicted {tuple(future.shape)}")
    return loss.item()


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
