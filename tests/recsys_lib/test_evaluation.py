"""The protocol: what is ranked, what counts, who is left out; against a loop in plain Python."""

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import ndcg_score

from recsys_lib import evaluation, metrics, splits
from recsys_lib import report as report_module
from recsys_lib.errors import RecsysError
from recsys_lib.models import ALS, Popularity
from recsys_lib.models.base import RatingModel, Recommender
from recsys_lib.models.known import nothing
from recsys_lib.ratings import Ratings

N_USERS, N_ITEMS, D = 60, 150, 3


@pytest.fixture(autouse=True)
def several_batches(monkeypatch):
    """Have the users measured a few at a time, the last of them fewer."""
    monkeypatch.setattr(evaluation, "BATCH", 7)


class Fixed(Recommender):
    """A linear model with given vectors: small whole numbers, so that many scores tie."""

    _stored, _items = "p", "q"

    seed: int = 0

    def _init(self, train, items, users):
        rng = np.random.default_rng(self.seed)
        self.p = rng.integers(-1, 2, (train.n_users, D)).astype(np.float32)
        self.q = rng.integers(-1, 2, (train.n_items, D)).astype(np.float32)

    def _epoch(self, train):
        return {}

    def _fold_in(self, ratings, liked):
        """A stranger is the sum of what was shown, weighted by the ratings less 3."""
        return ratings._replace(values=ratings.values - 3).to_scipy(len(self.q)) @ self.q


class FixedRatings(Fixed, RatingModel):
    """The same, as a rating model."""


class EndsInBias(FixedRatings):
    """The same numbers, the items' last added and not multiplied; ranks do not need users'."""

    ends_in_bias = True


def some_ratings(seed=0):
    """Ids unlike their positions; the last two users and items without a rating."""
    rng = np.random.default_rng(seed)
    users, items = np.divmod(
        rng.choice((N_USERS - 2) * (N_ITEMS - 2), 2500, replace=False), N_ITEMS - 2
    )
    frame = pd.DataFrame({"user_id": 7 * users + 3, "item_id": 11 * items + 5})
    frame["rating"] = rng.integers(1, 11, 2500) / 2
    frame["timestamp"] = rng.integers(0, 1000, 2500)
    return Ratings.from_frame(
        frame, user_ids=7 * np.arange(N_USERS) + 3, item_ids=11 * np.arange(N_ITEMS) + 5
    )


@pytest.fixture(scope="module")
def parts():
    return splits.random(some_ratings(), 0.1, 0.2, seed=1)


@pytest.fixture(scope="module")
def model(parts):
    return FixedRatings().fit(parts[0])


@pytest.fixture(scope="module", params=[FixedRatings, EndsInBias])
def ranked(request, parts):
    """A model, and its scores of all pairs."""
    model = request.param().fit(parts[0])
    scores = model.p @ model.q.T
    if model.ends_in_bias:
        scores = model.p[:, :-1] @ model.q[:, :-1].T + model.q[:, -1]
    return model, scores


def plain_lists(scores, seen, test, k, relevant=4.0, candidates="all"):
    """Per user id: the hits of the best k candidates and the number of relevant items, by loops."""
    out = {}
    for u in range(N_USERS):
        own = dict(zip(*(a.tolist() for a in test.by_user.row(u)), strict=True))
        good = {i for i, rating in own.items() if rating >= relevant}
        if not good:
            continue
        shown = set(seen.by_user.row(u)[0].tolist())
        new = (N_ITEMS - 1, *np.flatnonzero(seen.by_item.counts[:-1] == 0))
        pool = {"test": own, "new": new, "all": range(N_ITEMS)}[candidates]
        best = sorted((i for i in pool if i not in shown), key=lambda i, u=u: (-scores[u, i], i))
        best = best[:k]
        hits = [i in good for i in best] + [False] * (k - len(best))
        out[int(test.user_ids[u])] = (np.array([hits]), np.array([len(good)]), best)
    return out


