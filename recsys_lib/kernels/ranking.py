"""Scoring and ranking a whole catalogue, without ever holding a users x items array.

The score of item i for user u is a dot product, ``s_ui = U[u] · V[i]``. A block of users is
scored on one tile of items at a time: the scores fill a small array that stays in the cache, what
each user needs is kept, and the next tile overwrites it.

Every score here is the same chain ``s = fma(U[u, d], V[i, d], s)``, d ascending, from s = 0. One
fixed order means the same bits at any thread count, at any place in a block, and in all of these
functions, so that equal items do tie; `fma` rounds once per step, so that a compiler that fuses
a product and a sum in one loop but not in the next cannot break a tie either.
"""

import numpy as np
from numba import njit

from recsys_lib.errors import DataError
from recsys_lib.kernels.linalg import HEIGHT, add_products, aligned
from recsys_lib.kernels.threads import PAIRS, in_parts, share
from recsys_lib.kernels.vectors import LANES, any_above, fma, load, spread

FEW = 4  # users whose scores are made pair by pair: cutting the catalogue into tiles takes longer
USERS = 64  # users in a block: each tile of items, once in the cache, serves all of them
ITEMS = 256  # items in a tile: scores (64 KB) and vectors (1 KB a factor) fit a core's own cache


def top_n(user_vectors, item_vectors, seen_indptr, seen_indices, n):
    """Return each user's `n` best items among those not seen, best first, and their scores.

    `user_vectors` (m, D) and `item_vectors` (n_items, D) are U and V, float32. User u has seen
    ``seen_indices[seen_indptr[u]:seen_indptr[u + 1]]``, int32, ascending; `seen_indptr` (m + 1,)
    int64 may be a slice of a longer one, so its offsets need not begin at 0. `n` is at least 1.

    The items (m, n) are int32, the scores (m, n) float32. Of equal scores the lower index stands
    first; NaN and -inf are no candidates. Places left over hold -1 and -inf.

    Peak memory is a copy of `item_vectors` and the result. The time is that of the products: the
    search for the best compares LANES scores at once with the worst of the user's n best so far,
    and updates the heap only where one is better.
    """
    m, n_items = len(user_vectors), len(item_vectors)
    if m <= FEW:
        pairs = np.divmod(np.arange(m * n_items, dtype=np.int32), max(n_items, 1))
        scores = score_pairs(user_vectors, item_vectors, *pairs).reshape(m, n_items)
        return top_of_scores(scores, seen_indptr, seen_indices, n)
    items = np.full((m, n), -1, np.int32)
    scores = np.full((m, n), -np.inf, np.float32)
    tiles = tiles_of(np.ascontiguousarray(item_vectors, np.float32))
    users = np.ascontiguousarray(user_vectors, np.float32)
    task = users, tiles, n_items, seen_indptr, seen_indices, items, scores
    share(m // USERS + 1, _top_n, *task)
    return items, scores


def top_of_scores(scores, seen_indptr, seen_indices, n):
    """As `top_n`, of given scores (m, n_items) float32."""
    m = len(scores)
    items = np.full((m, n), -1, np.int32)
    best = np.full((m, n), -np.inf, np.float32)
    task = np.ascontiguousarray(scores, np.float32), seen_indptr, seen_indices, items, best
    share(m // USERS + 1, _top_of_scores, *task)
    return items, best


def score_pairs(user_vectors, item_vectors, users, items):
    """Return ``U[users[k]] · V[items[k]]`` for each k, (n,) float32; both (n,) int32.

    An index out of range is a `DataError`: checked on the way, it costs no pass of its own.
    """
    scores, outside = np.empty(len(users), np.float32), np.zeros(1, np.bool_)
    vectors = [np.ascontiguousarray(v, np.float32) for v in (user_vectors, item_vectors)]
    share(len(users) // PAIRS + 1, _score_pairs, *vectors, users, items, scores, outside)
    if outside[0]:
        m, n_items = map(len, vectors)
        raise DataError(f"rows must be from 0 to below {m}, and items from 0 to below {n_items}")
    return scores


def padded(lists, n):
    """Return lists, the rows of a `CSR` in order of rank, as `top_n` does: (m, n) int32."""
    rows = np.repeat(np.arange(lists.n_rows), lists.counts)
    place = np.arange(len(rows)) - lists.indptr[rows]
    items, kept = np.full((lists.n_rows, n), -1, np.int32), place < n
    items[rows[kept], place[kept]] = lists.indices[kept]
    return items


def find_hits(items, relevant_indptr, relevant_indices):
    """Return whether each listed item is relevant, (m, n) bool; -1 never is.

    `items` (m, n) int32 are one list per user, as of `top_n`; the rest is as for `auc.user_auc`.
    """
    hits = np.zeros(items.shape, np.bool_)
    _find_hits(items, relevant_indptr, relevant_indices, hits)
    return hits


@in_parts(lambda items, *_: items.size // PAIRS + 1)
def _find_hits(part, parts, items, relevant_indptr, relevant_indices, hits):
    for u in range(part, len(items), parts):
        row = relevant_indices[relevant_indptr[u] : relevant_indptr[u + 1]]
        for k in range(items.shape[1]):
            place = np.searchsorted(row, items[u, k])
            hits[u, k] = place < len(row) and row[place] == items[u, k]


# --- one tile of scores ---------------------------------------------------------------------------


def tiles_of(item_vectors):
    """Return V cut into tiles and each tile transposed: (n_tiles, D, ITEMS), zeros beyond the end.

    Factor by factor, the items of a tile lie side by side: one vector instruction then handles
    LANES of them.
    """
    n_items, n_factors = item_vectors.shape
    n_tiles = -(-n_items // ITEMS)
    tiles = aligned(n_tiles * n_factors, ITEMS, item_vectors).reshape(n_tiles, n_factors, ITEMS)
    share(n_items // PAIRS + 1, _fill_tiles, item_vectors, tiles)
    return tiles


@njit(cache=True, nogil=True)
def _fill_tiles(part, parts, item_vectors, tiles):
    for t in range(part, len(tiles), parts):
        for j in range(min(ITEMS, len(item_vectors) - t * ITEMS)):
            for d in range(item_vectors.shape[1]):
                tiles[t, d, j] = item_vectors[t * ITEMS + j, d]


@njit(cache=True)
def block_of(user_vectors, first):
    """Return a block of users' vectors, transposed: (D, USERS), zeros beyond the end."""
    n_users, n_factors = min(USERS, len(user_vectors) - first), user_vectors.shape[1]
    block = np.zeros((n_factors, USERS), np.float32)
    for u in range(n_users):
        for d in range(n_factors):
            block[d, u] = user_vectors[first + u, d]
    return block


@njit(cache=True)
def score_tile(block, tile, scores):
    """Fill `scores` (USERS, ITEMS) with the products of `block` (D, USERS) and `tile` (D, ITEMS).

    By the same tiles of sums as the Gram matrices of alternating least squares.
    """
    scores[:] = 0
    for u in range(0, USERS, HEIGHT):
        for j in range(0, ITEMS, LANES):
            add_products(block, u, tile, j, len(tile), scores)


@njit(cache=True)
def dot(x, y):
    """Return the same chain of products for one pair."""
    s = np.float32(0)
    for d in range(len(x)):
        s = fma(x[d], y[d], s)
    return s


@njit(cache=True, nogil=True)
def _score_pairs(part, parts, user_vectors, item_vectors, users, items, scores, outside):
    n, n_users, n_items = len(users), len(user_vectors), len(item_vectors)
    for k in range(n * part // parts, n * (part + 1) // parts):
        u, i = np.uint32(users[k]), np.uint32(items[k])  # below 0, they are larger than any
        if u >= n_users or i >= n_items:
            outside[0] = True
            return
        scores[k] = dot(user_vectors[u], item_vectors[i])


@njit(cache=True)
def blank(scores, u, start, columns, cursor, end, value):
    """Write `value` over the scores of those `columns` that lie in this tile; return the cursor.

    Rows ascend and tiles ascend, so a cursor that only moves on finds each column once.
    """
    while cursor < end and columns[cursor] < start + ITEMS:
        scores[u, columns[cursor] - start] = value
        cursor += 1
    return cursor


# --- the n best: a heap whose root is the worst of them -------------------------------------------


@njit(cache=True, nogil=True)
def _top_n(part, parts, user_vectors, tiles, n_items, seen_indptr, seen_indices, items, scores):
    """Fill `items` and `scores`, which serve as the users' heaps while the tiles go by."""
    s = aligned(USERS, ITEMS, user_vectors)
    for first in range(part * USERS, len(user_vectors), parts * USERS):
        n_users = min(USERS, len(user_vectors) - first)
        block = block_of(user_vectors, first)
        cursor = seen_indptr[first : first + USERS].copy()
        for t in range(len(tiles)):
            start = t * ITEMS
            score_tile(block, tiles[t], s)
            s[:, n_items - start :] = -np.inf  # nothing but the last tile reaches beyond the end
            for u in range(n_users):
                end = seen_indptr[first + u + 1]
                cursor[u] = blank(s, u, start, seen_indices, cursor[u], end, -np.inf)
                _offer(s, u, start, items, scores, first + u)
        for u in range(n_users):
            _sort_heap(items, scores, first + u)


@njit(cache=True, nogil=True)
def _top_of_scores(part, parts, s, seen_indptr, seen_indices, items, scores):
    """Fill `items` and `scores` as `_top_n` does, one row of `s` after the other."""
    for u in range(part, len(s), parts):
        cursor, end = seen_indptr[u], seen_indptr[u + 1]
        for i in range(s.shape[1]):
            if cursor < end and seen_indices[cursor] == i:
                cursor += 1
            elif s[u, i] > scores[u, 0]:
                scores[u, 0], items[u, 0] = s[u, i], i
                _sift_down(items, scores, u, items.shape[1])
        _sort_heap(items, scores, u)


@njit(cache=True)
def _offer(s, u, start, items, scores, user):
    """Let one tile's scores ``s[u]`` into a user's heap where they beat the worst that it holds.

    Called very often, mostly without effect: so whole arrays are passed, since a part of an array
    costs its caller two atomic counts of references.
    """
    for first in range(0, ITEMS, LANES):
        if any_above(load(s[u], first), spread(scores[user], 0)):
            for j in range(first, first + LANES):
                # Only what is strictly better enters: items come in ascending order, so of two
                # equal scores the lower index is there first and stays.
                if s[u, j] > scores[user, 0]:
                    scores[user, 0], items[user, 0] = s[u, j], start + j
                    _sift_down(items, scores, user, items.shape[1])


@njit(cache=True)
def _worse(items, scores, user, a, b):
    """Return whether place `a` of a user's heap ranks below place `b`."""
    x, y = scores[user, a], scores[user, b]
    return x < y or (x == y and items[user, a] > items[user, b])


@njit(cache=True)
def _swap(items, scores, user, a, b):
    """Exchange two places of a user's heap."""
    items[user, a], items[user, b] = items[user, b], items[user, a]
    scores[user, a], scores[user, b] = scores[user, b], scores[user, a]


@njit(cache=True)
def _sift_down(items, scores, user, size):
    """Move the root down to its place among the first `size` of a user's heap."""
    place = 0
    while 2 * place + 1 < size:
        child = 2 * place + 1
        if child + 1 < size and _worse(items, scores, user, child + 1, child):
            child += 1
        if not _worse(items, scores, user, child, place):
            break
        _swap(items, scores, user, place, child)
        place = child


@njit(cache=True)
def _sort_heap(items, scores, user):
    """Turn the heap into a list, best first: the worst of those left goes to the end, in turn."""
    for last in range(items.shape[1] - 1, 0, -1):
        _swap(items, scores, user, 0, last)
        _sift_down(items, scores, user, last)
