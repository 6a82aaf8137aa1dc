"""Published numbers, each with its data set, its protocol and its source."""

from __future__ import annotations

import tomllib
from importlib import resources

import pandas as pd

COLUMNS = ["dataset", "protocol", "model", "like", "metric", "value", "source", "cite"]


def published(dataset: str | None = None) -> pd.DataFrame:
    """Return the published numbers that this course stands beside.

    Columns are ``dataset`` (all, or only one), ``protocol`` (a name of `protocols.PROTOCOLS` where
    it is one of ours, else in words), ``model`` (its authors' name), ``like`` (the nearest model
    here, or NA), ``metric``, ``value``, ``source`` and ``cite`` (keys of the bibliography, or NA).
    """
    text = resources.files(__package__).joinpath("published.toml").read_text("utf-8")
    rows = [
        {**{name: study.get(name) for name in ("dataset", "protocol", "source", "cite")}, **result}
        for study in tomllib.loads(text)["study"]
        for result in study["results"]
    ]
    table = pd.DataFrame(rows, columns=COLUMNS)
    return table if dataset is None else table[table["dataset"] == dataset].reset_index(drop=True)


def beside(table: pd.DataFrame, dataset: str, protocol: str) -> pd.DataFrame:
    """Set ours beside what was published for the same data, by the same protocol.

    `table` is a `benchmark.summary`, measured on `dataset` by `protocol`. Returns a row for
    each published number of which both are the same, and the model one of ours: ``like``,
    ``metric``, ``ours``, ``published``, ``difference`` (ours less theirs), ``source``. Empty where
    nothing compares, which is the rule.
    """
    numbers = published(dataset).rename(columns={"value": "published"})
    ours = table.rename_axis("like").reset_index()
    ours = ours.melt(id_vars="like", var_name="metric", value_name="ours")
    rows = numbers[numbers["protocol"] == protocol].merge(ours, on=["like", "metric"])
    rows["difference"] = rows["ours"] - rows["published"]
    return rows[["like", "metric", "ours", "published", "difference", "source"]]


def published_page(table: pd.DataFrame) -> str:
    """Write published numbers as a Markdown table, a row for each source's numbers of one kind."""
    keys = ["dataset", "protocol", "metric", "source"]
    lines = ["| data | protocol | metric | numbers | source |", "|:--" * 5 + "|"]
    for (dataset, protocol, metric, source), rows in table.groupby(keys, sort=False):
        numbers = "; ".join(
            f"{model} {value:g}" for model, value in zip(rows["model"], rows["value"], strict=True)
        )
        cite = rows["cite"].iloc[0]
        where = source if pd.isna(cite) else f"{source} {{cite}}`{cite}`"
        lines.append(f"| {dataset} | {protocol} | {metric} | {numbers} | {where} |")
    return "\n".join(lines)
