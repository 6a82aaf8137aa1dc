"""Scoring and ranking a whole catalogue, without ever holding a users x items array.

The score of item i for user u is a dot product, ``s_ui = U[u] · V[i]``. A block of users meets the
catalogue one tile of items at a time: their scores fill a small array that stays in the cache, each
user keeps what matters of them, and the next tile overwrites it.

Every score here is the same chain ``s = fma(U[u, d], V[i, d], s)``, d ascending, from s = 0. One
fixed order means the same bits at any thread count, at any place in a block, and in all of these
functions, so that equal items do tie; `fma` rounds once a step, so that a compiler that fuses
a product and a sum in one loop but not in the next cannot break a tie either.
"""

import numpy as np
from numba import njit, prange
from numba.extending import intrinsic

from recsys_lib.kernels.threads import threads_for

USERS = 32  # users in a block: each tile of items, once in the cache, serves all of them
ITEMS = 256  # items in a tile: scores (32 KB) and vectors (1 KB a factor) fit a core's own cache
STEP = 4  # users and factors handled at once by `_score_tile`, held in registers
CHUNK = 64  # items that are compared with a user's threshold in one go


@intrinsic
def fma(typing_context, a, b, c):
    """Return a·b + c, rounded once: the processor's fused multiply-add, also in vector loops."""

    def generate(context, builder, signature, arguments):
        return builder.fma(*arguments)

    return c(a, b, c), generate


def top_n(user_vectors, item_vectors, seen_indptr, seen_indices, n):
    """Return each user's `n` best items among those not seen, best first.

    Parameters
    ----------
    user_vectors : (m, D) float32
        U, a row a user.
    item_vectors : (n_items, D) float32
        V, a row an item.
    seen_indptr : (m + 1,) int64, or None
        User u has seen ``seen_indices[seen_indptr[u]:seen_indptr[u + 1]]``; None: nobody has seen
        anything. A slice of a longer ``indptr`` will do, since its offsets need not begin at 0.
    seen_indices : (nnz,) int32, or None
        Item indices, ascending within a row.
    n : int
        Length of the lists, at least 1.

    Returns
    -------
    items : (m, n) int32
        Item indices; of equal scores the lower index stands first. A user with fewer than `n`
        candidates gets -1 in the places left over. Scores of NaN and -inf are no candidates.
    scores : (m, n) float32
        Their scores; -inf in the places left over.

    Notes
    -----
    Peak memory is a copy of `item_vectors` and the result. The time is that of the products: the
    search beside them compares 64 scores at once with the worst of the user's n best so far, and
    looks closer only where one is better.
    """
    m = len(user_vectors)
    if seen_indptr is None:
        seen_indptr, seen_indices = np.zeros(m + 1, np.int64), np.empty(0, np.int32)
    items = np.full((m, n), -1, np.int32)
    scores = np.full((m, n), -np.inf, np.float32)
    tiles = _tiles(_float32(item_vectors))
    users = _float32(user_vectors)
    with threads_for(m):
        _top_n(users, tiles, len(item_vectors), seen_indptr, seen_indices, items, scores)
    return items, scores


def user_auc(
    user_vectors, item_vectors, seen_indptr, seen_indices, relevant_indptr, relevant_indices
):
    """Return each user's exact AUC over the whole catalogue less what the user has seen.

    It is the share of pairs (relevant item, other item) in which the relevant one scores higher;
    a tie counts half.

    Parameters
    ----------
    user_vectors, item_vectors, seen_indptr, seen_indices
        As for `top_n`.
    relevant_indptr : (m + 1,) int64
        Offsets of the users' rows in `relevant_indices`.
    relevant_indices : (nnz,) int32
        Relevant items, ascending within a row, none of them seen.

    Returns
    -------
    (m,) float64
        From 0 to 1; NaN for a user without a relevant item or without any other.
    """
    m = len(user_vectors)
    if seen_indptr is None:
        seen_indptr, seen_indices = np.zeros(m + 1, np.int64), np.empty(0, np.int32)
    users, items = _float32(user_vectors), _float32(item_vectors)
    seen = (seen_indptr, seen_indices)
    relevant = (relevant_indptr, relevant_indices)
    return _user_auc(users, items, _tiles(items), *seen, *relevant)


