import os
import subprocess
import sys
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from optuna.distributions import CategoricalDistribution as Choice
from optuna.distributions import FloatDistribution as Float

from recsys_lib import __main__ as command
from recsys_lib import datasets, evaluation, models, tuning
from recsys_lib.errors import DataError, RecsysError
from recsys_lib.evaluation import Development
from recsys_lib.ratings import Ratings

PLANE = {"x": Float(-4.0, 4.0), "k": Choice((1, 2, 3))}
BEST = {"x": 1.5, "k": 2}
SEARCHED = [name for name in models.__all__ if getattr(models, name).search_space]


@dataclass(eq=False, repr=False)
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


def small():
    frame = pd.DataFrame({"user_id": [1, 1, 2, 2], "item_id": [1, 2, 1, 2], "rating": [3, 4, 5, 1]})
    whole = Ratings.from_frame(frame, scale=(1, 5))
    mask = np.array([True, True, True, False])
    return Development(whole.select(mask), whole.select(~mask))


@pytest.fixture(scope="module")
def tiny():
    return small()


@pytest.fixture(scope="module")
def data():
    return datasets.load("synthetic", n_users=150, n_items=120, n_ratings=6000, seed=1)


@pytest.fixture(scope="module")
def part(data):
    return evaluation.folds(data, "80-20")[0].development


def same(a, b):
    """Whether two searches made the same trials; seconds are no part of what they found."""
    pd.testing.assert_frame_equal(
        a.trials.drop(columns="seconds"), b.trials.drop(columns="seconds"), check_exact=True
    )


def pairs(ratings):
    frame = ratings.to_frame()
    return set(zip(frame["user_id"], frame["item_id"], strict=True))


# ---- what a search finds


@pytest.mark.parametrize(("sampler", "within"), [("tpe", 0.15), ("random", 0.4), ("grid", 0.4)])
def test_a_search_finds_the_known_minimum(tiny, sampler, within):
    search = tuning.tune(Bowl(), tiny, 60, sampler, space=PLANE)
    assert search.best_params["k"] == BEST["k"]
    assert abs(search.best_params["x"] - BEST["x"]) < within
    assert search.best_value == pytest.approx(Bowl(**search.best_params).floor() + 1 / 8)


def test_a_metric_that_is_better_when_larger_is_maximised(part):
    space = {"by": Choice(("count", "mean"))}
    search = tuning.tune(models.Popularity(), part, 2, "grid", metric="ndcg@10", space=space)
    values = search.trials.set_index("by")["value"]
    assert values["count"] != values["mean"]
    assert search.best_params == {"by": values.idxmax()}
    assert search.best_value == values.max()


def test_the_value_is_that_of_a_fit_with_these_parameters(part):
    search = tuning.tune(models.ALS(n_epochs=4), part, 3, "random")
    again = models.ALS(n_epochs=4, **search.best_params).fit(part.train, part.valid)
    assert again.training_log_["rmse_valid"].iloc[-1] == search.best_value


def test_none_is_a_value_like_any_other(part):
    space = {"popularity": Choice((None, 50.0))}
    search = tuning.tune(models.ALS(n_factors=2, n_epochs=3), part, 2, "grid", space=space)
    assert sorted(map(str, search.points)) == ["{'popularity': 50.0}", "{'popularity': None}"]
    assert search.best_params["popularity"] in (None, 50.0)


@pytest.mark.parametrize("sampler", ["tpe", "random"])
def test_the_first_trial_is_of_the_models_own_parameters_if_they_lie_in_the_space(tiny, sampler):
    def first(model, **options):
        return tuning.tune(model, tiny, 3, sampler, space=PLANE, **options).points[0]

    assert first(Bowl(x=1.4142135, k=3)) == {"x": 1.41, "k": 3}
    outside = first(Bowl(x=9.0, k=3))
    assert -4 <= outside["x"] <= 4
    assert outside == first(Bowl(x=1.4142135, k=3), start=False)