BY_NAME = {
    "precision@5": (metrics.precision_at_k, 5),
    "recall@20": (metrics.recall_at_k, 20),
    "ndcg@10": (metrics.ndcg_at_k, 10),
    "map@10": (metrics.map_at_k, 10),
    "mrr@20": (metrics.mrr_at_k, 20),
    "hit_rate@1": (metrics.hit_rate_at_k, 1),
}


def assert_plain(report, expected):
    """Hold a report to the hits that loops have found, per user and in the mean."""
    assert report.per_user.index.tolist() == list(expected)
    for name, (metric, k) in BY_NAME.items():
        values = [metric(hits[:, :k], n)[0] for hits, n, _ in expected.values()]
        np.testing.assert_allclose(report.per_user[name], values, rtol=1e-12)
        assert report[name] == pytest.approx(np.mean(values))


@pytest.mark.parametrize("candidates", ["all", "test", "new"])
@pytest.mark.parametrize("relevant", [4.0, 5.0])
def test_ranking_metrics_are_the_plain_loops(parts, ranked, relevant, candidates):
    (train, _, test), (model, scores) = parts, ranked
    if candidates == "new":  # a third of the items
        train, test = (p.select((p.by_user.indices % 3 > 0) == (p is train)) for p in (train, test))
    report = evaluation.evaluate(
        model, train, test, [*BY_NAME], relevant=relevant, candidates=candidates
    )
    expected = plain_lists(scores, train, test, 20, relevant, candidates)
    assert list(report.values) == list(report.per_user) == [*BY_NAME]
    assert report.n_users == len(expected)
    assert report.n_left_out == (test.by_user.counts > 0).sum() - len(expected) > 0
    assert_plain(report, expected)


def test_metrics_of_the_lists_themselves(parts, model):
    of_lists = ["coverage@5", "gini@5", "novelty@5"]
    train, _, test = parts
    report = evaluation.evaluate(model, train, test, [*of_lists, "recall@20"])
    lists = [best for _, _, best in plain_lists(model.p @ model.q.T, train, test, 5).values()]
    assert report["coverage@5"] == len({i for best in lists for i in best}) / N_ITEMS
    assert report["gini@5"] == pytest.approx(metrics.gini(np.array(lists), N_ITEMS))
    counts = np.bincount(train.by_user.indices, minlength=N_ITEMS)
    raters = np.count_nonzero(np.bincount(train.user_of_rating(), minlength=N_USERS))
    surprise = [np.mean([-np.log2((counts[i] + 1) / (raters + 1)) for i in b]) for b in lists]
    np.testing.assert_allclose(report.per_user["novelty@5"], surprise)


@pytest.mark.parametrize("gain", ["linear", "exponential"])
def test_graded_ndcg_is_scikit_learns(parts, model, gain):
    train, _, test = parts
    names = {f"ndcg_{gain}@{k}": k for k in (1, 5, 20)}
    report = evaluation.evaluate(model, train, test, [*names])
    for user, own in model.recommend(report.per_user.index, n=20).groupby("user_id"):
        rated = test.of_user(user).set_index("item_id")["rating"].astype(float)
        truth = (rated if gain == "linear" else 2**rated - 1).reindex(test.item_ids, fill_value=0)
        score = -own.set_index("item_id")["rank"].reindex(test.item_ids, fill_value=100)
        for name, k in names.items():
            expected = ndcg_score(truth.to_numpy()[None], score.to_numpy()[None], k=k)
            assert report.per_user.loc[user, name] == pytest.approx(expected, rel=1e-12)


def test_lists_made_elsewhere_have_the_numbers_of_their_model(parts, model):
    train, _, test = parts
    names = [*BY_NAME, "ndcg_linear@5", "novelty@5", "coverage@5", "gini@5"]
    for one in (model, Popularity().fit(train), ALS(n_factors=3, n_epochs=2).fit(train)):
        own = evaluation.evaluate(one, train, test, names)
        table = one.recommend(train.user_ids, n=20).sample(frac=1, random_state=0)
        given = evaluation.evaluate(table, train, test, names)
        assert given.values == own.values
        pd.testing.assert_frame_equal(given.per_user, own.per_user)


