"""Features of items and users from their tables, as matrices that models read.

`genre_matrix` says which item has which genre. `item_features` returns genres, years and popularity
as a sparse matrix for a learnt prior, which `solve_features` fits. `attributes` turns the columns
of any table into dense numbers.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from scipy.sparse import csr_matrix, diags

from recsys_lib.errors import DataError, RecsysError, taking
from recsys_lib.ratings import CSR

YEARS_A_BIN = 5
FEW_VALUES = 50  # numbers of at most so many different values are labels
ROWS_A_LABEL = 5  # a label that fewer rows have says nothing
LABELS_A_COLUMN = 100


@taking("what features.genre_matrix is given")
def genre_matrix(items: pd.DataFrame, item_ids: Any = None) -> tuple[np.ndarray, list[str]]:
    """Return which item has which genre (n_items, n_genres) bool, and the genres' names.

    `items` has columns ``item_id`` and ``genres``, text such as ``"Action|Comedy"``; empty: no
    genre. `item_ids` are the items of the rows, in this order, by default all of `items`; those
    that `items` lacks get no genre. The names, one per column, are in alphabetical order. Raises
    `DataError` if a column is missing, or an item occurs twice in `items`.

    Examples
    --------
    >>> items = pd.DataFrame({"item_id": [1, 2], "genres": ["Action|Comedy", ""]})
    >>> G, names = genre_matrix(items)
    >>> names, G.tolist()
    (['Action', 'Comedy'], [[True, True], [False, False]])
    """
    rows, place = _by_id(items, item_ids, "item_id", "genres")
    genres = rows["genres"].fillna("").to_numpy(object)
    if len(odd := [one for one in genres if not isinstance(one, str)]):
        raise DataError(f"genres are text such as 'Action|Comedy', and not {odd[0]!r}")
    codes, texts = pd.factorize(np.append(genres, "")[place])  # many items share a text
    flags = pd.Series(texts, dtype=object).str.get_dummies("|")
    return flags.to_numpy(bool)[codes], flags.columns.tolist()


# How names begin, such as "genre: Drama", "year: 1995 to 1999" or "raters: 16 to 31".
KINDS = {"genres": "genre", "years": "year", "popularity": "raters"}


@taking("what features.item_features is given")
def item_features(
    kinds: Sequence[str],
    item_ids: np.ndarray,
    counts: np.ndarray,
    items: pd.DataFrame | None = None,
) -> tuple[CSR, list[str]]:
    """Return the features of items, a CSR (n_items, n_features), and one name per column.

    Each kind has the same total weight, so that its share of a prior's variance does not depend on
    the number of an item's genres.

    `kinds`, in the order of the columns, are "genres", "years" and "popularity". Years are in
    groups of five. Popularity is floor(log2(1 + number of ratings)). Items without a rating are in
    the level of one or two ratings: after a random split they are the rarest items; for items that
    are new but not rare this level is too low.

    `item_ids` (n_items,) are the items, in the order of the rows, and `counts` (n_items,) int their
    numbers of ratings in the training part. The table `items` has columns ``item_id`` and
    ``genres`` or ``year``, for the kinds that read them. Without it these kinds, like unknown ones,
    raise `RecsysError`; a missing column raises `DataError`.
    """
    blocks, names = [np.zeros((len(item_ids), 0), np.float32)], []
    for kind in kinds:
        if kind not in KINDS:
            raise RecsysError(f"there is no feature {kind!r}; there are {', '.join(KINDS)}")
        if kind == "popularity":
            flags, columns = _levels(counts)
        elif items is None:
            raise RecsysError(f"the items' {kind} are read from a table: pass items=data.items")
        else:
            read = genre_matrix if kind == "genres" else _years
            flags, columns = read(items, item_ids)
        blocks.append(flags / np.sqrt(np.maximum(flags.sum(axis=1, keepdims=True), 1)))
        names += [f"{KINDS[kind]}: {column}" for column in columns]
    return CSR.from_scipy(csr_matrix(np.hstack(blocks).astype(np.float32))), names


def solve_features(
    features: CSR,
    counts: np.ndarray,
    nu: float,
    item_rows: np.ndarray,
    penalty: np.ndarray,
    betas: np.ndarray,
) -> np.ndarray:
    """Return the feature vectors f (n_features, K + 1) float64 that fit the items' rows best.

    With F the `features` (n_items, n_features) and W = diag(n_i^ν) over items with `counts` n_i
    above 0, each column of f solves (τ FᵀWF + diag β) f = τ FᵀW q; the bias column has γ in place
    of τ. The features of an item share its vector, so they are solved for together: updating each
    from the old values of the others diverges on real genres.

    `item_rows` (n_items, K + 1) are factors, then the bias; `penalty` (K + 1,) is τ for each
    factor, then γ; `betas` (n_features,) weigh the feature vectors' own penalty.
    """
    shares = features.to_scipy(len(betas)).astype(np.float64)
    weighed = shares.T @ diags(np.where(counts > 0, np.power(counts, nu, dtype=np.float64), 0))
    gram, target = (weighed @ shares).toarray(), weighed @ item_rows
    parts = (penalty[0], target[:, :-1]), (penalty[-1], target[:, -1:])
    solved = [np.linalg.solve(weight * gram + np.diag(betas), weight * q) for weight, q in parts]
    return np.hstack(solved)


def popularity_column(names: Sequence[str], count: int) -> int:
    """Return the column of the popularity level of an item with `count` ratings.

    `names` are those of `item_features`. For a level without items, the next lower one is used.
    """
    label = f"{KINDS['popularity']}: "  # of a level, such as "raters: 15 to 30"
    least = {int(name.split()[1]): k for k, name in enumerate(names) if name.startswith(label)}
    return least[max((n for n in least if n <= count), default=min(least))]


@taking("what features.attributes is given")
def attributes(
    table: pd.DataFrame | None, key: str, ids: np.ndarray
) -> tuple[np.ndarray, list[str]]:
    """Return all columns of a table of users or items, but the key, as numbers.

    Columns are treated by their kind. Text, booleans, and numbers with few different values are
    labels; text may hold several, such as "Action|Comedy". Frequent labels become flags, at most so
    many per column. The flags of a row and column are scaled to length 1 together, so that an item
    with three genres weighs as much as an item with one. Other numbers become their rank, from -1
    to 1; a missing number becomes 0, the middle. Titles, captions and ids give no flag, since
    hardly any of their labels has 5 rows.

    `table` has one row per user or item, with ids in the column `key`; None means no attributes.
    Returns the matrix (n, n_attributes) float32 of `ids` in this order, and one name per column,
    such as "genres: Drama" or "fans_user_num". The row of an id that the table lacks is zero.
    Raises `DataError` if the table lacks the key or all of `ids`, or repeats an id.
    """
    blocks, names = [np.zeros((len(ids), 0), np.float32)], []
    if table is not None:
        rows, place = _by_id(table, ids, key)
        for name in rows.columns.drop(key):
            block, labels = _column(rows[name])
            blocks.append(np.where(place[:, None] >= 0, block[place], 0))
            names += [f"{name}: {label}" if label else str(name) for label in labels]
    return np.hstack(blocks).astype(np.float32), names


def _by_id(table: Any, ids: Any, key: str, *needed: str) -> tuple[pd.DataFrame, np.ndarray]:
    """Return the table by its ids, which may not repeat, and the rows of `ids`; -1: it has none.

    A table that has none of them is refused: its ids may be of another type. None: all of its own.
    """
    if not isinstance(table, pd.DataFrame):
        raise DataError(f"what is known of items and users is a DataFrame, not {table!r:.40}")
    for column in (key, *needed):
        if column not in table.columns:
            there = ", ".join(map(str, table.columns))
            raise DataError(f"the table has no column {column!r}; it has {there}")
    rows = table.set_index(key, drop=False)
    if not rows.index.is_unique:
        twice = rows.index[rows.index.duplicated()][0]
        raise DataError(f"{key} {twice} stands twice in the table; keep one row of each")
    wanted = rows.index if ids is None else pd.Index(ids)
    place = rows.index.get_indexer(wanted)
    if len(rows) and len(wanted) and (place < 0).all():
        raise DataError(
            f"not one of the {len(wanted)} ids stands in the table: its {key} are like "
            f"{rows.index[:1].tolist()[0]!r}, those of the ratings like {wanted[:1].tolist()[0]!r}"
        )
    return rows, place


def _years(items: pd.DataFrame, item_ids: Any) -> tuple[np.ndarray, list[str]]:
    """Return the five years in which an item came out, (n_items, n_bins) bool; none if unknown."""
    rows, place = _by_id(items, item_ids, "item_id", "year")
    column = rows["year"].reset_index(drop=True).reindex(place)  # -1 is no label: unknown
    years = pd.to_numeric(column, errors="coerce").to_numpy(np.float64, na_value=np.nan)
    if (wrong := column.notna().to_numpy() & ~(np.abs(years) < 1e6)).any():
        raise DataError(f"a year is a number of four digits or so, not {column[wrong].iloc[0]!r}")
    starts = np.nan_to_num(years // YEARS_A_BIN * YEARS_A_BIN, nan=-1).astype(int)
    bins = np.unique(starts[~np.isnan(years)])
    return starts[:, None] == bins, [f"{start} to {start + YEARS_A_BIN - 1}" for start in bins]


def _levels(counts: np.ndarray) -> tuple[np.ndarray, list[str]]:
    """Return the items' popularity levels, (n_items, n_levels) bool."""
    level = np.log2(1 + np.maximum(counts, 1)).astype(int)
    levels = np.unique(level)
    names = [f"{2**n - 1 if n > 1 else 0} to {2 ** (n + 1) - 2}" for n in levels.tolist()]
    return level[:, None] == levels, names