@pytest.mark.parametrize("name", SEARCHED)
def test_every_space_names_parameters_of_its_model_and_can_be_searched(name, part):
    kind = getattr(models, name)
    assert set(kind.search_space) <= set(kind.parameter_names())
    model = kind(**{"n_epochs": 2} if "n_epochs" in kind.parameter_names() else {})
    space = {key: where for key, where in kind.search_space.items() if key != "n_epochs"}
    search = tuning.tune(model, part, 2, "random", space=space)
    assert set(search.trials["state"]) == {"complete"}


def test_a_grid_search_tries_every_point_of_the_grid_once(tiny):
    search = tuning.tune(Bowl(), tiny, 16, "grid", space=PLANE, pruner=None)
    tried = search.trials[["x", "k"]].sort_values(["x", "k"]).to_numpy()
    np.testing.assert_array_equal(tried, [(x, k) for x in (-4, -2, 0, 2, 4) for k in (1, 2, 3)])


@pytest.mark.parametrize(("n", "size"), [(1, 1), (2, 1), (17, 8), (20, 18), (31, 18), (32, 32)])
def test_a_grid_is_as_fine_as_the_number_of_points_allows(tiny, n, size):
    space = {"x": Float(1.0, 100.0, log=True), "y": Float(0.0, 1.0), "k": Choice((1, 2))}
    search = tuning.tune(Bowl(n_epochs=1), tiny, n, "grid", space=space)
    assert len({tuple(point.values()) for point in search.points}) == len(search.points) == size
    values = {name: sorted(search.trials[name].unique()) for name in space}
    if size == 1:
        assert values == {"x": [10.0], "y": [0.5], "k": [2]}
    if size == 18:
        assert values == {"x": [1.0, 10.0, 100.0], "y": [0.0, 0.5, 1.0], "k": [1, 2]}


@pytest.mark.parametrize("where", [Float(0.3, 7.0, log=True), Float(-1.0, 0.123456)])
def test_drawn_numbers_have_few_digits_and_stay_within(tiny, where):
    search = tuning.tune(Bowl(), tiny, 30, "random", space={"x": where})
    values = [point["x"] for point in search.points]
    assert all(where.low <= value <= where.high for value in values)
    assert all(value in (where.low, where.high, float(f"{value:.3g}")) for value in values)
    assert len(set(values)) > 25


@pytest.mark.parametrize("pruner", ["median", "halving"])
def test_stopped_trials_save_epochs_and_are_never_the_best(tiny, pruner):
    whole, search = (
        tuning.tune(Bowl(n_epochs=20), tiny, 40, "random", space=PLANE, pruner=rule)
        for rule in (None, pruner)
    )
    assert set(whole.trials["state"]) == {"complete"}
    assert set(whole.trials["epochs"]) == {20}
    stopped = search.trials[search.trials["state"] == "pruned"]
    assert len(stopped) >= 5
    assert stopped["epochs"].between(3, 19).all()
    assert not search.best(40)["number"].isin(stopped["number"]).any()
    # The drawn points do not depend on what was stopped, and here the curves never cross.
    assert search.best_params == whole.best_params
    assert search.best_value == whole.best_value


def test_a_stopped_trial_is_not_the_best_even_if_its_last_value_is_the_lowest(tiny):
    class Rising(Bowl):
        """Its error rises with the epochs, and the more so the further from the best."""

        def _validate(self):
            return {"rmse_valid": 0.5 + (self.x - BEST["x"]) ** 2 * self.epochs}

    search = tuning.tune(Rising(n_epochs=200), tiny, 40, "random", space=PLANE)
    done, stopped = (search.trials[search.trials["state"] == s] for s in ("complete", "pruned"))
    assert stopped["value"].min() < done["value"].max()
    assert search.best_value == done["value"].min()


# ---- the same again


@pytest.mark.parametrize("sampler", ["tpe", "random", "grid"])
def test_the_same_seed_gives_the_same_trials_and_another_seed_others(tiny, sampler):
    first, second, other = (
        tuning.tune(Bowl(), tiny, 20, sampler, seed, space=PLANE) for seed in (3, 3, 4)
    )
    same(first, second)
    assert not first.trials["x"].equals(other.trials["x"])


