"""The joint update of all feature vectors, given the items' rows."""

import numpy as np
from numba import njit

from recsys_lib.kernels.linalg import aligned, solve
from recsys_lib.kernels.vectors import LANES


@njit(cache=True)
def solve_features(counts, nu, indptr, features, values, item_rows, penalty, betas):
    """Return the feature vectors f (n_features, K + 1) float64 that fit the items' rows best.

    With F the items' features and W = diag(n_i^ν) over rated items, each column of f solves
    (τ FᵀWF + diag β) f = τ FᵀW q; the bias column has γ in place of τ. The features of a film share
    its vector, so they are solved for together: updating each from the old values of the others
    diverges on real genres.

    Parameters
    ----------
    counts : (n_items,) int64
        The items' numbers of ratings n_i.
    nu : float
        Exponent of the counts.
    indptr, features, values : CSR
        The features of each item.
    item_rows : (n_items, K + 1)
        Factors, then the bias.
    penalty : (K + 1,)
        τ for each factor, then γ for the bias.
    betas : (n_features,)
        Weights of the feature vectors' own penalty.
    """
    size, n_features = item_rows.shape[1], len(betas)
    gram, target = np.zeros((n_features, n_features)), np.zeros((size, n_features))
    for i in range(len(item_rows)):
        if counts[i] == 0:
            continue
        weight = float(counts[i]) ** nu
        for e in range(indptr[i], indptr[i + 1]):
            g, share = features[e], weight * values[e]
            for b in range(indptr[i], indptr[i + 1]):
                gram[g, features[b]] += share * values[b]
            for k in range(size):
                target[k, g] += share * item_rows[i, k]
    vectors = np.empty((n_features, size))
    a = aligned(n_features * n_features, LANES, gram).reshape(n_features, n_features, LANES)
    x = aligned(n_features, LANES, gram)
    for first in range(0, size, LANES):  # as many columns at a time as there are lanes
        columns = range(first, min(first + LANES, size))
        for lane, k in enumerate(columns):
            for g in range(n_features):
                for h in range(n_features):
                    a[g, h, lane] = penalty[k] * gram[g, h]
                a[g, g, lane] += betas[g]
                x[g, lane] = penalty[k] * target[k, g]
        solve(a, n_features, x)
        for lane, k in enumerate(columns):
            for g in range(n_features):
                vectors[g, k] = x[g, lane]
    return vectors


@njit(cache=True)
def prior_means(indptr, features, values, vectors, out):
    """Fill `out` (n_items, K + 1) with m_i = Σ F_ig f_g; an item without feature gets zeros."""
    out[:] = 0
    for i in range(len(out)):
        for a in range(indptr[i], indptr[i + 1]):
            for k in range(out.shape[1]):
                out[i, k] += values[a] * vectors[features[a], k]
