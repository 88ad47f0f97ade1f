"""What lets a network be shared: `model.push_to_hub`."""

from __future__ import annotations

import importlib
from typing import Any

__all__ = ["Shareable"]


class Shareable:
    """Mixin of every network of this package."""

    def push_to_hub(
        self,
        repository: str,
        *,
        license: str | None = None,
        private: bool = False,
        revision: str | None = None,
        message: str | None = None,
        overwrite: bool = False,
        metadata: dict[str, Any] | None = None,
    ) -> str:
        """Upload the network to the Hugging Face Hub, with a model card: see `subband.push_to_hub`.

        Args:
            repository: `user/name`; made if it is not there.
            license: Under which terms others may use the weights, `apache-2.0` for one; needed where what is stored
                with the network does not say it.
            private: Whether a new repository is only for its owner.
            revision: Branch to write to, made if it is not there; `main` by default.
            message: Of the commit.
            overwrite: Allow files of a model that are there to be replaced; the repository's history keeps them.
            metadata: What is known about the weights, in place of `model.metadata`. Scores that are stored there are
                those of the weights as they were loaded: give others after further training.

        Returns:
            The name to load it by, `hf:user/name@COMMIT`.
        """
        push = importlib.import_module("subband.hub").push_to_hub
        return push(
            self,
            repository,
            license=license,
            private=private,
            revision=revision,
            message=message,
            overwrite=overwrite,
            metadata=metadata,
        )
