"""What the genres say of a film: the update of all genre vectors together."""

import numpy as np
from numba import njit

from recsys_lib.kernels.linalg import cholesky, solve_cholesky


@njit(cache=True)
def solve_genres(indptr, nu, genre_starts, genres, item_rows, penalty, beta, n_genres):
    """Return the genre vectors f (n_genres, K + 1) float64 that fit the items' rows best.

    With G_ig = 1/√F_i where item i has genre g, and W = diag(n_i^ν) over rated items, each column
    of f solves (τ GᵀWG + β I) f = τ GᵀW q; the bias column has γ in place of τ. The genres of a
    film share its vector, so they are solved for together: updating each from the old values of
    the others diverges on real genres.

    Parameters
    ----------
    indptr : (n_items + 1,) int64
        Offsets of the items' ratings: an item's number of ratings is n_i.
    nu, beta : float
        Exponent of the counts; weight of the genre vectors' own penalty.
    genre_starts, genres : CSR without values
        The genres of each item.
    item_rows : (n_items, K + 1)
        Factors, then the bias.
    penalty : (K + 1,)
        τ for each factor, then γ for the bias.
    """
    size = item_rows.shape[1]
    gram, target = np.zeros((n_genres, n_genres)), np.zeros((size, n_genres))
    for i in range(len(item_rows)):
        count, mine = indptr[i + 1] - indptr[i], genres[genre_starts[i] : genre_starts[i + 1]]
        if count == 0 or len(mine) == 0:
            continue
        weight = float(count) ** nu
        for g in mine:
            for h in mine:
                gram[g, h] += weight / len(mine)
            for k in range(size):
                target[k, g] += weight / np.sqrt(len(mine)) * item_rows[i, k]
    vectors = np.empty((n_genres, size))
    for k in range(size):
        a = penalty[k] * gram + beta * np.eye(n_genres)
        x = penalty[k] * target[k]
        cholesky(a, n_genres)
        solve_cholesky(a, n_genres, x)
        vectors[:, k] = x
    return vectors


@njit(cache=True)
def prior_means(genre_starts, genres, vectors, out):
    """Fill `out` (n_items, K + 1) with m_i = F_i^(-1/2) Σ f_g; a film without genre gets zeros."""
    out[:] = 0
    for i in range(len(out)):
        mine = genres[genre_starts[i] : genre_starts[i + 1]]
        for g in mine:
            for k in range(out.shape[1]):
                out[i, k] += vectors[g, k] / np.sqrt(len(mine))
