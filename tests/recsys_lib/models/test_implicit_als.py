"""Implicit ALS: its kernels against twins in float64 and calculus, and the model on its own."""

import numpy as np
import pytest
from threadpoolctl import threadpool_limits

from recsys_lib import models
from recsys_lib.kernels import als
from recsys_lib.kernels import implicit as kernels
from recsys_lib.models.known import by_length
from tests.recsys_lib.models.check_model import check_threads_change_no_bit
from tests.recsys_lib.small import as_ratings


def small(n_users=23, n_items=31, n_pairs=300):
    """Return pairs and their c - 1: one user and one item without any, and a value of zero."""
    rng = np.random.default_rng(0)
    users, items = rng.integers(1, n_users, n_pairs), rng.integers(1, n_items, n_pairs)
    values = rng.exponential(2, n_pairs)
    values[:3] = 0
    return as_ratings(users, items, values, n_users, n_items, (0, 100))


def random_rows(n, size, seed, dtype=np.float64):
    return np.random.default_rng(seed).normal(0, 0.5, (n, size)).astype(dtype)


def dense(pairs):
    """The matrices of targets and of confidences, (n_users, n_items) float64."""
    excess = pairs.by_user.to_scipy(pairs.n_items).toarray().astype(float)
    ones = pairs.by_user._replace(values=np.ones(len(pairs)))
    return ones.to_scipy(pairs.n_items).toarray(), 1 + excess


def objective(pairs, users, items, user_penalties, item_penalties):
    """L, over every pair."""
    target, confidence = dense(pairs)
    error = confidence * (target - users @ items.T) ** 2
    own = user_penalties @ (users**2).sum(1) + item_penalties @ (items**2).sum(1)
    return 0.5 * (error.sum() + own)


def half_step(csr, other, penalties):
    n_rows = len(penalties)
    rows, losses = np.full((n_rows, other.shape[1]), np.nan, other.dtype), np.empty(n_rows)
    gram = kernels.gram_of(other).astype(other.dtype)
    weights = penalties.astype(other.dtype)
    kernels.half_step(*csr, np.arange(n_rows), other, gram, weights, rows, losses)
    return rows, losses


@pytest.mark.parametrize("n_factors", [1, 5, 16, 33])
@pytest.mark.parametrize(("dtype", "tolerance"), [(np.float64, 1e-10), (np.float32, 3e-4)])
def test_half_step_equals_a_dense_solver_over_every_pair(n_factors, dtype, tolerance):
    pairs = small(n_users=4, n_items=300, n_pairs=700)
    assert pairs.by_user.counts.max() > als.PANEL  # more than one panel
    other = random_rows(300, n_factors, 1, dtype)
    penalties = np.array([0.5, 1.0, 2.0, 3.0])
    rows, losses = half_step(pairs.by_user, other, penalties)
    target, confidence = dense(pairs)
    y = other.astype(float)
    for u in range(4):
        a = y.T @ (confidence[u][:, None] * y) + penalties[u] * np.eye(n_factors)
        expected = np.linalg.solve(a, y.T @ (confidence[u] * target[u]))
        np.testing.assert_allclose(rows[u], expected, rtol=tolerance, atol=tolerance)
        loss = np.sum(confidence[u] * (target[u] - y @ expected) ** 2)
        assert losses[u] == pytest.approx(loss, rel=10 * tolerance)


def approach(pairs, items, penalties, rows, n_steps):
    """Take steps of conjugate gradient; return items and rows on new axes, and the losses."""
    items, rows, losses = items.copy(), rows.copy(), np.empty(len(rows))
    kernels.approach(*pairs, by_length(pairs), items, penalties, rows, losses, n_steps)
    return items, rows, losses


