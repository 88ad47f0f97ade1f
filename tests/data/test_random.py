import numpy as np

from subband.data.random import normal_from_uniform, permutation, uniform


def test_first_number_is_splitmix64_of_the_stream():
    # SplitMix64 written out with Python integers.
    def mix(x):
        x = ((x ^ (x >> 30)) * 0xBF58476D1CE4E5B9) % 2**64
        x = ((x ^ (x >> 27)) * 0x94D049BB133111EB) % 2**64
        return x ^ (x >> 31)

    gamma = 0x9E3779B97F4A7C15
    stream = mix((mix(3) + 12 * gamma) % 2**64)
    expected = [(mix((stream + step * gamma) % 2**64) >> 11) / 2**53 for step in (1, 2)]
    assert uniform(3, [12], 2)[0].tolist() == expected


def test_a_key_draws_the_same_in_any_batch_and_any_count():
    batch = uniform(7, range(50), 9)
    np.testing.assert_array_equal(batch[31:32, :4], uniform(7, [31], 4))


def test_numbers_are_uniform_and_uncorrelated():
    numbers = uniform(0, range(20_000), 4)
    assert numbers.min() >= 0
    assert numbers.max() < 1
    # Standard errors: mean 0.002, variance 0.0005, correlation 0.007; bounds are five of them.
    np.testing.assert_allclose(numbers.mean(0), 0.5, atol=0.01)
    np.testing.assert_allclose(numbers.var(0), 1 / 12, atol=0.0027)
    np.testing.assert_allclose(np.corrcoef(numbers.T), np.eye(4), atol=0.036)
    np.testing.assert_allclose(np.corrcoef(numbers[1:, 0], numbers[:-1, 0])[0, 1], 0, atol=0.036)


def test_normal_numbers_have_unit_variance():
    numbers = normal_from_uniform(*uniform(1, range(20_000), 2).T)
    assert abs(numbers.mean()) < 0.036
    assert abs(numbers.var() - 1) < 0.05


def test_permutations_differ_between_epochs_and_seeds():
    orders = [permutation(seed, epoch, 100) for seed, epoch in ((0, 0), (0, 1), (1, 0))]
    for order in orders:
        assert sorted(order.tolist()) == list(range(100))
    assert len({tuple(order.tolist()) for order in orders}) == 3
    np.testing.assert_array_equal(orders[0], permutation(0, 0, 100))