def test_short_lists_and_users_without_one_find_less(parts, model):
    train, _, test = parts
    table = model.recommend(train.user_ids, n=5)
    table = table[table["rank"] <= table["user_id"] % 6]  # some have none
    report = evaluation.evaluate(table, train, test, ["precision@5", "recall@5"], relevant=3)
    liked = test.to_frame().query("rating >= 3").groupby("user_id")["item_id"].agg(set)
    listed = table.groupby("user_id")["item_id"].agg(set)
    found = [len(liked[user] & listed.get(user, set())) for user in liked.index]
    assert report.per_user.index.tolist() == liked.index.tolist()
    assert report.per_user["precision@5"].tolist() == [n / 5 for n in found]
    assert report.per_user["recall@5"].tolist() == [*(found / liked.map(len))]


def test_auc_is_over_the_whole_catalogue_less_what_was_seen(parts, ranked):
    (train, _, test), (model, scores) = parts, ranked
    report = evaluation.evaluate(model, train, test, ["auc"])
    for user_id, value in report.per_user["auc"].items():
        u = int(test.user_index(user_id)[0])
        unseen = np.setdiff1d(np.arange(N_ITEMS), train.by_user.row(u)[0])
        items, ratings = test.by_user.row(u)
        label = np.isin(unseen, items[ratings >= 4])
        assert value == pytest.approx(metrics.auc(scores[u, unseen], label))
    assert report["auc"] == pytest.approx(report.per_user["auc"].mean())


def test_users_unknown_to_the_model_are_ranked_and_counted():
    train, _, test = splits.temporal(some_ratings(), 0.1, 0.2)
    gone = train.select(~np.isin(train.user_of_rating(), [3, 4, 5]))
    report = evaluation.evaluate(Popularity().fit(gone), gone, test, ["recall@10"])
    liked = set(test.to_frame().query("rating >= 4")["user_id"])
    assert report.n_cold == len(liked & {24, 31, 38}) > 0
    assert liked == set(report.per_user.index)


class CarelessParrot(Fixed):
    """Scores the items of the training part above all others, and leaves none of them out."""

    def _init(self, train, items, users):
        self.p = np.zeros((train.n_users, train.n_items), np.float32)
        self.p[train.user_of_rating(), train.by_user.indices] = 1
        self.q = np.eye(train.n_items, dtype=np.float32)

    def rank(self, who, n, exclude=None):
        return super().rank(who, n, nothing(len(who)))


def test_a_test_part_that_overlaps_training_is_refused(parts, model):
    train, _, _ = parts
    with pytest.raises(RecsysError, match=f"{len(train)} test ratings .* was shown"):
        evaluation.evaluate(model, train, train, ["ndcg@10"])
    assert evaluation.evaluate(model, train, train, ["rmse"])["rmse"] > 0  # no list, no leak


# ---- strong generalisation


def test_strangers_are_folded_in_from_what_is_shown():
    train, _, test, history = splits.strong_generalisation(some_ratings(), 0.1, 0.4, 0.3, seed=2)
    model = FixedRatings().fit(train)
    names = ["rmse", "auc", *BY_NAME]
    report = evaluation.evaluate(model, train, test, names, test_input=history)
    vectors = model.user_vectors(history.by_user)
    expected = plain_lists(vectors @ model.q.T, history, test, 20)
    assert_plain(report, expected)
    pairs = test.user_of_rating(), test.by_user.indices
    predicted = model.mu_ + (vectors[pairs[0]] * model.q[pairs[1]]).sum(axis=1)
    rmse = metrics.rmse(test.by_user.values, predicted.clip(*test.scale))
    assert report["rmse"] == pytest.approx(rmse, rel=1e-6)
    assert 0 <= report["auc"] <= 1
    assert report.n_cold == 0


# ---- which metrics


