"""Synthetic clips that move like handheld video: a camera pans over photographs, parts of others move on top.

Our own data set. The photographs are those inside scikit-image's package, so there is nothing to download. The camera
drifts, shakes, zooms and turns a little; up to three soft elliptical patches of other photographs move independently;
brightness changes slowly. Photographs, not clips, are split into training, validation and test. On request the
camera of some clips stands still, and frames have noise.
"""

from collections.abc import Sequence

import numpy as np
import torch
from einops import rearrange
from torch import Tensor
from torch.nn import functional as F

from subband.data.random import uniform
from subband.data.spec import BatchedClips, ClipSpec, VideoData, check_index, image_size
from subband.data.video.camera import DRAWS_PER_MOTION, Motion, as_pairs, follow, pixel_offsets, smooth_motion
from subband.data.video.photo_tiles import PhotoTiles, cut_tiles, read_photos

# Left out: scans of print, drawings, and the right view of the motorcycle, which shows the scene of the left one.
TRAIN_PHOTOS = (
    "astronaut.png",
    "brick.png",
    "camera.png",
    "coffee.png",
    "grass.png",
    "hubble_deep_field.jpg",
    "ihc.png",
    "moon.png",
    "motorcycle_left.png",
    "retina.jpg",
    "rocket.jpg",
)
VAL_PHOTOS = ("clock_motion.png", "gravel.png")
TEST_PHOTOS = ("chelsea.png", "coins.png")

_VAL_SEED, _TEST_SEED = 1, 2  # fixed, so that runs with different seeds are scored on the same clips
_MAX_PATCHES = 3
_DRAWS_PER_CAMERA = 2 + DRAWS_PER_MOTION + 6  # tile, motion; start, mirrored, brightness, contrast
_DRAWS_PER_PATCH = 2 + DRAWS_PER_MOTION + 5  # tile, motion; center, radii, tilt
_DRAWS = (_DRAWS_PER_CAMERA, 1, _MAX_PATCHES * _DRAWS_PER_PATCH, 1, 2)  # ..., number of patches, ..., stillness, noise


def moving_photos(
    *,
    in_frames: int = 10,
    out_frames: int = 10,
    img_size: int | tuple[int, int] = 64,
    gray: bool = False,
    speed: float = 3.0,
    still_share: float = 0.0,
    noise: float = 0.0,
    num_train: int = 10_000,
    num_val: int = 200,
    num_test: int = 500,
    seed: int = 0,
) -> VideoData:
    """Clips that move like handheld video, made from the photographs inside scikit-image.

    Args:
        in_frames: Input frames.
        out_frames: Target frames.
        img_size: Side of the frames, or (H, W).
        gray: 1 channel instead of 3.
        speed: Fastest movement in pixels per frame for frames whose shorter side is 64; grows with the frame.
        still_share: Share of the clips whose camera stands still, in [0, 1]; patches move in them, too.
        noise: Largest standard deviation of the noise in every frame, in [0, 1]; half of the clips have none.
        num_train: Training clips per epoch, new ones every epoch.
        num_val: Validation clips, always the same.
        num_test: Test clips, always the same.
        seed: Chooses the training clips.

    Returns:
        Clips in [0, 1]; no photograph is in two splits.

    Raises:
        ImportError: If scikit-image is not installed.
        FileNotFoundError: If the installed scikit-image lacks one of the photographs.
        ValueError: If an argument is out of range.
    """
    height, width = image_size(img_size)
    spec = ClipSpec(in_frames=in_frames, out_frames=out_frames, channels=1 if gray else 3, height=height, width=width)
    names = (TRAIN_PHOTOS, VAL_PHOTOS, TEST_PHOTOS)
    photos = [cut_tiles(read_photos(split, gray=gray), tile_size(spec, speed)) for split in names]
    lengths, seeds = (num_train, num_val, num_test), (seed, _VAL_SEED, _TEST_SEED)
    train, val, test = (
        MovingPhotos(photo, spec, length=length, speed=speed, still_share=still_share, noise=noise, seed=split_seed)
        for photo, length, split_seed in zip(photos, lengths, seeds, strict=True)
    )
    return VideoData(train, val, test, spec)


