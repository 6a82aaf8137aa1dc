"""Biased alternating least squares: one half step solves every row of one side exactly.

A *row* is a user or an item: its K factors followed by its bias, K + 1 numbers that are solved for
together. With K = 0 only the bias is left, and the same code fits the bias-only model.

With the other side fixed, z = [q_i; 1] and y = r - mu - b_i, a user's row x solves

    (λ Σ z zᵀ + n^ν D) x = λ Σ z y + n^ν D m,      D = diag(τ, ..., τ, γ),

where n is the number of its ratings and m the prior mean (zero but for items with genres).
"""

import numpy as np
from numba import njit

from recsys_lib.kernels.linalg import FAST, HEIGHT, add_gram, aligned, ask_for, solve
from recsys_lib.kernels.threads import in_parts
from recsys_lib.kernels.vectors import LANES, add, fma, load, spread, store, zeros

PANEL = 128  # ratings gathered at a time: so many rows of K float32 fit into the nearest caches
AHEAD = 32  # how many ratings ahead a row is prefetched, so that it is in the cache when needed


@njit(cache=True)
def gather(first, last, indices, other, size, panel):
    """Copy `size` columns of the rows of `other` that belong to some ratings to `panel`."""
    for j in range(last - first):
        ask_for(other, indices[min(first + j + AHEAD, len(indices) - 1)])
        row, factors = other[indices[first + j]], panel[j]
        for k in range(size):
            factors[k] = row[k]


@njit(cache=True)
def weigh(first, last, indices, precisions, panel, targets):
    """Multiply each rating's columns by √α, where α is the precision of the other side's row."""
    for j in range(last - first):
        root = precisions[indices[first + j]] ** 0.5
        for k in range(panel.shape[1]):
            panel[j, k] *= root
        for k in range(2):
            targets[k, j] *= root


@njit(cache=True, fastmath=FAST)
def add_sums(panel, targets, depth, size, gram):
    """Add the products with `targets` to two rows of `gram`: below the factors', 1 and y."""
    for b in range(0, size, LANES):
        ones = ys = zeros(gram[0])
        for j in range(depth):
            factors = load(panel[j], b)
            ones = fma(spread(targets[0], j), factors, ones)
            ys = fma(spread(targets[1], j), factors, ys)
        store(gram[size], b, add(load(gram[size], b), ones))
        store(gram[size + 1], b, add(load(gram[size + 1], b), ys))
    n = y = squares = gram.dtype.type(0)
    for j in range(depth):
        n += targets[0, j] * targets[0, j]
        y += targets[0, j] * targets[1, j]
        squares += targets[1, j] * targets[1, j]
    gram[size, size] += n
    gram[size + 1, size] += y
    gram[size + 1, size + 1] += squares


@njit(cache=True)
def sum_products(start, stop, indices, values, other, mu, precisions, panel, targets, gram):
    """Fill the lower triangle of `gram` with Σ [z; y] [z; y]ᵀ over a row's ratings.

    The targets are a 1 for each rating, which multiplies the bias, and below it y, so that one
    matrix holds Σ z zᵀ, below it Σ z y, and in the corner Σ y². Each rating has the weight of the
    precision of its row of `other`; with `precisions` of length 1 all weigh the same.
    """
    n_factors = other.shape[1] - 1
    gram[:] = 0
    for first in range(start, stop, PANEL):
        last = min(first + PANEL, stop)
        gather(first, last, indices, other, n_factors, panel)
        for j in range(last - first):
            targets[0, j] = 1
            targets[1, j] = values[first + j] - mu - other[indices[first + j], n_factors]
        if len(precisions) > 1:
            weigh(first, last, indices, precisions, panel, targets)
        add_gram(panel, last - first, n_factors, gram)
        add_sums(panel, targets, last - first, n_factors, gram)


