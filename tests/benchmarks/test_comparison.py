"""Many models on the same splits: what is fitted, measured and summed up, and what it costs."""

from dataclasses import field

import numpy as np
import pytest
from optuna.distributions import CategoricalDistribution

from benchmarks import choosing, protocols
from benchmarks import comparison as bench
from benchmarks.comparison import benchmark
from benchmarks.held_out import Dealt
from course.leaderboard import baselines
from recsys_lib.errors import RecsysError
from recsys_lib.models import ALS, BPR, BayesianALS, BiasALS, Popularity
from tests.benchmarks.test_protocols import pairs

OF_LIKES = ["ndcg@10", "precision@10", "coverage@10"]
METRICS = ["rmse", "mae", "ndcg@5", "coverage@5"]
MODELS = {"ALS": ALS(n_factors=4, n_epochs=4), "flat": BiasALS(), "lists": Popularity()}


@pytest.fixture(scope="module")
def results(data):
    return benchmark(MODELS, data, "3-fold", seeds=(0, 5), metrics=METRICS)


def of(results, model):
    """The runs of one model."""
    return [*results[results["model"] == model].itertuples()]


# ---- folds of a data set


def test_a_run_is_a_model_seed_and_split(data, results):
    assert len(results) == 3 * 2 * 3
    assert results.groupby(["model", "seed"])["n_ratings"].sum().eq(4000).all()
    for run in results.itertuples():
        (fold,) = (f for f in protocols.folds(data, "3-fold", run.seed) if f.name == run.split)
        model = fold.fit(MODELS[run.model].unfitted(**run.params), progress=False)
        wanted = METRICS[2:] if run.model == "lists" else METRICS
        assert fold.test("again", model, wanted).values == run.report.values
        assert results.loc[run.Index, wanted].to_dict() == run.report.values
        assert np.isnan(run.rmse) == (run.model == "lists")
        assert run.n_parameters == model.n_parameters_
    assert {run.params["seed"] for run in of(results, "ALS")} == {0, 5}


class Spy(Popularity):
    """Keeps what each fit was given, in a list common to all copies."""

    fits: list = field(default_factory=list)
    size: int = 1
    seed: int = 0
    search_space = {"size": None}  # noqa: RUF012

    def fit(self, train, valid=None, *, items=None, **options):
        self.fits.append((train, valid, items, self.size, self.seed))
        self.ballast = [np.ones(self.size) for _ in range(2)]
        del self.ballast[0]
        return super().fit(train, progress=False)


def test_what_a_model_is_fitted_on_and_what_that_costs(data, monkeypatch):
    monkeypatch.setattr(bench, "WARM_UP", 100)
    fits, told = [], []

    def choose(model, development, n_trials, seed, metric, space, finalists, deals):
        assert type(development) is Dealt
        assert space == {"size": None, "threshold": CategoricalDistribution((None, 4.0))}
        sizes = len(development.train), len(development.valid)
        told.append((type(model), model.size, n_trials, seed, metric, *sizes))
        return choosing.Decision({"size": 10**6}, 0.25, None, None)

    monkeypatch.setattr(choosing, "choose", choose)
    found = benchmark({"spy": Spy(fits=fits, seed=3)}, data, "80-20", seeds=[2], trials=7)
    assert told == [(Spy, 1, 7, 2, "precision@10", 2880, 320)]
    # First a few ratings, so that what follows holds no compilation; then all there is to learn.
    (small, *_), (learning, valid, items, size, seed) = fits
    assert len(small) == 100
    np.testing.assert_array_equal(
        pairs(learning), pairs(next(protocols.folds(data, "80-20", 2)).learning)
    )
    assert (valid, size, seed) == (None, 10**6, 5)
    assert items is data.items
    (run,) = found.itertuples()
    assert run.params["size"] == 10**6
    assert run.valid == 0.25
    assert 2 * 8 < run.memory_mb < 2 * 8 + 2  # both arrays, at the one moment that both exist
    assert run.fit_seconds > 0 and run.tune_seconds > 0


