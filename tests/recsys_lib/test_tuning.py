import numpy as np
import pandas as pd
import pytest
from optuna.distributions import CategoricalDistribution as Choice
from optuna.distributions import FloatDistribution as Float
from optuna.distributions import IntDistribution as Int
from optuna.samplers import GridSampler, RandomSampler

from benchmarks import protocols
from recsys_lib import datasets, models, tuning
from recsys_lib.errors import RecsysError
from recsys_lib.ratings import Ratings
from recsys_lib.tuning import Development

PLANE = {"x": Float(-4.0, 4.0), "k": Choice((1, 2, 3))}
BEST = {"x": 1.5, "k": 2}
SEARCHED = [name for name in models.__all__ if getattr(models, name).search_space]


class Bowl(models.Recommender):
    """A model whose validation error is known: least at `BEST`, and falling with every epoch."""

    predicts_ratings = True  # so it is tuned for its error
    fits = 0  # of all its instances: how many were begun

    x: float = 0.0
    k: int = 1
    y: float = 0.0  # changes nothing
    n_epochs: int = 8
    broken: bool = False

    def _init(self, train, items, users):
        type(self).fits += 1
        self.epochs = 0
        if self.broken:
            raise RecsysError("the bowl is broken")

    def _epoch(self, train):
        self.epochs += 1
        return {}

    def _validate(self):
        return {"rmse_valid": self.floor() + 1 / self.epochs}

    def floor(self):
        return 0.8 + (self.x - BEST["x"]) ** 2 + 0.5 * (self.k != BEST["k"])


def four_ratings(kind=Development):
    """Return a division of four ratings, on which `Bowl` is fitted: it looks at none of them."""
    frame = pd.DataFrame({"user_id": [1, 1, 2, 2], "item_id": [1, 2, 1, 2], "rating": [3, 4, 5, 1]})
    whole = Ratings.from_frame(frame, scale=(1, 5))
    mask = np.array([True, True, True, False])
    return kind(whole.select(mask), whole.select(~mask))


@pytest.fixture(scope="module")
def tiny():
    return four_ratings()


@pytest.fixture(scope="module")
def part():
    data = datasets.load("synthetic", n_users=150, n_items=120, n_ratings=6000, seed=1)
    return next(protocols.folds(data, "80-20")).development


def pairs(ratings):
    frame = ratings.to_frame()
    return set(zip(frame["user_id"], frame["item_id"], strict=True))


# ---- what a search finds


@pytest.mark.parametrize("grid", [False, True])
def test_a_search_finds_the_known_minimum(tiny, grid):
    points = {"x": np.linspace(-4, 4, 9).tolist(), "k": [1, 2, 3]}
    how = {"sampler": GridSampler(points, 0) if grid else None, "start": False, "prune": not grid}
    study = tuning.tune(Bowl(), tiny, 60, space=PLANE, **how)
    assert study.best_params["k"] == BEST["k"]
    assert abs(study.best_params["x"] - BEST["x"]) <= (0.5 if grid else 0.15)
    assert study.best_value == pytest.approx(Bowl(**study.best_params).floor() + 1 / 8)
    tried = tuning.table(study)[["x", "k"]].drop_duplicates()
    assert (len(tried) == len(study.trials) == 27) == grid  # each point once


def test_the_first_trial_is_of_the_models_own_parameters_if_they_lie_in_the_space(tiny):
    def first(model, **options):
        return tuning.tune(model, tiny, 3, space=PLANE, **options).trials[0].params

    assert first(Bowl(x=1.5, k=3)) == {"x": 1.5, "k": 3}
    outside = first(Bowl(x=9.0, k=3))
    assert -4 <= outside["x"] <= 4
    assert outside == first(Bowl(x=1.5, k=3), start=False)


def test_stopped_trials_save_epochs_and_are_never_the_best(tiny):
    def search(prune):
        how = {"sampler": RandomSampler(0), "space": PLANE, "prune": prune}
        return tuning.tune(Bowl(n_epochs=20), tiny, 40, **how)

    study, (whole, table) = search(True), (tuning.table(search(prune)) for prune in (False, True))
    assert set(whole["state"]) == {"complete"}
    assert set(whole["epochs"]) == {20}
    stopped = table[table["state"] == "pruned"]
    assert len(stopped) >= 5
    assert stopped["epochs"].between(3, 19).all()
    # The drawn points do not depend on what was stopped, and here the curves never cross.
    assert study.best_value == whole["value"].min()


def test_the_same_seed_gives_the_same_trials_and_another_seed_others(tiny):
    first, second, other = (
        tuning.table(tuning.tune(Bowl(), tiny, 20, seed, space=PLANE)) for seed in (3, 3, 4)
    )
    pd.testing.assert_frame_equal(first, second, check_exact=True)
    assert not first["x"].equals(other["x"])


