"""The features of items: names, weights, and what is refused."""

import numpy as np
import pandas as pd
import pytest

from recsys_lib.errors import DataError, RecsysError
from recsys_lib.features import item_features


@pytest.fixture
def items():
    return pd.DataFrame(
        {
            "item_id": [10, 20, 30, 40],
            "genres": ["Drama", "Comedy|Drama", "", "Action|Comedy|Drama"],
            "year": pd.array([1994, 1995, None, 2001], "Int64"),
        }
    )


def dense(features):
    matrix = np.zeros((len(features.indptr) - 1, len(features.names)))
    rows = np.repeat(np.arange(len(matrix)), np.diff(features.indptr))
    matrix[rows, features.indices] = features.values
    return pd.DataFrame(matrix, columns=features.names)


def test_each_kind_has_weight_one_in_all(items):
    counts = np.array([0, 1, 2, 30])
    found = item_features(
        ["genres", "years", "popularity"], np.array([40, 10, 20, 30]), counts, items
    )
    table = dense(found)
    assert table.columns.tolist() == [
        "genre: Action", "genre: Comedy", "genre: Drama",
        "year: 1990 to 1994", "year: 1995 to 1999", "year: 2000 to 2004",
        "raters: 0 to 2", "raters: 15 to 30",
    ]  # fmt: skip
    np.testing.assert_allclose(table.iloc[0, :3], 3**-0.5)
    np.testing.assert_allclose(table.iloc[2, :3], [0, 2**-0.5, 2**-0.5])
    assert table.iloc[:, 3:6].to_numpy().tolist() == [[0, 0, 1], [1, 0, 0], [0, 1, 0], [0, 0, 0]]
    assert table.iloc[:, 6:].to_numpy().tolist() == [[1, 0], [1, 0], [1, 0], [0, 1]]


def test_levels_double(items):
    counts = np.array([1, 2, 3, 6, 7, 14, 15])
    found = item_features(["popularity"], np.arange(7), counts)
    assert found.names == [
        "raters: 0 to 2",
        "raters: 3 to 6",
        "raters: 7 to 14",
        "raters: 15 to 30",
    ]
    assert found.indices.tolist() == [0, 0, 1, 1, 2, 2, 3]


def test_no_kind_is_no_column():
    found = item_features([], np.arange(3), np.zeros(3, int))
    assert found.names == []
    assert found.indptr.tolist() == [0, 0, 0, 0]


def test_what_is_refused(items):
    ids, counts = items["item_id"].to_numpy(), np.zeros(4, int)
    with pytest.raises(RecsysError, match="no feature 'actors'; there are genres"):
        item_features(["actors"], ids, counts, items)
    with pytest.raises(RecsysError, match=r"years are read from a table: pass items=data\.items"):
        item_features(["years"], ids, counts)
    with pytest.raises(DataError, match="no column 'year'"):
        item_features(["years"], ids, counts, items.drop(columns="year"))
