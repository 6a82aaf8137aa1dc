"""The final round of a search: who enters, what they are measured on, and who wins."""

import numpy as np
import pandas as pd
import pytest
from optuna.distributions import CategoricalDistribution as Choice
from optuna.distributions import FloatDistribution as Float

from benchmarks import choosing, protocols
from benchmarks.held_out import Dealt
from recsys_lib import models, tuning
from recsys_lib.errors import RecsysError
from tests.recsys_lib.test_tuning import Bowl, four_ratings, pairs


@pytest.fixture(scope="module")
def split(data):
    return next(protocols.folds(data, "80-20"))


@pytest.fixture(scope="module")
def part(split):
    return split.development


def test_candidates_are_measured_on_other_divisions_of_the_same_ratings(part):
    seen = []

    class Spy(models.ALS):
        def fit(self, train, valid=None, **options):
            seen.append((train, valid))
            return super().fit(train, valid, **options)

    candidates = [{"tau": 1.0}, {"tau": 50.0}, {"tau": 1.0}]
    table = choosing.confirm(Spy(n_factors=3, n_epochs=3), part, candidates, "rmse", deals=3)
    assert table.shape == (3, 3)
    np.testing.assert_array_equal(table.iloc[0], table.iloc[2])
    assert (table.iloc[0] != table.iloc[1]).all()
    assert len({table.loc[0, deal] for deal in table}) == 3
    whole = pairs(part.train) | pairs(part.valid)
    valids = [pairs(valid) for _, valid in seen[::3]]
    for train, valid in seen:
        assert len(valid) == len(part.valid)
        assert pairs(train) | pairs(valid) == whole
        assert not pairs(train) & pairs(valid)
    assert valids[0] != valids[1] != valids[2] != pairs(part.valid)


def test_the_choice_is_the_finalist_that_is_best_elsewhere_the_defaults_being_one(part):
    def choose(tau, low, high):
        model, space = models.ALS(n_factors=3, n_epochs=3, tau=tau), {"tau": Float(low, high)}
        return choosing.choose(model, part, 6, finalists=3, deals=2, space=space)

    decision = choose(models.ALS().tau, 20.0, 60.0)  # all that may be tried is far too strict
    finals = decision.finals
    best = tuning.table(decision.study).query("state == 'complete'").nsmallest(3, "value")
    best = [str(number) for number in best["number"]]
    assert list(finals["trial"]) == [*best, "defaults"]
    assert decision.value == finals["confirmed"].min()
    assert decision.params == {"tau": models.ALS().tau}
    better = choose(500.0, 1.0, 3.0)
    assert better.params == {"tau": better.finals.loc[better.finals["confirmed"].idxmin(), "tau"]}
    assert 1 <= better.params["tau"] <= 3


def test_defaults_are_kept_unless_clearly_beaten():
    class Noisy(Bowl):
        """`x` changes nothing but the luck of a part."""

        def _epoch(self, train):
            rng = np.random.default_rng([int(1e6 * self.x), *train.by_user.indices])
            self.luck = rng.normal()
            return {}

        def _validate(self):
            return {"rmse_valid": 0.9 + self.luck}

    space = {"x": Float(0.0, 1.0)}
    decisions = [
        choosing.choose(Noisy(x=20.0), four_ratings(Dealt), 5, seed, space=space, deals=3)
        for seed in range(20)
    ]
    kept = sum(decision.params == {"x": 20.0} for decision in decisions)
    lowest = sum(decision.finals["confirmed"].idxmin() == 5 for decision in decisions)
    assert lowest < kept < 20


def test_no_point_is_a_finalist_twice(part):
    space = {"by": Choice(("count", "mean"))}
    decision = choosing.choose(
        models.Popularity(), part, 12, metric="ndcg@10", space=space, deals=2
    )
    assert len(decision.study.trials) == 12
    assert sorted(decision.finals["by"][:-1]) == ["count", "mean"]


def test_much_data_are_searched_on_some_users(part, monkeypatch):
    few, model = tuning.some_users(part, 1500), models.ALS(n_factors=2, n_epochs=3)
    expected = choosing.choose(model, few, 3, finalists=1, deals=2)
    monkeypatch.setattr(choosing, "ENOUGH", 1500)
    decision = choosing.choose(model, part, 3, finalists=1, deals=2)
    trials = tuning.table(decision.study), tuning.table(expected.study)
    pd.testing.assert_frame_equal(*trials, check_exact=True)
    pd.testing.assert_frame_equal(decision.finals, expected.finals)


def test_a_split_with_its_test_part_is_refused(split):
    with pytest.raises(RecsysError, match=r"development is .* must be a Development"):
        choosing.choose(models.ALS(), split)