def test_a_search_in_which_all_fails_says_why(tiny):
    with pytest.raises(RecsysError, match="none of 4 trials could be finished, for: the bowl is"):
        tuning.tune(Bowl(broken=True), tiny, 4, space=PLANE)


def test_a_metric_that_is_better_when_larger_is_maximised(part):
    space = {"by": Choice(("count", "mean"))}
    search = tuning.tune(
        models.Popularity(), part, 2, metric="ndcg@10", space=space, start=False,
        sampler=GridSampler({"by": ("count", "mean")}),
    )  # fmt: skip
    values = tuning.table(search).set_index("by")["value"]
    assert values["count"] != values["mean"]
    assert search.best_params == {"by": values.idxmax()}
    assert search.best_value == values.max()


def test_the_value_is_that_of_a_fit_with_these_parameters(part):
    search = tuning.tune(models.ALS(n_epochs=4), part, 3)
    again = models.ALS(n_epochs=4, **search.best_params).fit(part.train, part.valid)
    assert again.training_log_["rmse_valid"].iloc[-1] == search.best_value


def test_whole_numbers_are_drawn_as_such(part):
    search = tuning.tune(models.ALS(n_epochs=2), part, 3, space={"n_factors": Int(2, 6)})
    assert {type(trial.params["n_factors"]) for trial in search.trials} == {int}
    assert set(tuning.table(search)["state"]) == {"complete"}


@pytest.mark.parametrize("name", SEARCHED)
def test_every_space_names_parameters_of_its_model_and_can_be_searched(name, part):
    kind = getattr(models, name)
    assert set(kind.search_space) <= set(kind.parameter_names())
    model = kind(**{"n_epochs": 2} if "n_epochs" in kind.parameter_names() else {})
    space = {key: where for key, where in kind.search_space.items() if key != "n_epochs"}
    search = tuning.tune(model, part, 2, space=space)
    assert set(tuning.table(search)["state"]) == {"complete"}


# ---- what it may look at: see test_protocols.py, too


def test_some_users_are_drawn_whole_and_enough_are_all(part):
    n = len(part.train) + len(part.valid)
    assert tuning.some_users(part, n) is part
    few = tuning.some_users(part, n // 3, seed=1)
    size = len(few.train) + len(few.valid)
    most = int((part.train.by_user.counts + part.valid.by_user.counts).max())
    assert n // 3 - most < size <= n // 3
    drawn = few.train.by_user.counts > 0
    for some, whole in ((few.train, part.train), (few.valid, part.valid)):
        assert pairs(some) == pairs(whole.select(drawn[whole.user_of_rating()]))
    assert pairs(tuning.some_users(part, n // 3, seed=2).train) != pairs(few.train)
    assert few.items is part.items


# ---- mistakes


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"n_trials": 0}, "n_trials is 0; it must be a whole number, 1 or more"),
        ({"seed": -1}, "seed is -1"),
        ({"space": None}, "Bowl has no search_space; pass space="),
        ({"space": {"z": Float(0.0, 1.0)}}, "Bowl has no parameter 'z'"),
        ({"space": {5: Float(0.0, 1.0)}}, "Bowl has no parameter '5'"),
        ({"sampler": GridSampler({"x": [1.0]})}, "GridSampler draws no k: "),
        ({"sampler": RandomSampler}, "sampler is <class .* must be a sampler of Optuna, or None"),
        ({"prune": "no"}, "prune is 'no'; it must be True or False"),
        ({"start": 1}, "start is 1; it must be True or False"),
        ({"metric": "rsme"}, "there is no metric 'rsme'"),
    ],
)
def test_a_mistake_is_told_before_the_first_fit(tiny, options, message):
    before = Bowl.fits
    with pytest.raises(RecsysError, match=message):
        tuning.tune(Bowl(), tiny, **{"space": PLANE, **options})
    assert Bowl.fits == before


def test_a_grid_smaller_than_the_number_of_trials_ends_the_search(tiny):
    grid = GridSampler({"x": [1.0], "k": [1, 2]})
    assert len(tuning.tune(Bowl(), tiny, 9, space=PLANE, sampler=grid).trials) == 2


def test_trials_that_fail_are_noted_and_the_search_goes_on(tiny):
    space = {"broken": Choice((False, True)), **PLANE}
    search = tuning.tune(Bowl(), tiny, 30, sampler=RandomSampler(0), space=space)
    table = tuning.table(search)
    failed = table[table["state"] == "fail"]
    assert 5 < len(failed) < 25
    assert failed["broken"].all()
    assert failed["value"].isna().all()
    assert search.best_params["broken"] is False


def test_an_error_that_is_no_users_mistake_is_not_hidden(tiny):
    class Faulty(Bowl):
        def _init(self, *parts):
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        tuning.tune(Faulty(), tiny, 5, space=PLANE)
