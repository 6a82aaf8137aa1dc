"""Whether a reader's answer to an exercise is right: the answer itself stands in no chapter.

Each function prints "Right." or raises an AssertionError with a hint.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
import pandas as pd
from scipy.linalg import orthogonal_procrustes
from scipy.stats import hypergeom

from recsys_lib.metrics import auc as user_auc
from recsys_lib.metrics import damped_mean, ndcg_at_k
from recsys_lib.models import ALS, BiasALS, GenreALS
from recsys_lib.ratings import Ratings


def _right(*answers: tuple[object, object, str, float]) -> None:
    # each: what was given, what is right, a hint, the tolerance
    for given, right, hint, within in answers:
        assert np.allclose(given, right, rtol=0, atol=within), hint  # type: ignore[arg-type]
    print("Right.")


def check_filter(film_counts: np.ndarray, films_left: float, ratings_left: float) -> None:
    """Check the shares of films and of ratings that are left from ten ratings on."""
    n = np.sort(film_counts)
    first = np.searchsorted(n, 10)
    _right(
        (films_left, 1 - first / len(n), "films: is a film with ten ratings kept?", 1e-6),
        (ratings_left, n[first:].sum() / n.sum(), "ratings: divide by all ratings", 1e-6),
    )


def check_means(ratings: Ratings, of_ratings: float, of_films: float) -> None:
    """Check the mean of the ratings, and that of the films' means."""
    rows = ratings.by_item
    means = [rows.row(int(film))[1].mean(dtype=float) for film in np.flatnonzero(rows.counts)]
    _right(
        (of_ratings, ratings.mean, "of ratings: each rating counts once", 1e-4),
        (of_films, np.mean(means), "of films: each film with a rating counts once", 1e-4),
    )


def check_future(train: Ratings, valid: Ratings, test: Ratings, share: float) -> None:
    """Check the share of test ratings before the same user's latest training rating."""
    latest = pd.Series(train.timestamps).groupby(train.user_of_rating()).max()
    learnt = latest.reindex(test.user_of_rating()).to_numpy()
    hint = "does 'later' mean strictly later, and of the same user?"
    _right((share, (test.timestamps < learnt).mean(), hint, 1e-6))


def check_gamma(gamma: float) -> None:
    """Check the γ by which four ratings of 5 have a damped mean of 4.5 where the mean is 3.5."""
    value = float(damped_mean(np.array([20.0]), np.array([4]), 3.5, gamma)[0])
    _right((value, 4.5, f"the damped mean is {value:.3f} with this γ", 1e-6))


def check_one_side(train: Ratings, gamma: float, b_u: np.ndarray) -> None:
    """Check user biases without film biases by the derivative of the objective, which is 0."""
    u = train.user_of_rating()
    left = np.bincount(u, train.by_user.values - train.mean - b_u[u], train.n_users)
    _right((left, gamma * b_u, "the derivative of the objective is not 0 for all users", 1e-3))


def check_prior_row(model: GenreALS, film: int, row: np.ndarray) -> None:
    """Check the row at which a film without ratings starts, (K + 1,): factors, then the bias."""
    expected = model.item_rows_[film]
    assert np.shape(row) == expected.shape, f"expected {len(expected)} numbers: factors and bias"
    _right((row, expected, "the model put the film elsewhere: what is the sum divided by?", 1e-4))


def check_prior_bias(bias: Callable[..., float]) -> None:
    """Check a film's bias, given residuals, its prior mean and the weight of the prior."""
    assert bias([], 0.3, 2.0, 0.5) == 0.3, "without a rating the prior mean is all there is"
    one, four = bias([1.0], 0.0, 2.0, 0.5), bias([1.0] * 4, 0.5, 3.0, 0.5)
    _right(
        (one, 1 / 3, "one rating, prior mean 0: what weighs the prior?", 1e-6),
        (four, 0.7, "four ratings: how does the weight grow with n?", 1e-6),
    )


def check_split_films(
    ratings: Ratings, split_films: Callable[..., tuple[Ratings, Ratings]]
) -> None:
    """Check a split that holds out a share of the rated films with all their ratings."""
    train, test = split_films(ratings, 0.2, 0)
    a, b, every = (part.by_item.counts for part in (train, test, ratings))
    assert not ((a > 0) & (b > 0)).any(), "a film has ratings in both parts"
    assert np.array_equal(a + b, every), "together the parts hold each rating once"
    drawn, rated = int((b > 0).sum()), int((every > 0).sum())
    assert abs(drawn - 0.2 * rated) <= 1, "take the share of the films that have ratings"
    again = split_films(ratings, 0.2, 1)[1].by_item.counts
    assert not np.array_equal(b, again), "another seed draws other films"
    print("Right.")


