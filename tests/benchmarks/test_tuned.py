"""The chosen values: what is recorded is read back, and the project's own fit their models."""

import pytest

from benchmarks import protocols, tuned
from recsys_lib import datasets, evaluation, models
from recsys_lib.datasets import registry
from recsys_lib.errors import RecsysError

SEARCHED = [name for name in models.__all__ if getattr(models, name).search_space]


def test_what_is_recorded_is_read_back_in_whatever_order_it_was_recorded(tmp_path):
    one, two = tmp_path / "1.toml", tmp_path / "2.toml"
    how = {"protocol": "80-20", "seed": 0, "n_trials": 40, "value": 0.8441}
    entries = [
        ("als", "ml-100k", {"tau": 1.38, "n_factors": 40, "popularity": None}, how),
        ("BPR", "synthetic", {"reg": 1e-05}, {}),
        ("ALS", "ml-1m", {"tau": 1.1}, {}),
        ("ALS", "a b.c", {}, {}),
    ]
    for file, order in ((one, entries), (two, [*reversed(entries), *entries])):
        for name, data, params, told in order:
            tuned.record(name, data, params, file, **told)
    assert one.read_bytes() == two.read_bytes()
    kept = {"tau": 1.38, "n_factors": 40}
    assert tuned.load_params("Als", "ml-100k", one) == kept
    found = tuned.provenance("ALS", "ml-100k", one)
    assert found == {"dataset": "ml-100k", **how, "params": kept}
    assert tuned.load_params("ALS", "ml-1m", one) == {"tau": 1.1}
    assert tuned.load_params("BPR", "synthetic", one) == {"reg": 1e-05}
    assert tuned.provenance("ALS", "a b.c", one) == {"dataset": "a b.c", "params": {}}
    tuned.record("ALS", "ml-1m", {"tau": 9.0}, one)
    assert tuned.load_params("ALS", "ml-1m", one) == {"tau": 9.0}
    assert sorted(path.name for path in tmp_path.iterdir()) == ["1.toml", "2.toml"]


def test_without_a_value_the_nearest_of_its_kind_counts_and_else_the_defaults(tmp_path):
    file = tmp_path / "tuned.toml"
    assert tuned.load_params("ALS", "ml-1m", file) == {}
    for data, tau in (("ml-latest-small", 1.0), ("ml-25m", 2.0), ("synthetic", 3.0)):
        tuned.record("ALS", data, {"tau": tau}, file)
    nearest = {"ml-100k": 1.0, "ml-20m": 2.0, "ml-32m": 2.0, "synthetic-32m": 3.0, "mine": None}
    for data, tau in nearest.items():
        assert tuned.load_params("ALS", data, file).get("tau") == tau
    assert tuned.provenance("ALS", "ml-20m", file)["dataset"] == "ml-25m"
    assert tuned.provenance("BPR", "ml-20m", file) is None


def test_what_no_model_could_take_is_not_recorded(tmp_path):
    file = tmp_path / "tuned.toml"
    with pytest.raises(RecsysError, match="no such model 'SVD'; there are ALS"):
        tuned.record("SVD", "ml-1m", {}, file)
    with pytest.raises(RecsysError, match="parameter 'tua'"):
        tuned.record("ALS", "ml-1m", {"tua": 1.0}, file)
    assert not file.exists()
    with pytest.raises(RecsysError, match="no such model 'SVD'"):
        tuned.load_params("SVD", "ml-1m", file)


@pytest.mark.parametrize("name", SEARCHED)
def test_the_projects_own_values_can_be_given_to_their_models(name):
    kind = getattr(models, name)
    for data in ("ml-latest-small", "synthetic" if kind.predicts_ratings else "synthetic-watch"):
        assert tuned.provenance(name, data)["dataset"] == data
        kind(**tuned.load_params(name, data))


def test_rivals_were_searched_by_equally_many_trials():
    """Rivals are those whose values were found on the same data by the same protocol."""
    counts: dict[tuple[str, str], set[int]] = {}
    for name in SEARCHED:
        for data in (*registry.RATINGS, *registry.WATCHES, *registry.RELEASES):
            if (entry := tuned.provenance(name, data)) and entry["dataset"] == data:
                counts.setdefault((data, entry["protocol"]), set()).add(entry["n_trials"])
    assert len(counts) > 4
    assert {key: found for key, found in counts.items() if len(found) > 1} == {}


def entries():
    """Every entry of a data set that is small enough, those that take long marked so."""
    for name in SEARCHED:
        for data in ("synthetic", "synthetic-watch", "ml-latest-small"):
            if (entry := tuned.provenance(name, data)) and entry["dataset"] == data:
                quick = data == "synthetic" and name in {"ALS", "BiasALS", "EASE", "PureSVD"}
                yield pytest.param(name, data, marks=[] if quick else pytest.mark.long)


@pytest.mark.parametrize(("name", "dataset"), [*entries()])
def test_no_defaults_beat_the_chosen_values_beyond_the_interval(name, dataset):
    """On the test part of the split that they were chosen within, corrected for all entries."""
    if datasets.resolve(f"auto:{dataset}") != dataset:
        pytest.skip(f"{dataset} cannot be had")
    entry, data = tuned.provenance(name, dataset), datasets.load(dataset)
    if entry["protocol"] in protocols.PROTOCOLS:
        split, own = next(protocols.folds(data, entry["protocol"], entry["seed"])), {}
    else:
        split = getattr(protocols, entry["protocol"])(data, seed=entry["seed"])
        own = {"threshold": split.relevant}
    reports = [
        split.test(
            str(params), split.fit(getattr(models, name)(**own, **params)), [entry["metric"]]
        )
        for params in ({}, entry["params"])
    ]
    level = 1 - 0.05 / len([*entries()])
    found = evaluation.paired(*reports, entry["metric"], level=level)
    assert found.low <= 0 if entry["metric"] == "ndcg@10" else found.high >= 0, found
