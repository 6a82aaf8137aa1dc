"""Bayesian personalised ranking by stochastic gradient steps: parallel, and yet reproducible.

Threads that step on the same vectors at the same time ("Hogwild") give another result each run.
Here users and items are divided into B groups each, and up to B threads work on B blocks that
share neither a user nor an item; after B such rounds every block has been done (Gemulla et al.
2011). Each block has its own random numbers, so the bits do not depend on the number of threads.
The negative item comes from the block's own item group; the groups are drawn anew in each epoch.
"""

import numpy as np
from numba import njit, uint64

from recsys_lib.kernels.linalg import FAST, ask_for
from recsys_lib.kernels.threads import in_parts, share

BATCH = 32  # samples are drawn so many at a time, so that their reads of memory overlap
TRIES = 16  # draws of a negative before a sample is skipped: the user has seen nearly everything
GOLDEN = uint64(0x9E3779B97F4A7C15)


@njit(cache=True, inline="always")
def scramble(z):
    """Return 64 bits that look random: the finaliser of SplitMix64 (Steele et al. 2014)."""
    z = (z ^ (z >> uint64(30))) * uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> uint64(27))) * uint64(0x94D049BB133111EB)
    return z ^ (z >> uint64(31))


@njit(cache=True, inline="always")
def next_random(state):
    """Return the next 64 random bits of SplitMix64, and advance `state`."""
    state[0] += GOLDEN
    return scramble(state[0])


@njit(cache=True, inline="always")
def random_below(state, n):
    """Return a random integer from 0 to n - 1."""
    return np.int64(((next_random(state) >> uint64(32)) * uint64(n)) >> uint64(32))


@njit(cache=True)
def deal_events(users, items, group_of_user, group_of_item, starts, event_users, event_items):
    """Sort positive pairs by block, in two passes; within a block they keep their order.

    `starts` (B * B + 1,) is filled with where each block begins, B the number of groups.
    """
    n_groups = int(np.sqrt(len(starts) - 1))
    starts[:] = 0
    for k in range(len(users)):
        starts[group_of_user[users[k]] * n_groups + group_of_item[items[k]] + 1] += 1
    for block in range(n_groups * n_groups):
        starts[block + 1] += starts[block]
    cursor = starts[:-1].copy()
    for k in range(len(users)):
        block = group_of_user[users[k]] * n_groups + group_of_item[items[k]]
        event_users[cursor[block]], event_items[cursor[block]] = users[k], items[k]
        cursor[block] += 1


@njit(cache=True, fastmath=FAST, inline="always")
def margin(p, q_i, q_j):
    """Return x = p·(q_i - q_j) + b_i - b_j: by how much the user prefers i to j."""
    n_factors = len(p)
    x = q_i[n_factors] - q_j[n_factors]
    for k in range(n_factors):
        x += p[k] * (q_i[k] - q_j[k])
    return x


@njit(cache=True, inline="always")
def pull_of(x):
    """Return σ(-x), the size of the gradient, and ln(1 + e^-x); no x overflows."""
    one = np.float32(1)
    small = np.exp(-abs(x))
    pull = (small if x > 0 else one) / (one + small)
    return pull, np.log1p(small) + max(-x, np.float32(0))


@njit(cache=True, fastmath=FAST, inline="always")
def step(p, q_i, q_j, rate, reg):
    """Take a gradient step on -ln σ(x) + reg/2 ‖·‖²; return ln(1 + e^-x), and x before."""
    n_factors = len(p)
    x = margin(p, q_i, q_j)
    pull, loss = pull_of(x)
    for k in range(n_factors):
        p_k, i_k, j_k = p[k], q_i[k], q_j[k]
        p[k] += rate * (pull * (i_k - j_k) - reg * p_k)
        q_i[k] += rate * (pull * p_k - reg * i_k)
        q_j[k] += rate * (-pull * p_k - reg * j_k)
    q_i[n_factors] += rate * (pull - reg * q_i[n_factors])
    q_j[n_factors] += rate * (-pull - reg * q_j[n_factors])
    return loss, x


@njit(cache=True)
def draw(
    n, event_users, event_items, candidates, seen_indptr, seen_indices, user_rows, item_rows,
    state, u, i, j, low, size, waiting,
):  # fmt: skip
    """Draw `n` samples (u, i, j); j becomes -1 where every try drew an item that the user has seen.

    The binary searches for j among what u has seen advance together, step by step: each step is a
    read from main memory, and `n` such reads at once take little longer than one.
    """
    for s in range(n):
        event = random_below(state, len(event_users))
        u[s], i[s], waiting[s] = event_users[event], event_items[event], s
        ask_for(user_rows, u[s])
        ask_for(item_rows, i[s])
    n_waiting = n
    for _try in range(TRIES):
        longest = 0
        for w in range(n_waiting):
            s = waiting[w]
            j[s] = candidates[random_below(state, len(candidates))]
            ask_for(item_rows, j[s])
            low[s] = seen_indptr[u[s]]
            size[s] = seen_indptr[u[s] + 1] - low[s]
            longest = max(longest, size[s])
        while longest > 1:
            longest -= longest // 2
            for w in range(n_waiting):
                s = waiting[w]
                half = size[s] // 2
                low[s] += half * (seen_indices[low[s] + half] <= j[s])  # no branch to guess wrong
                size[s] -= half
        n_tried, n_waiting = n_waiting, 0
        for w in range(n_tried):
            s = waiting[w]
            if seen_indices[low[s]] == j[s]:
                waiting[n_waiting] = s
                n_waiting += 1
        if n_waiting == 0:
            break
    for w in range(n_waiting):
        j[waiting[w]] = -1


