"""`make reproduce` and `make tune` print one line per model or mistake, and nothing else."""

import logging
import os
import shutil
import subprocess
from dataclasses import replace

import pytest

from benchmarks import choosing, protocols, tuned
from benchmarks import study as command
from benchmarks.comparison import benchmark
from recsys_lib import datasets, models


@pytest.fixture(autouse=True)
def level():
    logger = logging.getLogger("recsys_lib")
    before = logger.level
    yield
    logger.setLevel(before)


@pytest.fixture
def few(data, monkeypatch):
    """The ratings that the command finds, when it is called here."""
    monkeypatch.setattr(datasets, "load", lambda name: data)
    return data


@pytest.mark.slow
def test_a_line_a_model_with_the_mean_over_folds(python):
    """By way of the builder, which hands everything on."""
    args = ["--dataset", "synthetic", "--protocol", "2-fold", "--trials", "0", "--seed", "3"]
    done = python("book", "run", "benchmarks.study", "reproduce", *args, "--model", "als,BIASALS")
    lines = done.stdout.splitlines()
    header, *rows = (line.split() for line in lines)
    assert header == ["model", "rmse", "sd", "seconds"]
    found = {name: dict(zip(header[1:], values, strict=True)) for name, *values in rows}
    assert [*found] == ["ALS", "BiasALS"]
    assert len({len(line) for line in lines}) == 1  # the columns are straight
    data = datasets.load("synthetic")
    wanted = {name: getattr(models, name)() for name in found}
    expected = benchmark(wanted, data, "2-fold", seeds=[3], metrics=["rmse"])
    for name, values in expected.groupby("model")["rmse"]:
        assert found[name]["rmse"] == f"{values.mean():.4f}"
        assert found[name]["sd"] == f"{values.std():.4f}"
        assert float(found[name]["seconds"]) > 0
    for text in ("ALS, seed 3, fold 1: rmse 0.", "BiasALS, seed 3, fold 2: rmse 0."):
        assert text in done.stderr  # signs of life, where no program looks for results


def test_make_names_every_option(root):
    if shutil.which("make") is None:
        pytest.skip("no make on this machine")
    # `make test` hands its own options on, in the environment.
    outside = {name: value for name, value in os.environ.items() if not name.startswith("MAKE")}
    options = ["DATASET=ml-100k", "PROTOCOL=u1-u5", "MODEL=ALS,BayesianALS", "SEED=1", "TRIALS=0"]
    targets = [("reproduce", options), ("tune", options[2:]), ("reproduce", [])]
    for target, given in [*targets, ("leaderboard", options[2:])]:
        command_line = ["make", "-n", target, *given]
        done = subprocess.run(
            command_line, cwd=root, env=outside, capture_output=True, text=True, check=True
        )
        words = done.stdout.replace('"', "").split()
        assert words[1:5] == ["book", "run", "benchmarks.study", target]
        expected = [(f"--{name.lower()}", value) for name, value in (o.split("=") for o in given)]
        assert sorted(zip(words[5::2], words[6::2], strict=True)) == sorted(expected)


def test_what_each_part_of_a_model_brings_has_a_row_of_its_own(few, capsys, monkeypatch):
    small = {name: {**how, "n_samples": 4, "n_burn": 2} for name, how in command.PARTS.items()}
    monkeypatch.setattr(command, "PARTS", small)
    names = [name for name in small if "averaging" not in name]
    args = ["--dataset", "synthetic", "--protocol", "80-20", "--trials", "0"]
    assert command.main(["reproduce", *args, "--model", ",".join(names)]) == 0
    _, *rows = (line.split() for line in capsys.readouterr().out.splitlines())
    split = next(protocols.folds(few, "80-20"))
    for name, cells in zip(names, rows, strict=True):
        model = models.BayesianALS(**small[name]).fit(split.learning)  # without the items' table
        assert cells[:2] == [name, f"{split.test(name, model, ['rmse'])['rmse']:.4f}"]


def test_protocols_of_lists_are_of_the_models_of_likes(few, capsys):
    args = ["--dataset", "synthetic", "--protocol", "mult-vae", "--trials", "0"]
    assert command.main(["reproduce", *args, "--model", "popularity"]) == 0
    header, cells = (line.split() for line in capsys.readouterr().out.splitlines())
    metrics = protocols.OF_LISTS["mult-vae"]
    assert header == ["model", *(cell for m in metrics for cell in (m, "±")), "seconds"]
    split = next(protocols.folds(few, "mult-vae"))
    report = split.test("popularity", split.fit(models.Popularity()), metrics)
    ends = (report.interval(metric) for metric in metrics)
    numbers = ((report[m], (b - a) / 2) for m, (a, b) in zip(metrics, ends, strict=True))
    assert cells[:-1] == ["Popularity", *(f"{value:.4f}" for pair in numbers for value in pair)]


MISTAKES = {
    "no protocol '5fold'": ["reproduce", "--protocol", "5fold"],
    "u1, u2, u3, u4, u5: they are a part of ml-100k": ["reproduce", "--protocol", "u1-u5"],
    "no such model 'SVD'; there are ALS, BayesianALS, BiasALS": ["reproduce", "--model", "ALS,SVD"],
    "no such model 'popularity'": ["reproduce", "--model", "popularity"],
    "no such model 'ALS'; there are BPR": ["reproduce", "--protocol", "mult-vae", "--model", "ALS"],
    "no such model ' '": ["reproduce", "--model", " ,"],
    "no data set 'ml-99'": ["reproduce", "--dataset", "ml-99"],
    "invalid int value: 'few'": ["reproduce", "--trials", "few"],
    "unrecognized arguments: --folds 5": ["reproduce", "--folds", "5"],
    "--model": ["tune"],
    "no such model 'popularity'; there are ALS,": ["tune", "--model", "popularity"],
    "must be 1 or more": ["leaderboard", "--trials=0"],
    "no such model 'SVD'": ["leaderboard", "--model=SVD"],
}


@pytest.mark.parametrize("says", MISTAKES)
def test_a_mistake_is_told_in_one_line_and_nothing_is_printed(capsys, says):
    name, *args = MISTAKES[says]
    try:
        status = command.main([name, "--dataset", "synthetic", *args])
    except SystemExit as stopped:
        status = stopped.code
    out, told = capsys.readouterr()
    assert status == 2 and out == ""
    (error,) = [line for line in told.splitlines() if line.startswith("error: ")]
    assert says in error and told.endswith(error + "\n")


# ---- tune


def test_the_command_prints_the_best_and_records_what_helps(few, tmp_path, capsys):
    file = tmp_path / "tuned.toml"
    command.tune("biasals", "synthetic", 6, seed=3, path=file)
    text = capsys.readouterr().out
    entry = tuned.provenance("BiasALS", "synthetic", file)
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
    command.tune("puresvd", dataset, 3, path=file)
    entry = tuned.provenance("PureSVD", dataset, file)
    assert (entry["protocol"], entry["metric"]) == (protocol, "ndcg@10")
    assert f"{protocol}, seed 0" in capsys.readouterr().out
    # The value is that of lists of likes, in the candidates that the protocol ranks.
    development = getattr(protocols, protocol)(data).development
    again = choosing.confirm(
        models.PureSVD(threshold=liked), development, [entry["params"]], "ndcg@10", command.DEALS
    )
    assert entry["value"] == round(again.to_numpy().mean(), 4)
    kuairec = tuned.load_params("PureSVD", "kuairec", file)
    assert kuairec == (entry["params"] if protocol == "fully_observed" else {})
