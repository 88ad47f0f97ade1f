"""Published checkpoints in, published checkpoints out."""

from subband.convert.published import export_published, load_published
from subband.weight_files import read_checkpoint

__all__ = ["export_published", "load_published", "read_checkpoint"]