def _column(column: pd.Series) -> tuple[np.ndarray, list[str]]:
    """Return one column's attributes and their labels; a rank's label is empty."""
    is_number = pd.api.types.is_numeric_dtype(column) and not pd.api.types.is_bool_dtype(column)
    if is_number and column.nunique() > FEW_VALUES:  # ranks, ties in the middle
        order = column.rank().to_numpy(np.float64, na_value=np.nan)
        spread = max(int(column.notna().sum()) - 1, 1)
        return np.nan_to_num(2 * (order - 1) / spread - 1)[:, None], [""]
    known = column.map(lambda value: isinstance(value, str | bool | float | int | np.generic))
    text = column.astype(object).where(known & column.notna(), "").astype(str)
    labels = text.str.split("|").reset_index(drop=True).explode()
    labels = labels[labels != ""]
    counts = labels.value_counts()
    often = counts[(counts >= ROWS_A_LABEL) & (counts < len(column))]
    kept = sorted(often.sort_index().nlargest(LABELS_A_COLUMN).index)
    codes = pd.Index(kept, dtype=object).get_indexer(labels)
    matrix = np.zeros((len(column), len(kept)), np.float32)
    matrix[labels.index[codes >= 0], codes[codes >= 0]] = 1
    return matrix / np.sqrt(np.maximum(matrix.sum(axis=1, keepdims=True), 1)), kept
