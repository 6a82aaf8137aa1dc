"""The leaderboard: every model there is, tuned alike and tested on one split; and its record.

It takes too long for a build, so `make leaderboard` stores what it measures as a text file in
``benchmarks/records/``, with all that one has to know to judge it or to repeat it.

>>> board = leaderboard.load("ml-latest-small")                        # doctest: +SKIP
>>> board.table("ndcg@10")                                             # doctest: +SKIP
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from benchmarks import comparison, results
from benchmarks.comparison import COSTS, benchmark
from recsys_lib import io, models, splits
from recsys_lib.datasets import Dataset
from recsys_lib.errors import DataError, RecsysError
from recsys_lib.models import Recommender
from recsys_lib.models.training import fingerprint
from recsys_lib.ratings import Ratings
from recsys_lib.report import SMALLER_IS_BETTER, Report, paired

RECORDS = Path(__file__).with_name("records")
PROTOCOL = "80-20"
QUESTIONS = {  # what the models are tuned and ranked by, and what else is measured with it
    "rmse": ("rmse",),
    "ndcg@10": ("ndcg@10", "recall@10", "coverage@10", "novelty@10"),
}
MOST_RATINGS = 2_000_000  # of larger data, some users
SETTINGS = ("dataset", "checksum", "protocol", "seed", "trials")  # those of one record's models
DIGITS = 5  # of a value by user


@dataclass(frozen=True, eq=False)
class Board:
    """A record of what was measured, as the file has it; `load` reads it.

    `content` holds ``dataset``, ``checksum`` (of the ratings), ``n_users``, ``n_items``,
    ``n_ratings``, ``protocol``, ``seed``, ``trials``, ``machine``, and for each of `QUESTIONS` what
    was tested on, a ``winner``, ``left_out`` (reasons by model) and ``models``.
    """

    content: dict[str, Any]

    def reports(self, question: str) -> dict[str, Report]:
        """Return the models' reports: `report.paired` and `report.compare` take them."""
        part = self.content["questions"][question]
        return {name: _report(question, part, entry) for name, entry in part["models"].items()}

    def by_user(self, question: str) -> pd.DataFrame:
        """Return the metric, one row per user and one column per model; RMSE is within the user."""
        found = {
            name: report.per_user[question]
            if question in report.per_user
            else np.sqrt(report.errors["squared"] / report.errors["n"])
            for name, report in self.reports(question).items()
        }
        return pd.DataFrame(found)

    def table(self, question: str) -> pd.DataFrame:
        """Return one row per model, the best on the validation part first.

        Columns are the metrics of the test part, ``low`` and ``high`` (the 95 % interval over users
        of the first), ``valid``, ``gap``, ``gap low`` and ``gap high`` (the paired difference to
        the winner and its interval; 0 for itself), and `COSTS`.
        """
        rows = {
            name: {
                **entry["values"],
                **{key: entry[key] for key in ("valid", *COSTS)},
                **dict(zip(("low", "high"), entry["interval"], strict=True)),
                **dict(zip(("gap", "gap low", "gap high"), entry["to_winner"], strict=True)),
            }
            for name, entry in self.content["questions"][question]["models"].items()
        }
        table = pd.DataFrame(rows).T.rename_axis("model")
        return table.sort_values("valid", ascending=question in SMALLER_IS_BETTER)

    def model(self, question: str, name: str) -> Recommender:
        """Return a model, unfitted, with the parameters that were chosen for a question.

        `comparison.benchmark` with this record's protocol and seed fits it as it was fitted here.
        """
        params = self.content["questions"][question]["models"][name]["params"]
        params = {key: tuple(v) if isinstance(v, list) else v for key, v in params.items()}
        if "seed" in params:  # to which a benchmark adds its own
            params["seed"] -= self.content["seed"]
        made: Recommender = getattr(models, name)(**params)
        return made


