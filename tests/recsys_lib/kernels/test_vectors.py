"""Vectors in registers: each operation against NumPy's."""

import numpy as np
import pytest
from numba import config, njit
from numba.core.errors import TypingError

from recsys_lib.kernels import vectors
from recsys_lib.kernels.vectors import LANES


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
