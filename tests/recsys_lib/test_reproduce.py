"""`make reproduce` and `make tune`: a line a model, one line for a mistake, and nothing else."""

import logging
import os
import shutil
import subprocess
import sys

import pytest

from recsys_lib import __main__ as command
from recsys_lib import datasets, evaluation, models, tuning
from recsys_lib.benchmark import benchmark
from recsys_lib.errors import RecsysError
from recsys_lib.tuning import finals


@pytest.fixture(autouse=True)
def level():
    logger = logging.getLogger("recsys_lib")
    before = logger.level
    yield
    logger.setLevel(before)


def call(root, *args):
    done = subprocess.run(
        [sys.executable, *args], cwd=root, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines(), done.stderr


def numbers_of(lines):
    """Return by class name the numbers of a table whose header says what they are."""
    header, *rows = (line.split() for line in lines)
    assert header == ["model", "rmse", "sd", "seconds"]
    return {name: dict(zip(header[1:], values, strict=True)) for name, *values in rows}


def test_a_line_a_model_with_the_mean_over_folds(root):
    args = ["--dataset", "synthetic", "--protocol", "2-fold", "--trials", "0", "--seed", "3"]
    lines, told = call(root, "-m", "recsys_lib", "reproduce", *args, "--model", "als,BIASALS")
    found = numbers_of(lines)
    assert [*found] == ["ALS", "BiasALS"]
    assert len({len(line) for line in lines}) == 1  # the columns are straight
    data = datasets.load("synthetic")
    wanted = {name: getattr(models, name)() for name in found}
    expected = benchmark(wanted, data, "2-fold", seeds=[3], metrics=["rmse"], progress=False)
    for name, values in expected.table.groupby("model")["rmse"]:
        assert found[name]["rmse"] == f"{values.mean():.4f}"
        assert found[name]["sd"] == f"{values.std():.4f}"
        assert float(found[name]["seconds"]) > 0
    for text in ("ALS, seed 3, fold 1: rmse 0.", "BiasALS, seed 3, fold 2: rmse 0."):
        assert text in told  # signs of life, where no program looks for results


def test_the_builder_hands_everything_on(root):
    args = ["--dataset", "synthetic", "--protocol=80-20", "--trials", "3", "--model", "BiasALS"]
    lines, told = call(root, "book", "reproduce", *args)
    found = numbers_of(lines)
    assert found["BiasALS"]["sd"] == "-"
    assert "BiasALS: {'gamma': " in told
    help_lines, _ = call(root, "book", "reproduce", "--help")
    assert any("--protocol" in line for line in help_lines)


def test_make_names_every_option(root):
    if shutil.which("make") is None:
        pytest.skip("no make on this machine")
    # `make test` hands its own options on, in the environment.
    outside = {name: value for name, value in os.environ.items() if not name.startswith("MAKE")}
    options = ["DATASET=ml-100k", "PROTOCOL=u1-u5", "MODEL=ALS,BayesianALS", "SEED=1", "TRIALS=0"]
    for target, given in (("reproduce", options), ("tune", options[2:]), ("reproduce", [])):
        command_line = ["make", "-n", target, *given]
        done = subprocess.run(
            command_line, cwd=root, env=outside, capture_output=True, text=True, check=True
        )
        words = done.stdout.replace('"', "").split()
        assert words[1:3] == ["book", target]
        expected = [(f"--{name.lower()}", value) for name, value in (o.split("=") for o in given)]
        assert sorted(zip(words[3::2], words[4::2], strict=True)) == sorted(expected)


MISTAKES = {
    "no protocol '5fold'": ["--protocol", "5fold"],
    "u1, u2, u3, u4, u5: they are a part of ml-100k": ["--protocol", "u1-u5"],
    "no rating model 'SVD'; there are ALS, BayesianALS, BiasALS, GenreALS": ["--model", "ALS,SVD"],
    "no rating model 'popularity'": ["--model", "popularity"],
    "name at least one model": ["--model", " ,"],
    "no data set 'ml-99'": ["--dataset", "ml-99"],
    "trials is -1": ["--trials", "-1"],
    "invalid int value: 'few'": ["--trials", "few"],
    "seed is -1": ["--seed", "-1"],
    "unrecognized arguments: --folds 5": ["--folds", "5"],
}


def refusal(capsys, args):
    """Return what a command says that ends with status 2 and prints nothing."""
    try:
        status = command.main(args)
    except SystemExit as stopped:
        status = stopped.code
    out, told = capsys.readouterr()
    assert status == 2 and out == ""
    return told


@pytest.mark.parametrize("says", MISTAKES)
def test_a_mistake_is_told_in_one_line(capsys, says):
    told = refusal(capsys, ["reproduce", "--dataset", "synthetic", *MISTAKES[says]])
    (error,) = [line for line in told.splitlines() if line.startswith("error: ")]
    assert says in error and told.endswith(error + "\n")


def test_tune_without_a_model_or_with_a_wrong_one(capsys):
    for args, says in ((["tune"], "--model"), (["tune", "--model", "svd"], "svd")):
        told = refusal(capsys, args)
        assert told.startswith("error: ") and told.count("\n") == 1 and says in told


def test_models_are_named_in_any_case_and_once():
    assert command.rating_models(" als , GENREals,ALS") == ["ALS", "GenreALS"]
    assert {*command.REPRODUCED} <= {*command.rating_models(",".join(command.REPRODUCED))}
    with pytest.raises(RecsysError):
        command.rating_models("BPR")  # ranks, and predicts no rating


# ---- large data


@pytest.fixture(scope="module")
def development():
    data = datasets.load("synthetic", n_users=200, n_items=150, n_ratings=8000, seed=1)
    return evaluation.folds(data, "5-fold")[1].development


def test_what_a_sample_chose_must_be_better_on_the_whole(development, monkeypatch):
    for name in ("QUICK_FINALISTS", "QUICK_DEALS"):
        monkeypatch.setattr(finals, name, 1)  # so that a small sample misleads now and then
    model, lost = models.BiasALS(gamma=1.0), 0
    for seed in range(4):
        some = tuning.some_users(development, 300, seed)
        misled = tuning.choose(model, some, 3, seed=seed, finalists=1, deals=1).params
        own = {name: getattr(model, name) for name in misled}
        scores = tuning.confirm(model, development, [misled, own], deals=1, seed=seed).mean(axis=1)
        found = tuning.choose_within(model, development, 3, seed, limit=300)
        assert found == [misled, own][int(scores.argmin())]
        lost += scores[0] > scores[1]
    assert lost > 0


def test_more_ratings_may_want_more_factors(development, monkeypatch):
    for name in ("QUICK_FINALISTS", "QUICK_DEALS"):
        monkeypatch.setattr(finals, name, 1)
    model = models.ALS(n_factors=2, n_epochs=4)
    some = tuning.some_users(development, 2000, 0)
    params = tuning.choose(model, some, 2, seed=0, finalists=1, deals=1).params
    own = {name: getattr(model, name) for name in params}
    candidates = [params, own, {**params, "n_factors": 2 * params["n_factors"]}]
    scores = tuning.confirm(model, development, candidates, deals=1, seed=0).mean(axis=1)
    found = tuning.choose_within(model, development, 2, 0, limit=2000)
    assert found == candidates[int(scores.argmin())]