def contestants(question: str) -> list[str]:
    """Return the names of all models that can answer: for RMSE, those that predict ratings."""
    return [
        name
        for name in models.__all__
        if question != "rmse" or getattr(models, name).predicts_ratings
    ]


def measure(
    data: Dataset,
    trials: int = 8,
    seed: int = 0,
    names: Sequence[str] = (),
    folder: Path = RECORDS,
) -> Iterator[str]:
    """Tune and test the models by each question; store each result as it comes, and say so.

    A record that the folder has of the same data and settings is added to. Its models are kept but
    for the `names` (default: all), which are measured anew. A model that refuses the data stands in
    the record with its reason. A line is yielded for each model and question.

    Raises
    ------
    RecsysError
        Only some models are asked for, and there is no record with these settings to add to.
    """
    data = some_users(data, MOST_RATINGS, seed)
    content = _describe(data, trials, seed)
    earlier = folder / f"{data.name}.json"
    if earlier.exists():
        before = load(data.name, folder=folder).content
        if all(before[key] == content[key] for key in SETTINGS):
            content["questions"] = _kept(before["questions"])
    if names and not content["questions"]["rmse"]["models"]:
        raise RecsysError(
            f"there is no record of {data.name} with {trials} trials and seed {seed} to which "
            f"{', '.join(names)} could be added; measure all models, or ask for its settings"
        )
    commit = results.commit()
    for question, metrics in QUESTIONS.items():
        part = content["questions"][question]
        for name in contestants(question):
            if names and name not in names:
                continue
            part["models"].pop(name, None)
            part["left_out"].pop(name, None)
            try:
                found = benchmark(
                    {name: getattr(models, name)()}, data, PROTOCOL,
                    seeds=[seed], trials=trials, metrics=metrics,
                )  # fmt: skip
            except RecsysError as error:
                part["left_out"][name] = str(error)
                line = f"{name}: left out, for {error}"
            else:
                (run,) = found.to_dict("records")
                _enter(part, question, run, commit)
                line = f"{name}: {question} {run[question]:.4f}, {run['tune_seconds']:.0f} s"
            _store(earlier, content)
            yield line


def stored(folder: Path = RECORDS) -> list[str]:
    """Return the names of the data sets that have a record."""
    return sorted(path.stem for path in folder.glob("*.json"))


def load(dataset: str, ratings: Ratings | None = None, folder: Path = RECORDS) -> Board:
    """Read the record of a data set, by its name.

    Raises
    ------
    DataError
        There is none; it is damaged; it is of another data set or, where `ratings` are given, of
        other ratings.
    """
    path = folder / f"{dataset}.json"
    again = f"make it anew: make leaderboard DATASET={dataset}"
    if not path.exists():
        raise DataError(f"there is no leaderboard of {dataset} in {folder.name}/; {again}")
    try:
        whole = json.loads(path.read_text("utf-8"))
        content = whole["record"]
        if whole["crc32"] != _crc(content):
            raise ValueError("its checksum is another")
    except (ValueError, KeyError, TypeError) as error:
        raise DataError(f"{path.name} is damaged ({error}); {again}") from error
    if content["dataset"] != dataset:
        raise DataError(f"{path.name} is of {content['dataset']}; {again}")
    if ratings is not None and content["checksum"] != fingerprint(ratings):
        raise DataError(f"{path.name} is of other ratings than those of {dataset} here; {again}")
    return Board(content)


def some_users(data: Dataset, most: int, seed: int = 0) -> Dataset:
    """Return the data of some users, drawn at random, with `most` ratings together or fewer.

    All items are kept, and of small data all users. Numbers measured on some users do not compare
    with those of the whole, so the name says it.
    """
    ratings = data.ratings
    counts = ratings.by_user.counts
    if len(ratings) <= most:
        return data
    drawn = splits.draw_users(counts, most, seed)
    if not drawn.any():
        raise RecsysError(f"no user has {most} ratings or fewer; allow for more")
    kept, rows = np.flatnonzero(drawn), ratings.by_user.take(np.flatnonzero(drawn))
    times = None if ratings.timestamps is None else ratings.timestamps[np.repeat(drawn, counts)]
    part = Ratings(ratings.user_ids[kept], ratings.item_ids, rows, times, ratings.scale)
    return replace(data, name=f"{data.name}, {len(kept):,} of its users", ratings=part)


