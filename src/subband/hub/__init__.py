"""Sharing networks on the Hugging Face Hub: the two files of a model and a model card made from what is stored there.

Loading is `subband.from_pretrained`.
"""

from subband.hub.upload import push_to_hub, write_repository

__all__ = ["push_to_hub", "write_repository"]
