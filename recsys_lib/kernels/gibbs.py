"""Gibbs sampling of factors and biases: the row solve of alternating least squares, plus noise.

With the other side fixed, z = [q_i; 1] and y = r - mu - b_i, a user's row has the distribution

    x ~ N(A⁻¹ rhs, A⁻¹),    A = Σ α z zᵀ + Λ,    rhs = Σ α z y + Λ m,

where α is the precision of a rating's noise and N(m, Λ⁻¹) the prior of the rows. With A = L Lᵀ a
draw is A⁻¹ rhs + L⁻ᵀ ε, ε ~ N(0, I): one substitution more than least squares.
"""

import math

import numpy as np
from numba import njit

from recsys_lib.kernels.als import groups, sum_products, workspace
from recsys_lib.kernels.linalg import FAST, backward, solve
from recsys_lib.kernels.threads import PAIRS, in_parts
from recsys_lib.kernels.vectors import LANES


@njit(cache=True, fastmath=FAST)
def set_up(gram, own, Lambda, m, a, rhs, lane):
    """Write one row's system into its lane: A = Σ α z zᵀ + Λ, and Σ α z y + Λ m."""
    size = len(m)
    for k in range(size):
        rhs[k, lane] = own * gram[size, k]
        for c in range(size):
            rhs[k, lane] += Lambda[k, c] * m[c]
        for c in range(k + 1):
            a[k, c, lane] = own * gram[k, c] + Lambda[k, c]


@in_parts(lambda indptr, indices, values, order, *_: groups(order))
def draw_rows(
    part, parts, indptr, indices, values, order,
    other, mu, own, others, Lambda, prior, noise, rows, means,
):  # fmt: skip
    """Draw all rows of one side, given the other; what is not told here: see `als.half_step`.

    `own` (n_rows,) is the precision of the noise in a row's ratings, or (1,) for all; `others`
    (n_other,) is the same by the other side, for rows whose ratings differ in precision, else (1,)
    of 1: a rating's precision is the product of the two. `Lambda` (K + 1, K + 1) is the prior
    precision of the rows; `noise` (n_rows, K + 1), or one row for all, are standard normal draws ε.
    `rows` and `means` (n_rows, K + 1) are overwritten by the draws, and by their means A⁻¹ rhs.
    """
    size = other.shape[1]
    panel, targets, grams, a, x, away = workspace(size, other)
    for first in range(part * LANES, len(order), parts * LANES):
        group = order[first : first + LANES]
        for lane, r in enumerate(group):
            sum_products(
                indptr[r], indptr[r + 1], indices, values, other, mu, others,
                panel, targets, grams[lane],
            )  # fmt: skip
            precision, m = own[min(r, len(own) - 1)], prior[min(r, len(prior) - 1)]
            set_up(grams[lane], precision, Lambda, m, a, x, lane)
            for k in range(size):
                away[k, lane] = noise[min(r, len(noise) - 1), k]
        solve(a, size, x)
        backward(a, size, away)
        for lane, r in enumerate(group):
            for k in range(size):
                means[r, k] = x[k, lane]
                rows[r, k] = x[k, lane] + away[k, lane]


@njit(cache=True)
def draw_weights(indptr, rows, values, w, noise, weights, left):
    """Draw each feature's weights given the rows that have it and all other weights, in turn.

    In each column k the rows are their means Σ_j F_rj g_jk plus noise of precision w_k, and g_jk is
    N(0, 1), so that g_jk is N(t / a, 1 / a), a = 1 + w_k Σ_r F_rj², t = w_k Σ_r F_rj times what the
    other features leave of row r. A turn takes two additions per value and forms no matrix of
    features by features: there may be as many features as users or items.

    `indptr`, `rows` and `values` are F by columns, one per feature; `w` is (K + 1,); `noise`
    (n_features, K + 1) are standard normal draws. Overwritten are `weights` (n_features, K + 1), g,
    by the draws, and `left` (n_rows, K + 1), what all features leave of the rows.
    """
    step = np.empty(len(w), weights.dtype)
    for j in range(len(weights)):
        step[:] = 0
        squares = np.float32(0)
        for e in range(indptr[j], indptr[j + 1]):
            squares += values[e] * values[e]
            for k in range(len(w)):
                step[k] += values[e] * left[rows[e], k]
        for k in range(len(w)):
            a = 1 + squares * w[k]
            mean = w[k] * (step[k] + squares * weights[j, k]) / a
            step[k] = mean + noise[j, k] / math.sqrt(a) - weights[j, k]
            weights[j, k] += step[k]
        for e in range(indptr[j], indptr[j + 1]):
            for k in range(len(w)):
                left[rows[e], k] -= values[e] * step[k]


