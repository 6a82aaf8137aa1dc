"""Biased alternating least squares: one half step solves every row of one side exactly.

A *row* is a user or an item: its K factors followed by its bias, K + 1 numbers that are solved for
together. With K = 0 only the bias is left, and the same code fits the bias-only model.

With the other side fixed, z = [q_i; 1] and y = r - mu - b_i, a user's row x solves

    (λ Σ z zᵀ + n^ν D) x = λ Σ z y + n^ν D m,      D = diag(τ, ..., τ, γ),

where n is the number of its ratings and m the prior mean (zero but for items with genres).
"""

import numpy as np
from numba import njit, prange

from recsys_lib.kernels.linalg import FAST, cholesky, solve_cholesky

PANEL = 128  # ratings gathered at a time: (K + 2) x 128 float32 stay in the first-level cache
TILE = 4  # the Gram matrix is computed in tiles of 4 x 4 running sums, held in registers
LANES = 16  # a panel is padded to whole vectors of 16 float32
CHUNKS = 256  # pieces of work; a fixed number, so that no result can depend on the thread count


@njit(cache=True, fastmath=FAST)
def gather(start, stop, indices, values, other, mu, panel):
    """Copy the rows [z; y] of some ratings into `panel`, transposed, and pad it with zeros.

    Transposed, each unknown's values lie side by side, and every entry of the Gram matrix becomes
    a dot product over contiguous memory. Returns the padded width.
    """
    n_factors = other.shape[1] - 1
    width = stop - start
    padded = (width + LANES - 1) // LANES * LANES
    for j in range(width):
        row = other[indices[start + j]]
        for k in range(n_factors):
            panel[k, j] = row[k]
        panel[n_factors, j] = 1
        panel[n_factors + 1, j] = values[start + j] - mu - row[n_factors]
    for k in range(n_factors + 2):
        for j in range(width, padded):
            panel[k, j] = 0
    return padded


@njit(cache=True, fastmath=FAST)
def add_gram(panel, width, gram):
    """Add panel panelᵀ to the lower triangle of `gram`, a tile of 4 x 4 at a time."""
    for a in range(0, gram.shape[0], TILE):
        a0, a1, a2, a3 = panel[a], panel[a + 1], panel[a + 2], panel[a + 3]
        for b in range(0, a + 1, TILE):
            b0, b1, b2, b3 = panel[b], panel[b + 1], panel[b + 2], panel[b + 3]
            c00 = c01 = c02 = c03 = c10 = c11 = c12 = c13 = panel.dtype.type(0)
            c20 = c21 = c22 = c23 = c30 = c31 = c32 = c33 = panel.dtype.type(0)
            for j in range(width):
                c00 += a0[j] * b0[j]
                c01 += a0[j] * b1[j]
                c02 += a0[j] * b2[j]
                c03 += a0[j] * b3[j]
                c10 += a1[j] * b0[j]
                c11 += a1[j] * b1[j]
                c12 += a1[j] * b2[j]
                c13 += a1[j] * b3[j]
                c20 += a2[j] * b0[j]
                c21 += a2[j] * b1[j]
                c22 += a2[j] * b2[j]
                c23 += a2[j] * b3[j]
                c30 += a3[j] * b0[j]
                c31 += a3[j] * b1[j]
                c32 += a3[j] * b2[j]
                c33 += a3[j] * b3[j]
            gram[a, b] += c00
            gram[a, b + 1] += c01
            gram[a, b + 2] += c02
            gram[a, b + 3] += c03
            gram[a + 1, b] += c10
            gram[a + 1, b + 1] += c11
            gram[a + 1, b + 2] += c12
            gram[a + 1, b + 3] += c13
            gram[a + 2, b] += c20
            gram[a + 2, b + 1] += c21
            gram[a + 2, b + 2] += c22
            gram[a + 2, b + 3] += c23
            gram[a + 3, b] += c30
            gram[a + 3, b + 1] += c31
            gram[a + 3, b + 2] += c32
            gram[a + 3, b + 3] += c33


