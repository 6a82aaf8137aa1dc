"""Vectors in registers: each operation against NumPy's."""

import numpy as np
import pytest
from numba import config, njit
from numba.core.errors import TypingError

from recsys_lib.kernels import vectors
from recsys_lib.kernels.vectors import LANES


@njit
def all_of_them(a, b, out, index):
    x, y, one = vectors.load(a, index), vectors.load(b, index), vectors.spread(b, 1)
    vectors.store(out[0], 0, vectors.add(x, y))
    vectors.store(out[1], 0, vectors.multiply(x, y))
    vectors.store(out[2], 0, vectors.negative(x))
    vectors.store(out[3], 0, vectors.fma(x, y, one))
    vectors.store(out[4], 0, vectors.inverse_root(y))
    vectors.store(out[5], 0, vectors.zeros(a))
    vectors.store_sums(out[6], 1, x, y, one, vectors.negative(x))
    vectors.prefetch(a, index)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_every_operation_works_lane_by_lane(dtype):
    rng = np.random.default_rng(0)
    a, b = rng.uniform(0.5, 2, (2, LANES + 5)).astype(dtype)
    out = np.full((7, LANES), np.nan, dtype)
    all_of_them(a, b, out, 3)
    x, y = a[3 : 3 + LANES], b[3 : 3 + LANES]
    expected = np.array([x + y, x * y, -x, x * y + b[1], 1 / np.sqrt(y), 0 * x])
    np.testing.assert_allclose(out[:6], expected, rtol=4 * np.finfo(dtype).eps)
    np.testing.assert_array_equal(out[:3], expected[:3])
    sums = [x.sum(), y.sum(), LANES * b[1], -x.sum()]
    np.testing.assert_allclose(out[6, 1:5], sums, rtol=LANES * np.finfo(dtype).eps)
    assert np.isnan(out[6, [0, 5]]).all()


def test_fma_rounds_once_in_vectors_and_in_numbers():
    @njit
    def both(row, c, out):
        vector = vectors.load(row, 0)
        vectors.store(out, 0, vectors.fma(vector, vector, vectors.load(c, 0)))
        return vectors.fma(row[0], row[0], c[0])

    tiny = np.float32(2.0**-12)
    row, out = np.full(LANES, 1 + tiny, np.float32), np.empty(LANES, np.float32)
    c = np.full(LANES, -(row[0] * row[0]), np.float32)  # the product, rounded: what is left?
    left = both(row, c, out)
    assert left == tiny * tiny  # two roundings would leave nothing
    np.testing.assert_array_equal(out, left)


@pytest.mark.skipif(config.DISABLE_JIT, reason="it is the compiler that refuses them")
def test_an_array_with_gaps_is_refused():
    @njit
    def first(row):
        vectors.store(row, 0, vectors.load(row, 0))

    first(np.zeros(LANES))
    with pytest.raises(TypingError, match="contiguous"):
        first(np.zeros(3 * LANES)[::3])


def test_any_lane_above_is_found_and_nan_is_above_nothing():
    @njit
    def above(a, b):
        return vectors.any_above(vectors.load(a, 0), vectors.load(b, 0))

    b = np.linspace(-1, 1, LANES)
    assert not above(b, b)
    for lane in range(LANES):
        a = b + 1e-9 * (np.arange(LANES) == lane)
        assert above(a, b)
        a[lane] = np.nan
        assert not above(a, b)
