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

    The positions are visited in the order `before` (None: from 0 up), and those of equal keys keep
    this order. So sorting by column and then by row orders the ratings within each row.
    """
    cursor = starts[:-1].copy()
    for k in range(len(keys)):
        position = k if before is None else before[k]
        key = keys[position]
        order[cursor[key]] = position
        cursor[key] += 1


@njit(cache=True, nogil=True)
def largest(indices):
    """Return the largest of the indices (n,) int32, as uint32: those below 0 are larger still."""
    found = np.uint32(0)
    for k in range(len(indices)):
        found = max(found, np.uint32(indices[k]))
    return found


@njit(cache=True, nogil=True)
def flaw(indptr, indices, values, n_columns):
    """Return what is wrong with a CSR matrix of `n_columns`: an index of `FLAWS`, 0 if nothing.

    Sums without a branch, so that the compiler makes vector instructions of them: a quarter of a
    millisecond per million ratings, and a few microseconds for the single row of one user.
    """
    n, n_rows = len(indices), len(indptr) - 1
    descends = n_rows < 0 or indptr[0] != 0 or indptr[-1] != n
    for row in range(n_rows):
        descends |= indptr[row] > indptr[row + 1]
    if descends:
        return 1
    unknown = back = 0
    for k in range(n):
        unknown += not abs(values[k]) < np.float32(np.inf)
    for k in range(1, n):
        back += indices[k] <= indices[k - 1]
    for row in range(1, n_rows):
        k = indptr[row]
        if 0 < k < indptr[row + 1]:  # a row begins: its column may be smaller
            back -= indices[k] <= indices[k - 1]
    outside = n > 0 and largest(indices) >= n_columns
    return 2 if outside else 3 if back else 4 if unknown else 0


FLAWS = (
    "",
    "indptr must ascend from 0 to the number of ratings, {n}",
    "indices must be from 0 to below {n_columns}",
    "indices must ascend within each row, and none may repeat",
    "values holds what is no finite number",
)


def ordered(users, items, n_users, n_items, times):
    """Return the order of ratings by user and then by item, less those of a pair rated again.

    Of a pair's ratings the latest by `times` (n,) int64 is kept, and among equals the last. Returns
    positions (m,) int, and of those where each user begins (n_users + 1,) int64 and the items.
    """
    # The order itself is the largest temporary: four bytes per rating suffice for two billion.
    position = np.int32 if len(users) < 2**31 else np.int64
    by_item, order = np.empty(len(users), position), np.empty(len(users), position)
    stable_order(items, row_starts(items, n_items), None, by_item)
    indptr = row_starts(users, n_users)
    stable_order(users, indptr, by_item, order)
    del by_item
    indices, rows = items[order], users[order]
    repeated = (indices[1:] == indices[:-1]) & (rows[1:] == rows[:-1])
    if repeated.any():
        keep = _last_of_each(repeated, None if times is None else times[order])
        order, indices, rows = order[keep], indices[keep], rows[keep]
        indptr = row_starts(rows, n_users)
    return order, indptr, indices


@njit(cache=True)
def _last_of_each(repeated, times):
    """Return the positions to keep: of each run of the same pair, the latest.

    `repeated[k]` says that position k + 1 is the same pair as k; a run keeps the order of the file.
    """
    keep = np.zeros(len(repeated) + 1, np.int64)
    n = 1
    for k in range(1, len(keep)):
        if not repeated[k - 1]:
            n += 1
        elif times is not None and times[k] < times[keep[n - 1]]:
            continue
        keep[n - 1] = k
    return keep[:n]
