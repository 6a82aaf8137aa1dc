"""The ALS kernels against NumPy twins in float64, against a dense solver, and against calculus."""

import numpy as np
import pytest
from scipy.sparse import csr_matrix

from recsys_lib.features import solve_features
from recsys_lib.kernels import als
from recsys_lib.ratings import CSR
from tests.recsys_lib.small import as_ratings

LAM, TAU, GAMMA, BETA, MU = 1.7, 2.3, 0.9, 1.4, 3.2


def small(n_users=23, n_items=31, n_ratings=300, seed=0):
    """Return ratings of which one user has none, one item has none, and one row fills panels."""
    rng = np.random.default_rng(seed)
    users, items = rng.integers(1, n_users, n_ratings), rng.integers(1, n_items, n_ratings)
    values = rng.integers(1, 11, n_ratings) / 2
    return as_ratings(users, items, values, n_users, n_items)


def rows(n, size, seed, dtype=np.float64):
    return np.random.default_rng(seed).normal(0, 0.5, (n, size)).astype(dtype)


def penalty(size, dtype=np.float64):
    return np.array([TAU] * (size - 1) + [GAMMA], dtype)


def half_step(ratings, other, prior, nu, n_rows):
    out, sse = np.full((n_rows, other.shape[1]), np.nan, other.dtype), np.empty(n_rows)
    scalar = other.dtype.type
    als.half_step(
        *ratings, np.arange(n_rows), other, scalar(MU), scalar(LAM),
        penalty(other.shape[1], other.dtype), nu, prior, out, sse,
    )  # fmt: skip
    return out, sse


def twin_half_step(ratings, other, prior, nu, n_rows):
    """Solve each row as the equation on the notation page says, with a general dense solver."""
    out, sse = np.empty((n_rows, other.shape[1])), np.empty(n_rows)
    for r in range(n_rows):
        m = prior[min(r, len(prior) - 1)]
        columns, values = ratings.row(r)
        if len(columns) == 0:
            out[r], sse[r] = m, 0
            continue
        z = other[columns].astype(float)
        y = values.astype(float) - MU - z[:, -1]
        z[:, -1] = 1
        d = len(columns) ** nu * np.diag(penalty(other.shape[1]))
        out[r] = np.linalg.solve(LAM * z.T @ z + d, LAM * z.T @ y + d @ m)
        sse[r] = np.sum((y - z @ out[r]) ** 2)
    return out, sse


@pytest.mark.parametrize("nu", [0.0, 0.5, 1.0])
@pytest.mark.parametrize("n_factors", [0, 1, 5, 20, 33])
@pytest.mark.parametrize(("dtype", "tolerance"), [(np.float64, 1e-10), (np.float32, 2e-4)])
def test_half_step_equals_the_dense_solver(nu, n_factors, dtype, tolerance):
    ratings = small(n_users=20, n_ratings=18_000, n_items=2000)  # rows of several panels
    other = rows(2000, n_factors + 1, 1, dtype)
    prior = rows(20, n_factors + 1, 2, dtype)
    assert ratings.by_user.counts.max() > 5 * als.PANEL
    got, sse = half_step(ratings.by_user, other, prior, nu, 20)
    expected, expected_sse = twin_half_step(ratings.by_user, other, prior, nu, 20)
    np.testing.assert_allclose(got, expected, rtol=tolerance, atol=tolerance)
    np.testing.assert_allclose(sse, expected_sse, rtol=20 * tolerance, atol=1e-9)


def test_the_features_update_solves_its_equation():
    ratings, nu, betas = small(), 0.5, np.array([1.0, 2.0, 3.0, 4.0])
    flags = np.random.default_rng(5).random((31, 4)) < 0.4  # items of 0 to 4 genres
    share = flags / np.sqrt(np.maximum(flags.sum(1, keepdims=True), 1))
    items = rows(31, 3, 2)
    counts = ratings.by_item.counts
    features = CSR.from_scipy(csr_matrix(share))
    got = solve_features(features, counts, nu, items, penalty(3), betas)
    weights = np.diag(np.where(counts > 0, counts**nu, 0))
    for k, weight in enumerate(penalty(3)):
        a = weight * share.T @ weights @ share + np.diag(betas)
        np.testing.assert_allclose(
            got[:, k], np.linalg.solve(a, weight * share.T @ weights @ items[:, k]), rtol=1e-10
        )


def test_a_nan_is_not_hidden():
    """The kernels' arithmetic may be reordered, but it may not assume that NaN never comes."""
    ratings = small()
    other = rows(31, 4, 1)
    other[ratings.by_user.row(5)[0][0]] = np.nan
    got, _ = half_step(ratings.by_user, other, np.zeros((1, 4)), 0.5, 23)
    assert np.isnan(got[5]).all()