@njit(cache=True, fastmath=FAST)
def solve_row(start, stop, indices, values, other, mu, lam, penalty, nu, prior, panel, gram, x):
    """Write one row's solution into `x` and return the sum of its squared residuals (float64).

    The targets y ride along as one more row of the panel, so that the Gram matrix of [z; y] holds
    Σ z zᵀ, Σ z y and Σ y² at once. At the solution the residuals need no second pass:
    Σ (y - x·z)² = Σ y² - 2 x·g + xᵀ(Σ z zᵀ)x, and the last term follows from A x = rhs.
    """
    size = len(x)
    if start == stop:  # nothing observed: the prior is all there is
        x[:] = prior
        return 0.0
    gram[:] = 0
    for first in range(start, stop, PANEL):
        last = min(first + PANEL, stop)
        width = gather(first, last, indices, values, other, mu, panel)
        add_gram(panel, width, gram)
    weight = gram.dtype.type((stop - start) ** nu)
    g = gram[size]
    squares = np.float64(g[size])
    for k in range(size):
        x[k] = lam * g[k] + weight * penalty[k] * prior[k]
        for m in range(k):
            gram[k, m] *= lam
        gram[k, k] = lam * gram[k, k] + weight * penalty[k]
    rhs = x.copy()
    cholesky(gram, size)
    solve_cholesky(gram, size, x)
    quadratic = 0.0
    for k in range(size):
        squares -= 2.0 * x[k] * g[k]
        quadratic += x[k] * (np.float64(rhs[k]) - np.float64(weight * penalty[k]) * x[k])
    return squares + quadratic / lam


@njit(cache=True, parallel=True)
def half_step(indptr, indices, values, order, other, mu, lam, penalty, nu, prior, rows, sse):
    """Solve all rows of one side, given the other: one half of an epoch.

    Parameters
    ----------
    indptr, indices, values : CSR of the ratings, a row for each row to solve
    order : (n_rows,) int
        The rows by decreasing length; dealt out like cards, they make pieces of equal work.
    other : (n_other, K + 1) float
        The fixed side: factors, then the bias.
    mu, lam : float
        Mean rating; weight of the residuals.
    penalty : (K + 1,)
        τ for each factor, then γ for the bias.
    nu : float
        A row of n ratings is penalised n^ν times: 0 is the textbook's rule, 1 is ALS-WR.
    prior : (n_rows, K + 1) or (1, K + 1)
        Prior means; a single row holds for all.
    rows : (n_rows, K + 1)
        Overwritten by the solution.
    sse : (n_rows,) float64
        Overwritten by each row's sum of squared residuals at the solution.
    """
    size = other.shape[1]
    padded = (size + TILE) // TILE * TILE  # size + 1 unknowns and targets, in whole tiles
    chunks = min(CHUNKS, len(order))  # one row alone needs room for one
    for chunk in prange(chunks):
        panel = np.zeros((padded, PANEL), other.dtype)
        gram = np.empty((padded, padded), other.dtype)
        for position in range(chunk, len(order), chunks):
            r = order[position]
            m = prior[min(r, len(prior) - 1)]
            sse[r] = solve_row(
                indptr[r], indptr[r + 1], indices, values, other,
                mu, lam, penalty, nu, m, panel, gram, rows[r],
            )  # fmt: skip


@njit(cache=True, parallel=True)
def predict_pairs(user_rows, item_rows, mu, users, items, out):
    """Fill `out` (n,) with mu + b_u + b_i + p_u·q_i for pairs of user and item indices."""
    n_factors = user_rows.shape[1] - 1
    for k in prange(len(out)):
        p, q = user_rows[users[k]], item_rows[items[k]]
        total = mu + p[n_factors] + q[n_factors]
        for f in range(n_factors):
            total += p[f] * q[f]
        out[k] = total


@njit(cache=True)
def penalties(rows, indptr, nu, prior):
    """Return Σ n^ν (x - m)² over the rows, (K + 1,) float64: the regulariser, a term a column."""
    total = np.zeros(rows.shape[1])
    for r in range(len(rows)):
        weight = float(indptr[r + 1] - indptr[r]) ** nu
        m = prior[min(r, len(prior) - 1)]
        for k in range(rows.shape[1]):
            total[k] += weight * (rows[r, k] - m[k]) ** 2
    return total
