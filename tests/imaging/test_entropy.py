import numpy as np
import pytest

from subband.imaging._entropy import KEYS, pack_bands, unpack_bands

SHAPES = [((1, 1, 1), []), ((3, 2, 5), [(3, 2, 5)]), ((1, 4, 4), [(1, 4, 4), (1, 7, 8), (1, 13, 15)])]


def bands(approx, details, scale, seed):
    rng = np.random.default_rng(seed)

    def draw(shape):
        return np.round(scale * rng.laplace(size=shape) ** 3).astype(np.int64)

    return draw(approx), [{key: draw(shape) for key in KEYS} for shape in details]


@pytest.mark.parametrize(("approx", "details"), SHAPES)
@pytest.mark.parametrize("scale", [0, 0.1, 3, 5e4])
def test_there_and_back(approx, details, scale):
    given = bands(approx, details, scale, seed=1)
    zeros = np.zeros(approx, np.int64), [{key: np.zeros(shape, np.int64) for key in KEYS} for shape in details]
    result = unpack_bands(pack_bands(*given), *zeros)
    assert np.array_equal(result[0], given[0])
    for level, expected in zip(result[1], given[1], strict=True):
        assert all(np.array_equal(level[key], expected[key]) for key in KEYS)


def test_length_is_near_the_entropy_of_independent_numbers():
    rng = np.random.default_rng(0)
    given = np.zeros((1, 8, 8), np.int64), [{key: rng.binomial(1, 0.1, (1, 128, 128)) for key in KEYS}]
    bits = 3 * 128**2 * (-0.1 * np.log2(0.1) - 0.9 * np.log2(0.9) + 0.1)  # and a sign for each that is not zero
    assert bits < 8 * len(pack_bands(*given)) < 1.05 * bits


def test_neighbors_help():
    rng = np.random.default_rng(0)
    image = rng.binomial(1, 0.5, (1, 128, 128)) * (np.arange(128) < 32)[:, None]  # busy above, empty below
    shuffled = rng.permutation(image.ravel()).reshape(image.shape)
    empty = np.zeros((1, 8, 8), np.int64)
    busy, mixed = (len(pack_bands(empty, [dict.fromkeys(KEYS, band)])) for band in (image, shuffled))
    assert busy < 0.8 * mixed


def test_damage_is_noticed():
    given = bands(*SHAPES[2], scale=2, seed=2)
    code = pack_bands(*given)
    for cut in (3, 20, len(code) // 2, len(code) - 1):
        with pytest.raises(ValueError, match=r"it (ends|holds)|its coefficients"):
            unpack_bands(code[:cut], *given)
    changed = bytearray(code)
    changed[30] ^= 0x55
    with pytest.raises(ValueError, match=r"it (ends|holds)|its coefficients"):
        unpack_bands(bytes(changed), *given)
