"""Sprites that fly over a canvas and bounce off its walls: the generator behind Moving MNIST and its relatives.

The rule is that of the published data sets (Srivastava et al., "Unsupervised Learning of Video Representations using
LSTMs", ICML 2015, in the generator every later benchmark uses): a sprite starts anywhere on the free canvas, moves a
tenth of it per frame in a random direction, bounces off the walls, and overlapping sprites show the larger value.
"""

from collections.abc import Sequence
from typing import Literal, NamedTuple, get_args

import numpy as np
import torch
from einops import rearrange
from torch import Tensor
from torch.nn import functional as F

from subband.data.random import normal_from_uniform, uniform
from subband.data.spec import BatchedClips, ClipSpec, check_index, image_size

Noise = Literal["dynamic", "missing", "perceptual"]

_DRAWS_PER_SPRITE = 4  # x, y, angle, which sprite: the published order
_VELOCITY_NOISE = 0.2  # standard deviation of noise="dynamic"
_MISSING_RATE = 0.2  # share of input frames lost with noise="missing"
_HIDDEN_SIDE = 24  # side of the square hidden with noise="perceptual"
_CROP_SCALE = 0.94  # the augmentation shows this share of either side
_DRAWS_PER_AUGMENTATION = 5  # corner y and x, half turn, vertical flip, horizontal flip


class SpriteAugmentation(NamedTuple):
    """Where each clip is cropped and how it is flipped; all `(B,)`."""

    top: Tensor
    left: Tensor
    upside_down: Tensor
    mirrored: Tensor


def bouncing_positions(
    start: np.ndarray, step: np.ndarray, num_frames: int, jitter: np.ndarray | float = 0.0
) -> np.ndarray:
    """Positions of points in the unit square that bounce off its walls.

    Every frame moves first and is checked afterwards: a point that reached a wall is put on it and turns round.

    Args:
        start: Positions before the first frame, `(..., 2)`, in [0, 1).
        step: Movement per frame, `(..., 2)`.
        num_frames: Number of frames, `T`.
        jitter: Added to the movement of single frames, broadcasts to `(T, ..., 2)`; it does not bounce.

    Returns:
        `(T, ..., 2)` in [0, 1].

    Example:
        >>> bouncing_positions(np.array([[0.8, 0.5]]), np.array([[0.25, 0.0]]), 3)[:, 0, 0].tolist()
        [1.0, 0.75, 0.5]
    """
    path = np.empty((num_frames, *start.shape))
    path[:] = jitter
    position, step = start, step.copy()
    for frame in path:
        frame += position + step
        np.negative(step, out=step, where=(frame <= 0) | (frame >= 1))
        np.minimum(np.maximum(frame, 0.0), 1.0, out=frame)
        position = frame
    return path


def draw_sprites(sprites: Tensor, top: Tensor, left: Tensor, size: tuple[int, int]) -> Tensor:
    """Draw sprites into frames, the larger value winning where they overlap.

    Args:
        sprites: One per clip and object, `(B, K, h, w)`, any dtype, background 0.
        top: Row of the sprite's first line, `(B, K, T)` int64 on the sprites' device, `0 .. H - h`.
        left: Column of its first pixel, likewise, `0 .. W - w`.
        size: `(H, W)` of the frames.

    Returns:
        `(B, T, H, W)` of the sprites' dtype.
    """
    B, K, h, w = sprites.shape
    H, W = size
    # Put each sprite into a canvas with zeros before and after it: every frame with it is then one window of that row
    # of memory, and all windows are copied by a single index_select.
    margin = (H - h) * W + (W - w)
    rows = F.pad(sprites, (0, W - w, 0, H - h)).flatten(2)  # (B, K, H*W)
    rows = F.pad(rows, (margin, 0)).flatten()
    windows = rows.unfold(0, H * W, 1)
    first = torch.arange(B * K, device=sprites.device).view(B, K, 1) * (margin + H * W)
    offset = first + margin - (top * W + left)  # (B, K, T)
    frames = windows.index_select(0, offset[:, 0].flatten())
    for k in range(1, K):
        frames = torch.maximum(frames, windows.index_select(0, offset[:, k].flatten()), out=frames)
    return frames.view(B, -1, H, W)


