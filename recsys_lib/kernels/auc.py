"""The exact area under the ROC curve of each user's ranking, tile by tile as in `ranking`."""

import numpy as np
from numba import njit

from recsys_lib.kernels.linalg import aligned
from recsys_lib.kernels.ranking import ITEMS, USERS, blank, block_of, dot, score_tile, tiles_of
from recsys_lib.kernels.threads import share


def user_auc(
    user_vectors, item_vectors, seen_indptr, seen_indices, relevant_indptr, relevant_indices
):
    """Return each user's exact AUC over the whole catalogue less what was seen, (m,) float64.

    It is the share of pairs (relevant item, other item) in which the relevant one scores higher;
    a tie counts half. It is NaN for a user without a relevant item or without any other. The first
    four arguments are those of `ranking.top_n`; `relevant_indptr` (m + 1,) int64 are the offsets of
    the users' rows in `relevant_indices` (nnz,) int32, ascending within a row, none of them seen.
    With `item_vectors` None, the first argument holds the scores, (m, n_items) float32.
    """
    given = np.empty((0, 0), np.float32)
    if item_vectors is None:
        given, user_vectors, item_vectors = user_vectors, user_vectors[:, :0], user_vectors.T[:, :0]
    users = np.ascontiguousarray(user_vectors, np.float32)
    items = np.ascontiguousarray(item_vectors, np.float32)
    rows = (seen_indptr, seen_indices), (relevant_indptr, relevant_indices)
    auc = np.full(len(users), np.nan)
    share(len(users) // USERS + 1, _user_auc, users, items, tiles_of(items), given, *rows, auc)
    return auc


@njit(cache=True, nogil=True)
def _user_auc(part, parts, user_vectors, item_vectors, tiles, given, all_seen, all_relevant, auc):
    """Fill `auc`: count exactly, for each relevant item, the others below it and tied with it.

    Seen and relevant items become NaN, which is neither below nor tied. A pass over a tile for each
    relevant item is several times faster than sorting and bisecting: one instruction compares
    sixteen items, and a user has few relevant items. Scores `given` stand for the products.
    """
    (seen_indptr, seen_indices), (relevant_indptr, relevant_indices) = all_seen, all_relevant
    n_items, s = len(item_vectors), aligned(USERS, ITEMS, user_vectors)
    for first in range(part * USERS, len(user_vectors), parts * USERS):
        n_users, block = min(USERS, len(user_vectors) - first), block_of(user_vectors, first)
        seen = seen_indptr[first : first + USERS].copy()
        relevant = relevant_indptr[first : first + USERS].copy()
        twice_won = np.zeros(USERS, np.int64)  # a pair in the right order counts two, a tie one
        base = relevant_indptr[first]
        own = np.empty(relevant_indptr[first + n_users] - base, np.float32)
        for u in range(n_users):
            for k in range(relevant_indptr[first + u], relevant_indptr[first + u + 1]):
                own[k - base] = dot(user_vectors[first + u], item_vectors[relevant_indices[k]])
                if len(given):
                    own[k - base] = given[first + u, relevant_indices[k]]
        for t in range(len(tiles)):
            start = t * ITEMS
            score_tile(block, tiles[t], s)
            if len(given):
                tile = given[first : first + n_users, start : start + ITEMS]
                s[:n_users, : tile.shape[1]] = tile
            s[:, n_items - start :] = np.nan
            for u in range(n_users):
                end, stop = seen_indptr[first + u + 1], relevant_indptr[first + u + 1]
                seen[u] = blank(s, u, start, seen_indices, seen[u], end, np.nan)
                relevant[u] = blank(s, u, start, relevant_indices, relevant[u], stop, np.nan)
                for k in range(relevant_indptr[first + u], stop):
                    twice_won[u] += _count_below(s[u], own[k - base])
        for u in range(n_users):
            n_relevant = relevant_indptr[first + u + 1] - relevant_indptr[first + u]
            n_seen = seen_indptr[first + u + 1] - seen_indptr[first + u]
            n_pairs = n_relevant * (n_items - n_seen - n_relevant)
            if n_pairs > 0:
                auc[first + u] = twice_won[u] / (2 * n_pairs)


@njit(cache=True)
def _count_below(row, score):
    """Return twice the number of scores in `row` below `score`, plus the number equal to it."""
    count = np.int32(0)
    for j in range(ITEMS):
        count += np.int32(row[j] < score) + np.int32(row[j] <= score)
    return count
