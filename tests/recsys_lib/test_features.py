"""What tables say of items and users, as matrices: names, weights, and what is refused."""

import numpy as np
import pandas as pd
import pytest

from recsys_lib import features
from recsys_lib.errors import DataError, RecsysError
from recsys_lib.features import attributes, genre_matrix, item_features


@pytest.fixture
def items():
    return pd.DataFrame(
        {
            "item_id": [10, 20, 30, 40],
            "genres": ["Drama", "Comedy|Drama", "", "Action|Comedy|Drama"],
            "year": pd.array([1994, 1995, None, 2001], "Int64"),
        }
    )


def dense(features, names):
    return pd.DataFrame(features.to_scipy(len(names)).toarray(), columns=names)


def test_each_kind_has_weight_one_in_all(items):
    counts = np.array([0, 1, 2, 30])
    found = item_features(
        ["genres", "years", "popularity"], np.array([40, 10, 20, 30]), counts, items
    )
    table = dense(*found)
    assert table.columns.tolist() == [
        "genre: Action", "genre: Comedy", "genre: Drama",
        "year: 1990 to 1994", "year: 1995 to 1999", "year: 2000 to 2004",
        "raters: 0 to 2", "raters: 15 to 30",
    ]  # fmt: skip
    np.testing.assert_allclose(table.iloc[0, :3], 3**-0.5)
    np.testing.assert_allclose(table.iloc[2, :3], [0, 2**-0.5, 2**-0.5])
    assert table.iloc[:, 3:6].to_numpy().tolist() == [[0, 0, 1], [1, 0, 0], [0, 1, 0], [0, 0, 0]]
    assert table.iloc[:, 6:].to_numpy().tolist() == [[1, 0], [1, 0], [1, 0], [0, 1]]


def test_what_is_refused(items):
    ids, counts = items["item_id"].to_numpy(), np.zeros(4, int)
    with pytest.raises(RecsysError, match="no feature 'actors'; there are genres"):
        item_features(["actors"], ids, counts, items)
    with pytest.raises(RecsysError, match=r"years are read from a table: pass items=data\.items"):
        item_features(["years"], ids, counts)
    with pytest.raises(DataError, match="no column 'year'"):
        item_features(["years"], ids, counts, items.drop(columns="year"))
    for years in ([1994, 1e300, 2, 3], [1994, np.inf, 2, 3], ["1994", "soon", "2", "3"]):
        with pytest.raises(DataError, match="a year is a number of four digits or so, not"):
            item_features(["years"], ids, counts, items.assign(year=years))


def test_genre_matrix_follows_the_ids_asked_for():
    items = pd.DataFrame({"item_id": [1, 2, 3], "genres": ["Comedy|Action", "", "Drama"]})
    flags, names = genre_matrix(items, [3, 1, 99])
    assert names == ["Action", "Comedy", "Drama"]
    assert flags.tolist() == [[False, False, True], [True, True, False], [False] * 3]
    with pytest.raises(DataError, match="stands twice"):
        genre_matrix(pd.concat([items, items]))
    with pytest.raises(DataError, match="no column 'genres'"):
        genre_matrix(items[["item_id"]])
    with pytest.raises(DataError, match=r"genres are text .* and not 7"):
        genre_matrix(items.assign(genres=7))
    with pytest.raises(DataError, match="a DataFrame, not 'Comedy'"):
        genre_matrix("Comedy")


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
    monkeypatch.setattr(features, "LABELS_A_COLUMN", 2)
    _, names = attributes(table[["item_id", "genres"]], "item_id", np.arange(120))
    assert names == ["genres: A", "genres: B"]


def test_few_years_and_unknown_ones_are_labels():
    years = pd.array([1999] * 6 + [None] * 3 + [2001] * 6, dtype="Int64")
    matrix, names = attributes(pd.DataFrame({"id": range(15), "year": years}), "id", np.arange(15))
    assert names == ["year: 1999", "year: 2001"]
    np.testing.assert_array_equal(matrix, np.eye(3)[np.repeat([0, 1, 2], [6, 3, 6])][:, [0, 2]])


def test_tables_that_are_refused(table):
    with pytest.raises(DataError, match="no column 'user_id'"):
        attributes(table, "user_id", np.arange(3))
    with pytest.raises(DataError, match="item_id 0 stands twice"):
        attributes(pd.concat([table, table[:1]]), "item_id", np.arange(3))


@pytest.mark.parametrize("column", ["genres", "year"])
def test_a_table_of_other_ids_is_not_taken_for_an_empty_one(column):
    table = pd.DataFrame({"item_id": ["1", "2"], "genres": ["Drama", ""], "year": [1999, 2000]})
    ids = np.array([1, 2])
    with pytest.raises(
        DataError, match=r"not one of the 2 ids stands in the table.*like '1',.*like 1$"
    ):
        features.attributes(table, "item_id", ids)
    kind = "genres" if column == "genres" else "years"
    with pytest.raises(DataError, match="not one of the 2 ids stands in the table"):
        features.item_features([kind], ids, np.ones(2, int), table)
