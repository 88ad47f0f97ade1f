"""One set of rules for images and frames: layouts, types, ranges."""

import numpy as np
import pytest
import torch
from PIL import Image

from subband.media.images import write_image
from subband.predictors.inputs import as_frames, as_image


def test_bytes_are_divided_and_floats_stay() -> None:
    values = torch.arange(12, dtype=torch.uint8).reshape(3, 2, 2)
    assert torch.equal(as_image(values), values.float() / 255)
    floats = torch.rand(1, 4, 5, dtype=torch.float64)
    assert as_image(floats) is floats
    assert as_image(np.full((4, 5), 0.5)).dtype == torch.float32


def test_arrays_have_channels_last_and_tensors_first() -> None:
    array = np.arange(24, dtype=np.uint8).reshape(2, 4, 3)
    assert torch.equal(as_image(array), as_image(torch.from_numpy(array).permute(2, 0, 1)))
    assert as_image(array[..., 0]).shape == as_image(array[..., :1]).shape == (1, 2, 4)
    frames = np.stack([array, 2 * array])
    assert torch.equal(as_frames(frames), as_frames(torch.from_numpy(frames).permute(0, 3, 1, 2)))
    assert as_frames(frames[..., 0]).shape == (2, 1, 2, 4)


def test_an_array_with_channels_first_is_told_from_one_with_channels_last() -> None:
    with pytest.raises(ValueError, match=r"image must be \(H, W\) or \(H, W, C\) with C = 1 or 3, got \(3, 8, 8\)"):
        as_image(np.zeros((3, 8, 8)))
    with pytest.raises(ValueError, match=r"frames of shape \(5, 3, 8, 8\) look like \(T, C, H, W\)"):
        as_frames(np.zeros((5, 3, 8, 8)))


def test_changing_the_result_never_changes_an_array() -> None:
    array = np.zeros((4, 4), dtype=np.float32)
    as_image(array).add_(1)
    assert array.max() == 0


@pytest.mark.parametrize("mode", ["1", "L", "P", "RGB", "CMYK", "LA", "RGBA"])
def test_pillow_images_of_every_kind(mode: str) -> None:
    level = 255 if mode == "1" else 200
    image = Image.new("L", (6, 4), level).convert(mode)
    tensor = as_image(image)
    assert tensor.shape == ((1, 4, 6) if mode in ("1", "L") else (3, 4, 6))
    torch.testing.assert_close(tensor, torch.full_like(tensor, level / 255), atol=0.01, rtol=0)


def test_transparent_parts_are_white_in_pillow_images_and_files(tmp_path) -> None:
    image = Image.new("RGBA", (6, 4), (0, 0, 0, 128))
    image.save(tmp_path / "glass.png")
    torch.testing.assert_close(as_image(image), torch.full((3, 4, 6), 127 / 255), atol=0.005, rtol=0)
    torch.testing.assert_close(as_image(tmp_path / "glass.png"), as_image(image), atol=0.005, rtol=0)


def test_sixteen_bits_keep_their_depth() -> None:
    image = Image.fromarray(np.array([[0, 257, 65535]], dtype=np.uint16))
    torch.testing.assert_close(as_image(image), torch.tensor([[[0, 1 / 255, 1.0]]]))


def test_turned_photographs_are_upright(tmp_path) -> None:
    write_image(tmp_path / "plain.png", torch.rand(3, 4, 6))
    image = Image.open(tmp_path / "plain.png")
    exif = image.getexif()
    exif[0x0112] = 6  # a quarter turn
    image.save(tmp_path / "turned.png", exif=exif)
    turned = as_image(Image.open(tmp_path / "turned.png"))
    assert turned.shape == (3, 6, 4)
    torch.testing.assert_close(turned, as_image(tmp_path / "turned.png"))


def test_lists_may_mix_kinds_but_not_sizes() -> None:
    frames = as_frames([np.zeros((4, 6)), torch.ones(3, 4, 6), Image.new("L", (6, 4), 255)])
    assert frames.shape == (3, 3, 4, 6)
    assert frames.mean((1, 2, 3)).tolist() == [0, 1, 1]
    with pytest.raises(ValueError, match="frames must be of one size, got 6 x 4 and 6 x 5"):
        as_frames([np.zeros((4, 6)), np.zeros((5, 6))])


@pytest.mark.parametrize(
    ("call", "value", "message"),
    [
        (as_image, 3, "must be a path, a Pillow image, a NumPy array or a tensor, not int"),
        (as_frames, 3, "must be an array, a tensor or a list of images, not int"),
        (as_frames, [], "not an empty list"),
        (as_frames, [np.zeros((4, 4)), None], r"frames\[1\] must be a path"),
    ],
)
def test_other_kinds_are_refused_by_name(call, value: object, message: str) -> None:
    with pytest.raises(TypeError, match=message):
        call(value)


@pytest.mark.parametrize(
    ("call", "value", "message"),
    [
        (as_image, torch.zeros(3, 4, 4, dtype=torch.int64), "image must be uint8, or floating point in"),
        (as_image, np.zeros((4, 4), dtype=bool), "image must be uint8, or floating point in .* got bool"),
        (as_image, np.full((4, 4), np.nan), "image must hold numbers in .* not finite"),
        (as_image, Image.new("F", (4, 4)), "mode F, whose range is not known"),
        (as_frames, torch.zeros(2, 4, 4), r"frames must be \(T, C, H, W\), got \(2, 4, 4\)"),
        (as_frames, np.zeros((0, 4, 4)), r"frames must be \(T, H, W\) or \(T, H, W, C\), got"),
    ],
)
def test_wrong_values_are_one_sentence(call, value: object, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        call(value)


@pytest.mark.parametrize("call", [as_image, as_frames])
def test_values_out_of_range_are_warned_about(call) -> None:
    shape = (3, 4, 4) if call is as_image else (2, 3, 4, 4)
    with pytest.warns(UserWarning, match=r"reach from 0 to 255; divide 8-bit values by 255"):
        call(torch.zeros(shape).index_fill(-1, torch.tensor([0]), 255.0))
    with pytest.warns(UserWarning, match=r"by \(x \+ 1\) / 2"):
        call(torch.full(shape, -1.0))