class MovingSprites(BatchedClips):
    """Clips of bouncing sprites, made afresh for every key.

    Per sprite the draws are x, y, angle and which sprite; the velocity is `speed * (sin, cos)` of the free canvas along
    (y, x), and positions are truncated to whole pixels.

    Args:
        sprites: `(N, h, w)` uint8, background 0.
        length: Samples of one epoch.
        in_frames: Input frames, `T`.
        out_frames: Target frames, `T'`.
        img_size: `(H, W)` of the frames, or one side.
        num_sprites: Sprites in a clip.
        speed: Movement per frame in units of the free canvas.
        backgrounds: Color images `(M, 3, h', w')` uint8; a random one, resized (bicubic), stands behind the sprites
            of a clip, and the frames have 3 channels. None: black, 1 channel.
        augment: Enlarge each clip a little, crop it at random and flip it at random.
        noise: Disturbance of the input frames: `"dynamic"` adds N(0, 0.2) to both components of the direction of motion
            in every input frame, `"missing"` blanks an input frame with probability 0.2, `"perceptual"` blanks a random
            24x24 square of every input frame. Targets stay clean.
        seed: Chooses the sequences.

    Raises:
        ValueError: If a count is below 1, a sprite does not fit the canvas, or `noise` is unknown.
    """

    def __init__(
        self,
        sprites: Tensor,
        *,
        length: int,
        in_frames: int = 10,
        out_frames: int = 10,
        img_size: int | tuple[int, int] = 64,
        num_sprites: int = 2,
        speed: float = 0.1,
        backgrounds: Tensor | None = None,
        augment: bool = False,
        noise: Noise | None = None,
        seed: int = 0,
    ) -> None:
        H, W = image_size(img_size)
        if length < 1 or num_sprites < 1:
            raise ValueError(f"length and num_sprites must be at least 1, got {length} and {num_sprites}")
        if sprites.shape[1] > H or sprites.shape[2] > W:
            raise ValueError(f"sprites of {sprites.shape[1]}x{sprites.shape[2]} do not fit img_size {H}x{W}")
        if noise not in (None, *get_args(Noise)):
            raise ValueError(f"noise must be None or one of {', '.join(get_args(Noise))}, got {noise!r}")
        if noise == "perceptual" and min(H, W) < _HIDDEN_SIDE:
            raise ValueError(f"noise='perceptual' hides {_HIDDEN_SIDE}x{_HIDDEN_SIDE} pixels, img_size is {H}x{W}")
        channels = 1 if backgrounds is None else 3
        self.spec = ClipSpec(in_frames=in_frames, out_frames=out_frames, channels=channels, height=H, width=W)
        self.sprites = sprites
        self.backgrounds = backgrounds
        self.num_sprites = num_sprites
        self.speed = speed
        self.augment = augment
        self.noise = noise
        self.seed = seed
        self._length = length
        self._num_noise_draws = {None: 0, "dynamic": 4 * num_sprites, "missing": 1, "perceptual": 2}[noise] * in_frames

    def __len__(self) -> int:
        """Samples of one epoch."""
        return self._length

    def batch(self, keys: Sequence[int], device: torch.device | str = "cpu") -> tuple[Tensor, Tensor]:
        """Inputs `(B, T, C, H, W)` and targets `(B, T', C, H, W)` in [0, 1]; values do not depend on the device.

        Trajectories are worked out on the host in float64, because a sine that differs in its last bit between devices
        would move a sprite by a pixel; pixels are drawn on `device`.
        """
        counts = [self.num_sprites * _DRAWS_PER_SPRITE, self._num_noise_draws, 1, _DRAWS_PER_AUGMENTATION]
        draws = uniform(self.seed, [check_index(key) for key in keys], sum(counts))
        per_sprite, noise, background, augmentation = np.split(draws, np.cumsum(counts[:-1]), axis=1)
        frames = self._draw(per_sprite, noise, background[:, 0], torch.device(device))  # (B, T + T', C, H, W)
        if self.augment:
            frames = augment_clips(frames, _augmentation(augmentation, self.spec, frames.device))
        inputs, targets = frames.split((self.spec.in_frames, self.spec.out_frames), dim=1)
        if self.noise in ("missing", "perceptual"):
            inputs = inputs * torch.from_numpy(self._visible(noise)).to(frames)
        return inputs, targets

    def _draw(self, per_sprite: np.ndarray, noise: np.ndarray, background: np.ndarray, device: torch.device) -> Tensor:
        """Frames in [0, 1] from numbers in [0, 1)."""
        per_sprite = rearrange(per_sprite, "B (K draw) -> draw B K", draw=_DRAWS_PER_SPRITE)
        positions = self._positions(per_sprite[:3], noise)  # (B, K, T + T', 2)
        top, left = torch.from_numpy(positions).to(device).unbind(-1)
        chosen = torch.from_numpy((per_sprite[3] * len(self.sprites)).astype(np.int64))  # (B, K)
        sprites = self.sprites.index_select(0, chosen.flatten()).unflatten(0, chosen.shape).to(device)
        size = (self.spec.height, self.spec.width)
        frames = draw_sprites(sprites, top, left, size)[:, :, None]  # (B, T + T', 1, H, W)
        if self.backgrounds is not None:
            scenes = self.backgrounds[torch.from_numpy((background * len(self.backgrounds)).astype(np.int64))]
            frames = torch.maximum(frames, _resize(scenes, size).to(device)[:, None])  # (B, T + T', 3, H, W)
        return frames.float().div_(255)

    def _positions(self, draws: np.ndarray, noise: np.ndarray) -> np.ndarray:
        """Rows and columns in pixels, `(B, K, T + T', 2)` int64, from x, y and angle as fractions, `(3, B, K)`."""
        x, y, angle = draws[0], draws[1], draws[2] * (2 * np.pi)
        start = np.stack([y, x], axis=-1)
        step = np.stack([np.sin(angle), np.cos(angle)], axis=-1) * self.speed  # (B, K, 2)
        jitter = np.zeros((self.spec.num_frames, *step.shape))
        if self.noise == "dynamic":
            first, second = rearrange(noise, "B (part T K yx) -> part T B K yx", part=2, yx=2, K=self.num_sprites)
            jitter[: self.spec.in_frames] = normal_from_uniform(first, second) * (_VELOCITY_NOISE * self.speed)
        path = bouncing_positions(start, step, self.spec.num_frames, jitter)
        free = np.array([self.spec.height - self.sprites.shape[1], self.spec.width - self.sprites.shape[2]])
        return rearrange((path * free).astype(np.int64), "T B K yx -> B K T yx")

    def _visible(self, noise: np.ndarray) -> np.ndarray:
        """1 where an input frame is shown and 0 where it is blanked, broadcasts to `(B, T, 1, H, W)`."""
        if self.noise == "missing":
            return (noise >= _MISSING_RATE)[:, :, None, None, None]
        height, width = self.spec.height, self.spec.width
        top, left = rearrange(noise, "B (corner T) -> corner B T 1", corner=2)
        rows = np.arange(height) - np.floor(top * (height - _HIDDEN_SIDE + 1))  # (B, T, H)
        columns = np.arange(width) - np.floor(left * (width - _HIDDEN_SIDE + 1))
        row_hidden, column_hidden = ((at >= 0) & (at < _HIDDEN_SIDE) for at in (rows, columns))
        return ~(row_hidden[..., :, None] & column_hidden[..., None, :])[:, :, None]


