"""Laying out bands: values against plain indexing, memory formats, bad options."""

import pytest
import torch

from subband.layers.band_layout import band_layout, is_channels_last

ORDER = ("da", "aa", "dd", "ad")


def bands_of(shape: tuple[int, ...], rng: torch.Generator) -> list[torch.Tensor]:
    return [torch.randn(shape, generator=rng) for _ in range(4)]


def test_layouts_are_what_their_names_say(rng):
    b, c = 2, 3
    bands = bands_of((b, c, 4, 5), rng)
    joined = {
        name: band_layout(2, name, None, None, 1.0).join(bands, False) for name in ("channels", "interleaved", "batch")
    }
    for s, band in enumerate(bands):
        for i in range(b):
            for j in range(c):
                assert torch.equal(joined["channels"][i, s * c + j], band[i, j])
                assert torch.equal(joined["interleaved"][i, j * 4 + s], band[i, j])
                assert torch.equal(joined["batch"][s * b + i, j], band[i, j])
    assert torch.equal(band_layout(2, "bands", None, None, 1.0).join(bands, False)[:, :, 2], bands[2])


@pytest.mark.parametrize("layout", ["channels", "split", "batch"])
def test_channels_stay_last_in_memory(layout, rng):
    options = band_layout(2, layout, None, None, 1.0)
    bands = bands_of((2, 3, 4, 5), rng)
    last = [band.movedim(1, -1).contiguous() for band in bands]
    joined = options.join(last, True)
    assert torch.equal(joined, options.join(bands, False))
    assert is_channels_last(joined, 1)
    assert all(torch.equal(part, band) for part, band in zip(options.part(joined, 4, True), last, strict=True))


@pytest.mark.parametrize("layout", ["bands", "channels", "interleaved", "split", "batch"])
def test_part_inverts_join_also_without_batch(layout, rng):
    options = band_layout(2, layout, None, None, 1.0)
    for batch in (2, 0):
        bands = bands_of((batch, 3, 4, 5), rng)
        parts = options.part(options.join(bands, False), 4, False)
        assert all(torch.equal(part, band) for part, band in zip(parts, bands, strict=True))


def test_weights_follow_the_order_and_divide_in_the_inverse():
    layout = band_layout(2, "bands", ORDER, (1, 1, -1, 1), 0.5)
    assert layout.weights == {"da": 0.5, "aa": 0.5, "dd": -0.5, "ad": 0.5}
    bands = {key: torch.ones(1) for key in ORDER}
    assert layout.weighted(bands)["dd"].item() == -0.5
    assert layout.weighted(bands, inverse=True)["dd"].item() == -2
    assert layout.high == ("da", "dd", "ad")
    assert not layout.is_plain


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"layout": "stacked"}, "layout must be one of bands, channels"),
        ({"order": ("aa", "ad", "da")}, "order must hold each of aa, ad, da, dd once"),
        ({"order": ("a", "d", "da", "dd")}, "order must hold each"),
        ({"signs": (1, -1)}, "signs must be 4 numbers 1 or -1"),
        ({"signs": (1, -1, 2, 1)}, "signs must be 4 numbers 1 or -1"),
        ({"scale": 0.0}, "scale must be different from 0"),
    ],
)
def test_bad_options(options, message):
    with pytest.raises(ValueError, match=message):
        band_layout(2, **{"layout": "bands", "order": None, "signs": None, "scale": 1.0, **options})


@pytest.mark.parametrize(
    ("layout", "shape"), [("bands", (2, 3, 5, 4, 4)), ("channels", (2, 9, 4, 4)), ("batch", (9, 3, 4, 4))]
)
def test_wrong_number_of_bands(layout, shape):
    with pytest.raises(ValueError, match=r"axis -?\d of coeffs must .* the number of bands 4"):
        band_layout(2, layout, None, None, 1.0).part(torch.zeros(shape), 4, False)