@pytest.mark.parametrize("size", [5, 16, 33])
def test_conjugate_gradient_of_k_steps_is_exact(size):
    """In exact arithmetic K steps solve K unknowns; fewer leave a residual, told by the loss."""
    pairs = small()
    items, penalties = random_rows(31, size, 1), np.linspace(1, 2, 23)
    exact, losses = half_step(pairs.by_user, items, penalties)
    target, confidence = dense(pairs)
    errors, start = [], random_rows(23, size, 3)
    seen = pairs.by_user.counts > 0
    for n_steps in (0, 1, 2, size):
        turned, rows, found = approach(pairs.by_user, items, penalties, start, n_steps)
        gram = turned.T @ turned
        np.testing.assert_allclose(gram, np.diag(np.diag(gram)), atol=1e-12 * gram.max())
        direct = np.sum(confidence * (target - rows @ turned.T) ** 2, axis=1)
        np.testing.assert_allclose(found[seen], direct[seen], rtol=1e-10)
        assert (rows[~seen] == 0).all() and (found[~seen] == 0).all()
        errors.append(np.abs(rows @ turned.T - exact @ items.T).max())
        if n_steps == 0:  # other axes, the same products
            np.testing.assert_allclose(rows[seen] @ turned.T, start[seen] @ items.T, atol=1e-12)
    assert errors[0] > errors[1] > errors[2] > 1e-8 > errors[3]
    np.testing.assert_allclose(found, losses, rtol=1e-10)


def test_conjugate_gradient_stays_where_it_is_right():
    pairs, items, penalties = small(), random_rows(31, 4, 1), np.ones(23)
    exact, _ = half_step(pairs.by_user, items, penalties)
    turned, rows, _ = approach(pairs.by_user, items, penalties, exact, 10)
    np.testing.assert_allclose(rows @ turned.T, exact @ items.T, atol=1e-12)


def test_no_setting_of_blas_changes_a_bit():
    """Eigenvectors found by two threads differ in their last bits, from about K = 256 on."""
    pairs, found = small(n_items=300), []
    for n in (1, 2):
        with threadpool_limits(n):
            task = random_rows(300, 256, 1), np.ones(23), random_rows(23, 256, 3)
            found.append(approach(pairs.by_user, *task, 1))
    np.testing.assert_array_equal(found[0][1], found[1][1])


@pytest.mark.parametrize("n", [1, 129, 5000])
def test_the_gram_matrix(n):
    rows = random_rows(n, 19, n, np.float32)
    expected = rows.astype(float).T @ rows.astype(float)
    np.testing.assert_allclose(kernels.gram_of(rows), expected, rtol=2e-5, atol=2e-5 * n**0.5)


def test_the_same_bits_at_any_thread_count_by_conjugate_gradient(small):
    check_threads_change_no_bit(lambda **params: small("ImplicitALS", solver="cg", **params))


# ---- the model


@pytest.mark.parametrize("nu", [0.0, 0.5, 1.0])
def test_the_loss_is_the_objective_and_never_rises(nu, parts):
    train = parts[0]
    model = models.ImplicitALS(8, alpha=4.0, tau=2.0, nu=nu, threshold=3.5, n_epochs=6).fit(train)
    liked = train.select(train.by_user.values >= np.float32(3.5))
    n_u, n_i = liked.by_user.counts**nu, liked.by_item.counts**nu
    liked.by_user.values[:] = 4
    users, items = (getattr(model, f"{side}_factors_").astype(float) for side in ("user", "item"))
    expected = objective(liked, users, items, 2 * n_u, 2 * n_i)
    assert model.training_log_["loss"].iloc[-1] == pytest.approx(expected, rel=1e-4)
    assert (model.training_log_["loss"].diff().dropna() <= 0).all()


@pytest.mark.parametrize(("n_factors", "solver"), [(31, "cholesky"), (32, "cg")])
def test_the_solver_is_chosen_by_the_number_of_factors(n_factors, solver, parts):
    chosen, named = (
        models.ImplicitALS(n_factors, threshold=3.5, n_epochs=1, **params).fit(parts[0])
        for params in ({}, {"solver": solver})
    )
    np.testing.assert_array_equal(chosen.user_factors_, named.user_factors_)


def test_fold_in_is_the_half_step_of_training(parts):
    train = parts[0]
    model = models.ImplicitALS(8, threshold=3.5, n_epochs=3).fit(train)
    everyone = model.user_vectors(train.by_user)
    some = train.user_ids[[0, 17, 299]]
    for user in some:
        u = train.user_index(user)[0]
        alone = model.user_vectors(train.by_user.take(np.array([u])))[0]
        np.testing.assert_array_equal(alone, everyone[u])
    last = model.user_factors_.copy()
    again = models.ImplicitALS(8, threshold=3.5, n_epochs=4).fit(train)
    # The users' half step of epoch 4 is the fold-in after epoch 3.
    np.testing.assert_array_equal(again.user_factors_, everyone)
    assert not np.array_equal(last, everyone)