def _resize(images: Tensor, size: tuple[int, int]) -> Tensor:
    """Bicubic, uint8 in and out."""
    if images.shape[-2:] == size:
        return images
    return F.interpolate(images.float(), size=size, mode="bicubic").round().clamp(0, 255).to(torch.uint8)


def augment_clips(frames: Tensor, augmentation: SpriteAugmentation) -> Tensor:
    """Enlarge clips by 1 / 0.94, crop each back to its size, and flip it.

    Args:
        frames: `(B, T, C, H, W)`, any range.
        augmentation: Corners in the enlarged frames and flips, one per clip.

    Returns:
        `(B, T, C, H, W)`.
    """
    B, T, _, H, W = frames.shape
    large = F.interpolate(frames.flatten(0, 1), scale_factor=1 / _CROP_SCALE, mode="bilinear", align_corners=False)
    large = large.unflatten(0, (B, T))
    rows = _window(augmentation.top, augmentation.upside_down, H)  # (B, H)
    columns = _window(augmentation.left, augmentation.mirrored, W)  # (B, W)
    clip = torch.arange(B, device=frames.device)
    return rearrange(large[clip[:, None, None], :, :, rows[:, :, None], columns[:, None, :]], "B H W T C -> B T C H W")


def _window(first: Tensor, backwards: Tensor, size: int) -> Tensor:
    """`size` neighboring indices from `first` on for each clip, in reverse order where asked, `(B, size)`."""
    steps = torch.arange(size, device=first.device)
    return first[:, None] + torch.where(backwards[:, None], steps.flip(0), steps)


def _augmentation(draws: np.ndarray, spec: ClipSpec, device: torch.device) -> SpriteAugmentation:
    """Crops and flips from five numbers in [0, 1) per clip: half turn 3/4, else vertical 3/4, else horizontal 3/4."""
    corner_y, corner_x, turn, vertical, horizontal = draws.T
    half_turn = turn < 0.75
    upside_down = half_turn | (vertical < 0.75)
    mirrored = half_turn | (~upside_down & (horizontal < 0.75))
    top = np.floor(corner_y * (int(spec.height / _CROP_SCALE) - spec.height + 1)).astype(np.int64)
    left = np.floor(corner_x * (int(spec.width / _CROP_SCALE) - spec.width + 1)).astype(np.int64)
    return SpriteAugmentation(*(torch.from_numpy(part).to(device) for part in (top, left, upside_down, mirrored)))
