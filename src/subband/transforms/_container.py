"""What the containers of coefficients have in common as data: they are converted, collated, pinned, saved and gathered.

A container is a dataclass and a pytree whose leaves are its tensors. That alone takes it through `tree_map`,
`torch.func`, `torch.compile`, `torch.export` and Lightning; `register_container` adds what other parts of PyTorch keep
lists for.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, TypeVar

import torch
from torch import Tensor
from torch.utils import _pytree as pytree
from torch.utils.data._utils.collate import collate, default_collate_fn_map

__all__ = ["Container", "iterate", "join_replicas", "register_container"]

_C = TypeVar("_C", bound="Container")


class Container:
    """Base of the containers of coefficients."""

    def to(self: _C, *args: Any, **kwargs: Any) -> _C:
        """Convert every tensor, with the arguments of `torch.Tensor.to`.

        Complex bands stay complex: a real dtype changes their precision, to single at least.

        Args:
            args: Device, dtype or tensor.
            kwargs: Further options of `torch.Tensor.to`.

        Example:
            >>> from subband.transforms import wavedec
            >>> wavedec(torch.rand(4)).to(torch.bfloat16).approx.dtype
            torch.bfloat16
        """
        return self._on_tensors(lambda tensor: _converted(tensor, args, kwargs))

    def detach(self: _C) -> _C:
        """The same coefficients outside the graph of gradients.

        Example:
            >>> from subband.transforms import wavedec
            >>> wavedec(torch.rand(4, requires_grad=True)).detach().approx.requires_grad
            False
        """
        return self._on_tensors(torch.Tensor.detach)

    def pin_memory(self: _C, device: Any = None) -> _C:
        """Copy every tensor to pinned memory; a `torch.utils.data.DataLoader` asks for it.

        Args:
            device: What PyTorch's older versions hand on; `None` for the current accelerator.
        """
        return self._on_tensors(lambda tensor: tensor.pin_memory() if device is None else tensor.pin_memory(device))

    def _on_tensors(self: _C, function: Callable[[Tensor], Tensor]) -> _C:
        return pytree.tree_map_only(Tensor, function, self)


class _Parts(Iterator[Any]):
    """Iterator over the parts of a container that knows the container."""

    def __init__(self, container: Container, parts: Iterable[Any]) -> None:
        self.container = container
        self._parts = iter(parts)

    def __next__(self) -> Any:
        return next(self._parts)


def iterate(container: Container, parts: Iterable[Any]) -> Iterator[Any]:
    """Iterator over the parts of a container, by which `join_replicas` finds the container again.

    Args:
        container: The container.
        parts: What iteration gives.
    """
    return iter(parts) if torch.compiler.is_compiling() else _Parts(container, parts)


def join_replicas(container: Container, first: Any) -> None:
    """Fill a container that `torch.nn.DataParallel` makes of those that its replicas return.

    It calls `type(out)(map(gather, zip(*outs)))`: what the parts of a list would need, and too little for what a
    container remembers. So the containers are taken from the iterators, and their tensors gathered one by one.

    Args:
        container: A container that is being made.
        first: Its first argument; nothing is done unless it is such a `map`.
    """
    if not isinstance(first, map):
        return
    gather, zipped = _arguments(first)
    replicas = [parts.container for parts in _arguments(zipped)]
    joined = pytree.tree_map(lambda *tensors: gather(tensors), *replicas)
    vars(container).update(vars(joined))


def _arguments(iterator: Any) -> Any:
    """What a `map` or a `zip` was made of."""
    return iterator.__reduce__()[1]


def register_container(
    cls: type[Container],
    flatten: Callable[[Any], tuple[list[Any], Any]],
    unflatten: Callable[[Any, Any], Any],
    keys: Callable[[Any], Sequence[Any]],
    to_json: Callable[[Any], Any],
    from_json: Callable[[Any], Any],
) -> None:
    """Make a class of containers known to PyTorch.

    Args:
        cls: The class.
        flatten: From a container to its parts and what it remembers.
        unflatten: The inverse.
        keys: From a container to the pytree keys of its parts.
        to_json: From what a container remembers to lists, names and numbers.
        from_json: The inverse.
    """

    def flatten_with_keys(container: Any) -> tuple[list[Any], Any]:
        parts, context = flatten(container)
        return list(zip(keys(container), parts, strict=True)), context

    pytree.register_pytree_node(
        cls,
        flatten,
        unflatten,
        serialized_type_name=f"subband.transforms.{cls.__name__}",
        to_dumpable_context=to_json,
        from_dumpable_context=from_json,
        flatten_with_keys_fn=flatten_with_keys,
    )
    torch.serialization.add_safe_globals([cls])
    default_collate_fn_map[cls] = _collate


def _collate(batch: list[Any], *, collate_fn_map: Any = None) -> Any:
    """The containers of samples as one container of batches."""
    leaves, specs = zip(*map(pytree.tree_flatten, batch), strict=True)
    if any(spec != specs[0] for spec in specs):
        kind = type(batch[0]).__name__
        raise ValueError(f"{kind} of one batch must agree in wavelet, mode, axes and sizes; they do not")
    columns = [collate(list(column), collate_fn_map=collate_fn_map) for column in zip(*leaves, strict=True)]
    return pytree.tree_unflatten(columns, specs[0])


def _converted(tensor: Tensor, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Tensor:
    if not tensor.is_complex():
        return tensor.to(*args, **kwargs)

    def beside(option: Any) -> Any:
        """The complex dtype of the precision of a real one."""
        if isinstance(option, Tensor):
            return tensor.new_empty(0, dtype=beside(option.dtype), device=option.device)
        is_real = isinstance(option, torch.dtype) and option.is_floating_point
        return torch.promote_types(option, torch.complex64) if is_real else option

    return tensor.to(*map(beside, args), **{name: beside(option) for name, option in kwargs.items()})
