"""What is no argument is refused in our words: what it is called, what it is, what it must be."""

import datetime
import decimal
import numbers

import numpy as np
import pandas as pd
import pytest
from scipy import sparse

from recsys_lib import datasets, evaluation, features, metrics, models, splits, tuning, widgets
from recsys_lib.errors import RecsysError, generator
from recsys_lib.ratings import CSR, Ratings

WHO, ROWS = np.array([0, 1]), np.array([0, 1], np.int32)


class Hostile:
    def __array__(self, *_, **__):
        raise RuntimeError("it is no array")


NO_CSR = [CSR(None, None, None), CSR([0, 1], [1], [1.0]), CSR(*[np.array(0)] * 3)]
NO_CSR += [CSR(np.array([0, 1, n]), np.array([99] * n, np.int32), np.ones(n)) for n in (0, 2)]
ARRAYS = [
    np.array(0.5), np.array([1, 2], np.float16), np.array([1, "x"], object),
    np.array([-1]), np.array([2**64 - 1], np.uint64), np.array(["a"]), np.array(["2020"], "M8[Y]"),
    np.zeros(2, [("a", int)]), np.eye(2).view(np.matrix), np.zeros((2, 2, 2)), np.empty(0),
    np.ma.masked_array(ROWS, [True, False]), sparse.csr_array([[1.0, 2.0]]),
]  # fmt: skip
TABLES = [
    pd.array([1, None], "Int64"), pd.Series([1, 9], dtype="category"), pd.Index([1.5, 2.5]),
    pd.Series(["a", None], dtype="string[pyarrow]"), pd.DataFrame({"a": [1]}), pd.DataFrame(),
    pd.MultiIndex.from_tuples([(1, 2)]), pd.Timestamp(0), pd.NA, datetime.date(2020, 1, 1),
]  # fmt: skip
PLAIN = [
    "x", "", "~nobody9/x", b"1", [None], [[1], [2, 3]], {1: object}, object(), float("nan"), -1,
    -0.5, 1j, -(2**70), 10**400, decimal.Decimal("1.5"), int, len, Hostile(),
]  # fmt: skip
ODD = [*PLAIN, *NO_CSR, *ARRAYS, *TABLES]