@pytest.mark.parametrize(
    ("models", "options", "says"),
    [
        ({}, {}, "there are 0 models"),
        ({"a": BiasALS()}, {"seeds": []}, "no seed twice"),
        ({"a": BiasALS()}, {"seeds": [1, 1]}, "no seed twice"),
        ({"a": BiasALS()}, {"trials": -1}, "-1 trials"),
        ({"a": BiasALS()}, {"protocol": ""}, "there is no protocol ''"),
        ({"a": Spy()}, {"metrics": ["rmse", "mae"]}, "Spy can have none of the metrics rmse"),
        ({"a": Spy()}, {"metrics": ["ncdg@10"]}, "there is no metric 'ncdg@10'"),
    ],
)
def test_what_cannot_be_ends_before_anything_is_fitted(data, models, options, says):
    with pytest.raises(RecsysError, match=says):
        benchmark(models, data, **{"protocol": "80-20", **options})
    assert all(model.fits == [] for model in models.values() if isinstance(model, Spy))


def test_a_model_whose_seed_is_another_is_another(data):
    models = {"BPR": BPR(n_factors=4, n_epochs=2, seed=5), "crowd": Popularity()}
    found = benchmark(models, data, "leave-last", seeds=[0, 1], metrics=OF_LIKES)  # one division
    assert [run.params["seed"] for run in of(found, "BPR")] == [5, 6]
    bpr, crowd = ({run.report["ndcg@10"] for run in of(found, name)} for name in models)
    assert (len(bpr), len(crowd)) == (2, 1)
    assert of(found, "crowd")[0].n_parameters == data.ratings.n_items


def test_a_search_is_for_the_first_metric_that_a_model_can_have(data, results):
    found = benchmark(MODELS, data, "2-fold", trials=3, metrics=["rmse", "ndcg@5"])
    assert dict(zip(found["model"], found["searched"], strict=True)) == {
        "flat": "rmse", "ALS": "rmse", "lists": "ndcg@5",
    }  # fmt: skip
    means = found.groupby("model")["valid"].mean()
    assert means.drop("lists").between(0.5, 1.5).all() and 0 < means["lists"] < 0.5
    assert results["valid"].isna().all()


def test_all_models_are_measured_on_the_same_divisions_with_their_own_threshold(data):
    """A model that has nothing to search, too; a like may be any rating or a relevant one."""
    split = next(protocols.folds(data, "80-20"))
    lists = {"crowd": Popularity(), "fixed": BayesianALS(4, n_samples=4, n_burn=2)}
    found = benchmark(lists, data, "80-20", trials=4, metrics=["ndcg@10"]).set_index("model")
    options = [{"threshold": None}, {"threshold": 4.0}]
    again = choosing.confirm(Popularity(), split.development, options, "ndcg@10", bench.DEALS)
    means = again.mean(axis=1).tolist()
    chosen = options.index({"threshold": found.loc["crowd", "params"]["threshold"]})
    assert found.loc["crowd", "valid"] == pytest.approx(means[chosen])
    alone = choosing.confirm(lists["fixed"], split.development, [{}], "ndcg@10", bench.DEALS)
    assert found.loc["fixed", "valid"] == pytest.approx(alone.to_numpy().mean())


def test_patience_decides_on_the_validation_part_and_the_refit_follows(data):
    split = next(protocols.folds(data, "80-20"))
    model = ALS(n_factors=4, n_epochs=40, tau=0.3, patience=2)
    (run,) = benchmark({"ALS": model}, data, "80-20", metrics=["rmse"]).itertuples()
    log = split.development.fit(model.unfitted()).training_log_
    best = int(log["epoch"][log["rmse_valid"].idxmin()])
    assert (run.params["n_epochs"], run.params["patience"]) == (best, None)
    assert best < len(log) < 40


def test_three_lists_without_a_model(watched):
    split = protocols.fully_observed(watched)
    lists = baselines(split, seed=1)
    liked, watches = split.likes.by_item.counts, split.train.by_item.counts
    np.testing.assert_array_equal(lists["popularity"].item_scores_, liked.astype(np.float32))
    mean = len(split.likes) / len(split.train)
    rate = (liked + 10 * mean) / (watches + 10)
    np.testing.assert_allclose(lists["like rate"].item_scores_, rate, rtol=1e-5)
    reports = {name: split.test(f"1 {name}", m)["ndcg@10"] for name, m in lists.items()}
    assert reports["random"] < reports["popularity"]
    other = baselines(split, seed=2)["random"].item_scores_
    assert not np.array_equal(lists["random"].item_scores_, other)
