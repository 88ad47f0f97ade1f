import io

import numpy as np
import pytest
from PIL import Image, ImageSequence

from subband.visual.strips import AnimationFormat, animation, error_scale, error_tiles, strip_png, to_tiles


@pytest.fixture
def frames() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (5, 3, 8, 12), dtype=np.uint8)


def test_tiles_keep_small_frames(frames: np.ndarray) -> None:
    np.testing.assert_array_equal(to_tiles(frames), frames.transpose(0, 2, 3, 1))
    gray = to_tiles(frames[:, :1])
    np.testing.assert_array_equal(gray, np.repeat(frames[:, :1], 3, 1).transpose(0, 2, 3, 1))
    np.testing.assert_array_equal(to_tiles(frames[:, :2]), gray)  # two channels: the first is shown


def test_tiles_average_large_frames(frames: np.ndarray) -> None:
    tiles = to_tiles(frames, max_side=4)  # blocks of 3 x 3; two rows are left over
    assert tiles.shape == (5, 2, 4, 3)
    assert tiles[1, 1, 2, 0] == round(frames[1, 0, 3:6, 6:9].mean())


def test_wrong_frames(frames: np.ndarray) -> None:
    for wrong in (frames[0], frames.astype(float), frames[:0]):
        with pytest.raises(ValueError, match="frames must be"):
            to_tiles(wrong)


def test_errors() -> None:
    target = np.zeros((1, 100, 100, 3), np.uint8)
    prediction = target.copy()
    prediction[0, :50] = 51  # 0.2 of the range
    prediction[0, 0, 0] = 255  # one outlier
    assert error_scale(prediction, target) == pytest.approx(0.2)
    assert error_scale(target, target) == 0.02
    tiles = error_tiles(prediction, target, 0.4)
    assert tiles[0, 99, 99].tolist() == [0, 0, 4]
    assert tiles[0, 0, 0].tolist() == [252, 255, 200]
    assert tiles[0, 10, 10].tolist() == [187, 55, 84]  # half of the scale: the middle stop
    with pytest.raises(ValueError, match="one shape"):
        error_tiles(prediction, target[:, :50], 1)


def test_strip(frames: np.ndarray) -> None:
    tiles = to_tiles(frames)
    strip = np.array(Image.open(io.BytesIO(strip_png(tiles))))
    assert strip.shape == (8, 5 * 12 + 4 * 2, 4)
    np.testing.assert_array_equal(strip[:, 14:26, :3], tiles[1])
    assert (strip[:, 12:14, 3] == 0).all()
    assert (strip[:, 14:26, 3] == 255).all()


@pytest.mark.parametrize("file_format", ["apng", "webp"])
def test_animation_is_lossless(frames: np.ndarray, file_format: AnimationFormat) -> None:
    tiles = to_tiles(frames)
    content = animation([[tiles, tiles // 2], [None, tiles // 4]], num_inputs=2, fps=4, file_format=file_format)
    movie = Image.open(io.BytesIO(content))
    images = [np.array(image.convert("RGBA")) for image in ImageSequence.Iterator(movie)]
    assert len(images) == 5
    assert images[0].shape == (2 * 10 + 3, 2 * 14 - 2, 4)
    for index, image in enumerate(images):
        np.testing.assert_array_equal(image[:8, :12, :3], tiles[index])
        np.testing.assert_array_equal(image[:8, 14:, :3], tiles[index] // 2)
        np.testing.assert_array_equal(image[10:18, 14:, :3], tiles[index] // 4)
        assert (image[10:18, :12, 3] == 0).all()
    movie.seek(0)
    movie.load()
    assert movie.info["duration"] == 250


def test_bar_shows_where_prediction_starts(frames: np.ndarray) -> None:
    movie = Image.open(io.BytesIO(animation([[to_tiles(frames)]], num_inputs=2)))
    bars = [np.array(image.convert("RGBA"))[-1] for image in ImageSequence.Iterator(movie)]
    red = [int((bar[:, 0] > 200).sum()) for bar in bars]
    assert red == [0, 0, 2, 5, 7]  # of 12 pixels, in fifths: 2, 5 | 7, 10, 12


def test_gif(frames: np.ndarray) -> None:
    movie = Image.open(io.BytesIO(animation([[to_tiles(frames)]], num_inputs=2, file_format="gif")))
    assert movie.n_frames == 5
    image = np.array(movie.convert("RGB"))[:8, :12].astype(int)
    assert np.abs(image - to_tiles(frames)[0]).mean() < 12


def test_ragged_grids(frames: np.ndarray) -> None:
    tiles = to_tiles(frames)
    for grid in ([], [[tiles], [tiles, tiles]], [[tiles, tiles[:3]]], [[None]]):
        with pytest.raises(ValueError, match="full rows of cells"):
            animation(grid, num_inputs=1)
