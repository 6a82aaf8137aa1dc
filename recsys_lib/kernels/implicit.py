"""Implicit alternating least squares: every pair counts, yet only the observed ones are visited.

A pair that was observed has target 1 and confidence c, any other has target 0 and confidence 1.
With the other side fixed, a row x solves

    (Σ_all y yᵀ + Σ_observed (c - 1) y yᵀ + w I) x = Σ_observed c y,

where w is its penalty. The first sum is the same for all rows: one Gram matrix for a half step.
"""

import numpy as np
from numba import njit

from recsys_lib.kernels.als import PANEL, gather, groups, workspace
from recsys_lib.kernels.linalg import FAST, LINE, add_gram, aligned, solve
from recsys_lib.kernels.threads import blas, in_parts, share
from recsys_lib.kernels.vectors import (
    LANES,
    add,
    fma,
    load,
    prefetch,
    spread,
    store,
    store_sums,
    zeros,
)

AT_A_TIME = 1024  # rows rotated by one matrix product
CHUNKS = 256  # sums of a Gram matrix: a fixed number, so that no bit depends on the thread count


@njit(cache=True, fastmath=FAST)
def add_targets(panel, first, last, excess, targets, size, gram):
    """Add Σ c y to the row of `gram` below the factors'; then multiply each y by √(c - 1)."""
    for j in range(last - first):
        targets[0, j] = 1 + excess[first + j]
    for b in range(0, size, LANES):
        total = zeros(gram[0])
        for j in range(last - first):
            total = fma(spread(targets[0], j), load(panel[j], b), total)
        store(gram[size], b, add(load(gram[size], b), total))
    for j in range(last - first):
        root = excess[first + j] ** 0.5
        for k in range(size):
            panel[j, k] *= root


@njit(cache=True)
def sum_products(start, stop, indices, excess, other, panel, targets, gram):
    """Fill the lower triangle of `gram` with Σ (c - 1) y yᵀ, and the row below it with Σ c y."""
    size = other.shape[1]
    gram[:] = 0
    for first in range(start, stop, PANEL):
        last = min(first + PANEL, stop)
        gather(first, last, indices, other, size, panel)
        add_targets(panel, first, last, excess, targets, size, gram)
        add_gram(panel, last - first, size, gram)


@njit(cache=True, fastmath=FAST)
def set_up(grams, fixed, weights, a, rhs):
    """Write LANES rows' systems to their lanes, each with the Gram matrix that all share."""
    size = len(fixed)
    for k in range(size):
        for c in range(k + 1):
            for lane in range(LANES):
                a[k, c, lane] = fixed[k, c] + grams[lane, k, c]
        for lane in range(LANES):
            a[k, k, lane] += weights[lane]
            rhs[k, lane] = grams[lane, size, k]


@in_parts(lambda indptr, indices, excess, order, *_: groups(order))
def half_step(
    part, parts, indptr, indices, excess, order, other, fixed, penalties, rows, losses
):  # fmt: skip
    """Solve all rows of one side exactly, given the other: one half of an epoch.

    As `als.half_step`, of rows without a bias: `excess` are c - 1 of the observed pairs, 0 or more;
    `fixed` (K, K) is the Gram matrix of `other` (n_other, K), from `gram_of`; `penalties` (n_rows,)
    are w. `rows` (n_rows, K) are overwritten by the solution, zero where nothing was observed,
    `losses` (n_rows,) float64 by each row's Σ c (target - score)² over all pairs.

    A row's Σ c (target - score)² over all pairs is Σ_observed c - 2 x·rhs + xᵀ(A - w I)x, where A x
    is rhs, so that no second pass over the pairs is needed.
    """
    size = len(fixed)
    panel, targets, grams, a, rhs, x = workspace(size + 1, other)
    weights = np.ones(LANES, other.dtype)
    for first in range(part * LANES, len(order), parts * LANES):
        group = order[first : first + LANES]
        for lane, r in enumerate(group):
            start, stop, gram = indptr[r], indptr[r + 1], grams[lane]
            sum_products(start, stop, indices, excess, other, panel, targets, gram)
            weights[lane] = penalties[r]
        set_up(grams, fixed, weights, a, rhs)
        x[:] = rhs
        solve(a, size, x)
        for lane, r in enumerate(group):
            start, stop = indptr[r], indptr[r + 1]
            loss = stop - start + np.sum(excess[start:stop], dtype=np.float64)
            for k in range(size):
                own = np.float64(x[k, lane])
                loss -= own * (rhs[k, lane] + weights[lane] * own)
                rows[r, k] = own
            losses[r] = loss
            if start == stop:  # nothing observed: zero
                rows[r], losses[r] = 0, 0.0


