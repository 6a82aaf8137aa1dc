"""Linear algebra of many small systems, as alternating least squares solves them.

Two ideas keep the processor's vector units busy. A Gram matrix is built in tiles of HEIGHT x LANES
sums that stay in registers during the pass over the ratings. And systems are solved LANES at a
time: lane s of every number belongs to system s, so that a plain Cholesky factorisation does LANES
of them at once, independently.
"""

import numpy as np
from numba import njit

from recsys_lib.kernels.vectors import (
    LANES,
    add,
    fma,
    inverse_root,
    load,
    multiply,
    negative,
    prefetch,
    spread,
    store,
    zeros,
)

# What LLVM may do with our sums: reorder them, so that they fill vector registers, and fuse
# multiply and add. Not the full `fastmath`, which would also assume that there is no NaN.
FAST = {"reassoc", "contract", "nsz", "arcp"}

HEIGHT = 8  # rows of a tile: eight chains of sums hide that each step of one waits for the last
LINE = 64  # bytes in a cache line


@njit(cache=True)
def aligned(rows, columns, dtype_of):
    """Return zeros (rows, columns) of another array's dtype that begin at a cache line.

    A vector across two cache lines costs two reads.
    """
    n, itemsize = rows * columns, dtype_of.itemsize
    room = np.zeros(n + LINE // itemsize, dtype_of.dtype)
    skip = -(room.ctypes.data // itemsize) % (LINE // itemsize)
    return room[skip : skip + n].reshape(rows, columns)


@njit(cache=True, inline="always")
def ask_for(rows, r):
    """Prefetch a row that will be used soon."""
    for k in range(0, rows.shape[1], LINE // rows.itemsize):
        prefetch(rows[r], k)
    prefetch(rows[r], rows.shape[1] - 1)


@njit(cache=True)
def add_products(left, a, right, b, depth, out):
    """Add Σ_j left[j, a : a + HEIGHT] ⊗ right[j, b : b + LANES], j < depth, to a tile of `out`.

    The tile is ``out[a : a + HEIGHT, b : b + LANES]``. Each number read from the cache is used
    eight times, and nothing is written before the end. Sums run over ascending j, from zero.
    """
    c0 = c1 = c2 = c3 = c4 = c5 = c6 = c7 = zeros(out[0])
    for j in range(depth):
        x, y = left[j], load(right[j], b)
        c0 = fma(spread(x, a), y, c0)
        c1 = fma(spread(x, a + 1), y, c1)
        c2 = fma(spread(x, a + 2), y, c2)
        c3 = fma(spread(x, a + 3), y, c3)
        c4 = fma(spread(x, a + 4), y, c4)
        c5 = fma(spread(x, a + 5), y, c5)
        c6 = fma(spread(x, a + 6), y, c6)
        c7 = fma(spread(x, a + 7), y, c7)
    store(out[a], b, add(load(out[a], b), c0))
    store(out[a + 1], b, add(load(out[a + 1], b), c1))
    store(out[a + 2], b, add(load(out[a + 2], b), c2))
    store(out[a + 3], b, add(load(out[a + 3], b), c3))
    store(out[a + 4], b, add(load(out[a + 4], b), c4))
    store(out[a + 5], b, add(load(out[a + 5], b), c5))
    store(out[a + 6], b, add(load(out[a + 6], b), c6))
    store(out[a + 7], b, add(load(out[a + 7], b), c7))


@njit(cache=True)
def add_gram(panel, depth, size, gram):
    """Add the Gram matrix of the first `size` columns of `panel` to the lower triangle of `gram`.

    `panel` holds `depth` rows; beyond `size` it is padded with zeros to whole tiles.
    """
    for b in range(0, size, LANES):
        for a in range(b, size, HEIGHT):
            add_products(panel, a, panel, b, depth, gram)


@njit(cache=True)
def cholesky(a, n):
    """Overwrite the lower triangles of LANES systems by L, where A = L Lᵀ.

    `a` is (n, n, LANES). The diagonal holds 1 / L_jj afterwards: the substitutions multiply by it.
    """
    for i in range(n):
        for j in range(i):
            total = load(a[i, j], 0)
            for k in range(j):
                total = fma(negative(load(a[i, k], 0)), load(a[j, k], 0), total)
            store(a[i, j], 0, multiply(total, load(a[j, j], 0)))
        total = load(a[i, i], 0)
        for k in range(i):
            own = load(a[i, k], 0)
            total = fma(negative(own), own, total)
        store(a[i, i], 0, inverse_root(total))


@njit(cache=True)
def forward(a, n, x):
    """Overwrite `x` (n, LANES) by the solutions of L y = x; `a` comes from `cholesky`."""
    for i in range(n):
        total = load(x[i], 0)
        for k in range(i):
            total = fma(negative(load(a[i, k], 0)), load(x[k], 0), total)
        store(x[i], 0, multiply(total, load(a[i, i], 0)))


@njit(cache=True)
def backward(a, n, x):
    """Overwrite `x` (n, LANES) by the solutions of Lᵀ y = x; `a` comes from `cholesky`."""
    for i in range(n - 1, -1, -1):
        solved = multiply(load(x[i], 0), load(a[i, i], 0))
        store(x[i], 0, solved)
        for k in range(i):
            store(x[k], 0, fma(negative(load(a[i, k], 0)), solved, load(x[k], 0)))


@njit(cache=True)
def solve(a, n, x):
    """Overwrite `x` (n, LANES) by the solutions of A y = x, and `a` (n, n, LANES) by L.

    LANES symmetric systems, of which only the lower triangles are read.
    """
    cholesky(a, n)
    forward(a, n, x)
    backward(a, n, x)
