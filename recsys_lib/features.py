"""What is known of an item besides its ratings, as a sparse matrix: a learnt prior is built on it.

Three kinds: its genres, its year, and its popularity: how many have rated it says something before
a single rating is read. Each kind has the same weight in total, so that its share of the prior's
variance does not depend on the number of genres a film has.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from recsys_lib.errors import DataError, RecsysError
from recsys_lib.genres import genre_matrix

YEARS_A_BIN = 5


class Features(NamedTuple):
    """A matrix F (n_items, n_features) by its rows, and the features' names.

    Attributes
    ----------
    indptr : (n_items + 1,) int64
    indices : (nnz,) int32
    values : (nnz,) float32
    names : list of str
        A name a column, such as "genre: Drama", "year: 1995 to 1999" or "raters: 16 to 31".
    """

    indptr: np.ndarray
    indices: np.ndarray
    values: np.ndarray
    names: list[str]


def genres(item_ids: Any, items: pd.DataFrame, counts: np.ndarray) -> tuple[np.ndarray, list[str]]:
    """Return the items' genres, (n_items, n_genres) bool."""
    return genre_matrix(items, item_ids)


def years(item_ids: Any, items: pd.DataFrame, counts: np.ndarray) -> tuple[np.ndarray, list[str]]:
    """Return the five years in which an item came out, (n_items, n_bins) bool; none if unknown."""
    if "year" not in items.columns:
        raise DataError("the table of items has no column 'year'; leave 'years' out of features")
    column = items.set_index("item_id")["year"].reindex(item_ids)
    known = column.notna().to_numpy()
    starts = np.full(len(column), -1)
    starts[known] = column.to_numpy(np.float64, na_value=np.nan)[known] // YEARS_A_BIN * YEARS_A_BIN
    bins = np.unique(starts[known])
    names = [f"{start} to {start + YEARS_A_BIN - 1}" for start in bins]
    return starts[:, None] == bins, names


def popularity(
    item_ids: Any, items: pd.DataFrame | None, counts: np.ndarray
) -> tuple[np.ndarray, list[str]]:
    """Return the items' popularity levels floor(log2(1 + n_i)), (n_items, n_levels) bool.

    Items without a rating go with those of one or two: in a table dealt out at random, they are the
    rarest of all. Films that are new, and not rare, are done an injustice.
    """
    level = np.log2(1 + np.maximum(counts, 1)).astype(int)
    levels = np.unique(level)
    names = ["", "0 to 2"] + [f"{2**n - 1} to {2 ** (n + 1) - 2}" for n in range(2, 64)]
    return level[:, None] == levels, [names[n] for n in levels]


def popularity_column(names: Sequence[str], count: int) -> int:
    """Return the column of the popularity level of an item with `count` ratings.

    `names` are those of `Features`. A level that no item had gives way to the next one below.
    """
    label = f"{_KINDS['popularity'][0]}: "
    # A name begins with the least number of ratings: "raters: 15 to 30".
    least = {
        int(name.removeprefix(label).split()[0]): column
        for column, name in enumerate(names)
        if name.startswith(label)
    }
    return least[max((n for n in least if n <= count), default=min(least))]


_KINDS: dict[str, tuple[str, Callable[..., tuple[np.ndarray, list[str]]]]] = {
    "genres": ("genre", genres),
    "years": ("year", years),
    "popularity": ("raters", popularity),
}


def item_features(
    kinds: Sequence[str],
    item_ids: np.ndarray,
    counts: np.ndarray,
    items: pd.DataFrame | None = None,
) -> Features:
    """Return the features of items, a row each.

    Parameters
    ----------
    kinds : sequence of {"genres", "years", "popularity"}
        What to read; the columns come in this order.
    item_ids : (n_items,) array
        The items, in the order of the rows.
    counts : (n_items,) int
        Their numbers of ratings in the training part.
    items : DataFrame, optional
        Columns ``item_id`` and ``genres`` or ``year``, for the kinds that read them.

    Raises
    ------
    RecsysError
        A kind is unknown, or needs `items` and there are none.
    DataError
        The table lacks a column.
    """
    blocks, names = [np.zeros((len(item_ids), 0), np.float32)], []
    for kind in kinds:
        if kind not in _KINDS:
            raise RecsysError(f"there is no feature {kind!r}; there are {', '.join(_KINDS)}")
        if items is None and kind != "popularity":
            raise RecsysError(f"the items' {kind} are read from a table: pass items=data.items")
        label, read = _KINDS[kind]
        flags, columns = read(item_ids, items, counts)
        blocks.append(flags / np.sqrt(np.maximum(flags.sum(axis=1, keepdims=True), 1)))
        names += [f"{label}: {column}" for column in columns]
    dense = np.hstack(blocks).astype(np.float32)
    indptr = np.concatenate([[0], np.cumsum((dense != 0).sum(axis=1))])
    rows, indices = np.nonzero(dense)
    return Features(indptr, indices.astype(np.int32), dense[rows, indices], names)