def test_by_default_a_model_is_measured_on_what_it_can_do(parts, model):
    train, _, test = parts
    assert tuple(evaluation.evaluate(model, train, test).values) == evaluation.DEFAULT_METRICS
    lists_only = evaluation.evaluate(Fixed().fit(train), train, test)
    assert [*lists_only.values] == [*evaluation.DEFAULT_METRICS[2:]] == evaluation.possible(Fixed())
    assert evaluation.possible(FixedRatings(), ["rmse", "auc"]) == ["rmse", "auc"]
    assert evaluation.possible(Fixed(), ["rmse", "auc"]) == ["auc"]
    with pytest.raises(RecsysError, match="Fixed can have none of the metrics r2"):
        evaluation.possible(Fixed(), ["r2"])


@pytest.mark.parametrize("name", ["ndgc@10", "ndcg", "ndcg@0", "ndcg@-1", "ndcg@x", "rmse@10", ""])
def test_an_unknown_metric_is_answered_with_the_list(parts, model, name):
    with pytest.raises(RecsysError, match=r"there is no metric .* rmse, .* hit_rate@k") as caught:
        evaluation.evaluate(model, parts[0], parts[2], [name])
    assert "\n" not in str(caught.value)
    with pytest.raises(RecsysError, match="there is no metric"):
        evaluation.possible(Fixed(), [name, "auc"])


def test_a_list_longer_than_the_catalogue_has_its_values_and_its_cost(parts, model):
    train, _, test = parts
    most, table = 10**9 - 1, model.recommend(train.user_ids, n=N_ITEMS)
    for one, candidates in ((model, "all"), (table, "all"), (model, "test"), (model, "new")):
        names = [[f"{kind}@{k}" for kind in metrics.WITH_K] for k in (N_ITEMS, most)]
        short, long = (e(one, train, test, some, candidates=candidates) for some in names)
        expected = dict(zip(names[1], short.values.values(), strict=True))
        expected[names[1][0]] *= N_ITEMS / most  # precision is over k
        assert long.values == pytest.approx(expected, nan_ok=True)
        assert candidates == "new" or long[f"recall@{most}"] == 1
    for who in (np.arange(3), test.by_user):
        assert ALS(n_epochs=1).fit(train).rank(who, most)[0].shape[1] == N_ITEMS


class OnlyLists(Recommender):
    """A model of the other kind: it gives lists, and no vectors."""

    def _epoch(self, train):
        return {}

    def rank(self, who, n, exclude=None):
        return np.full((len(who), n), -1, np.int32), np.full((len(who), n), -np.inf)


class Nan(FixedRatings):
    def predict_pairs(self, who, rows, items):
        return super().predict_pairs(who, rows, items) * np.float32("nan")


def others():
    """Parts whose users and items are numbered otherwise: only those with a rating."""
    return splits.random(Ratings.from_frame(some_ratings().to_frame()))


def empty(part):
    return part.select(np.zeros(len(part), bool))


def shown(part):
    """Return lists of what users have rated."""
    table = part.to_frame()
    return table.assign(rank=table.groupby("user_id").cumcount() + 1)


def lists(model):
    return model.recommend(model.user_ids_[:4], n=3)


