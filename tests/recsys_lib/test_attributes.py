"""What a table says, as numbers: each kind of column, and what is left out."""

import numpy as np
import pandas as pd
import pytest

from recsys_lib import attributes as module
from recsys_lib.attributes import attributes
from recsys_lib.errors import DataError


@pytest.fixture
def table():
    rng = np.random.default_rng(0)
    n = 120
    return pd.DataFrame(
        {
            "item_id": np.arange(n),
            "title": [f"Film {k}" for k in range(n)],
            "genres": ["A|B", "B", "", "A|B|C"] * (n // 4),
            "rare": ["seldom"] * 4 + ["often"] * (n - 4),
            "same": "always",
            "flag": rng.random(n) < 0.5,
            "kind": rng.integers(0, 3, n),
            "plays": np.where(np.arange(n) < 10, np.nan, rng.exponential(1e6, n)),
            "list": [[1, 2]] * n,
        }
    )


def test_each_column_by_its_kind(table):
    matrix, names = attributes(table, "item_id", np.arange(120))
    assert matrix.dtype == np.float32
    found = dict(zip(names, matrix.T, strict=True))
    assert names == [
        "genres: A", "genres: B", "genres: C", "rare: often", "flag: False", "flag: True",
        "kind: 0", "kind: 1", "kind: 2", "plays",
    ]  # fmt: skip
    np.testing.assert_allclose(found["genres: B"][:4], [2**-0.5, 1, 0, 3**-0.5], rtol=1e-6)
    assert (found["flag: True"] == table["flag"]).all()
    assert (found["kind: 2"] == (table["kind"] == 2)).all()
    plays = found["plays"]
    assert (plays[:10] == 0).all()
    assert (plays.min(), plays.max()) == (-1, 1)
    order = np.argsort(table["plays"][10:])
    assert (np.diff(plays[10:][order]) > 0).all()


def test_rows_stand_as_they_are_asked_for(table):
    whole, names = attributes(table, "item_id", np.arange(120))
    some, same = attributes(table.sample(frac=1, random_state=1), "item_id", np.arange(120))
    assert same == names
    np.testing.assert_array_equal(some, whole)
    more, _ = attributes(table, "item_id", np.arange(125))
    np.testing.assert_array_equal(more[:120, :9], whole[:, :9])
    assert (more[120:] == 0).all()


def test_of_many_labels_the_most_frequent_are_kept(table, monkeypatch):
    monkeypatch.setattr(module, "LABELS_A_COLUMN", 2)
    _, names = attributes(table[["item_id", "genres"]], "item_id", np.arange(120))
    assert names == ["genres: A", "genres: B"]


def test_nothing_is_known():
    matrix, names = attributes(None, "user_id", np.arange(3))
    assert matrix.shape == (3, 0) and names == []


def test_what_is_refused(table):
    with pytest.raises(DataError, match="no column 'user_id'"):
        attributes(table, "user_id", np.arange(3))
    with pytest.raises(DataError, match="item_id 0 stands twice"):
        attributes(pd.concat([table, table[:1]]), "item_id", np.arange(3))
