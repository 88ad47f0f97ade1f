"""Sharp or larger clips and photographs from degraded ones, of any length and size, by any network for restoration."""

from __future__ import annotations

import warnings
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from subband.device import pick_device
from subband.media.images import check_image_path, read_image, write_image
from subband.media.video import read_clip
from subband.models.bicubic import enlarged_bicubic
from subband.models.checkpoint import load_model
from subband.models.protocols.restoration import RestorationModel
from subband.models.vd_diff.stages import VDDiffStage1
from subband.models.vd_diff.vd_diff import VDDiff
from subband.predictors.fingerprint import fingerprint
from subband.predictors.inputs import FrameInput, as_frames
from subband.predictors.streaming import (
    ClipNetwork,
    NetworkRunner,
    SceneCuts,
    TileChoice,
    View,
    frame_noise,
    stream_clip,
)

__all__ = ["VideoRestorer"]


class VideoRestorer:
    """A network for restoration that takes clips as they come out of a file.

    Long clips are cut into overlapping windows; no window holds frames of two scenes. The result does not depend on
    chance: the noise that VD-Diff begins with belongs to the number of a frame and to `seed`.

    Args:
        model: A `RestorationModel`; it is put into eval mode.
        device: Where to compute: `auto`, `cpu`, `cuda`, `cuda:INDEX` or `mps`; None leaves the network where it is.
        seed: Chooses the noise of networks that begin with noise.
        window: Most frames that are restored at once; by default the network's own choice.
        tile: See `NetworkRunner`.
        half: Compute in bfloat16 where that is safe (autocast): faster where the processor multiplies it natively.
            Networks that are not safe in it compute in float32, with a warning.
        compile: Compile the network; pays for long clips.

    Raises:
        ValueError: If the network restores nothing, needs the sharp frames, or an option is out of range.

    Example:
        >>> from subband import create_model
        >>> restorer = VideoRestorer(create_model("identity"))
        >>> clip = torch.rand(3, 3, 20, 30)
        >>> torch.equal(restorer.restore(clip), clip)
        True
    """

    def __init__(
        self,
        model: RestorationModel,
        *,
        device: torch.device | str | None = None,
        seed: int = 0,
        window: int | None = None,
        tile: TileChoice = "auto",
        half: bool = False,
        compile: bool = False,
    ) -> None:
        if not isinstance(model, RestorationModel):
            raise ValueError(f"{type(model).__name__} is no network for restoration.")
        if isinstance(model, VDDiffStage1):
            raise ValueError(
                f"{type(model).__name__} needs the sharp frames, so it restores nothing; train the next stages."
            )
        if seed < 0:
            raise ValueError(f"seed must not be negative, got {seed}.")
        self.model: Any = (model if device is None else model.to(pick_device(device))).eval()
        if half and not model.supports_half:
            warnings.warn("this network is not safe in bfloat16; it computes in float32.", stacklevel=2)
        self.seed, self.half = seed, half and model.supports_half
        if compile:
            self.model.compile()
        places = [*self.model.parameters(), *self.model.buffers()]
        self.device = places[0].device if places else pick_device(device or "cpu")
        config = getattr(model, "model_config", {"name": type(model).__name__})
        self.runner = NetworkRunner(
            ClipNetwork(
                restore=self._restore,
                prior=self._prior if isinstance(model, VDDiff) else None,
                past_frames=model.past_frames,
                future_frames=model.future_frames,
                end_mode=model.border_mode,
                window=model.window_frames,
                settle=model.settle_frames,
                size_multiple=model.size_multiple,
                scale=model.scale,
                device=self.device,
                facts={
                    "model": str(config["name"]),
                    "weights": fingerprint(self.model),
                    "seed": seed,
                    "half": self.half,
                },
            ),
            window=window,
            tile=tile,
        )

    @classmethod
    def load(cls, source: str | Path, **options: Any) -> VideoRestorer:
        """Restorer from weights on disk or in the package.

        Args:
            source: What `subband.load_model` takes: model folder, run folder or name of bundled weights.
            options: Arguments of the class.

        Raises:
            FileNotFoundError: If there is nothing at `source`.
            ValueError: If it holds no network for restoration, or an option is out of range.
        """
        model = load_model(source)
        if not isinstance(model, RestorationModel):
            raise ValueError(f"{source} holds a {type(model).__name__}, which is no network for restoration.")
        return cls(model, **options)

    def restore(self, frames: str | Path | FrameInput, *, scene_cuts: SceneCuts = "off") -> Tensor:
        """Restore a clip in memory, or a photograph as a clip of one frame.

        Args:
            frames: Clip (video file, animated GIF or folder of images), array `(T, H, W)` or `(T, H, W, C)`, tensor
                `(T, C, H, W)`, or a list of files, Pillow images, arrays and tensors; `uint8`, or floating point in
                `[0, 1]`; gray or RGB.
            scene_cuts: `auto` looks for cuts.

        Returns:
            `(T, C, S H, S W)` in `[0, 1]`, on the CPU, S being the scale of the network.
        """
        clip = read_clip(frames) if isinstance(frames, str | Path) else as_frames(frames)
        is_gray = clip.shape[1] == 1
        restored = self.runner.run(clip.expand(-1, 3, -1, -1) if is_gray else clip, scene_cuts=scene_cuts).clamp(0, 1)
        return restored.mean(1, keepdim=True) if is_gray else restored

    def restore_photo(self, source: str | Path, target: str | Path, *, overwrite: bool = False) -> None:
        """Restore a photograph from file to file; depth, color profile, opacity and gray stay what they are.

        Args:
            source: What `read_image` reads.
            target: What to write, an image.
            overwrite: Replaces an existing file.

        Raises:
            FileExistsError: If there is a file and `overwrite` is False.
            FileNotFoundError: If there is no photograph.
            ValueError: If it cannot be read, or `target` cannot hold the result.
        """
        image = read_image(source)
        depth, alpha = image.info.bit_depth, image.alpha
        check_image_path(target, bit_depth=depth, with_alpha=alpha is not None)
        pixels = self.restore(image.pixels[None])[0]
        if alpha is not None and self.model.scale > 1:
            alpha = enlarged_bicubic(alpha[None, None], self.model.scale)[0, 0].clamp(0, 1)
        profile = image.info.icc_profile
        write_image(target, pixels, alpha=alpha, bit_depth=depth, icc_profile=profile, overwrite=overwrite)

    def restore_clip(self, source: str | Path, target: str | Path, **options: Any) -> int:
        """Restore a clip from file to file, in bounded memory; a job that was stopped goes on.

        Args:
            source: Video file, animated image or folder of images.
            target: What to write.
            options: Those of `stream_clip`; `scene_cuts` is `auto` if not given.

        Returns:
            Number of frames.
        """
        return stream_clip(source, target, self.runner, **{"scene_cuts": "auto", **options})

    def _restore(self, frames: Tensor, view: View) -> Tensor:
        """Frames `(T, 3, H, W)` to those in the middle."""
        given = {} if view.prior is None else {"prior": view.prior}
        with self._precision():
            restored = self.model(self.model.to_network(frames[None]), **given)
        return self.model.from_network(restored.float())[0]

    def _prior(self, frames: Tensor, view: View) -> Tensor:
        """Priors `(T, P)` of whole frames."""
        noise = frame_noise(view.numbers, (self.model.prior_dim,), self.seed, device=frames.device)
        with self._precision():
            return self.model.make_prior(self.model.to_network(frames[None]), noise).float()

    def _precision(self) -> AbstractContextManager[Any]:
        return torch.autocast(self.device.type, torch.bfloat16) if self.half else nullcontext()