e = evaluation.evaluate
BAD_CALLS = {
    "Fixed predicts no ratings;": lambda m, a, b: e(Fixed().fit(a), a, b, ["rmse"]),
    "Nan predicts 500 ratings that are not": lambda m, a, b: e(Nan().fit(a), a, b, ["mae"]),
    "CarelessParrot lists .* rated already": lambda m, a, b: e(CarelessParrot().fit(a), a, b),
    "in train and in test, so is no stranger": lambda m, a, b: e(m, a, b, test_input=b),
    "auc is over the whole": lambda m, a, b: e(m, a, b, ["auc"], candidates="test"),
    "OnlyLists only gives lists": lambda m, a, b: e(OnlyLists().fit(a), a, b, ["auc"]),
    "train and test number other": lambda m, a, b: e(m, a, others()[2]),
    "the test part is empty": lambda m, a, b: e(m, a, empty(b)),
    "the model was fitted on other": lambda m, a, b: e(Fixed().fit(others()[0]), a, b),
    "no test rating is 6 or more": lambda m, a, b: e(m, a, b, ["ndcg@5"], relevant=6),
    "ranks go 1, 2, 3 .* at item": lambda m, a, b: e(lists(m).query("rank != 2"), a, b),
    "ranks go 1, 2, 3 .* not so": lambda m, a, b: e(lists(m).assign(rank="first"), a, b),
    "an item stands in a list once": lambda m, a, b: e(lists(m).assign(item_id=5), a, b),
    "the list of user 3: in train stands item": lambda m, a, b: e(shown(a), a, b),
    "there is no user 'x' in": lambda m, a, b: e(lists(m).assign(user_id="x"), a, b),
    "there is no item 4 in": lambda m, a, b: e(lists(m).assign(item_id=4), a, b),
    "lists are a table of .* and rank": lambda m, a, b: e(lists(m)[["user_id", "item_id"]], a, b),
    "GivenLists predicts no ratings": lambda m, a, b: e(lists(m), a, b, ["rmse"]),
    "GivenLists only gives lists": lambda m, a, b: e(lists(m), a, b, ["auc"]),
    "hold items that are no candidates": lambda m, a, b: e(lists(m), a, b, candidates="new"),
    "pass what is known of them": lambda m, a, b: e(lists(m), empty(a), b, test_input=a),
    "this report has no 'auc', only rmse": lambda m, a, b: e(m, a, b, ["rmse"])["auc"],
}


@pytest.mark.parametrize("words", BAD_CALLS)
def test_bad_arguments_get_one_clear_line(parts, model, words):
    with pytest.raises(RecsysError, match=words) as caught:
        BAD_CALLS[words](model, parts[0], parts[2])
    assert "\n" not in str(caught.value)


# ---- reports

ENDS = (" low", " high")


def test_compare_is_a_row_a_model(parts, model):
    train, _, test = parts
    names = ["rmse", "ndcg@10"]
    reports = {
        "fixed": evaluation.evaluate(model, train, test, names),
        "other": evaluation.evaluate(FixedRatings(seed=5).fit(train), train, test, names[:1]),
        "popular": evaluation.evaluate(Popularity().fit(train), train, test, names[1:]),
    }
    table = evaluation.compare(reports)
    assert table.index.tolist() == [*reports] and table.columns.tolist() == names
    assert table.loc["fixed"].to_dict() == reports["fixed"].values
    assert np.isnan(table.loc["other", "ndcg@10"]) and np.isnan(table.loc["popular", "rmse"])

    wide = evaluation.compare(reports, interval=0.9, n=200, seed=3)
    assert wide.columns.tolist() == [f"{name}{end}" for name in names for end in ("", *ENDS)]
    for name in names:
        ends = reports["fixed"].interval(name, level=0.9, n=200, seed=3)
        assert tuple(wide.loc["fixed", [name + end for end in ENDS]]) == ends
        assert ends[0] < table.loc["fixed", name] < ends[1]
    assert wide.loc["popular", ["rmse low", "rmse high"]].isna().all()


def test_numbers_of_different_grounds_are_not_compared(parts, model):
    train, valid, test = parts
    # The same users with as many ratings, one of which is another: numbers alone cannot tell.
    values = test.by_user.values.copy()
    values[np.flatnonzero(values == 3)[0]] = 2.5
    other = Ratings(
        test.user_ids, test.item_ids, test.by_user._replace(values=values), scale=test.scale
    )
    a, b, c = (
        evaluation.evaluate(model, train, part, ["ndcg@10"]) for part in (valid, test, other)
    )
    assert b.per_user.equals(c.per_user) and b.summary == c.summary
    for x, y in ((a, b), (b, c)):
        with pytest.raises(RecsysError, match="not measured on the same ground"):
            evaluation.compare({"a": x, "b": y})
        with pytest.raises(RecsysError, match="not measured on the same ground"):
            evaluation.paired(x, y, "ndcg@10")
    with pytest.raises(RecsysError, match="no report"):
        evaluation.compare({})