@njit(cache=True, fastmath=FAST, _nrt=False)  # three rows a step: none counts its references
def work_on(
    event_users, event_items, candidates, seen_indptr, seen_indices,
    user_rows, item_rows, rate, reg, state, samples, totals,
):  # fmt: skip
    """Take the steps of one block, as many as it has events; the negatives are `candidates`.

    `state` (1,) uint64 is of its random numbers; `samples` (6, BATCH) int64 is overwritten.
    """
    u, i, j, low, size, waiting = samples
    loss_sum, in_order, drawn = 0.0, 0, 0
    for first in range(0, len(event_users), BATCH):
        n = min(BATCH, len(event_users) - first)
        draw(
            n, event_users, event_items, candidates, seen_indptr, seen_indices,
            user_rows, item_rows, state, u, i, j, low, size, waiting,
        )  # fmt: skip
        for s in range(n):
            if j[s] >= 0:
                loss, x = step(user_rows[u[s]], item_rows[i[s]], item_rows[j[s]], rate, reg)
                loss_sum += loss
                in_order += x > 0
                drawn += 1
    totals[0] = loss_sum
    totals[1] = in_order
    totals[2] = drawn


def epoch(
    starts, event_users, event_items, group_items, group_starts, seen_indptr, seen_indices,
    user_rows, item_rows, rate, reg, seeds, totals,
):  # fmt: skip
    """Draw as many samples as there are events, and step on each.

    The positive pairs `event_users` and `event_items` (n_events,) int32 are sorted by block (user
    group, item group); `starts` (B * B + 1,) int64 says where each begins. `group_items` (n_items,)
    int32 are the items by group, and `group_starts` (B + 1,) int64 says where each begins. What a
    user has rated, `seen_indptr` and `seen_indices`, is never a negative.

    `user_rows` (n_users, K) and `item_rows` (n_items, K + 1) float32, the items' bias last, are
    updated in place, at the learning `rate` with the regularisation `reg`. Each block has a seed
    (B * B,) uint64 and a row of `totals` (B * B, 3) float64, which is overwritten: sum of losses,
    samples in the right order, samples drawn.
    """
    n_groups = len(group_starts) - 1
    for turn in range(n_groups):
        share(
            n_groups, work_on_diagonal, turn, starts, event_users, event_items, group_items,
            group_starts, seen_indptr, seen_indices, user_rows, item_rows, rate, reg, seeds, totals,
        )  # fmt: skip


@njit(cache=True, nogil=True)
def work_on_diagonal(
    part, parts, turn, starts, event_users, event_items, group_items, group_starts,
    seen_indptr, seen_indices, user_rows, item_rows, rate, reg, seeds, totals,
):  # fmt: skip
    """Work on every `parts`-th of the blocks of this round."""
    n_groups, samples = len(group_starts) - 1, np.empty((6, BATCH), np.int64)
    for user_group in range(part, n_groups, parts):
        item_group = (user_group + turn) % n_groups
        block = user_group * n_groups + item_group
        events = slice(starts[block], starts[block + 1])
        items = group_items[group_starts[item_group] : group_starts[item_group + 1]]
        state = seeds[block : block + 1].copy()
        work_on(
            event_users[events], event_items[events], items, seen_indptr, seen_indices,
            user_rows, item_rows, rate, reg, state, samples, totals[block],
        )  # fmt: skip


@in_parts(lambda *task: len(task[-1]))
def fold_in(
    part, parts, indptr, indices, liked_indptr, liked, item_rows, rate, reg, n_steps, seeds, rows
):  # fmt: skip
    """Fill `rows` (m, K) of strangers by steps on their vector alone; the items stay fixed.

    `liked` holds each stranger's positive items, `indices` all they have rated. The rate falls
    linearly to zero, so that the vector converges. Users without likes get zeros.
    """
    for u in range(part, len(rows), parts):
        p, state = rows[u], seeds[u : u + 1].copy()
        p[:] = 0
        mine = liked[liked_indptr[u] : liked_indptr[u + 1]]
        seen = indices[indptr[u] : indptr[u + 1]]
        for k in range(n_steps if len(mine) else 0):
            q_i = item_rows[mine[random_below(state, len(mine))]]
            j = random_below(state, len(item_rows))
            place = np.searchsorted(seen, j)
            if place < len(seen) and seen[place] == j:
                continue
            q_j = item_rows[j]
            pull, _ = pull_of(margin(p, q_i, q_j))
            shrunk = rate * np.float32(1 - k / n_steps)
            for f in range(len(p)):
                p[f] += shrunk * (pull * (q_i[f] - q_j[f]) - reg * p[f])
