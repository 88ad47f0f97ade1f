"""Tables from published checkpoint keys to ours, read in both directions."""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

import torch
from torch import Tensor, nn

Arrangement: TypeAlias = Callable[[dict[str, Tensor], dict[str, Any], str], tuple[dict[str, Tensor], dict[str, Any]]]

_PLACEHOLDER = re.compile(r"\{(\w+)\}")


@dataclass(frozen=True)
class KeyMap:
    """Key table of one published code base.

    Attributes:
        rules: Pairs (published prefix, own prefix) of whole dotted components; `{i}`-like placeholders stand for a
            number and must appear on both sides. The first rule that matches wins, in both directions; what follows
            the prefix is kept. The pair `("", "")` at the end keeps all other keys as they are.
        ignored: Published prefixes (same notation) that are knowingly dropped on load.
        constants: Entries only the published layout has (filter banks, unused parameters): accepted and dropped on
            load, computed from the model on export.
        fit: Turns a value of another shape into one of the wanted shape, called with our key, the value and that shape;
            None where that cannot be done.
        publish: Turns a value of ours into its published form, called with our key and the value; for values that `fit`
            lays out in another way.
        aliases: Pairs (second published prefix, first one) of tensors that the published layout stores twice: either is
            enough on load, both are written.
        optional: Our names (same notation) that a published file may lack: the value of the fresh network stays.
        left_out: Published names that the network has no part for, as on `ignored`; they are missing from what is
            written, which is said then.
        check: Refuses weights that fit in shape but belong to another published network: called with the name of the
            model, the published state dict, the arguments that were given, and what messages call the checkpoint.
        arrange: Turns a published state dict that differs in more than names into one that the rules know: called with
            it, the arguments that were given and what messages call the checkpoint; returns it and the arguments of the
            network, without those that only choose among what the file holds.
    """

    rules: tuple[tuple[str, str], ...]
    ignored: tuple[str, ...] = ()
    constants: Callable[[nn.Module], dict[str, Tensor]] | None = None
    fit: Callable[[str, Tensor, torch.Size], Tensor | None] | None = None
    publish: Callable[[str, Tensor], Tensor] | None = None
    aliases: tuple[tuple[str, str], ...] = ()
    optional: tuple[str, ...] = ()
    left_out: Callable[[nn.Module], list[str]] | None = None
    check: Callable[[str, Mapping[str, Tensor], Mapping[str, Any], str], None] | None = None
    arrange: Arrangement | None = None

    def to_own(self, key: str) -> str | None:
        """Our key for a published one; None if the table does not know it."""
        return _rewrite(self.first_name(key), self.rules)

    def first_name(self, key: str) -> str:
        """The first of the published names of a tensor that is stored twice; the key itself for others."""
        return _rewrite(key, self.aliases) or key

    def second_name(self, key: str) -> str | None:
        """The other published name of a tensor that is stored twice; None for others."""
        return _rewrite(key, tuple((first, second) for second, first in self.aliases))

    def to_published(self, key: str) -> str | None:
        """The published key for one of ours; None if the table does not know it."""
        return _rewrite(key, tuple((own, published) for published, own in self.rules))

    def is_ignored(self, key: str) -> bool:
        """Whether a published key is knowingly dropped."""
        return _matches(key, self.ignored)

    def is_optional(self, key: str) -> bool:
        """Whether a published file may lack the value of our key."""
        return _matches(key, self.optional)


def _matches(key: str, patterns: tuple[str, ...]) -> bool:
    return _rewrite(key, tuple((pattern, pattern) for pattern in patterns)) is not None


def _rewrite(key: str, rules: tuple[tuple[str, str], ...]) -> str | None:
    for source, target in rules:
        match = _pattern(source).match(key)
        if match:
            return target.format(**match.groupdict()) + key[match.end() :] if source else key
    return None


@functools.lru_cache(maxsize=512)
def _pattern(prefix: str) -> re.Pattern[str]:
    if not prefix:
        return re.compile("")
    parts = _PLACEHOLDER.split(prefix)  # text, name, text, name, ..., text
    names = (f"(?P<{name}>\\d+)" for name in parts[1::2])
    regex = "".join(text + name for text, name in zip(map(re.escape, parts[::2]), [*names, ""], strict=True))
    return re.compile(regex + r"(?=\.|$)")
