"""Filters in the state dict, which pytorch_wavelets has there and computes with."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

__all__ = ["FilterModule", "numbers"]


def numbers(taps: Any) -> tuple[float, ...]:
    """A filter as plain numbers.

    Args:
        taps: A list, an array or a tensor, of any shape.
    """
    taps = taps.tolist() if hasattr(taps, "tolist") else taps  # PyTorch takes no arrays in reversed order
    return tuple(torch.as_tensor(taps, dtype=torch.float64).flatten().tolist())


class FilterModule(nn.Module):
    """A module whose state dict holds filters that its arguments determine."""

    def keep_filters(self, shape: Sequence[int], filters: Mapping[str, Sequence[float]]) -> None:
        """Put filters into the state dict.

        Args:
            shape: Shape of the tensors, with one -1.
            filters: Taps by name.
        """
        for name, taps in filters.items():
            self.register_buffer(name, torch.tensor(taps, dtype=torch.get_default_dtype()).reshape(*shape))

    def _load_from_state_dict(
        self,
        state_dict: dict[str, Any],
        prefix: str,
        local_metadata: Any,
        strict: bool,
        missing_keys: list[str],
        unexpected_keys: list[str],
        error_msgs: list[str],
    ) -> None:
        """Refuse other filters than those of the arguments, and miss none."""
        own = {prefix + name: value for name, value in self._buffers.items() if value is not None}
        others = [key for key in own if key in state_dict and not _agree(state_dict[key], own[key])]
        error_msgs += [f"{key} is not the filter that the arguments of {type(self).__name__} name" for key in others]
        kept = {key: value for key, value in state_dict.items() if key not in others}
        super()._load_from_state_dict(kept, prefix, local_metadata, strict, missing_keys, unexpected_keys, error_msgs)
        missing_keys[:] = [key for key in missing_keys if key not in own]


def _agree(loaded: Tensor, own: Tensor) -> bool:
    """Whether two filters are the same but for rounding; shapes are PyTorch's to compare."""
    if loaded.shape != own.shape or loaded.is_meta or own.is_meta:
        return True
    coarse = max(torch.finfo(tensor.dtype).eps for tensor in (loaded, own))
    return torch.allclose(loaded.double().cpu(), own.double().cpu(), rtol=0, atol=4 * max(coarse, 1e-7))
