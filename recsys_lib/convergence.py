"""Diagnostics of Markov chains: split R-hat and the effective sample size.

Draws are an array (n_chains, n_draws, ...): any number of quantities, each drawn by several chains
that started from different points. Both statistics split each chain in two, so that a chain that
has not settled is detected, and use the draws' normal scores, so that they are robust to heavy
tails. With fewer than `LEAST` draws per chain they are NaN.

References
----------
Vehtari, Gelman, Simpson, Carpenter & Bürkner 2021, Rank-normalization, folding, and localization:
an improved R-hat for assessing convergence of MCMC.
"""

import logging

import numpy as np
from scipy.special import ndtri
from scipy.stats import rankdata

from recsys_lib.errors import DataError

LEAST = 6
LARGEST = 1.1  # R-hat that still is agreement ...
CHANCE = 4.0  # ... and what independent draws have on top by chance, times their number a chain
EVERY = 20  # draws after which a warm-up is looked at
logger = logging.getLogger("recsys_lib")


def r_hat(draws: np.ndarray) -> np.ndarray:
    """Return R-hat of each quantity (...), float64: near 1 where the chains agree, else larger.

    It is the larger of two values: R-hat of the draws, and R-hat of their distances from the
    median, which detects chains that agree on the centre but not on the spread.
    """
    _check(draws)
    if draws.shape[1] < LEAST:
        return np.full(draws.shape[2:], np.nan)
    halves = _halves(draws)
    distances = np.abs(halves - np.median(halves, axis=(0, 1)))
    return np.maximum(_ratio(_scores(halves)), _ratio(_scores(distances)))


def effective_size(draws: np.ndarray) -> np.ndarray:
    """Return the effective sample size of each quantity (...), float64.

    It is the number of draws divided by τ = 1 + 2 Σ ρ_t, where ρ_t is the autocorrelation at lag t
    over all chains. The sum ends with Geyer's initial positive sequence, since later estimates of
    ρ_t are noise.
    """
    _check(draws)
    if draws.shape[1] < LEAST:
        return np.full(draws.shape[2:], np.nan)
    scores = _scores(_halves(draws))
    n_chains, n = scores.shape[:2]
    away = scores - scores.mean(axis=1, keepdims=True)
    lagged = [np.mean((away[:, t:] * away[:, : n - t]).sum(axis=1), axis=0) / n for t in range(n)]
    covariances = np.stack(lagged)
    within = covariances[0] * n / (n - 1)
    total = covariances[0] + scores.mean(axis=1).var(axis=0, ddof=1)
    rho = 1 - (within - covariances) / total
    rho[0] = 1
    # Sums of two neighbours are positive and fall. Of the first pair that is not, the first counts.
    n_pairs = (n - 1) // 2
    pairs = rho[: 2 * n_pairs : 2] + rho[1 : 2 * n_pairs : 2]
    kept = np.logical_and.accumulate(pairs[:-1] > 0, axis=0)
    falling = np.minimum.accumulate(pairs[:-1], axis=0)
    first = np.take_along_axis(rho[::2], kept.sum(axis=0)[None], axis=0)[0]
    tau = 2 * np.where(kept, falling, 0).sum(axis=0) - 1 + np.maximum(first, 0)
    return n_chains * n / np.maximum(tau, 1 / np.log10(n_chains * n))


def summary(draws: np.ndarray, noise: np.ndarray) -> dict[str, float]:
    """Return the entries of a training log that describe the chains: rhat, ess and so on.

    `draws` (n_chains, n_draws, n) are of n predictions. Some of many R-hats are large by chance, so
    rhat is their 90 % quantile, and ess is the median. `noise` (n_chains, n_draws) is of one
    quantity and gives rhat_noise and ess_noise.
    """
    ratios, sizes = r_hat(draws), effective_size(draws)
    return {
        "rhat": float(np.quantile(ratios, 0.9)),
        "ess": float(np.median(sizes)),
        "rhat_noise": float(r_hat(noise)),
        "ess_noise": float(effective_size(noise)),
    }


def settled(*traces: np.ndarray) -> bool:
    """Return whether a warm-up may end: in the last half of the draws so far, all parts agree.

    They do if no trace (n_chains, n_draws) has an R-hat there that `warn_of` would warn of; a trend
    makes that of one chain large. Looks are `EVERY` draws apart: one of many would pass by chance.
    """
    n_draws, half = traces[0].shape[1], traces[0].shape[1] // 2
    limit = LARGEST + CHANCE / max(half, 1)
    return n_draws % EVERY == 0 and all(r_hat(one[:, half:]) <= limit for one in traces)


def warn_of(row: dict[str, float], n_draws: int, model: str) -> None:
    """Log a warning if a `summary` of `n_draws` draws per chain says that the chains disagree."""
    worst = max(row["rhat"], row["rhat_noise"])
    if worst > LARGEST + CHANCE / n_draws:
        logger.warning(
            "the chains of this %s do not agree (R-hat is %.2f, where 1 is agreement): they have "
            "not settled, and its certainty is not to be trusted; raise n_burn",
            model, worst,
        )  # fmt: skip


def _check(draws: np.ndarray) -> None:
    """Raise `DataError` unless these are numbers (n_chains, n_draws, ...), or none at all."""
    known = isinstance(draws, np.ndarray) and draws.ndim > 1
    if not known or (draws.dtype.kind not in "iuf" and draws.size):
        kind = type(draws).__name__
        raise DataError(f"draws must be an array of numbers (n_chains, n_draws, ...), not a {kind}")


def _halves(draws: np.ndarray) -> np.ndarray:
    """Return each chain's first and last half as chains, without the middle one of an odd n."""
    half = draws.shape[1] // 2
    return np.concatenate([draws[:, :half], draws[:, -half:]])


def _scores(draws: np.ndarray) -> np.ndarray:
    """Return the normal scores of a quantity's ranks among all its draws."""
    flat = draws.reshape(-1, *draws.shape[2:])
    return ndtri((rankdata(flat, axis=0) - 3 / 8) / (len(flat) + 1 / 4)).reshape(draws.shape)


def _ratio(draws: np.ndarray) -> np.ndarray:
    """Return the root of the variance over all chains divided by that within them."""
    n = draws.shape[1]
    within = draws.var(axis=1, ddof=1).mean(axis=0)
    between = draws.mean(axis=1).var(axis=0, ddof=1)
    return np.sqrt((n - 1) / n + between / within)
