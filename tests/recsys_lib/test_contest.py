"""Many models on one ground: what is fitted, measured and summed up."""

import numpy as np
import pytest

from recsys_lib import datasets, evaluation, protocols
from recsys_lib.errors import RecsysError
from recsys_lib.models import BPR, PureSVD
from recsys_lib.models.ease import EASE

METRICS = ["ndcg@10", "precision@10", "coverage@10"]


@pytest.fixture(scope="module")
def ground():
    data = datasets.simulate_watches(
        n_users=250, n_items=300, n_watches=15_000, n_small_users=80, n_small_items=100, seed=1
    )
    return protocols.watch(data)


@pytest.fixture(scope="module")
def found(ground):
    models = {
        "BPR": BPR(n_factors=8, n_epochs=10, threshold=2.0, seed=5),
        "EASE": EASE(lam=50.0, threshold=2.0),
    }
    fitted = protocols.baselines(ground)
    return protocols.contest(ground, models, seeds=[0, 1, 2], fitted=fitted, metrics=METRICS)


def test_every_seed_is_fitted_and_measured(ground, found):
    bpr = found["BPR"]
    assert [model.seed for model in bpr.models] == [5, 6, 7]
    for model, report in zip(bpr.models, bpr.reports, strict=True):
        assert report.values == ground.measure(model, METRICS).values
    assert len({report["ndcg@10"] for report in bpr.reports}) == 3
    assert min(bpr.seconds) > 0
    assert np.isnan(found["popularity"].seconds).all()  # it has no epochs to count
    again = BPR(n_factors=8, n_epochs=10, threshold=2.0, seed=6).fit(ground.train)
    np.testing.assert_array_equal(again.item_rows_, bpr.models[1].item_rows_)


def test_what_has_no_seed_is_fitted_once(found):
    assert len(found["EASE"].models) == len(found["random"].models) == 1


def test_the_table_holds_means_and_intervals(found):
    table = found.table(level=0.9)
    assert table.index.tolist() == ["random", "popularity", "like rate", "BPR", "EASE"]
    values = np.array([report["ndcg@10"] for report in found["BPR"].reports])
    assert table.loc["BPR", "ndcg@10"] == pytest.approx(values.mean())
    half = 2.919986 * values.std(ddof=1) / np.sqrt(3)  # Student's t, 2 degrees of freedom
    assert table.loc["BPR", "ndcg@10 ±"] == pytest.approx(half, rel=1e-5)
    assert np.isnan(table.loc["EASE", "ndcg@10 ±"])
    assert table["runs"].tolist() == [1, 1, 1, 3, 1]
    users = found.per_user("ndcg@10")["BPR"]
    assert users.mean() == pytest.approx(values.mean())
    ends = evaluation.bootstrap_interval(users.to_numpy(), level=0.9)
    assert table.loc["BPR", ["low", "high"]].tolist() == pytest.approx(ends)
    assert table.loc["EASE", "parameters"] == 300 * 300
    assert table.loc["popularity", "parameters"] == 300


def test_the_lead_is_user_by_user(found):
    users = found.per_user("ndcg@10")
    gap, low, high = found.lead("BPR", "random")
    assert gap == pytest.approx((users["BPR"] - users["random"]).mean())
    assert low < gap < high
    assert found.lead("BPR", "BPR") == (0, 0, 0)


def test_three_lists_without_a_model(ground):
    lists = protocols.baselines(ground, seed=1)
    likes, watches = ground.likes.by_item.counts, ground.train.by_item.counts
    np.testing.assert_array_equal(lists["popularity"].item_scores_, likes.astype(np.float32))
    mean = len(ground.likes) / len(ground.train)
    rate = (likes + 10 * mean) / (watches + 10)
    np.testing.assert_allclose(lists["like rate"].item_scores_, rate, rtol=1e-5)
    reports = {name: ground.measure(model)["ndcg@10"] for name, model in lists.items()}
    assert reports["random"] < reports["popularity"]
    other = protocols.baselines(ground, seed=2)["random"].item_scores_
    assert not np.array_equal(lists["random"].item_scores_, other)


def test_every_model_is_handed_what_the_ground_has_to_learn_from(ground):
    seen = []

    class Asks(PureSVD):
        def fit(self, train, valid=None, items=None, **options):
            seen.append((train, valid, items))
            return super().fit(train, valid, items, **options)

    model = Asks(n_factors=3, threshold=2.0)
    protocols.contest(ground, {"one": model}, metrics=METRICS)
    assert seen == [(ground.train, ground.valid, ground.development.items)]


def test_what_cannot_be_is_told(ground, found):
    with pytest.raises(RecsysError, match="no seed: name at least one"):
        protocols.contest(ground, {"EASE": EASE()}, seeds=[])
    with pytest.raises(RecsysError, match="'ALS' was not measured; there are random, pop"):
        found["ALS"]