def test_bootstrap_passes_over_users_without_a_value():
    def interval(*values, **how):
        return reported({"ndcg@10": values}).interval("ndcg@10", **how)

    assert interval(1.0, np.nan, 3.0, 2.0) == interval(1.0, 3.0, 2.0)
    for values, how in (([np.nan], {}), ([1.0], {"level": 1}), ([1.0], {"n": 0})):
        with pytest.raises(RecsysError):
            interval(*values, **how)


# ---- how sure the numbers are


def test_rating_metrics_are_over_all_test_pairs_and_errors_by_user_add_up_to_them(parts, model):
    train, _, test = parts
    report = evaluation.evaluate(model, train, test, ["rmse", "mae", "r2", "coverage@5"])
    frame = test.to_frame()
    predicted = model.predict(frame["user_id"], frame["item_id"])
    assert report.n_ratings == len(frame)
    for name in ("rmse", "mae", "r2"):
        assert report[name] == pytest.approx(getattr(metrics, name)(frame["rating"], predicted))
    frame["error"] = frame["rating"] - predicted
    by_user = frame.groupby("user_id")["error"]
    errors = report.errors
    assert errors.index.tolist() == [*by_user.groups]
    np.testing.assert_array_equal(errors["n"], by_user.size())
    np.testing.assert_allclose(errors["squared"], by_user.apply(lambda e: (e**2).sum()), rtol=1e-5)
    np.testing.assert_allclose(
        errors["absolute"], by_user.apply(lambda e: e.abs().sum()), rtol=1e-5
    )
    assert np.sqrt(errors["squared"].sum() / errors["n"].sum()) == pytest.approx(report["rmse"])
    assert errors["absolute"].sum() / errors["n"].sum() == pytest.approx(report["mae"])
    for name in ("r2", "coverage@5"):
        with pytest.raises(RecsysError, match=f"'{name}' is not made up .* have: rmse, mae"):
            report.interval(name)
    with pytest.raises(RecsysError, match="no 'ndcg@10'"):
        report.interval("ndcg@10")
    assert evaluation.evaluate(model, train, test, ["ndcg@5"]).errors.empty


def test_the_interval_of_rmse_draws_whole_users(parts, model, monkeypatch):
    monkeypatch.setattr(report_module, "DRAWN_AT_A_TIME", 500)  # a few draws at a time
    train, _, test = parts
    report = evaluation.evaluate(model, train, test, ["rmse", "mae"])
    frame = test.to_frame()
    error = (frame["rating"] - model.predict(frame["user_id"], frame["item_id"])).to_numpy()
    groups = [*frame.groupby("user_id").indices.values()]
    rng = np.random.default_rng(4)
    draws = []
    for _ in range(300):
        drawn = rng.integers(0, len(groups), len(groups))
        pooled = np.concatenate([error[groups[u]] for u in drawn])
        draws.append((np.sqrt((pooled**2).mean()), np.abs(pooled).mean()))
    for name, values in zip(("rmse", "mae"), zip(*draws, strict=True), strict=True):
        expected = np.quantile(values, [0.1, 0.9])
        found = report.interval(name, level=0.8, n=300, seed=4)
        np.testing.assert_allclose(found, expected, rtol=1e-6)


def reported(per_user=None, **errors):
    """Return a report of invented users."""
    errors, per_user = pd.DataFrame(errors), pd.DataFrame(per_user)
    values = {"rmse": np.nan, "mae": np.nan, "ndcg@10": np.nan}
    n = max(len(errors), len(per_user))
    return evaluation.Report(values, per_user, n, 0, 0, n, 4.0, errors=errors)


N_WORLDS, N_DRAWN, LEVEL = 400, 150, 0.9
# If the true coverage is LEVEL, the share of intervals that hold the truth lies this near to it in
# all but about 3 of 1,000 runs (three standard deviations of a binomial share).
NEAR = 3 * np.sqrt(LEVEL * (1 - LEVEL) / N_WORLDS)