class MovingPhotos(BatchedClips):
    """Clips of photographs in motion, made afresh for every key.

    Args:
        photos: Tiles of the photographs, large enough for the motion (`tile_size`).
        spec: Shape of the clips.
        length: Samples of one epoch.
        speed: Fastest movement in pixels per frame for frames whose shorter side is 64.
        seed: Chooses the clips.
        still_share: Share of the clips whose camera stands still.
        noise: Largest standard deviation of the noise in every frame; half of the clips have none.

    Raises:
        ValueError: If `length` or `speed` is not positive, `still_share` or `noise` not in [0, 1].
    """

    def __init__(
        self,
        photos: PhotoTiles,
        spec: ClipSpec,
        *,
        length: int,
        speed: float,
        seed: int,
        still_share: float = 0.0,
        noise: float = 0.0,
    ) -> None:
        if length < 1 or speed <= 0:
            raise ValueError(f"length and speed must be positive, got {length} and {speed}")
        for name, value in (("still_share", still_share), ("noise", noise)):
            if not 0 <= value <= 1:
                raise ValueError(f"{name} must lie in [0, 1], got {value}")
        self.photos = photos
        self.spec = spec
        self.seed = seed
        self._length = length
        self._speed = speed * _pixel_unit(spec)
        self._still_share = still_share
        self._noise = noise

    def __len__(self) -> int:
        """Samples of one epoch."""
        return self._length

    def batch(self, keys: Sequence[int], device: torch.device | str = "cpu") -> tuple[Tensor, Tensor]:
        """Inputs `(B, T, C, H, W)` and targets `(B, T', C, H, W)` in [0, 1]."""
        draws = uniform(self.seed, [check_index(key) for key in keys], sum(_DRAWS))
        camera, number, patches, is_still, noise = np.split(draws, np.cumsum(_DRAWS)[:-1], axis=1)
        frames = self._scene(camera, is_still < self._still_share, torch.device(device))
        num_patches = (number[:, 0] * (_MAX_PATCHES + 1)).astype(np.int64)
        for patch, numbers in enumerate(np.split(patches, _MAX_PATCHES, axis=1)):
            rows = np.flatnonzero(num_patches > patch)
            if len(rows):
                covered = torch.from_numpy(rows).to(frames.device)
                frames[covered] = self._with_patch(frames[covered], numbers[rows])
        frames = self._exposed(frames, camera[:, -3:])
        if self._noise:
            frames = self._noisy(frames, noise)
        inputs, targets = frames.split((self.spec.in_frames, self.spec.out_frames), dim=1)
        return inputs, targets

    def _scene(self, draws: np.ndarray, is_still: np.ndarray, device: torch.device) -> Tensor:
        """What the camera sees, `(B, T + T', C, H, W)`."""
        tiles = self.photos.tiles[self.photos.choose(draws)]
        motion = smooth_motion(draws[:, 2:], self.spec.num_frames, self._speed)
        motion = Motion(*(np.where(is_still, values[:, :1], values) for values in motion))
        start = (draws[:, 2 + DRAWS_PER_MOTION :][:, :2] - 0.5) * 0.25 * min(self.spec.height, self.spec.width)
        motion = motion._replace(y=motion.y + start[:, :1], x=motion.x + start[:, 1:])
        mirrored = torch.from_numpy(draws[:, -4] < 0.5)
        tiles = torch.where(mirrored[:, None, None, None], tiles.flip(-1), tiles)
        offsets = pixel_offsets(self.spec.height, self.spec.width, device)
        return _sample(tiles.to(device), follow(offsets, motion))

    def _with_patch(self, frames: Tensor, draws: np.ndarray) -> Tensor:
        """The frames behind one soft ellipse of another photograph that moves on its own."""
        side = min(self.spec.height, self.spec.width)
        tiles = self.photos.tiles[self.photos.choose(draws)].to(frames.device)
        motion = smooth_motion(draws[:, 2:], self.spec.num_frames, self._speed)
        center_y, center_x, radius_y, radius_x, tilt = draws[:, 2 + DRAWS_PER_MOTION :, None].swapaxes(0, 1)
        # Measured from the patch: where is this pixel? The patch moves against that.
        center_y = (center_y - 0.5) * self.spec.height + motion.y
        center_x = (center_x - 0.5) * self.spec.width + motion.x
        offsets = pixel_offsets(self.spec.height, self.spec.width, frames.device) - as_pairs(center_y, center_x, frames)
        own = follow(offsets, motion._replace(y=np.zeros_like(motion.y), x=np.zeros_like(motion.x)))
        nought = np.zeros_like(tilt)
        turned = follow(own, Motion(nought, nought, nought + 1, np.pi * tilt))
        radii = as_pairs((0.08 + 0.2 * radius_y) * side, (0.08 + 0.2 * radius_x) * side, frames)
        distance = (turned / radii).square().sum(-1).sqrt()  # (B, T, H, W), 1 on the rim
        mask = torch.sigmoid((1 - distance) * radii.mean(-1) / (0.015 * side))[:, :, None]
        return torch.lerp(frames, _sample(tiles, own), mask)

    def _exposed(self, frames: Tensor, draws: np.ndarray) -> Tensor:
        """Contrast of the clip, and a brightness that drifts by up to 15 % in half of the clips."""
        time = np.linspace(-0.5, 0.5, self.spec.num_frames)
        drift = np.where(draws[:, :1] < 0.5, 0.3 * (draws[:, 1:2] - 0.5), 0.0)
        gain = (1 + drift * time) * (0.7 + 0.3 * draws[:, 2:])  # (B, T)
        return (frames * torch.from_numpy(gain).to(frames)[:, :, None, None, None]).clamp(0, 1)

    def _noisy(self, frames: Tensor, draws: np.ndarray) -> Tensor:
        """With noise of its own in every frame, in half of the clips."""
        deviation = self._noise * np.maximum(2 * draws[:, 0] - 1, 0)
        seeds = (draws[:, 1] * 2**53).astype(np.int64)
        for frame, sigma, seed in zip(frames, deviation.tolist(), seeds.tolist(), strict=True):
            if sigma:
                generator = torch.Generator().manual_seed(seed)
                frame.add_(torch.randn(frame.shape, generator=generator).to(frame), alpha=sigma)
        return frames.clamp_(0, 1)


def tile_size(spec: ClipSpec, speed: float) -> int:
    """Side of a square that holds a window of the clip wherever the camera goes, with some room to turn and zoom."""
    return 2 * max(spec.height, spec.width) + int(speed * _pixel_unit(spec) * spec.num_frames)


def _pixel_unit(spec: ClipSpec) -> float:
    return min(spec.height, spec.width) / 64


def _sample(tiles: Tensor, positions: Tensor) -> Tensor:
    """Bilinear values of tiles `(B, C, S, S)` uint8 at positions from their center, `(B, T, H, W, 2)`, in [0, 1]."""
    grid = positions.flip(-1) * (2 / tiles.shape[-1])  # grid_sample takes x first, in half sides
    values = F.grid_sample(
        tiles.float() / 255, grid.flatten(1, 2), mode="bilinear", padding_mode="reflection", align_corners=False
    )
    return rearrange(values, "B C (T H) W -> B T C H W", T=positions.shape[1])