@pytest.mark.parametrize("sampler", ["tpe", "random"])
def test_a_search_goes_on_where_it_ended_as_if_it_had_never_ended(tiny, tmp_path, sampler):
    def search(n, **options):
        Bowl.fits = 0
        return tuning.tune(Bowl(), tiny, n, sampler, space=PLANE, **options), Bowl.fits

    file = tmp_path / "search.log"
    first, _ = search(12, storage=file)
    both, fits = search(25, storage=file)
    assert fits == 13
    pd.testing.assert_frame_equal(both.trials.head(12), first.trials)
    same(both, search(25)[0])
    assert search(25, storage=file)[1] == 0


@pytest.mark.parametrize("sampler", ["tpe", "grid"])
def test_an_interrupted_trial_is_made_again(tiny, tmp_path, sampler):
    class Interrupted(Bowl):
        def _init(self, *parts):
            if type(self).fits == 9:
                raise KeyboardInterrupt
            super()._init(*parts)

    Interrupted.__name__ = "Bowl"  # the search belongs to a class of this name
    file = tmp_path / "search.log"
    Interrupted.fits = 0
    with pytest.raises(KeyboardInterrupt):
        tuning.tune(Interrupted(), tiny, 24, sampler, storage=file, space=PLANE)
    again = tuning.tune(Bowl(), tiny, 24, sampler, storage=file, space=PLANE)
    same(again, tuning.tune(Bowl(), tiny, 24, sampler, space=PLANE))


KILLED = """
import os, sys
from test_tuning import PLANE, Bowl, small, tuning

class Killed(Bowl):
    def _init(self, *parts):
        if type(self).fits == 7:
            os._exit(9)  # as abrupt as a power cut
        super()._init(*parts)

Killed.__name__ = "Bowl"
tuning.tune(Killed(), small(), 15, storage=sys.argv[1], space=PLANE)
"""


def test_a_search_that_was_killed_goes_on(tiny, tmp_path, root):
    file = tmp_path / "search.log"
    done = subprocess.run(
        [sys.executable, "-c", KILLED, str(file)],
        cwd=Path(__file__).parent,
        env={**os.environ, "PYTHONPATH": str(root)},
    )
    assert done.returncode == 9
    Bowl.fits = 0
    again = tuning.tune(Bowl(), tiny, 15, storage=file, space=PLANE)
    assert Bowl.fits == 15 - 7
    same(again, tuning.tune(Bowl(), tiny, 15, space=PLANE))


def test_the_file_of_another_search_is_refused(tiny, tmp_path):
    file = tmp_path / "search.log"

    def search(model, development, seed=0):
        return tuning.tune(model, development, 3, seed=seed, storage=file, space=PLANE)

    search(Bowl(), tiny)
    with pytest.raises(RecsysError, match=r"another search \(its seed differ"):
        search(Bowl(), tiny, seed=1)
    with pytest.raises(RecsysError, match="its parameters differ"):
        search(Bowl(n_epochs=9), tiny)
    for other in (Development(tiny.valid, tiny.train), replace(tiny, relevant=3.0)):
        with pytest.raises(RecsysError, match="its data differ"):
            search(Bowl(), other)
    file.write_text("this is no search\n")
    with pytest.raises(DataError, match="cannot be opened as the file of a search"):
        search(Bowl(), tiny)


# ---- what it may look at


def test_no_search_can_tell_one_test_part_from_another(data):
    """The test ratings are replaced by nonsense: not a digit of what is found may change."""
    found = []
    for one in (data, with_nonsense_to_test_on(data)):
        (fold,) = evaluation.folds(one, "80-20", seed=2)
        model = models.ALS(n_factors=3, n_epochs=3)
        space = {"tau": Float(0.5, 5.0, log=True), "popularity": Choice((None, 50.0))}
        decision = tuning.choose(
            model, fold.development, 8, seed=1, space=space, finalists=2, deals=2
        )
        final = fold.fit(model.unfitted(**decision.params))
        found.append((decision, fold.test("ALS", final, ["rmse"])["rmse"]))
    (a, rmse_a), (b, rmse_b) = found
    same(a.search, b.search)
    assert (a.params, a.value) == (b.params, b.value)
    assert rmse_a != rmse_b  # the nonsense did reach the test part


