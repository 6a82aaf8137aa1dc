"""Published numbers, each with its data set, its protocol and a source that can be cited."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pandas as pd

PUBLISHED = Path(__file__).with_name("published.toml")
COLUMNS = ["dataset", "protocol", "model", "metric", "value", "source", "cite"]


def published(dataset: str | None = None, protocol: str | None = None) -> pd.DataFrame:
    """Return the published numbers of one data set and protocol, or of all.

    Columns are ``dataset``, ``protocol`` (a name of `protocols.PROTOCOLS`), ``model`` (its authors'
    name), ``metric``, ``value``, ``source`` and ``cite`` (a key of the bibliography). Ours may
    stand beside those of the same data set and protocol, and beside no others.
    """
    studies = tomllib.loads(PUBLISHED.read_text("utf-8"))["study"]
    table = pd.json_normalize(studies, "results", ["dataset", "protocol", "source", "cite"])
    table = table[COLUMNS]
    for column, wanted in (("dataset", dataset), ("protocol", protocol)):
        if wanted is not None:
            table = table[table[column] == wanted]
    return table.reset_index(drop=True)