@njit(cache=True, fastmath=FAST)
def score(p, q):
    """Return b_u + b_i + p_u·q_i of two rows."""
    n_factors = len(p) - 1
    total = p[n_factors] + q[n_factors]
    for k in range(n_factors):
        total += p[k] * q[k]
    return total


@in_parts(lambda indptr, indices, values, *_: len(values) // PAIRS + 1)
def squared_residuals(part, parts, indptr, indices, values, rows, other, mu, out):
    """Fill `out` (n_rows,) float64 with each row's Σ (r - mu - b_u - b_i - p_u·q_i)²."""
    for r in range(part, len(out), parts):
        total = 0.0
        for j in range(indptr[r], indptr[r + 1]):
            residual = values[j] - mu - score(rows[r], other[indices[j]])
            total += residual * residual
        out[r] = total


@in_parts(lambda draws, _, mu, users, *__: len(users) * draws.shape[1] // PAIRS + 1)
def predict_draws(part, parts, user_draws, item_draws, mu, users, items, mean, variance):
    """Fill `mean` and `variance` (n,) over the draws of each pair's predicted rating.

    `user_draws` and `item_draws` are (n_users, S, K + 1) and (n_items, S, K + 1).
    """
    n, n_draws = len(users), user_draws.shape[1]
    for k in range(n * part // parts, n * (part + 1) // parts):
        total = squares = 0.0
        for s in range(n_draws):
            drawn = score(user_draws[users[k], s], item_draws[items[k], s])
            total += drawn
            squares += drawn * drawn
        mean[k] = mu + total / n_draws
        variance[k] = max(squares / n_draws - (total / n_draws) ** 2, 0.0)


@njit(cache=True, error_model="numpy")
def below(x, centres, scales):
    """Return the share of a mixture of normal distributions that lies below x, and its density.

    `centres` and `scales`, 1 / (σ √2), are those of the distributions.
    """
    share = density = 0.0
    for s in range(len(centres)):
        z = (x - centres[s]) * scales[s]
        share += math.erfc(-z)
        density += scales[s] * math.exp(-z * z)
    return share / (2 * len(centres)), density / (math.sqrt(math.pi) * len(centres))


@njit(cache=True, error_model="numpy")
def quantile(share, centres, scales, mean, spread, z):
    """Return the value below which that share lies, by Newton's method.

    It starts `z` times the `spread` above the `mean` of the mixture. A step that leaves the bracket
    halves it instead; by Cantelli's inequality, the value is in the first one.
    """
    reach = spread / math.sqrt(min(share, 1 - share))
    bottom, top, x = mean - reach, mean + reach, mean + z * spread
    for _ in range(100):
        found, slope = below(x, centres, scales)
        if found < share:
            bottom = x
        else:
            top = x
        last, x = x, x + (share - found) / slope
        if not bottom < x < top:
            x = (bottom + top) / 2
        if abs(x - last) <= 1e-6 * spread:
            break
    return x


@in_parts(lambda draws, _, mu, noise, users, *__: 20 * len(users) * draws.shape[1] // PAIRS + 1)
def intervals(
    part, parts, user_draws, item_draws, mu, variances, users, items, level, bottom, top, low, high
):  # fmt: skip
    """Fill `low` and `high` (n,) with the quantiles that have a share `level` between them.

    They are of the mixture of all draws' normal distributions, clipped to `bottom` and `top`;
    `variances` (n_users, S) are those of the noise.
    """
    n, n_draws = len(users), user_draws.shape[1]
    centres, scales = np.empty(n_draws), np.empty(n_draws)
    z = quantile((1 + level) / 2, np.zeros(1), np.full(1, math.sqrt(0.5)), 0.0, 1.0, 0.0)
    for k in range(n * part // parts, n * (part + 1) // parts):
        noise = 0.0
        for s in range(n_draws):
            centres[s] = mu + score(user_draws[users[k], s], item_draws[items[k], s])
            own = max(variances[users[k], s], 1e-30)  # a file may say 0
            scales[s] = 1 / math.sqrt(2 * own)
            noise += own
        mean, spread = centres.mean(), math.sqrt(centres.var() + noise / n_draws)
        for sign, ends in ((-1, low), (1, high)):
            share = (1 + sign * level) / 2
            found = quantile(share, centres, scales, mean, spread, sign * z)
            ends[k] = min(max(found, bottom), top)
