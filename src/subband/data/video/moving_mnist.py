"""Moving MNIST, Moving Fashion-MNIST, MMNIST-CIFAR, Noisy MMNIST, and the same with digits that need no download.

Files are looked up where the published benchmarks keep them below one root folder:

    moving_mnist/train-images-idx3-ubyte.gz      moving_mnist/mnist_test_seq.npy          (20, 10000, 64, 64) uint8
    moving_fmnist/train-images-idx3-ubyte.gz     moving_fmnist/fmnist_test_seq.npy        (20, 10000, 64, 64) uint8
    cifar10/cifar-10-batches-py/                 moving_mnist/mnist_cifar_test_seq.npy    (20, 10000, 64, 64, 3) uint8

Training sequences are generated. So are the validation sequences, from sprites held out of training and with a fixed
seed, and the test sequences when there is no test file, from yet other sprites.
"""

from functools import partial
from pathlib import Path

import torch

from subband.data.cifar_files import read_cifar10
from subband.data.spec import Clips, VideoData
from subband.data.video.moving_sprites import MovingSprites, Noise
from subband.data.video.sequence_file import SequenceFile
from subband.data.video.sprites import handwritten_digits, read_sprites, split_sprites

_VAL_SEED, _TEST_SEED = 1, 2  # fixed, so that runs with different seeds are scored on the same sequences
_SPRITE_FILE = "train-images-idx3-ubyte.gz"
_IMG_SIZE = 64  # of the published test files
_NUM_GENERATED_TEST = 10_000  # as many as the published test files hold
_HELD_OUT_SCENES = 1_000  # CIFAR-10 images that only validation shows


def moving_digits(
    *,
    in_frames: int = 10,
    out_frames: int = 10,
    img_size: int | tuple[int, int] = 64,
    sprite_size: int = 28,
    num_sprites: int = 2,
    speed: float = 0.1,
    augment: bool = False,
    noise: Noise | None = None,
    num_train: int = 10_000,
    num_val: int = 500,
    num_test: int = 1_000,
    held_out: int = 360,
    seed: int = 0,
) -> VideoData:
    """Moving MNIST's rule with the handwritten digits inside scikit-learn: nothing to download.

    Args:
        in_frames: Input frames.
        out_frames: Target frames.
        img_size: Side of the frames, or (H, W).
        sprite_size: Side the 8x8 digits are enlarged to.
        num_sprites: Digits in a clip.
        speed: Movement per frame in units of the free canvas.
        augment: Crop and flip training clips at random.
        noise: Disturbance of the training inputs: `"dynamic"`, `"missing"` or `"perceptual"`, see `MovingSprites`.
        num_train: Training sequences per epoch, new ones every epoch.
        num_val: Validation sequences, always the same.
        num_test: Test sequences, always the same.
        held_out: Digits kept from training, half for validation, half for test.
        seed: Chooses the training sequences.

    Returns:
        Clips of 1 channel in [0, 1].

    Raises:
        ImportError: If scikit-learn is not installed.
        ValueError: If an argument is out of range.
    """
    splits = split_sprites(handwritten_digits(sprite_size), held_out, with_test=True)
    clips = partial(
        MovingSprites,
        in_frames=in_frames,
        out_frames=out_frames,
        img_size=img_size,
        num_sprites=num_sprites,
        speed=speed,
    )
    train = clips(splits.train, length=num_train, augment=augment, noise=noise, seed=seed)
    val = clips(splits.val, length=num_val, seed=_VAL_SEED)
    test = clips(splits.test, length=num_test, seed=_TEST_SEED)
    return VideoData(train, val, test, train.spec)


def moving_mnist(
    *,
    root: str | None = None,
    digits: str | None = None,
    in_frames: int = 10,
    out_frames: int = 10,
    augment: bool = False,
    num_train: int = 10_000,
    num_val: int = 1_000,
    num_test: int | None = None,
    held_out: int = 1_000,
    seed: int = 0,
) -> VideoData:
    """Moving MNIST: 64x64 frames with two digits.

    Args:
        root: Data folder with `moving_mnist/`; the published test file is then the test set.
        digits: Instead of `root`: any file of sprites (idx, idx.gz, npy, npz), for example MNIST's
            `t10k-images-idx3-ubyte.gz`; the test set is then generated.
        in_frames: Input frames.
        out_frames: Target frames.
        augment: Crop and flip training clips at random.
        num_train: Training sequences per epoch, new ones every epoch.
        num_val: Validation sequences, always the same.
        num_test: Test sequences; None: all of the file, or 10,000 generated ones.
        held_out: Last digits of the file, kept from training: all for validation with a test file, otherwise half for
            validation and half for test.
        seed: Chooses the training sequences.

    Returns:
        Clips of 1 channel in [0, 1].

    Raises:
        FileNotFoundError: If a file is missing.
        ValueError: If not exactly one of `root` and `digits` is given, or an argument is out of range.
    """
    return _from_files(
        "moving_mnist",
        "mnist_test_seq.npy",
        root=root,
        sprites=digits,
        frames=(in_frames, out_frames),
        lengths=(num_train, num_val, num_test),
        held_out=held_out,
        seed=seed,
        augment=augment,
    )