def score_pairs(user_vectors, item_vectors, users, items):
    """Return ``U[users[k]] · V[items[k]]`` for each k, (n,) float32.

    Parameters
    ----------
    user_vectors, item_vectors : (n_users, D), (n_items, D) float32
        U and V.
    users, items : (n,) int32
        Rows of U and of V.
    """
    return _score_pairs(_float32(user_vectors), _float32(item_vectors), users, items)


@njit(cache=True, parallel=True)
def find_hits(items, relevant_indptr, relevant_indices):
    """Return whether each listed item is relevant, (m, n) bool; -1 never is.

    Parameters
    ----------
    items : (m, n) int32
        A list a user, as `top_n` gives it.
    relevant_indptr, relevant_indices
        As for `user_auc`.
    """
    m, n = items.shape
    hits = np.zeros((m, n), np.bool_)
    for u in prange(m):
        row = relevant_indices[relevant_indptr[u] : relevant_indptr[u + 1]]
        for k in range(n):
            place = np.searchsorted(row, items[u, k])
            hits[u, k] = place < len(row) and row[place] == items[u, k]
    return hits


@njit(cache=True)
def count_shared(indptr_a, indices_a, indptr_b, indices_b):
    """Return how many columns each row has in both matrices, (n_rows,) int64; rows ascend."""
    shared = np.zeros(len(indptr_a) - 1, np.int64)
    for row in range(len(shared)):
        a, b = indptr_a[row], indptr_b[row]
        while a < indptr_a[row + 1] and b < indptr_b[row + 1]:
            shared[row] += indices_a[a] == indices_b[b]
            # Step past the smaller column; past both where they are the same.
            step_a, step_b = indices_a[a] <= indices_b[b], indices_b[b] <= indices_a[a]
            a += step_a
            b += step_b
    return shared


def _float32(vectors):
    """Return the rows as the kernels read them: float32, one after the other (no copy if so)."""
    return np.ascontiguousarray(vectors, np.float32)


# --- one tile of scores ---------------------------------------------------------------------------