def test_intervals_hold_the_truth_as_often_as_they_say():
    """Simulated users: the more erratic, the more they rate, as heavy raters are unlike others.

    A user's spread s is log-normal and n = 3 + Poisson(12 s); errors are N(0, s²), those of a
    second model larger by an independent N(0, 1/4) each. So E[n sᵏ] = 3 E[sᵏ] + 12 E[sᵏ⁺¹].
    """
    rng = np.random.default_rng(0)
    sigma = 0.3
    moment = [np.exp((k * sigma) ** 2 / 2) for k in range(4)]
    weighted = [3 * moment[k] + 12 * moment[k + 1] for k in range(3)]
    truth = {
        "rmse": np.sqrt(weighted[2] / weighted[0]),
        "mae": np.sqrt(2 / np.pi) * weighted[1] / weighted[0],
        "ndcg@10": 1 / 3,
    }
    truth["gap"] = truth["rmse"] - np.sqrt(truth["rmse"] ** 2 + 0.25)
    held = dict.fromkeys([*truth, "ratings one by one"], 0)

    def count(name, ends, value):
        held[name] += bool(ends[0] <= value <= ends[1])

    how = {"level": LEVEL, "n": 200}
    for world in range(N_WORLDS):
        spread = np.exp(sigma * rng.standard_normal(N_DRAWN))
        n = 3 + rng.poisson(12 * spread)
        first = np.concatenate([[0], np.cumsum(n)[:-1]])
        error = np.repeat(spread, n) * rng.standard_normal(n.sum())
        worse = error + 0.5 * rng.standard_normal(n.sum())
        one, other = (
            reported(
                {"ndcg@10": rng.beta(1, 2, N_DRAWN)},
                n=n,
                squared=np.add.reduceat(e**2, first),
                absolute=np.add.reduceat(abs(e), first),
            )
            for e in (error, worse)
        )
        for name in ("rmse", "mae", "ndcg@10"):
            count(name, one.interval(name, seed=world, **how), truth[name])
        gap = evaluation.paired(one, other, "rmse", seed=world, **how)
        count("gap", (gap.low, gap.high), truth["gap"])
        if world % 4 == 0:
            alone = reported(n=np.ones(len(error)), squared=error**2, absolute=abs(error))
            count("ratings one by one", alone.interval("rmse", seed=world, **how), truth["rmse"])
    naive = held.pop("ratings one by one") / (N_WORLDS / 4)
    shares = {name: number / N_WORLDS for name, number in held.items()}
    assert all(abs(share - LEVEL) < NEAR for share in shares.values()), shares
    assert naive < LEVEL - 2 * NEAR  # what drawing single ratings would claim


def test_a_paired_difference_is_that_of_the_reports(parts, model):
    train, _, test = parts
    names = ["rmse", "mae", "ndcg@10", "novelty@5"]
    a = evaluation.evaluate(model, train, test, names)
    b = evaluation.evaluate(FixedRatings(seed=5).fit(train), train, test, names)
    for name in names:
        found = evaluation.paired(a, b, name, seed=2)
        assert found.metric == name
        assert found.difference == pytest.approx(a[name] - b[name])
        assert found == evaluation.paired(a, b, name, seed=2)
        assert 0 < found.better < 1 and 0 < found.better + found.worse <= 1
    by_user = (a.per_user["ndcg@10"] - b.per_user["ndcg@10"]).to_numpy()
    found = evaluation.paired(a, b, "ndcg@10", level=0.8, n=300, seed=2)
    ends = reported({"ndcg@10": by_user}).interval("ndcg@10", level=0.8, n=300, seed=2)
    assert (found.low, found.high) == pytest.approx(ends)
    gain = np.sqrt(b.errors["squared"] / b.errors["n"]) - np.sqrt(
        a.errors["squared"] / a.errors["n"]
    )
    assert evaluation.paired(a, b, "rmse").better == pytest.approx((gain > 0).mean())


def test_a_user_without_a_value_in_one_report_is_compared_in_none():
    a, b = (
        reported({"ndcg@10": values}) for values in ([1.0, np.nan, 0.5, 0.0], [0.5, 1.0, np.nan, 0])
    )
    found = evaluation.paired(a, b, "ndcg@10")
    assert (found.difference, found.better, found.worse, found.n_users) == (0.25, 0.5, 0.0, 2)