def _describe(data: Dataset, trials: int, seed: int) -> dict[str, Any]:
    """Return a record without results."""
    return {
        "dataset": data.name,
        "checksum": fingerprint(data.ratings),
        "n_users": data.ratings.n_users,
        "n_items": data.ratings.n_items,
        "n_ratings": len(data.ratings),
        "protocol": PROTOCOL,
        "seed": seed,
        "trials": trials,
        "machine": results.describe_machine() | {"packages": comparison.versions()},
        "questions": {question: {"models": {}, "left_out": {}} for question in QUESTIONS},
    }


def _kept(questions: dict[str, Any]) -> dict[str, Any]:
    """Return the results of an earlier record without those of models that are no more."""
    for question, part in questions.items():
        for kind in ("models", "left_out"):
            names = [name for name in part[kind] if name in contestants(question)]
            part[kind] = {name: part[kind][name] for name in names}
    return questions


def _enter(part: dict[str, Any], question: str, run: dict[Any, Any], commit: str | None) -> None:
    """Add a run to what a record has by a question, and name the winner again."""
    report = run["report"]
    part |= {
        key: getattr(report, key)
        for key in ("test_part", "n_users", "n_left_out", "n_cold", "n_ratings", "relevant")
    }
    values = report.per_user[question] if question in report.per_user else report.errors["squared"]
    if question not in report.per_user:
        part["ratings_by_user"] = _text(report.errors["n"])
    part["models"][run["model"]] = {
        "date": datetime.now(UTC).date().isoformat(),
        "commit": commit,
        "params": run["params"],
        "valid": run["valid"],
        "values": report.values,
        "interval": report.interval(question),
        **{key: run[key] for key in COSTS},
        "by_user": _text(values),
    }
    entries = part["models"]
    entries |= {name: entries[name] for name in models.__all__ if name in entries}
    best = min if question in SMALLER_IS_BETTER else max
    part["winner"] = best(entries, key=lambda name: entries[name]["valid"])
    reports = {name: _report(question, part, entry) for name, entry in entries.items()}
    for name, entry in entries.items():
        entry["to_winner"] = paired(reports[name], reports[part["winner"]], question)[1:4]


def _report(question: str, part: dict[str, Any], entry: dict[str, Any]) -> Report:
    """Return the report that a record's entry was made of, its values by user rounded."""
    values = np.array(entry["by_user"].split(), np.float64)
    of_ratings = question == "rmse"
    errors = {} if not of_ratings else {"n": part["ratings_by_user"].split(), "squared": values}
    counts = {key: part[key] for key in ("n_users", "n_left_out", "n_cold", "n_ratings")}
    return Report(
        values=entry["values"],
        per_user=pd.DataFrame({} if of_ratings else {question: values}),
        errors=pd.DataFrame(errors, dtype=np.float64),
        test_part=part["test_part"],
        relevant=part["relevant"],
        **counts,
    )


def _text(values: pd.Series) -> str:
    """Return numbers as words, rounded: one line of the file."""
    return " ".join(f"{round(float(value), DIGITS):g}" for value in values)


def _crc(content: dict[str, Any]) -> str:
    return f"{zlib.crc32(json.dumps(content, sort_keys=True).encode()):08x}"


def _store(path: Path, content: dict[str, Any]) -> None:
    content = json.loads(json.dumps(content, default=_number))
    text = json.dumps({"crc32": _crc(content), "record": content}, indent=1)
    with io.replacing(path) as temporary:
        temporary.write_text(text + "\n", "utf-8")
        temporary.chmod(0o644)


def _number(value: Any) -> Any:
    return value.item()  # NumPy's