def with_nonsense_to_test_on(data):
    (fold,) = evaluation.folds(data, "80-20", seed=2)
    kept = fold.learning.to_frame().set_index(["user_id", "item_id"]).index
    frame = data.ratings.to_frame()
    in_test = ~frame.set_index(["user_id", "item_id"]).index.isin(kept)
    assert in_test.sum() == round(0.2 * len(data.ratings))
    frame.loc[in_test, "rating"] = 5.5 - frame.loc[in_test, "rating"]
    ids = {"user_ids": data.ratings.user_ids, "item_ids": data.ratings.item_ids}
    nonsense = Ratings.from_frame(frame, scale=data.ratings.scale, **ids)
    return datasets.Dataset("nonsense", nonsense, data.items)


def test_a_split_with_its_test_part_is_refused(data):
    (split,) = evaluation.folds(data, "80-20")
    for function, more in ((tuning.tune, ()), (tuning.choose, ()), (tuning.confirm, ([{}],))):
        with pytest.raises(RecsysError, match=r"takes a Development, and this is a Split"):
            function(models.ALS(), split, *more)


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


# ---- the final round


def test_candidates_are_measured_on_other_divisions_of_the_same_ratings(part):
    seen = []

    class Spy(models.ALS):
        def fit(self, train, valid=None, **options):
            seen.append((train, valid))
            return super().fit(train, valid, **options)

    candidates = [{"tau": 1.0}, {"tau": 50.0}, {"tau": 1.0}]
    table = tuning.confirm(Spy(n_factors=3, n_epochs=3), part, candidates, deals=3)
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
        return tuning.choose(model, part, 6, "random", finalists=3, deals=2, space=space)

    decision = choose(models.ALS().tau, 20.0, 60.0)  # all that may be tried is far too strict
    finals = decision.finals
    best = [str(number) for number in decision.search.best(3)["number"]]
    assert list(finals["trial"]) == [*best, "defaults"]
    assert decision.value == finals["confirmed"].min()
    assert decision.params == {"tau": models.ALS().tau}
    better = choose(500.0, 1.0, 3.0)
    assert better.params == {"tau": better.finals.loc[better.finals["confirmed"].idxmin(), "tau"]}
    assert 1 <= better.params["tau"] <= 3


def test_defaults_are_kept_unless_clearly_beaten(tiny):
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
        tuning.choose(Noisy(x=20.0), tiny, 5, "random", seed, space=space, deals=3)
        for seed in range(20)
    ]
    kept = sum(decision.params == {"x": 20.0} for decision in decisions)
    lowest = sum(decision.finals["confirmed"].idxmin() == 5 for decision in decisions)
    assert lowest < kept < 20


def test_no_point_is_a_finalist_twice(part):
    space = {"by": Choice(("count", "mean"))}
    decision = tuning.choose(
        models.Popularity(), part, 12, "random", metric="ndcg@10", space=space, deals=2
    )
    assert len(decision.search.trials) == 12
    assert sorted(decision.finals["by"][:-1]) == ["count", "mean"]


# ---- mistakes


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"n_trials": 0}, "n_trials=0 must be 1 or more"),
        ({"seed": -1}, "seed=-1"),
        ({"sampler": "bayes"}, "no sampler 'bayes'; there are tpe, random, grid"),
        ({"pruner": "axe"}, "no pruner 'axe'; there are median, halving, None"),
        ({"space": None}, "Bowl has no search_space; pass space="),
        ({"space": {"z": Float(0.0, 1.0)}}, "Bowl has no parameter 'z'"),
        ({"metric": "rsme"}, r"none of 3 trials .* there is no metric 'rsme'"),
    ],
)
def test_a_mistake_is_told_in_a_sentence(tiny, options, message):
    with pytest.raises(RecsysError, match=message):
        tuning.tune(Bowl(), tiny, **{"space": PLANE, **options})