def check_user_update(train: Ratings, new_bias: Callable[..., float]) -> None:
    """Check a user's bias after an update, given residuals and the weight of the penalty."""
    model = BiasALS(n_epochs=3).fit(train, progress=False)
    assert new_bias([], model.gamma, model.nu) == 0, "nothing is known: the bias stays at 0"
    counts = train.by_user.counts
    user = int(np.argmin(np.where(counts > 0, counts, counts.max())))
    film = int(np.argmax(train.by_item.counts))
    mine = train.of_user(train.user_ids[user]).set_index("item_id")["rating"]
    mine.loc[train.item_ids[film]] = train.scale[1]
    model.partial_fit_users(train.user_ids[user], {train.item_ids[film]: train.scale[1]})
    places = train.item_index(mine.index.to_numpy())
    residuals = mine.to_numpy() - model.mu_ - model.item_biases_[places]
    found = new_bias(residuals, model.gamma, model.nu)
    _right(
        (found, model.user_biases_[user], "the model has another bias: what grows with n?", 1e-4)
    )


def check_show(ratings: Ratings, show: Callable[..., Ratings]) -> None:
    """Check a function that leaves n ratings of one film, and all of the other films."""
    film = int(np.argmax(ratings.by_item.counts))
    others = np.arange(ratings.n_items) != film
    before = np.array([], int)
    for n in (0, 1, 3):
        part = show(ratings, film, n)
        assert part.by_item.counts[film] == n, f"the film should have {n} ratings"
        same = part.by_item.counts[others] == ratings.by_item.counts[others]
        assert same.all(), "the ratings of other films should stay"
        users = part.by_item.row(film)[0]
        assert np.isin(before, users).all(), "a larger n should keep the ratings of a smaller one"
        before = users
    print("Right.")


def check_listed(places: np.ndarray, rare: np.ndarray, share: float) -> None:
    """Check the share of lists (one row per user) with one of the films that `rare` marks."""
    _right((share, rare[places].any(axis=1).mean(), "count users, not places", 1e-6))


def check_best_precision(n_relevant: np.ndarray, best: float) -> None:
    """Check the mean precision at ten of the best possible lists."""
    right = np.minimum(n_relevant, 10).mean() / 10
    _right((best, right, "no list has more hits than places, or than relevant films", 1e-6))


def check_ndcg(ndcg: Callable[[list[bool], int], float]) -> None:
    """Check NDCG of one list, given its hits and the number of relevant items."""
    for hits, n in (([True, False], 1), ([False, True, False], 1), ([False, True, True], 5)):
        right = ndcg_at_k(np.array([hits]), np.array([n]))[0]
        assert np.isclose(ndcg(hits, n), right), f"{hits}, {n} relevant: not {ndcg(hits, n):.3f}"
    print("Right.")


def check_sampled_hit(probability: float) -> None:
    """Check how likely rank 500 of 5,000 is among the first ten of 101."""
    right = hypergeom(4999, 499, 100).cdf(9)
    _right((probability, right, "how many of the 499 above may be drawn, at most?", 1e-6))


def check_ridge_column(column: Callable[..., np.ndarray]) -> None:
    """Check a column of EASE's matrix, given the likes (n_users, n_items), its number and λ."""
    likes = np.random.default_rng(3).random((40, 6)) < 0.4
    inverse = np.linalg.inv(likes.T.astype(float) @ likes + 5 * np.eye(6))
    for j in (0, 4):
        right = np.where(np.arange(6) == j, 0, -inverse[:, j] / inverse[j, j])
        found = column(likes.astype(float), j, 5.0)
        assert np.shape(found) == (6,), "a number for each film, and 0 for the film itself"
        assert np.allclose(found, right), "is lam added to the diagonal of the others alone?"
    print("Right.")


def check_implicit_loss(loss: Callable[..., float]) -> None:
    """Check a user's part of implicit ALS's objective, given p, liked rows, the Gram matrix, α."""
    rng = np.random.default_rng(4)
    p, items = rng.standard_normal(3), rng.standard_normal((9, 3))
    for n in (0, 4):
        x, weight = items @ p, np.where(np.arange(9) < n, 3.0, 1.0)
        right = 0.5 * weight @ ((np.arange(9) < n) - x) ** 2
        found = loss(p, items[:n], items.T @ items, 2.0)
        assert np.isclose(found, right), f"{n} likes: {found:.3f}, and not {right:.3f}"
    print("Right.")


