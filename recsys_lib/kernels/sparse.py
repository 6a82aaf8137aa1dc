"""Counting sorts: from a list of ratings to rows of a sparse matrix, in linear time."""

import numpy as np
from numba import njit


@njit(cache=True)
def row_starts(rows, n_rows):
    """Return the offsets ``indptr`` (n_rows + 1,) int64 at which each row begins once sorted."""
    indptr = np.zeros(n_rows + 1, np.int64)
    for row in rows:
        indptr[row + 1] += 1
    for row in range(n_rows):
        indptr[row + 1] += indptr[row]
    return indptr


@njit(cache=True)
def stable_order(keys, starts, before, order):
    """Fill `order` with the positions of `keys` in ascending order of key: one counting sort.

    The positions are visited in the order `before` (None: as they stand), which a key's positions
    keep among themselves. So sorting by column and then by row orders the ratings within each row.
    """
    cursor = starts[:-1].copy()
    for k in range(len(keys)):
        position = k if before is None else before[k]
        key = keys[position]
        order[cursor[key]] = position
        cursor[key] += 1


@njit(cache=True)
def transpose(indptr, indices, values, t_indptr, t_indices, t_values):
    """Fill the transpose of a CSR matrix; within its rows the columns ascend."""
    cursor = t_indptr[:-1].copy()
    for row in range(len(indptr) - 1):
        for k in range(indptr[row], indptr[row + 1]):
            column = indices[k]
            t_indices[cursor[column]] = row
            t_values[cursor[column]] = values[k]
            cursor[column] += 1
