"""The leaderboard: every model is on it, and its record is what was measured, or refused."""

import json

import numpy as np
import pandas as pd
import pytest

from benchmarks import leaderboard
from benchmarks.comparison import benchmark
from recsys_lib import evaluation, models
from recsys_lib.errors import DataError, RecsysError
from recsys_lib.models import ease

SOME = ["ALS", "EASE", "BiasALS", "Popularity", "PureSVD"]


@pytest.fixture(scope="module")
def folder(data, tmp_path_factory):
    """A folder with the record of some of the models, EASE being too large for the data."""
    folder = tmp_path_factory.mktemp("records")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(models, "__all__", SOME)
        patch.setattr(ease, "MAX_ITEMS", 10)
        lines = [*leaderboard.measure(data, trials=2, seed=3, folder=folder)]
    assert [line.partition(":")[0] for line in lines] == ["ALS", "BiasALS", *SOME]
    return folder


def test_every_model_is_on_the_leaderboard(root):
    assert leaderboard.contestants("ndcg@10") == models.__all__
    for name in models.__all__:
        able = getattr(models, name).predicts_ratings
        assert (name in leaderboard.contestants("rmse")) == able
    assert leaderboard.stored() == sorted(p.stem for p in (root / "benchmarks/records").iterdir())
    assert "ml-latest-small" in leaderboard.stored()
    for dataset in leaderboard.stored():
        for question, part in leaderboard.load(dataset).content["questions"].items():
            assert {*part["models"], *part["left_out"]} == {*leaderboard.contestants(question)}


@pytest.mark.parametrize("question", leaderboard.QUESTIONS)
def test_a_record_is_what_was_measured(data, folder, question):
    board = leaderboard.load("synthetic", data.ratings, folder)
    names = [name for name in SOME if name in board.reports(question)]
    assert names == (["ALS", "BiasALS"] if question == "rmse" else [n for n in SOME if n != "EASE"])
    entrants = {name: board.model(question, name) for name in names}
    metrics = leaderboard.QUESTIONS[question]
    again = benchmark(entrants, data, "80-20", seeds=[3], metrics=metrics)
    fresh = dict(zip(again["model"], again["report"], strict=True))
    table, winner = board.table(question), board.content["questions"][question]["winner"]
    best = table["valid"].idxmin() if question == "rmse" else table["valid"].idxmax()
    assert winner == best == table.index[0]
    for name, report in board.reports(question).items():
        assert table.loc[name, metrics].to_dict() == pytest.approx(fresh[name].values)
        ends = fresh[name].interval(question)
        assert table.loc[name, ["low", "high"]].tolist() == pytest.approx(ends)
        gap = evaluation.paired(fresh[name], fresh[winner], question)
        found = evaluation.paired(report, board.reports(question)[winner], question)
        assert table.loc[name, ["gap", "gap low", "gap high"]].tolist() == list(found[1:4])
        assert found[1:4] == pytest.approx(gap[1:4], abs=1e-5)  # values by user are rounded
    users = board.by_user(question)["ALS"]
    if question == "rmse":
        errors = fresh["ALS"].errors
        expected = np.sqrt(errors["squared"] / errors["n"])
    else:
        expected = fresh["ALS"].per_user[question]
    np.testing.assert_allclose(users, expected, atol=1e-4)


def test_a_model_that_refuses_the_data_is_told_with_its_reason(folder):
    questions = leaderboard.load("synthetic", folder=folder).content["questions"]
    assert list(questions["ndcg@10"]["left_out"]) == ["EASE"]
    assert "it takes up to 10" in questions["ndcg@10"]["left_out"]["EASE"]
    assert questions["rmse"]["left_out"] == {}


def test_one_model_is_measured_anew_and_the_others_are_kept(data, folder, tmp_path, monkeypatch):
    before = (folder / "synthetic.json").read_text("utf-8")
    (tmp_path / "synthetic.json").write_text(before, "utf-8")
    (line,) = leaderboard.measure(data, 2, 3, ["EASE"], tmp_path)
    assert line.startswith("EASE: ndcg@10 0.")
    old, new = (leaderboard.load("synthetic", folder=f).content for f in (folder, tmp_path))
    assert new["questions"]["rmse"] == old["questions"]["rmse"]
    monkeypatch.setattr(models, "__all__", ["ALS", "EASE", "Popularity", "PureSVD"])  # one is gone
    assert len([*leaderboard.measure(data, 2, 3, ["EASE"], tmp_path)]) == 1
    left = leaderboard.load("synthetic", folder=tmp_path)
    assert list(left.reports("rmse")) == ["ALS"] and {*left.reports("ndcg@10")} == {*models.__all__}
    lists = new["questions"]["ndcg@10"]
    assert {*lists["models"]} == {*SOME}
    assert lists["left_out"] == {}
    for trials, seed in ((3, 3), (2, 4)):
        with pytest.raises(RecsysError, match="no record of synthetic"):
            next(leaderboard.measure(data, trials, seed, ["EASE"], tmp_path))


def test_a_damaged_or_foreign_record_is_refused(data, folder, tmp_path):
    text = (folder / "synthetic.json").read_text("utf-8")
    value = json.loads(text)["record"]["questions"]["rmse"]["models"]["ALS"]["valid"]
    for damaged in (text[:-9], text.replace(f"{value}", f"{value + 0.01}"), "{}", "[]", '"x"'):
        (tmp_path / "synthetic.json").write_text(damaged, "utf-8")
        with pytest.raises(DataError, match=r"synthetic.json is damaged .*make leaderboard"):
            leaderboard.load("synthetic", folder=tmp_path)
    (tmp_path / "ml-1m.json").write_text(text, "utf-8")
    with pytest.raises(DataError, match=r"ml-1m.json is of synthetic; make it anew"):
        leaderboard.load("ml-1m", folder=tmp_path)
    with pytest.raises(DataError, match="is of other ratings"):
        leaderboard.load("synthetic", data.ratings.select(np.arange(4000) > 0), folder)
    with pytest.raises(DataError, match=r"no leaderboard of ml-10m.*DATASET=ml-10m"):
        leaderboard.load("ml-10m", folder=folder)


def test_some_users_are_whole_users(data):
    assert leaderboard.some_users(data, len(data.ratings)) is data
    some = leaderboard.some_users(data, 1000, seed=2)
    assert 800 < len(some.ratings) <= 1000
    assert some.name == f"synthetic, {some.ratings.n_users} of its users"
    np.testing.assert_array_equal(some.ratings.item_ids, data.ratings.item_ids)
    whole = data.ratings.to_frame()
    theirs = whole[whole["user_id"].isin(some.ratings.user_ids)].reset_index(drop=True)
    pd.testing.assert_frame_equal(some.ratings.to_frame(), theirs)
    assert leaderboard.some_users(data, 1000, 3).ratings.n_users != 0
    with pytest.raises(RecsysError, match="no user has 5"):
        leaderboard.some_users(data, 5)
