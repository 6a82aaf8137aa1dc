"""Simulated users against a slow twin, and against the distributions that they promise."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from course.ab_test import assign
from course.simulated_users import LIST, SimulatedUsers
from recsys_lib.datasets.simulator.kernels import to_stars
from recsys_lib.errors import RecsysError, UnknownIdError

from .conftest import DAYS


def test_who_comes_when(data, users, arrivals, tolerance):
    assert arrivals["time"].is_monotonic_increasing
    assert arrivals["time"].between(0, DAYS, inclusive="left").all()
    first = arrivals.drop_duplicates("user_id")
    assert len(first) == data.ratings.n_users
    assert stats.kstest(first["time"] / DAYS, "uniform").pvalue > 1e-3
    # So long a period that next to nobody is cut off: the number of visits is geometric.
    long = users.arrive(100_000, np.random.default_rng(0)).groupby("user_id").size()
    assert long.mean() == pytest.approx(4, abs=3.5 * np.sqrt(12 / len(long)))
    assert (long == 1).mean() == pytest.approx(0.25, abs=tolerance(0.25, len(long)))


def slow_visits(users, arrivals, lists, rng):
    """Tell the same story one visit at a time; the dice are thrown in the same order."""
    truth, n = users.truth, len(arrivals)
    counts = dict(zip(truth.ratings.item_ids, truth.ratings.by_item.counts, strict=True))
    looked = rng.geometric(1 - users.patience, n)
    doubt = users.glance * rng.standard_normal((n, LIST))
    mood = rng.standard_normal(n)
    shelf = lists.sort_values("rank").groupby("user_id")["item_id"].agg(list).to_dict()
    rows = []
    for k, user in enumerate(arrivals["user_id"]):
        row = (0, None, np.nan)
        for place, item in enumerate(shelf[user][: min(LIST, looked[k])]):
            x = truth.enjoyment(user, item)[0]
            famous = users.fame * np.log10((1 + counts[item]) / 100)
            if x + famous + doubt[k, place] >= users.bar:
                u = truth.ratings.user_index(user)[0]
                stars = to_stars(x + truth.user_noise[u] * mood[k], truth.user_halves[u])
                row = (place + 1, item, stars)
                shelf[user].remove(item)
                break
        rows.append(row)
    table = pd.DataFrame(rows, columns=["position", "item_id", "rating"])
    return table.assign(converted=table["rating"] >= 4)


@pytest.mark.parametrize("n_listed", [4, 11, 30])  # shorter than what is shown, and longer
def test_visits_are_those_of_a_slow_loop(users, arrivals, lists, n_listed):
    part = arrivals[arrivals["user_id"] <= 300].reset_index(drop=True)
    shelf = lists["loved"][lists["loved"]["rank"] <= n_listed]
    users = replace(users, fame=0.5 if n_listed == 11 else 0.0)
    fast = users.visit(part, shelf, np.random.default_rng(5))
    slow = slow_visits(users, part, shelf, np.random.default_rng(5))
    assert list(fast) == ["user_id", "time", "position", "item_id", "rating", "converted"]
    for column in slow:
        np.testing.assert_array_equal(fast[column].fillna(-1), slow[column].fillna(-1))
    assert 0.1 < fast["converted"].mean() < 0.9
    assert fast["position"].max() > 3
    watched = fast[fast["position"] > 0]
    assert watched["item_id"].notna().all()
    assert not watched.duplicated(["user_id", "item_id"]).any()


def test_ratings_are_those_of_the_truth(data, lists, arrivals):
    # Everybody watches the first film, so what is rated does not depend on the promise.
    eager = SimulatedUsers(data.truth, bar=-np.inf, patience=0)
    seen = eager.visit(arrivals, lists["seen"], np.random.default_rng(2))
    assert (seen["position"] == 1).all()
    pairs = seen["user_id"], seen["item_id"].astype(int)
    z = (seen["rating"] - data.truth.expected(*pairs)) / data.truth.std(*pairs)
    assert abs(z.mean()) < 3.5 / np.sqrt(len(z))
    assert z.var() == pytest.approx(1, abs=0.05)


def test_who_looks_how_far(data, lists, arrivals, tolerance):
    # A bar that only luck can reach: places down the list are watched as often as looked at.
    wild = SimulatedUsers(data.truth, bar=1e4, glance=1e4 / 2, patience=0.7)
    seen = wild.visit(arrivals, lists["seen"], np.random.default_rng(3))
    counts = seen["position"].value_counts()
    p = stats.norm.sf(2)  # at each place that is looked at
    for k in (1, 2, 5):
        share = p * (0.7 * (1 - p)) ** (k - 1)
        assert counts[k] / len(seen) == pytest.approx(share, abs=tolerance(share, len(seen)))


def test_an_experiment_shows_each_user_one_arm(users, arrivals, lists):
    seen = users.experiment(arrivals, lists, "test", np.random.default_rng(4))
    assert len(seen) == len(arrivals)
    assert seen["time"].is_monotonic_increasing
    assert list(seen["arm"].cat.categories) == ["loved", "seen"]
    np.testing.assert_array_equal(seen["arm"].cat.codes, assign(seen["user_id"], "test"))
    for arm, part in seen[seen["position"] > 0].groupby("arm", observed=True):
        assert len(part.merge(lists[arm], on=["user_id", "item_id"])) == len(part)
    again = users.experiment(arrivals, lists, "test", np.random.default_rng(4))
    pd.testing.assert_frame_equal(seen, again)
    other = users.experiment(arrivals, lists, "test", np.random.default_rng(5))
    assert (seen["position"] != other["position"]).any()


def test_nobody_comes(users, arrivals, lists):
    assert len(users.visit(arrivals[:0], lists["loved"], np.random.default_rng(0))) == 0


@pytest.mark.parametrize(
    ("change", "match"),
    [
        ({"patience": 1.0}, "patience"),
        ({"returns": -0.1}, "returns"),
        ({"glance": -1}, "glance"),
        ({"pause": np.inf}, "pause"),
        ({"truth": None}, "simulated"),
    ],
)
def test_impossible_users(data, change, match):
    with pytest.raises(RecsysError, match=match):
        SimulatedUsers(**({"truth": data.truth} | change))


def test_visits_that_cannot_be(users, arrivals, lists):
    rng, shelf = np.random.default_rng(0), lists["loved"]
    with pytest.raises(RecsysError, match="have no list, the first is 7:"):
        users.visit(arrivals, shelf[shelf["user_id"] != 7], rng)
    with pytest.raises(UnknownIdError):
        users.visit(arrivals, shelf.assign(item_id=-5), rng)
    with pytest.raises(RecsysError, match="length"):
        users.arrive(0, rng)
    with pytest.raises(RecsysError, match="shares"):
        users.experiment(arrivals, {"one": shelf}, "x", rng)
