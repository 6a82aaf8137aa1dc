"""Implicit alternating least squares: every pair counts, yet only the observed ones are visited.

A pair that was observed has target 1 and confidence c, any other has target 0 and confidence 1.
With the other side fixed, a row x solves

    (Σ_all y yᵀ + Σ_observed (c - 1) y yᵀ + w I) x = Σ_observed c y,

w its penalty. The first sum is the same for all rows: one Gram matrix for a half step.
"""

import numpy as np
from numba import njit

from recsys_lib.kernels.als import AHEAD, PANEL, groups, workspace
from recsys_lib.kernels.linalg import FAST, LINE, add_gram, aligned, solve
from recsys_lib.kernels.threads import share
from recsys_lib.kernels.vectors import LANES, add, fma, load, prefetch, spread, store, zeros

CHUNKS = 256  # sums of a Gram matrix: a fixed number, so that no bit depends on the thread count


@njit(cache=True)
def gather(first, last, indices, other, panel):
    """Copy the rows of some pairs, which lie all over `other`, to the top of `panel`."""
    n_factors = other.shape[1]
    for j in range(last - first):
        later = other[indices[min(first + j + AHEAD, len(indices) - 1)]]
        for k in range(0, n_factors, LINE // other.itemsize):
            prefetch(later, k)
        row, factors = other[indices[first + j]], panel[j]
        for k in range(n_factors):
            factors[k] = row[k]


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
        gather(first, last, indices, other, panel)
        add_targets(panel, first, last, excess, targets, size, gram)
        add_gram(panel, last - first, size, gram)


@njit(cache=True, fastmath=FAST)
def set_up(grams, fixed, weights, a, rhs):
    """Deal LANES rows' sums out to their lanes, each with the Gram matrix that all share."""
    size = len(fixed)
    for k in range(size):
        for c in range(k + 1):
            for lane in range(LANES):
                a[k, c, lane] = fixed[k, c] + grams[lane, k, c]
        for lane in range(LANES):
            a[k, k, lane] += weights[lane]
            rhs[k, lane] = grams[lane, size, k]


@njit(cache=True)
def loss_of(confidence, weight, rhs, residual, x):
    """Return Σ c (target - score)² of a row at x, given r = rhs - A x: no pass over the pairs.

    It is Σ_observed c - 2 x·rhs + xᵀ(A - w I)x, and A x is rhs - r.
    """
    total = confidence
    for k in range(len(x)):
        own = np.float64(x[k])
        total -= own * (rhs[k] + residual[k] + weight * own)
    return total


@njit(cache=True)
def total_confidence(start, stop, excess):
    """Return Σ c over a row's observed pairs, in float64."""
    total = float(stop - start)
    for k in range(start, stop):
        total += excess[k]
    return total


@njit(cache=True, nogil=True)
def solve_rows(
    part, parts, indptr, indices, excess, order, other, fixed, penalties, rows, losses
):  # fmt: skip
    """Solve every `parts`-th group of LANES rows in `order`; lanes left over are nobody's."""
    size = len(fixed)
    panel, targets, grams, a, rhs, x = workspace(size + 1, other)
    weights, zero = np.ones(LANES, other.dtype), np.zeros(size, other.dtype)
    for first in range(part * LANES, len(order), parts * LANES):
        group = order[first : first + LANES]
        for lane, r in enumerate(group):
            start, stop, gram = indptr[r], indptr[r + 1], grams[lane]
            sum_products(start, stop, indices, excess, other, panel, targets, gram)
            weights[lane] = penalties[r]
        set_up(grams, fixed, weights, a, rhs)
        for k in range(size):
            for lane in range(LANES):
                x[k, lane] = rhs[k, lane]
        solve(a, size, x)
        for lane, r in enumerate(group):
            empty = indptr[r] == indptr[r + 1]
            for k in range(size):  # nothing observed: zero, whatever the system says
                rows[r, k] = 0 if empty else x[k, lane]
            confidence = total_confidence(indptr[r], indptr[r + 1], excess)
            left = loss_of(confidence, weights[lane], rhs[:, lane], zero, rows[r])
            losses[r] = 0.0 if empty else left


def half_step(indptr, indices, excess, order, other, fixed, penalties, rows, losses, n_steps=0):
    """Solve all rows of one side, given the other: one half of an epoch.

    It is exact, or takes `n_steps` of conjugate gradient from the rows as they are.

    As `als.half_step`, of rows without a bias: `excess` are c - 1 of the observed pairs, 0 or more;
    `fixed` (K, K) is the Gram matrix of `other` (n_other, K), from `gram_of`; `penalties` (n_rows,)
    are w. `rows` (n_rows, K) are overwritten by the solution, zero where nothing was observed,
    `losses` (n_rows,) float64 by each row's Σ c (target - score)² over all pairs.
    """
    task = indptr, indices, excess, order, other, fixed, penalties, rows, losses
    if n_steps:
        share(groups(order), descend_rows, n_steps, *task)
    else:
        share(groups(order), solve_rows, *task)


def gram_of(rows):
    """Return Σ y yᵀ over all rows (n, K), (K, K) float64: the same bits at any thread count."""
    n, size = rows.shape
    sums = np.zeros((min(CHUNKS, (n + PANEL - 1) // PANEL), size, size))
    share(len(sums), _add_panels, rows, sums)
    lower = sums.sum(axis=0)
    return lower + np.tril(lower, -1).T


@njit(cache=True, nogil=True)
def _add_panels(part, parts, rows, sums):
    """Fill every `parts`-th lower triangle of `sums` with Σ y yᵀ, panels dealt out in turn."""
    n, size = rows.shape
    panel, _, grams, _, _, _ = workspace(size + 1, rows)
    gram = grams[0]
    for chunk in range(part, len(sums), parts):
        gram[:] = 0
        for first in range(chunk * PANEL, n, len(sums) * PANEL):
            depth = min(PANEL, n - first)
            for j in range(depth):
                for k in range(size):
                    panel[j, k] = rows[first + j, k]
            add_gram(panel, depth, size, gram)
        for k in range(size):
            for c in range(k + 1):
                sums[chunk, k, c] = gram[k, c]


# --- conjugate gradient: a few products with A in place of a factorisation ------------------------


@njit(cache=True)
def multiply_by_system(panel, across, depth, excess, start, fixed, weight, x, scores, out):
    """Fill `out` with A x = (fixed + w I + Σ (c - 1) y yᵀ) x; A itself is never formed.

    `panel` holds the rows y and `across` its transpose: the scores y·x of LANES pairs are summed
    side by side from the one, what they contribute from the other.
    """
    size = len(fixed)
    for j in range(0, depth, LANES):
        total = zeros(x)
        for k in range(size):
            total = fma(spread(x, k), load(across[k], j), total)
        store(scores, j, total)
    for j in range(depth):
        scores[j] *= excess[start + j]
    for b in range(0, size, LANES):
        total = zeros(x)
        for k in range(size):
            total = fma(spread(x, k), load(fixed[k], b), total)
        for j in range(depth):
            total = fma(spread(scores, j), load(panel[j], b), total)
        store(out, b, total)
    for k in range(size):
        out[k] += weight * x[k]


@njit(cache=True, fastmath=FAST)
def descend(
    panel, across, depth, excess, start, fixed, weight, n_steps,
    x, rhs, residual, direction, ap, scores,
):  # fmt: skip
    """Move x by `n_steps` steps of conjugate gradient from where it is; `residual` follows."""
    size = len(fixed)
    rhs[:] = 0
    for j in range(depth):
        c = 1 + excess[start + j]
        for k in range(size):
            rhs[k] += c * panel[j, k]
    multiply_by_system(panel, across, depth, excess, start, fixed, weight, x, scores, ap)
    squares = 0.0
    for k in range(size):
        residual[k] = direction[k] = rhs[k] - ap[k]
        squares += residual[k] * residual[k]
    for _ in range(n_steps):
        if squares < 1e-20:  # there already: the next quotient would be 0 / 0
            break
        multiply_by_system(
            panel, across, depth, excess, start, fixed, weight, direction, scores, ap
        )
        curvature = 0.0
        for k in range(size):
            curvature += direction[k] * ap[k]
        length = squares / curvature
        before, squares = squares, 0.0
        for k in range(size):
            x[k] += length * direction[k]
            residual[k] -= length * ap[k]
            squares += residual[k] * residual[k]
        for k in range(size):
            direction[k] = residual[k] + squares / before * direction[k]


@njit(cache=True, nogil=True)
def descend_rows(
    part, parts, n_steps, indptr, indices, excess, order, other, fixed, penalties, rows, losses
):  # fmt: skip
    """Move every `parts`-th row in `order`, from `part` on.

    The rows y of a row's pairs are gathered once, and stay near for all the steps.
    """
    size = other.shape[1]
    width = (size + LANES - 1) // LANES * LANES
    wide = aligned(size, width, other)
    for k in range(size):
        for c in range(size):
            wide[k, c] = fixed[k, c]
    longest = indptr[order[part] + 1] - indptr[order[part]]  # rows come longest first
    panel = aligned(longest, width, other)
    across = aligned(size, (longest + LANES - 1) // LANES * LANES, other)
    scores = aligned(1, across.shape[1], other)[0]
    work = aligned(5, width, other)
    x, rhs, residual, direction, ap = work[0], work[1], work[2], work[3], work[4]
    for place in range(part, len(order), parts):
        r = order[place]
        start, stop = indptr[r], indptr[r + 1]
        gather(start, stop, indices, other, panel)
        for j in range(stop - start):
            for k in range(size):
                across[k, j] = panel[j, k]
        empty = start == stop
        for k in range(size):  # nothing observed: zero is the solution
            x[k] = 0 if empty else rows[r, k]
        descend(
            panel, across, stop - start, excess, start, wide, penalties[r], n_steps,
            x, rhs, residual, direction, ap, scores,
        )  # fmt: skip
        for k in range(size):
            rows[r, k] = x[k]
        confidence = total_confidence(start, stop, excess)
        losses[r] = loss_of(confidence, penalties[r], rhs, residual, rows[r])
