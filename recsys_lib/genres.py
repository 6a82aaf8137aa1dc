"""Genres as a matrix: which film has which."""

from typing import Any

import numpy as np
import pandas as pd

from recsys_lib.errors import DataError


def genre_matrix(items: pd.DataFrame, item_ids: Any = None) -> tuple[np.ndarray, list[str]]:
    """Return which item has which genre.

    Parameters
    ----------
    items : DataFrame
        Columns ``item_id`` and ``genres``, the latter text such as ``"Action|Comedy"``; empty text
        means none.
    item_ids : array-like, optional
        The items wanted, in this order; those that `items` lacks get no genre. Default: all of
        `items` as they stand.

    Returns
    -------
    G : (n_items, n_genres) bool
    names : list of str
        The genres in alphabetical order, a name a column.

    Raises
    ------
    DataError
        A column is missing, or an item stands twice in `items`.
    """
    for column in ("item_id", "genres"):
        if column not in items.columns:
            raise DataError(f"the table of items has no column {column!r}; genres are read there")
    genres = items.set_index("item_id")["genres"].fillna("")
    if not genres.index.is_unique:
        twice = genres.index[genres.index.duplicated()][0]
        raise DataError(f"item {twice!r} stands twice in the table of items; keep one row of each")
    if item_ids is not None:
        genres = genres.reindex(item_ids, fill_value="")
    flags = genres.astype(object).str.get_dummies("|")
    return flags.to_numpy(bool), list(flags.columns)
