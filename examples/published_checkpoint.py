"""Use a published checkpoint: load it, predict, write it back in its own layout.

usage: python examples/published_checkpoint.py [CHECKPOINT.pth]

Without a file the example makes one from random weights, so that it runs anywhere.
"""

import sys
import tempfile
from pathlib import Path

import torch

import subband


def main(checkpoint: str | None = None) -> torch.Tensor:
    """Predict 15 frames with `tau_taxibj` weights; returns them."""
    with tempfile.TemporaryDirectory() as folder:
        if checkpoint is None:
            checkpoint = str(Path(folder) / "taxibj_tau.pth")
            state = subband.export_published(subband.create_model("tau_taxibj"))
            torch.save({"epoch": 50, "state_dict": state}, checkpoint)
        model = subband.load_published("tau_taxibj", checkpoint)
    with torch.inference_mode():
        future = model.predict(torch.rand(1, 4, 2, 32, 32), num_frames=15)
    print(f"{sum(p.numel() for p in model.parameters()):,} parameters; predicted {tuple(future.shape)}")
    return future


if __name__ == "__main__":
    main(*sys.argv[1:])