def approach(indptr, indices, excess, order, other, penalties, rows, losses, n_steps):
    """Move all rows of one side towards their solutions: `half_step` by conjugate gradient.

    It starts from the rows as they are, and takes `n_steps` at most. `other` and `rows` are first
    rotated to the eigenvectors of the Gram matrix of `other`: no product y·x changes, and
    Σ_all y yᵀ becomes diagonal. It then costs K multiplications in place of K², and with w it is
    the part of A that is easily inverted: preconditioned by it, few steps suffice.
    """
    size = other.shape[1]
    width = -(-size // LANES) * LANES
    wide, fixed = aligned(len(other), width, other), np.zeros(width, other.dtype)
    with blas().limit(limits=1, user_api="blas"):
        values, axes = np.linalg.eigh(gram_of(other))
        for side in (other, rows):
            share(-(-len(side) // AT_A_TIME), turn, side, axes.astype(other.dtype))
    wide[:, :size], fixed[:size] = other, np.maximum(values, 0)
    task = indptr, indices, excess, order, wide.reshape(-1), fixed, penalties, rows, losses
    share(len(order), descend_rows, n_steps, *task)


def turn(part, parts, rows, axes):
    """Rotate every `parts`-th block of `rows` (n, K), in place, to the columns of `axes` (K, K)."""
    for start in range(part * AT_A_TIME, len(rows), parts * AT_A_TIME):
        rows[start : start + AT_A_TIME] = rows[start : start + AT_A_TIME] @ axes


def gram_of(rows):
    """Return Σ y yᵀ over all rows (n, K), (K, K) float64: the same bits at any thread count."""
    n, size = rows.shape
    sums = np.zeros((min(CHUNKS, (n + PANEL - 1) // PANEL), size, size))
    share(len(sums), _add_panels, rows, sums)
    lower = np.tril(sums.sum(axis=0))  # above it, tiles are filled in part
    return lower + np.tril(lower, -1).T


@njit(cache=True, nogil=True)
def _add_panels(part, parts, rows, sums):
    """Fill every `parts`-th lower triangle of `sums` with Σ y yᵀ; panels are assigned in turn."""
    n, size = rows.shape
    width = (size // LANES + 1) * LANES
    panel, gram = aligned(PANEL, width, rows), aligned(width, width, rows)
    for chunk in range(part, len(sums), parts):
        gram[:] = 0
        for first in range(chunk * PANEL, n, len(sums) * PANEL):
            depth = min(PANEL, n - first)
            panel[:depth, :size] = rows[first : first + depth]
            add_gram(panel, depth, size, gram)
        sums[chunk] = gram[:size, :size]


# --- conjugate gradient: a few products with A in place of a factorisation ------------------------


@njit(cache=True, fastmath=FAST)
def multiply_by_system(places, excess, targets, other, diagonal, v, scores, out):
    """Fill `scores` with the products y·v, and `out` with A v: A is never formed.

    A = diag(`diagonal`) + Σ (c - 1) y yᵀ, and `out` is less Σ t y, t of `targets`. The rows y are
    contiguous in `other`, at `places`. They are taken four at a time, to be read from memory once.
    """
    width = len(v)
    shares = np.empty(4, other.dtype)
    for b in range(width):
        out[b] = diagonal[b] * v[b]
    for j in range(0, len(places), 4):
        y0, y1, y2, y3 = places[j], places[j + 1], places[j + 2], places[j + 3]
        s0 = s1 = s2 = s3 = zeros(other)
        for b in range(0, width, LANES):
            own = load(v, b)
            s0 = fma(load(other, y0 + b), own, s0)
            s1 = fma(load(other, y1 + b), own, s1)
            s2 = fma(load(other, y2 + b), own, s2)
            s3 = fma(load(other, y3 + b), own, s3)
        store_sums(scores, j, s0, s1, s2, s3)
        for i in range(4):
            shares[i] = excess[j + i] * scores[j + i] - targets[j + i]
        s0, s1, s2, s3 = spread(shares, 0), spread(shares, 1), spread(shares, 2), spread(shares, 3)
        for b in range(0, width, LANES):
            sums = fma(s0, load(other, y0 + b), load(out, b))
            sums = fma(s1, load(other, y1 + b), sums)
            sums = fma(s2, load(other, y2 + b), sums)
            store(out, b, fma(s3, load(other, y3 + b), sums))


@njit(cache=True, fastmath=FAST)
def descend(places, pairs, other, diagonal, n_steps, work):
    """Move ``x = work[0]`` by conjugate gradient from its given value; A x - rhs is in ``work[1]``.

    `diagonal`, all of A that does not come from the row's own pairs, preconditions the steps.
    `pairs` are c - 1, c, zeros, and room for two products per pair. Returns Σ c (1 - y·x).
    """
    x, slope, direction, ap = work[0], work[1], work[2], work[3]
    excess, targets, none, scores, moved = pairs[0], pairs[1], pairs[2], pairs[3], pairs[4]
    multiply_by_system(places, excess, targets, other, diagonal, x, scores, slope)
    direction[:], before = 0, np.inf
    for _ in range(n_steps):
        squares = curvature = 0.0
        for k in range(len(x)):
            squares += slope[k] * slope[k] / diagonal[k]
        if squares < 1e-20:  # converged: the next quotient would be 0 / 0
            break
        for k in range(len(x)):
            direction[k] = squares / before * direction[k] - slope[k] / diagonal[k]
        multiply_by_system(places, excess, none, other, diagonal, direction, moved, ap)
        for k in range(len(x)):
            curvature += direction[k] * ap[k]
        length, before = squares / curvature, squares
        for k in range(len(x)):
            x[k] += length * direction[k]
            slope[k] += length * ap[k]
        for j in range(len(places)):
            scores[j] += length * moved[j]
    found = 0.0
    for j in range(len(places)):
        found += targets[j] * (1 - scores[j])
    return found


@njit(cache=True, nogil=True)
def descend_rows(
    part, parts, n_steps, indptr, indices, excess, order, other, fixed, penalties, rows, losses
):  # fmt: skip
    """Move every `parts`-th row in `order`, from `part` on; `fixed` are the eigenvalues."""
    size, width = rows.shape[1], len(fixed)
    longest = indptr[order[part] + 1] - indptr[order[part]] + 4  # rows come longest first
    pairs, places = aligned(5, longest, other), np.empty(longest, np.int64)
    work, diagonal = aligned(4, width, other), np.empty(width, other.dtype)
    for place in range(part, len(order), parts):
        r = order[place]
        start, stop, weight = indptr[r], indptr[r + 1], penalties[r]
        if start == stop:  # nothing observed: zero is the solution
            rows[r], losses[r] = 0, 0.0
            continue
        n = stop - start
        depth = -(-n // 4) * 4  # padding beyond the last pair has weight zero
        for j in range(n):
            places[j] = np.int64(indices[start + j]) * width
            for k in range(0, width, LINE // other.itemsize):
                prefetch(other, places[j] + k)
            pairs[0, j] = excess[start + j]
            pairs[1, j] = 1 + pairs[0, j]
        for j in range(n, depth):
            places[j], pairs[0, j], pairs[1, j] = places[0], 0, 0
        for k in range(width):
            diagonal[k] = fixed[k] + weight
        for k in range(size):
            work[0, k] = rows[r, k]
        loss = descend(places[:depth], pairs, other, diagonal, n_steps, work)
        for k in range(size):
            own = np.float64(work[0, k])
            loss += own * (work[1, k] - weight * own)
            rows[r, k] = own
        losses[r] = loss