@pytest.fixture(scope="module")
def calls():
    """The public functions, each with one argument left open; and what else some of them take."""
    data = datasets.simulate_ratings(30, 40, 700)
    whole, (part, _, test) = data.ratings, splits.random(data.ratings)
    als, knn = models.ALS(n_factors=2, n_epochs=1).fit(part), models.ItemKNN().fit(part)
    report, dev = evaluation.evaluate(als, part, test), tuning.Development(part, test)
    four, yes, ones = [1.0, 2.0, 3.0, 4.0], np.ones((4, 1), bool), np.ones((4, 1), int)
    side = part.by_user, als.item_rows_, np.zeros((1, 3), np.float32), als.user_rows_
    small, gains = models.ALS(n_factors=2, n_epochs=1), sparse.csr_matrix(np.eye(4))
    found = {
        "ratings to part": splits.random, "ratings in time": splits.temporal,
        "ratings of strangers": splits.strong_generalisation, "ratings of last": splits.leave_last,
        "merge": lambda x: splits.merge(part, x), "merged": lambda x: splits.merge(x, part),
        "seed": lambda x: splits.random(whole, seed=x), "share": lambda x: splits.random(whole, x),
        "held_out": lambda x: splits.strong_generalisation(whole, held_out=x),
        "n": lambda x: splits.leave_last(whole, n=x),
        "by_user": lambda x: Ratings(whole.user_ids, whole.item_ids, x),
        "values": lambda x: Ratings.from_arrays(
            ROWS, ROWS, x, None, whole.user_ids, whole.item_ids, (1, 5)
        ),
        "rating": lambda x: Ratings.from_frame(whole.to_frame(), rating=x),
        "timestamp": lambda x: Ratings.from_frame(whole.to_frame(), timestamp=x),
        "matrix": lambda x: Ratings.from_scipy(x, [1, 1], [1, 2]),
        "fit": lambda x: models.ALS().fit(x), "valid": lambda x: models.ALS().fit(part, x),
        "strangers": als.user_vectors, "likes": knn.user_vectors, "kind": lambda x: (
            evaluation.evaluate(als, part, test, candidates=x)
        ),
        "who": lambda x: als.rank(x, 3), "length": lambda x: als.rank(WHO, x),
        "exclude": lambda x: als.rank(WHO, 3, x), "shelf": lambda x: als.rank(WHO, 3, None, x),
        "of whom": lambda x: als.predict_pairs(x, ROWS, ROWS),
        "rows": lambda x: als.predict_pairs(WHO, x, ROWS),
        "items": lambda x: als.predict_pairs(WHO, ROWS, x),
        "user": lambda x: als.recommend(x), "items told": lambda x: als.recommend(1, candidates=x),
        "left out": lambda x: als.recommend_for({}, exclude=x), "alike": als.similar_items,
        "listed n": lambda x: als.recommend(1, n=x), "n alike": lambda x: knn.similar_users(1, n=x),
        "new user": lambda x: als.partial_fit_users(x, {1: 4.0}),
        "new stars": lambda x: als.partial_fit_users(1, {1: x}),
        "ratings": als.recommend_for, "rating given": lambda x: als.recommend_for({5: x}),
        "relevant": lambda x: evaluation.evaluate(als, part, test, relevant=x),
        "tested": lambda x: evaluation.evaluate(als, part, x),
        "compared": evaluation.compare, "paired": lambda x: evaluation.paired(report, x, "rmse"),
        "level": lambda x: report.interval("rmse", level=x),
        "draws": lambda x: report.interval("rmse", n=x), "name": lambda x: report[x],
        "damping": lambda x: metrics.damped_mean([1.0], [1], 3.0, damping=x),
        "trials": lambda x: tuning.tune(models.BiasALS(), dev, x),
        "space": lambda x: tuning.tune(models.BiasALS(), dev, 1, space=x),
        "searched": lambda x: tuning.tune(x, dev, 1), "development": lambda x: tuning.tune(als, x),
        "sampler": lambda x: tuning.tune(models.BiasALS(), dev, 1, sampler=x),
        "prune": lambda x: tuning.tune(models.BiasALS(), dev, 1, prune=x), "fitted": dev.fit,
        "learn": lambda x: tuning.Development(x, test), "some": lambda x: tuning.some_users(x, 9),
        "limit": lambda x: tuning.some_users(dev, x), "find": lambda x: tuning.Development(part, x),
        "study": tuning.table, "tuned": tuning.metric_of, "value": lambda x: dev.value(x, "rmse"),
        "model": lambda x: evaluation.evaluate(x, part, test), "possible": evaluation.possible,
        "metrics": lambda x: evaluation.evaluate(als, part, test, x),
        "truth": lambda x: metrics.rmse(x, four), "predicted": lambda x: metrics.mae(four, x),
        "sums": lambda x: metrics.damped_mean(x, four, 3.0), "saved": als.save,
        "counts": lambda x: metrics.damped_mean(four, x, 3.0), "loaded": models.load,
        "mean": lambda x: metrics.damped_mean(four, four, x), "data": datasets.load,
        "lists": lambda x: metrics.graded_ndcg_at_k(x, gains), "vectors": als.vectors,
        "hits": lambda x: metrics.mrr_at_k(x, [1] * 4), "told": lambda x: metrics.map_at_k(yes, x),
        "gains": lambda x: metrics.graded_ndcg_at_k(ones, x),
        "scores": lambda x: metrics.auc(x, yes[:, 0]), "labels": lambda x: metrics.auc(four, x),
        "listed": lambda x: metrics.gini(x, 1), "n_items": lambda x: metrics.coverage(ones, x),
        "raters": lambda x: metrics.novelty(3 * ones, x, 3),
        "n_users": lambda x: metrics.novelty(ones, four, x),
        "callback": lambda x: small.fit(part, callback=x),
        "side": lambda x: als.half_step(x, *side[1:]), "run": lambda x: small.fit(part, run_dir=x),
        "solved": lambda x: als.half_step(*side[:3], x),
        "fixed": lambda x: als.half_step(side[0], x, *side[2:]),
        "prior": lambda x: als.half_step(*side[:2], x, side[3]),
        "films": features.genre_matrix,
        "facts": lambda x: features.attributes(x, "item_id", part.item_ids),
        "features": lambda x: features.item_features(["years"], part.item_ids, ROWS, x),
        "points": lambda x: widgets.ItemMap(x, [*"abcde"], np.eye(5)), "fits": widgets.FitExplorer,
        "shown": lambda x: widgets.RatingDemo(als, x), "biases": widgets.GenreSliders,
        "noise": lambda x: widgets.RatingDemo(als, data.items, noise={0: x}),
        "titles": lambda x: widgets.BiasExplorer(models.BiasALS(n_epochs=1).fit(part), x, [0, 1]),
    }  # fmt: skip
    none = ("valid", "exclude", "shelf", "rating", "space", "metrics", "sampler", "items told")
    none = dict.fromkeys(none, type(None))
    none |= {
        "facts": type(None),
        "draws": np.ndarray,
        "saved": str,
        "user": np.ndarray | pd.Series,
        "left out": np.ndarray | None,
        "run": str | None,
        "callback": type | type(len) | None,
    }
    return found, none | dict.fromkeys(("relevant", "mean"), numbers.Real)