def test_trials_that_fail_are_noted_and_the_search_goes_on(tiny):
    space = {"broken": Choice((False, True)), **PLANE}
    search = tuning.tune(Bowl(), tiny, 30, "random", space=space)
    failed = search.trials[search.trials["state"] == "fail"]
    assert 5 < len(failed) < 25
    assert failed["broken"].all()
    assert failed["value"].isna().all()
    assert search.best_params["broken"] is False


def test_a_search_in_which_all_fails_ends_soon_and_says_why(tiny):
    Bowl.fits = 0
    with pytest.raises(RecsysError, match="none of 3 trials could be finished, for: the bowl is"):
        tuning.tune(Bowl(broken=True), tiny, 30, space=PLANE)
    assert Bowl.fits == 3


def test_an_error_that_is_no_users_mistake_is_not_hidden(tiny):
    class Faulty(Bowl):
        def _init(self, *parts):
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        tuning.tune(Faulty(), tiny, 5, space=PLANE)


# ---- the chosen values


def test_what_is_recorded_is_read_back_in_whatever_order_it_was_recorded(tmp_path):
    one, two = tmp_path / "1.toml", tmp_path / "2.toml"
    how = {"protocol": "80-20", "seed": 0, "sampler": "tpe", "n_trials": 40, "value": 0.8441}
    entries = [
        ("als", "ml-100k", {"tau": 1.38, "n_factors": 40, "popularity": None}, how),
        ("BPR", "synthetic", {"reg": 1e-05}, {}),
        ("ALS", "ml-1m", {"tau": 1.1}, {}),
        ("ALS", "a b.c", {}, {}),
    ]
    for file, order in ((one, entries), (two, [*reversed(entries), *entries])):
        for name, data, params, told in order:
            tuning.record(name, data, params, file, **told)
    assert one.read_bytes() == two.read_bytes()
    kept = {"tau": 1.38, "n_factors": 40}
    assert tuning.load_params("Als", "ml-100k", one) == kept
    found = tuning.provenance("ALS", "ml-100k", one)
    assert found == {"dataset": "ml-100k", **how, "params": kept}
    assert tuning.load_params("ALS", "ml-1m", one) == {"tau": 1.1}
    assert tuning.load_params("BPR", "synthetic", one) == {"reg": 1e-05}
    assert tuning.provenance("ALS", "a b.c", one) == {"dataset": "a b.c", "params": {}}
    tuning.record("ALS", "ml-1m", {"tau": 9.0}, one)
    assert tuning.load_params("ALS", "ml-1m", one) == {"tau": 9.0}
    assert sorted(path.name for path in tmp_path.iterdir()) == ["1.toml", "2.toml"]


def test_without_a_value_the_nearest_of_its_kind_counts_and_else_the_defaults(tmp_path):
    file = tmp_path / "tuned.toml"
    assert tuning.load_params("ALS", "ml-1m", file) == {}
    for data, tau in (("ml-latest-small", 1.0), ("ml-25m", 2.0), ("synthetic", 3.0)):
        tuning.record("ALS", data, {"tau": tau}, file)
    nearest = {"ml-100k": 1.0, "ml-20m": 2.0, "ml-32m": 2.0, "synthetic-32m": 3.0, "mine": None}
    for data, tau in nearest.items():
        assert tuning.load_params("ALS", data, file).get("tau") == tau
    assert tuning.provenance("ALS", "ml-20m", file)["dataset"] == "ml-25m"
    assert tuning.provenance("BPR", "ml-20m", file) is None


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[ALS", "cannot be read as TOML"),
        ("[SVD.'ml-1m'.params]\nk = 1", "names a model 'SVD'"),
        ("[ALS.'ml-1m']\ntau = 1.0", r"has no table \[ALS.ml-1m.params\]"),
        ("ALS = 1", r"has no table"),
        ("[ALS.'ml-1m'.params]\ntua = 1.0", "parameter 'tua', and it has only n_factors"),
    ],
)
def test_a_damaged_file_is_refused(tmp_path, text, message):
    file = tmp_path / "tuned.toml"
    file.write_text(text)
    with pytest.raises(DataError, match=message):
        tuning.load_params("ALS", "ml-1m", file)