@njit(cache=True, parallel=True)
def _tiles(item_vectors):
    """Return V cut into tiles and each tile transposed: (n_tiles, D', ITEMS), zeros beyond the end.

    Factor by factor, the items of a tile lie side by side: one vector instruction then handles
    sixteen of them. D' is D rounded up to a multiple of STEP; the zeros change no sum.
    """
    n_items, n_factors = item_vectors.shape
    n_tiles = -(-n_items // ITEMS)
    tiles = np.zeros((n_tiles, -(-n_factors // STEP) * STEP, ITEMS), np.float32)
    for t in prange(n_tiles):
        for j in range(min(ITEMS, n_items - t * ITEMS)):
            for d in range(n_factors):
                tiles[t, d, j] = item_vectors[t * ITEMS + j, d]
    return tiles


@njit(cache=True)
def _block(user_vectors, first, n_factors):
    """Return a block of users' vectors, (n, D'), n a multiple of STEP, zeros beyond the end."""
    n_users = min(USERS, len(user_vectors) - first)
    block = np.zeros((-(-n_users // STEP) * STEP, n_factors), np.float32)
    for u in range(n_users):
        for d in range(user_vectors.shape[1]):
            block[u, d] = user_vectors[first + u, d]
    return block


@njit(cache=True)
def _score_tile(block, tile, scores):
    """Fill `scores` (n, ITEMS) with the products of `block` (n, D') and `tile` (D', ITEMS).

    Four users at a time, so that each item number loaded is used four times; four factors at a
    time, so that each score is loaded and stored once for four steps of its chain.
    """
    for u in range(0, len(block), STEP):
        s0, s1, s2, s3 = scores[u], scores[u + 1], scores[u + 2], scores[u + 3]
        a, b, c, e = block[u], block[u + 1], block[u + 2], block[u + 3]
        scores[u : u + STEP] = 0
        for d in range(0, tile.shape[0], STEP):
            v0, v1, v2, v3 = tile[d], tile[d + 1], tile[d + 2], tile[d + 3]
            a0, a1, a2, a3 = a[d], a[d + 1], a[d + 2], a[d + 3]
            b0, b1, b2, b3 = b[d], b[d + 1], b[d + 2], b[d + 3]
            c0, c1, c2, c3 = c[d], c[d + 1], c[d + 2], c[d + 3]
            e0, e1, e2, e3 = e[d], e[d + 1], e[d + 2], e[d + 3]
            for j in range(ITEMS):
                x0, x1, x2, x3 = v0[j], v1[j], v2[j], v3[j]
                s0[j] = fma(a3, x3, fma(a2, x2, fma(a1, x1, fma(a0, x0, s0[j]))))
                s1[j] = fma(b3, x3, fma(b2, x2, fma(b1, x1, fma(b0, x0, s1[j]))))
                s2[j] = fma(c3, x3, fma(c2, x2, fma(c1, x1, fma(c0, x0, s2[j]))))
                s3[j] = fma(e3, x3, fma(e2, x2, fma(e1, x1, fma(e0, x0, s3[j]))))


@njit(cache=True)
def _dot(x, y):
    """Return the same chain of products for one pair."""
    s = np.float32(0)
    for d in range(len(x)):
        s = fma(x[d], y[d], s)
    return s


@njit(cache=True, parallel=True)
def _score_pairs(user_vectors, item_vectors, users, items):
    scores = np.empty(len(users), np.float32)
    for k in prange(len(users)):
        scores[k] = _dot(user_vectors[users[k]], item_vectors[items[k]])
    return scores


@njit(cache=True)
def _blank(row, start, columns, cursor, end, value):
    """Write `value` over the scores of those `columns` that lie in this tile; return the cursor.

    Rows ascend and tiles ascend, so a cursor that only moves on finds each column once.
    """
    while cursor < end and columns[cursor] < start + ITEMS:
        row[columns[cursor] - start] = value
        cursor += 1
    return cursor


# --- the n best: a heap whose root is the worst of them -------------------------------------------


@njit(cache=True, parallel=True)
def _top_n(user_vectors, tiles, n_items, seen_indptr, seen_indices, items, scores):
    """Fill `items` and `scores`, which serve as the users' heaps while the tiles go by."""
    m = len(user_vectors)
    n_tiles, n_factors, _ = tiles.shape
    for b in prange(-(-m // USERS)):
        first = b * USERS
        block = _block(user_vectors, first, n_factors)
        s = np.empty((len(block), ITEMS), np.float32)
        cursor = seen_indptr[first : first + USERS].copy()
        for t in range(n_tiles):
            start = t * ITEMS
            _score_tile(block, tiles[t], s)
            s[:, n_items - start :] = -np.inf  # nothing but the last tile reaches beyond the end
            for u in range(min(USERS, m - first)):
                end = seen_indptr[first + u + 1]
                cursor[u] = _blank(s[u], start, seen_indices, cursor[u], end, -np.inf)
                _offer(s[u], start, items[first + u], scores[first + u])
        for u in range(min(USERS, m - first)):
            _sort_heap(items[first + u], scores[first + u])


@njit(cache=True)
def _offer(row, start, items, scores):
    """Let the scores of one tile into a user's heap where they beat the worst that it holds."""
    for chunk in range(0, ITEMS, CHUNK):
        worst = scores[0]
        better = 0
        for j in range(chunk, chunk + CHUNK):  # no branch inside: it runs as vector instructions
            better += row[j] > worst
        if better == 0:
            continue
        for j in range(chunk, chunk + CHUNK):
            # Only what is strictly better enters: items come in ascending order, so of two equal
            # scores the lower index is there first and stays.
            if row[j] > scores[0]:
                scores[0], items[0] = row[j], start + j
                _sift_down(items, scores, len(items))


@njit(cache=True)
def _worse(items, scores, a, b):
    """Return whether place `a` of a heap ranks below place `b`."""
    return scores[a] < scores[b] or (scores[a] == scores[b] and items[a] > items[b])


@njit(cache=True)
def _sift_down(items, scores, size):
    """Let the root sink to its place among the first `size` of the heap."""
    place = 0
    while 2 * place + 1 < size:
        child = 2 * place + 1
        if child + 1 < size and _worse(items, scores, child + 1, child):
            child += 1
        if not _worse(items, scores, child, place):
            break
        items[place], items[child] = items[child], items[place]
        scores[place], scores[child] = scores[child], scores[place]
        place = child


@njit(cache=True)
def _sort_heap(items, scores):
    """Turn the heap into a list, best first: the worst of those left goes to the end, in turn."""
    for last in range(len(items) - 1, 0, -1):
        items[0], items[last] = items[last], items[0]
        scores[0], scores[last] = scores[last], scores[0]
        _sift_down(items, scores, last)


# --- area under the ROC curve ---------------------------------------------------------------------


@njit(cache=True, parallel=True)
def _user_auc(
    user_vectors,
    item_vectors,
    tiles,
    seen_indptr,
    seen_indices,
    relevant_indptr,
    relevant_indices,
):
    """Count, for each relevant item, the others below it and level with it: integers, so exact.

    Seen and relevant items become NaN, which is neither below nor level. Going through a tile once
    for each relevant item looks wasteful beside sorting and bisecting, yet sixteen items fall to
    one instruction, and a user has few relevant items: it is several times faster.
    """
    m, n_items = len(user_vectors), len(item_vectors)
    n_tiles, n_factors, _ = tiles.shape
    auc = np.full(m, np.nan)
    for b in prange(-(-m // USERS)):
        first = b * USERS
        block = _block(user_vectors, first, n_factors)
        s = np.empty((len(block), ITEMS), np.float32)
        seen = seen_indptr[first : first + USERS].copy()
        relevant = relevant_indptr[first : first + USERS].copy()
        twice_won = np.zeros(USERS, np.int64)  # a pair won counts two, a tie one
        base = relevant_indptr[first]
        own = np.empty(relevant_indptr[min(first + USERS, m)] - base, np.float32)
        for u in range(min(USERS, m - first)):
            for k in range(relevant_indptr[first + u], relevant_indptr[first + u + 1]):
                own[k - base] = _dot(user_vectors[first + u], item_vectors[relevant_indices[k]])
        for t in range(n_tiles):
            start = t * ITEMS
            _score_tile(block, tiles[t], s)
            s[:, n_items - start :] = np.nan
            for u in range(min(USERS, m - first)):
                end, stop = seen_indptr[first + u + 1], relevant_indptr[first + u + 1]
                seen[u] = _blank(s[u], start, seen_indices, seen[u], end, np.nan)
                relevant[u] = _blank(s[u], start, relevant_indices, relevant[u], stop, np.nan)
                for k in range(relevant_indptr[first + u], stop):
                    twice_won[u] += _count_below(s[u], own[k - base])
        for u in range(min(USERS, m - first)):
            n_relevant = relevant_indptr[first + u + 1] - relevant_indptr[first + u]
            n_seen = seen_indptr[first + u + 1] - seen_indptr[first + u]
            n_pairs = n_relevant * (n_items - n_seen - n_relevant)
            if n_pairs > 0:
                auc[first + u] = twice_won[u] / (2 * n_pairs)
    return auc


@njit(cache=True)
def _count_below(row, score):
    """Return twice the number of scores in `row` below `score`, plus the number equal to it."""
    count = np.int32(0)
    for j in range(ITEMS):
        count += np.int32(row[j] < score) + np.int32(row[j] <= score)
    return count