def check_auc(scores: np.ndarray, relevant: np.ndarray, auc: float) -> None:
    """Check the share of pairs of a relevant item and another in the right order."""
    _right((auc, user_auc(scores, relevant), "divide by the pairs; do ties count half?", 1e-6))


def check_draw_ratio(train: Ratings, threshold: float, ratio: float) -> None:
    """Check how much likelier one triple is drawn of the user with most ratings than with fewest.

    Only users with a rating of `threshold` or more are drawn at all.
    """
    liked = np.unique(train.user_of_rating()[train.by_user.values >= threshold])
    left = train.n_items - train.by_user.counts[liked]
    _right((ratio, left.max() / left.min(), "count all ratings of a user, not the likes", 1e-6))


def check_turn(turn: Callable[..., np.ndarray]) -> None:
    """Check the orthogonal matrix T (K, K) that brings b T closest to a, of two (n, K) matrices."""
    rng = np.random.default_rng(7)
    a, noise = rng.normal(size=(2, 60, 4))
    b = a @ np.linalg.qr(rng.normal(size=(4, 4)))[0] + 0.3 * noise
    found, right = turn(a, b), orthogonal_procrustes(b, a)[0]
    assert np.allclose(found.T @ found, np.eye(4)), "it is not orthogonal"
    _right((found, right, "another orthogonal matrix is closer", 1e-6))


def check_damped(damped: Callable[..., np.ndarray], q: np.ndarray, counts: np.ndarray) -> None:
    """Check the items with the largest cosines with one item's vector, times n / (n + k)."""
    item, length = int(np.argmax(counts)), np.maximum(np.linalg.norm(q, axis=1), 1e-12)
    allowed = (counts > 0) & (np.arange(len(q)) != item)
    for k in (0, 5, 50):
        scores = q @ q[item] / length / length[item] * counts / np.maximum(counts + k, 1)
        scores[~allowed] = -np.inf
        best, found = np.sort(scores)[::-1][:10], scores[np.asarray(damped(item, 10, k))]
        assert np.allclose(found, best, atol=1e-5), f"k = {k}: other films belong there"
    print("Right.")


def check_taste(taste_cosine: Callable[..., float], p: np.ndarray, q: np.ndarray) -> None:
    """Check the cosine of two items' p·q over all users, with vectors (n, K) of both sides."""
    i, j = np.argsort(-np.linalg.norm(q, axis=1))[:2]
    one, other = p @ q[i], p @ q[j]
    right = one @ other / np.linalg.norm(one) / np.linalg.norm(other)
    _right(
        (taste_cosine(p, q, i, i), 1, "a film is as similar to itself as can be", 1e-4),
        (taste_cosine(p, q, i, j), right, "not the cosine over all users", 1e-4),
    )


def check_als_gradient(
    gradient: Callable[..., np.ndarray],
    z: np.ndarray,
    y: np.ndarray,
    weights: np.ndarray,
    lam: float,
    row: np.ndarray,
) -> None:
    """Check ∇L_u by differences of L_u, and that it vanishes at the solved `row` (K + 1,).

    L_u(x) is λ/2 Σ (y - z·x)² plus half of the `weights` (K + 1,) times x².
    """

    def loss(x: np.ndarray) -> float:
        return float(0.5 * lam * np.sum((y - z @ x) ** 2) + 0.5 * weights @ x**2)

    x, steps = np.linspace(-1, 1, len(row)), 1e-5 * np.eye(len(row))
    slopes = [(loss(x + step) - loss(x - step)) / 2e-5 for step in steps]
    found = gradient(x, z, y)
    assert np.shape(found) == x.shape, f"its shape is {np.shape(found)}, that of x is {x.shape}"
    assert np.allclose(found, slopes, 1e-4, 1e-4), "differences of L_u disagree with it"
    assert np.allclose(gradient(row, z, y), 0, atol=1e-6), "it is not 0 at the solution"
    print("Right.")