def test_what_no_model_could_take_is_not_recorded(tmp_path):
    file = tmp_path / "tuned.toml"
    with pytest.raises(RecsysError, match="no model 'SVD'; there are ALS"):
        tuning.record("SVD", "ml-1m", {}, file)
    with pytest.raises(RecsysError, match="parameter 'tua'"):
        tuning.record("ALS", "ml-1m", {"tua": 1.0}, file)
    assert not file.exists()
    with pytest.raises(RecsysError, match="no model 'SVD'"):
        tuning.load_params("SVD", "ml-1m", file)


def test_a_place_that_cannot_be_written_is_told_with_what_was_chosen(tmp_path):
    tmp_path.chmod(0o500)
    place = tmp_path if os.geteuid() else Path("/proc")  # root may write to the former
    with pytest.raises(RecsysError) as caught:
        tuning.record("ALS", "ml-1m", {"tau": 1.5}, place / "tuned.toml")
    assert "tuned.toml' cannot be written" in str(caught.value)
    assert "ALS(tau=1.5) is not recorded; run this in a checkout" in str(caught.value)
    assert "\n" not in str(caught.value)
    tmp_path.chmod(0o700)


@pytest.mark.parametrize("name", SEARCHED)
def test_the_projects_own_values_can_be_given_to_their_models(name):
    kind = getattr(models, name)
    for data in ("ml-latest-small", "synthetic" if kind.predicts_ratings else "synthetic-watch"):
        assert tuning.provenance(name, data)["dataset"] == data
        kind(**tuning.load_params(name, data))


# ---- the command


def test_the_command_prints_the_best_and_records_what_helps(tmp_path, capsys, monkeypatch, data):
    monkeypatch.setattr(datasets, "load", lambda name: data)
    file = tmp_path / "tuned.toml"
    command.tune("biasals", "synthetic", 6, "random", seed=3, path=file)
    text = capsys.readouterr().out
    entry = tuning.provenance("BiasALS", "synthetic", file)
    assert entry["n_trials"] == 6
    assert (entry["protocol"], entry["seed"], entry["metric"]) == ("80-20", 3, "rmse")
    assert text.count("\n") > 8
    assert "defaults" in text
    assert f"gamma={entry['params']['gamma']}" in text
    assert f"written to {file}" in text


@pytest.mark.parametrize(
    ("dataset", "protocol", "liked", "sizes"),
    [
        ("synthetic", "user_holdout", 4.0, {"n_ratings": 9000}),
        (
            *("synthetic-watch", "fully_observed", 2.0),
            {"n_watches": 9000, "n_small_users": 20, "n_small_items": 30},
        ),
    ],
)
def test_models_of_likes_are_tuned_by_the_protocols_of_likes(
    tmp_path, capsys, monkeypatch, dataset, protocol, liked, sizes
):
    data = datasets.load(dataset, n_users=150, n_items=120, seed=1, **sizes)
    monkeypatch.setattr(datasets, "load", lambda name: replace(data, name=dataset))
    file = tmp_path / "tuned.toml"
    command.tune("puresvd", dataset, 3, "grid", path=file)
    entry = tuning.provenance("PureSVD", dataset, file)
    assert (entry["protocol"], entry["metric"]) == (protocol, "ndcg@10")
    assert f"{protocol}, seed 0" in capsys.readouterr().out
    # The value is that of lists of likes, in the candidates that the protocol ranks.
    development = getattr(evaluation, protocol)(data).development
    again = tuning.confirm(models.PureSVD(threshold=liked), development, [entry["params"]])
    assert entry["value"] == round(again.to_numpy().mean(), 4)
    kuairec = tuning.load_params("PureSVD", "kuairec", file)
    assert kuairec == (entry["params"] if protocol == "fully_observed" else {})


def test_the_command_refuses_a_model_without_a_space(tmp_path):
    with pytest.raises(RecsysError, match="Popularity has nothing to search; these have: ALS,"):
        command.tune("popularity", "synthetic", path=tmp_path / "tuned.toml")