@njit(cache=True)
def workspace(size, like):
    """Return the arrays needed to solve LANES rows of `size` unknowns at once.

    panel (PANEL, ...), targets (2, PANEL), grams (LANES, ...), a (size, size, LANES), rhs and
    x (size, LANES); panel and grams are padded to whole tiles.
    """
    height, width = (size // HEIGHT + 1) * HEIGHT, (size // LANES + 1) * LANES
    panel = aligned(PANEL, (size - 1 + LANES - 1) // LANES * LANES, like)
    targets = aligned(2, PANEL, like)
    grams = aligned(LANES * height, width, like).reshape(LANES, height, width)
    a = aligned(size * size, LANES, like).reshape(size, size, LANES)
    return panel, targets, grams, a, aligned(size, LANES, like), aligned(size, LANES, like)


@njit(cache=True, fastmath=FAST)
def set_up(grams, lam, weights, penalty, a, rhs):
    """Write LANES rows' systems to their lanes: λ Σ z zᵀ + n^ν D, and on the right λ Σ z y."""
    size = len(penalty)
    for k in range(size):
        for c in range(k + 1):
            for lane in range(LANES):
                a[k, c, lane] = lam * grams[lane, k, c]
        for lane in range(LANES):
            a[k, k, lane] += weights[lane] * penalty[k]
            rhs[k, lane] = lam * grams[lane, size, k]


@njit(cache=True, fastmath=FAST)
def residuals(squares, lam, weight, penalty, prior, rhs, x):
    """Return Σ (y - x·z)² at the solution x, given Σ y², without a second pass over the ratings.

    It is Σ y² - 2 x·Σ z y + xᵀ(Σ z zᵀ)x, and A x = rhs gives both sums.
    """
    total = 0.0
    for k in range(len(prior)):
        own = np.float64(x[k])
        total += weight * penalty[k] * own * (2.0 * prior[k] - own) - own * rhs[k]
    return squares + total / lam


def groups(order):
    """Return how many groups of LANES rows there are."""
    return -(-len(order) // LANES)


@in_parts(lambda indptr, indices, values, order, *_: groups(order))
def half_step(
    part, parts, indptr, indices, values, order, other, mu, lam, penalty, nu, prior, rows, sse
):  # fmt: skip
    """Solve all rows of one side, given the other: one half of an epoch.

    `indptr`, `indices` and `values` are the ratings, a row for each row to solve; `order` (n_rows,)
    int are the rows by decreasing length: every `parts`-th group of LANES of them makes parts of
    about equal work. `other` (n_other, K + 1) is the fixed side: factors, then the bias. `mu` is
    the mean rating, `lam` the weight of the residuals, `penalty` (K + 1,) is τ for each factor,
    then γ for the bias. A row of n ratings is penalised n^`nu` times: 0 is the textbook's rule, 1
    is ALS-WR. `prior` (n_rows, K + 1) are prior means; a single row holds for all.

    `rows` (n_rows, K + 1) are overwritten by the solution, or the prior mean where there is no
    rating; `sse` (n_rows,) float64 by each row's sum of squared residuals at the solution.
    """
    size = len(penalty)
    panel, targets, grams, a, rhs, x = workspace(size, other)
    weights, alike = np.zeros(LANES, other.dtype), np.ones(1, other.dtype)
    for first in range(part * LANES, len(order), parts * LANES):
        group = order[first : first + LANES]
        for lane, r in enumerate(group):
            start, stop, gram = indptr[r], indptr[r + 1], grams[lane]
            sum_products(start, stop, indices, values, other, mu, alike, panel, targets, gram)
            weights[lane] = (stop - start) ** nu
        set_up(grams, lam, weights, penalty, a, rhs)
        for lane, r in enumerate(group):
            m = prior[min(r, len(prior) - 1)]
            for k in range(size):
                rhs[k, lane] += weights[lane] * penalty[k] * m[k]
                x[k, lane] = rhs[k, lane]
        solve(a, size, x)
        for lane, r in enumerate(group):
            m, empty = prior[min(r, len(prior) - 1)], indptr[r] == indptr[r + 1]
            for k in range(size):  # nothing observed: the prior is all there is
                rows[r, k] = m[k] if empty else x[k, lane]
            squares, weight = np.float64(grams[lane, size, size]), weights[lane]
            left = residuals(squares, lam, weight, penalty, m, rhs[:, lane], x[:, lane])
            sse[r] = 0.0 if empty else left


@njit(cache=True)
def penalties(rows, indptr, nu, prior):
    """Return Σ n^ν (x - m)² over the rows, (K + 1,) float64: the regulariser's terms by column."""
    total = np.zeros(rows.shape[1])
    for r in range(len(rows)):
        weight = float(indptr[r + 1] - indptr[r]) ** nu
        m = prior[min(r, len(prior) - 1)]
        for k in range(rows.shape[1]):
            total[k] += weight * (rows[r, k] - m[k]) ** 2
    return total