def check_als_reached(reached: Callable[[np.ndarray, float], int]) -> None:
    """Check how many epochs a falling objective takes for a share of its way."""
    losses = 10 + 100 * 0.5 ** np.arange(12)
    for share in (0.3, 0.7, 0.97):
        way = (losses[0] - losses) / (losses[0] - losses[-1])
        found = reached(losses, share)
        assert found > 0 and way[int(found) - 1] >= share, f"not yet there: share {share}"
        assert found == 1 or way[int(found) - 2] < share, f"an earlier epoch is there: {share}"
    print("Right.")


def check_als_known(
    recommend_known: Callable[..., pd.Series],
    model: ALS,
    train: Ratings,
    ratings: Mapping[int, float],
    least: int,
) -> None:
    """Check a list of ten films with at least `least` ratings each, the best first."""
    ids = np.asarray(recommend_known(ratings, least, 10))
    counts = train.by_item.counts
    ranked = model.recommend_for(ratings, train.n_items, candidates=train.item_ids[counts >= least])
    assert len(ids) == min(10, len(ranked)), f"the list has {len(ids)} films"
    fewest = counts[train.item_index(ids)].min()
    assert fewest >= least, f"a film on the list has only {fewest} ratings"
    assert not {*ids} & {*ratings}, "the list holds a film that was rated already"
    scores = ranked.set_index("item_id")["score"]
    found = scores.reindex(ids).to_numpy()
    assert np.allclose(np.sort(found)[::-1], scores.iloc[:10], atol=1e-3), "better films are left"
    assert np.allclose(found, scores.iloc[:10], atol=1e-3), "the best film does not stand first"
    print("Right.")


def check_tuning_paired(
    paired_interval: Callable[[np.ndarray, np.ndarray], tuple[float, float, float]],
) -> None:
    """Check a mean difference and its interval, of users that both models find hard or easy."""
    rng = np.random.default_rng(7)
    shared = rng.normal(1, 0.5, 400)
    a, b = (shared + rng.normal(mean, 0.1, 400) for mean in (0.0, 0.03))
    mean, low, high = paired_interval(a, b)
    assert np.isclose(mean, a.mean() - b.mean()), "the mean is not that of a - b"
    assert np.isclose(mean - low, high - mean), "the interval is not centred on the mean"
    error = (high - low) / 3.92
    assert error < 0.02, "too wide: is it the error of the differences, or of each model alone?"
    assert np.isclose(error, np.std(a - b, ddof=1) / 20, rtol=0.01), "divide by the root of n"
    print("Right.")


def check_tuning_luck(luck: Callable[[int, float], float]) -> None:
    """Check the mean of the smallest of n normal numbers with mean 0, its sign turned."""
    assert abs(luck(1, 1.0)) < 0.05, "with a single trial there is no luck"
    for n, value in ((2, 1 / np.sqrt(np.pi)), (3, 1.5 / np.sqrt(np.pi)), (100, 2.508)):
        found = luck(n, 1.0)
        assert found > 0, "by how much it is too good is a positive number"
        assert abs(found - value) < 0.05, f"with {n} trials it is not {found:.3f}"
    assert abs(luck(3, 0.1) / luck(3, 1.0) - 0.1) < 0.01, "it is in proportion to sd"
    print("Right.")


def check_multinomial_gradient(gradient: Callable[..., np.ndarray]) -> None:
    """Check the gradient of -Σ r ln softmax(z) by z, (n,), by differences of the loss."""
    rng = np.random.default_rng(0)
    z, r = rng.normal(size=30), (rng.random(30) < 0.2).astype(float)

    def loss(z: np.ndarray) -> float:
        return float(r.sum() * np.log(np.exp(z).sum()) - r @ z)

    slopes = [(loss(z + step) - loss(z - step)) / 2e-5 for step in 1e-5 * np.eye(30)]
    one = np.eye(30)[0]
    huge = gradient(np.full(30, 1e3), one)
    _right(
        (gradient(z, r), slopes, "differences disagree: how many likes are there?", 1e-6),
        (huge, 1 / 30 - one, "subtract the largest score first", 1e-9),
    )


def check_histories(histories: Callable[[np.ndarray], np.ndarray]) -> None:
    """Check, for each row of H (n, K), the mean of the other rows; of a single row, zeros."""
    for n in (1, 2, 30):
        H = np.random.default_rng(n).normal(size=(n, 4))
        means = [np.delete(H, i, 0).mean(axis=0) if n > 1 else np.zeros(4) for i in range(n)]
        found = np.asarray(histories(H))
        right = found.shape == H.shape and np.allclose(found, means)
        assert right, f"of {n} likes: a row each, the mean of the others without the own"
    print("Right.")