def moving_fmnist(
    *,
    root: str | None = None,
    sprites: str | None = None,
    in_frames: int = 10,
    out_frames: int = 10,
    augment: bool = False,
    num_train: int = 10_000,
    num_val: int = 1_000,
    num_test: int | None = None,
    held_out: int = 1_000,
    seed: int = 0,
) -> VideoData:
    """Moving Fashion-MNIST: Moving MNIST with images of clothes.

    Args:
        root: Data folder with `moving_fmnist/`; the published test file is then the test set.
        sprites: Instead of `root`: any file of sprites (idx, idx.gz, npy, npz); the test set is then generated.
        in_frames: Input frames.
        out_frames: Target frames.
        augment: Crop and flip training clips at random.
        num_train: Training sequences per epoch, new ones every epoch.
        num_val: Validation sequences, always the same.
        num_test: Test sequences; None: all of the file, or 10,000 generated ones.
        held_out: Last images of the file, kept from training, see `moving_mnist`.
        seed: Chooses the training sequences.

    Returns:
        Clips of 1 channel in [0, 1].

    Raises:
        FileNotFoundError: If a file is missing.
        ValueError: If not exactly one of `root` and `sprites` is given, or an argument is out of range.
    """
    return _from_files(
        "moving_fmnist",
        "fmnist_test_seq.npy",
        root=root,
        sprites=sprites,
        frames=(in_frames, out_frames),
        lengths=(num_train, num_val, num_test),
        held_out=held_out,
        seed=seed,
        augment=augment,
    )


def noisy_mmnist(
    *,
    noise: Noise,
    root: str | None = None,
    digits: str | None = None,
    in_frames: int = 10,
    out_frames: int = 10,
    num_train: int = 10_000,
    num_val: int = 1_000,
    num_test: int | None = None,
    held_out: int = 1_000,
    seed: int = 0,
) -> VideoData:
    """Moving MNIST whose training inputs are disturbed; validation and test are clean.

    Args:
        noise: `"dynamic"`, `"missing"` or `"perceptual"`, see `MovingSprites`.
        root: Data folder with `moving_mnist/`; the published test file is then the test set.
        digits: Instead of `root`: any file of sprites, see `moving_mnist`.
        in_frames: Input frames.
        out_frames: Target frames.
        num_train: Training sequences per epoch, new ones every epoch.
        num_val: Validation sequences, always the same.
        num_test: Test sequences; None: all of the file, or 10,000 generated ones.
        held_out: Last digits of the file, kept from training, see `moving_mnist`.
        seed: Chooses the training sequences.

    Returns:
        Clips of 1 channel in [0, 1].

    Raises:
        FileNotFoundError: If a file is missing.
        ValueError: If not exactly one of `root` and `digits` is given, or an argument is out of range.
    """
    return _from_files(
        "moving_mnist",
        "mnist_test_seq.npy",
        root=root,
        sprites=digits,
        frames=(in_frames, out_frames),
        lengths=(num_train, num_val, num_test),
        held_out=held_out,
        seed=seed,
        noise=noise,
    )


def mmnist_cifar(
    *,
    root: str,
    in_frames: int = 10,
    out_frames: int = 10,
    num_train: int = 10_000,
    num_val: int = 1_000,
    num_test: int | None = None,
    held_out: int = 1_000,
    seed: int = 0,
) -> VideoData:
    """MMNIST-CIFAR: two white digits over a still CIFAR-10 image, in color.

    Args:
        root: Data folder with `moving_mnist/` and `cifar10/`.
        in_frames: Input frames.
        out_frames: Target frames.
        num_train: Training sequences per epoch, new ones every epoch.
        num_val: Validation sequences, always the same; their images are the last 1,000, which training never shows.
        num_test: Sequences of the published test file; all when None.
        held_out: Last digits of the file, kept for validation.
        seed: Chooses the training sequences.

    Returns:
        Clips of 3 channels in [0, 1].

    Raises:
        FileNotFoundError: If a file is missing.
        ValueError: If an argument is out of range.
    """
    folder = Path(root) / "moving_mnist"
    white = (read_sprites(folder / _SPRITE_FILE) > 1).to(torch.uint8) * 255  # the published threshold
    splits = split_sprites(white, held_out, with_test=False)
    scenes = read_cifar10(root)
    test = SequenceFile(
        folder / "mnist_cifar_test_seq.npy", in_frames=in_frames, out_frames=out_frames, length=num_test
    )
    clips = partial(MovingSprites, in_frames=in_frames, out_frames=out_frames, img_size=_IMG_SIZE)
    train = clips(splits.train, length=num_train, backgrounds=scenes[:-_HELD_OUT_SCENES], seed=seed)
    val = clips(splits.val, length=num_val, backgrounds=scenes[-_HELD_OUT_SCENES:], seed=_VAL_SEED)
    return VideoData(train, val, test, train.spec)


def _from_files(
    folder: str,
    test_name: str,
    *,
    root: str | None,
    sprites: str | None,
    frames: tuple[int, int],
    lengths: tuple[int, int, int | None],
    held_out: int,
    seed: int,
    augment: bool = False,
    noise: Noise | None = None,
) -> VideoData:
    """Two sprites on 64x64: training and validation generated, test from the file below `root` or generated too."""
    if (root is None) == (sprites is None):
        raise ValueError(f"give either root, a data folder with {folder}/, or a file of sprites; and not both")
    source = Path(root) / folder / _SPRITE_FILE if root is not None else Path(str(sprites))
    splits = split_sprites(read_sprites(source), held_out, with_test=root is None)
    num_train, num_val, num_test = lengths
    clips = partial(MovingSprites, in_frames=frames[0], out_frames=frames[1], img_size=_IMG_SIZE)
    train = clips(splits.train, length=num_train, augment=augment, noise=noise, seed=seed)
    val = clips(splits.val, length=num_val, seed=_VAL_SEED)
    test: Clips
    if root is not None:
        path = Path(root) / folder / test_name
        test = SequenceFile(path, in_frames=frames[0], out_frames=frames[1], length=num_test)
    else:
        test = clips(splits.test, length=_NUM_GENERATED_TEST if num_test is None else num_test, seed=_TEST_SEED)
    return VideoData(train, val, test, train.spec)