def test_odd_arguments_are_refused_in_one_line_of_ours(calls, trial):
    tried = 0
    for name, call in calls[0].items():
        for odd in [one for one in [None, *ODD] if not isinstance(one, calls[1].get(name, ()))]:
            with pytest.raises(RecsysError) as caught:
                call(odd)
                pytest.fail(f"{name} took {odd!r}")
            assert "\n" not in str(caught.value), name
            tried += 1
    trial("odd arguments of public functions", tried, "each refused, in one line that says why")


def test_odd_columns_of_a_table_are_refused_or_read_as_what_they_are(trial):
    odd = [one for one in [*ARRAYS, *TABLES] if np.ndim(one) == 1 and len(one) in (1, 2)]
    whole = {"user_id": [1, 2], "item_id": [3, 4], "rating": [4.0, 5.0], "timestamp": [6, 7]}
    tried, read = [(column, one) for column in whole for one in odd], 0
    for column, one in tried:
        table = {key: values[: len(one)] for key, values in whole.items()} | {column: one}
        try:
            found = Ratings.from_frame(pd.DataFrame(table)).to_frame()
        except RecsysError as error:
            assert "\n" not in str(error)
        else:
            read += 1
            if column != "timestamp":
                assert found[column].tolist() == pytest.approx(sorted(np.asarray(one).tolist()))
    assert 0 < read < len(tried)
    trial("tables with an odd column", len(tried), f"{len(tried) - read} refused, {read} read")


def test_rows_that_cannot_be_overwritten_are_refused(calls):
    rows = np.zeros((30, 3), np.float32)
    rows.flags.writeable = False
    with pytest.raises(RecsysError, match="are read-only; pass a copy"):
        calls[0]["solved"](rows)


def test_a_seed_is_a_number_or_a_generator():
    rng = np.random.default_rng(3)
    assert generator(rng) is rng
    assert generator(np.int64(3)).random() == generator(3).random() == rng.random()
    for wrong in (None, [1, 2], True, 1.0):
        with pytest.raises(RecsysError, match=r"seed is .* must be a Generator, or a whole number"):
            generator(wrong)
