"""Published checkpoints in, published checkpoints out."""

from subband.convert.published import export_published, load_published
from subband.convert.spandrel import ImageRestorer, load_image_restorer
from subband.weight_files import read_checkpoint

__all__ = ["ImageRestorer", "export_published", "load_image_restorer", "load_published", "read_checkpoint"]
