"""What a table says of users or items, as numbers that a network can read.

No column is named here: its kind decides.

* Text, truth values, and numbers of at most 50 different values are labels; text may hold several,
  such as "Action|Comedy". A label that at least 5 rows have becomes a flag, at most 100 of a
  column: those that most rows have. A row's flags of one column have length 1 together, so that
  three genres do not speak louder than one.
* Other numbers become their rank, from -1 to 1: of followers and seconds only the order can be
  trusted. Where there is none it is 0, the middle.

Titles, captions and ids say nothing in this form: hardly a label has 5 rows.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from recsys_lib.errors import DataError

FEW_VALUES = 50
ROWS_A_LABEL = 5
LABELS_A_COLUMN = 100


def attributes(
    table: pd.DataFrame | None, key: str, ids: np.ndarray
) -> tuple[np.ndarray, list[str]]:
    """Return the attributes of users or items.

    Parameters
    ----------
    table : DataFrame, optional
        A row a user or item; None: nothing is known of any.
    key : {"user_id", "item_id"}
        The column with their ids.
    ids : (n,) array
        Those wanted, in this order; one that the table lacks has nothing but zeros.

    Returns
    -------
    matrix : (n, n_attributes) float32
    names : list of str
        A name a column, such as "genres: Drama" or "fans_user_num".

    Raises
    ------
    DataError
        The table has no such column, or an id stands twice in it.
    """
    blocks, names = [np.zeros((len(ids), 0), np.float32)], []
    if table is not None:
        if key not in table.columns:
            raise DataError(f"the table has no column {key!r}, by which its rows are found")
        rows = table.set_index(key)
        if not rows.index.is_unique:
            twice = rows.index[rows.index.duplicated()][0]
            raise DataError(f"{key} {twice} stands twice in the table; keep one row of each")
        place = rows.index.get_indexer(pd.Index(ids))
        for name in rows.columns:
            block, labels = _column(rows[name])
            blocks.append(np.where(place[:, None] >= 0, block[place], 0))
            names += [f"{name}: {label}" if label else str(name) for label in labels]
    return np.hstack(blocks).astype(np.float32), names


def _column(column: pd.Series) -> tuple[np.ndarray, list[str]]:
    """Return one column's attributes and their labels; a rank's label is empty."""
    is_number = pd.api.types.is_numeric_dtype(column) and not pd.api.types.is_bool_dtype(column)
    if is_number and column.nunique() > FEW_VALUES:
        return _ranks(column)[:, None], [""]
    known = column.map(lambda value: isinstance(value, str | bool | float | int | np.generic))
    text = column.where(known & column.notna(), "").astype(str)
    labels = text.str.split("|").reset_index(drop=True).explode()
    labels = labels[labels != ""]
    counts = labels.value_counts()
    often = counts[(counts >= ROWS_A_LABEL) & (counts < len(column))]
    kept = sorted(often.sort_index().nlargest(LABELS_A_COLUMN).index)
    codes = pd.Index(kept, dtype=object).get_indexer(labels)
    matrix = np.zeros((len(column), len(kept)), np.float32)
    matrix[labels.index[codes >= 0], codes[codes >= 0]] = 1
    return matrix / np.sqrt(np.maximum(matrix.sum(axis=1, keepdims=True), 1)), kept


def _ranks(column: pd.Series) -> np.ndarray:
    """Return the numbers' ranks from -1 to 1, ties in the middle; 0 where there is none."""
    order = column.rank().to_numpy(np.float64, na_value=np.nan)
    spread = max(int(column.notna().sum()) - 1, 1)
    return np.nan_to_num(2 * (order - 1) / spread - 1)
