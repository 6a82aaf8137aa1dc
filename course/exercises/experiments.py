"""Whether a reader's answer to an exercise on experiments is right; see `course.exercises`."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from scipy.stats import norm


def check_needed(users_needed: Callable[[float, float, float], float]) -> None:
    """Check how many users it takes where a share of them sees the treatment, for 80 % power."""
    for sigma, effect, share in ((0.4, 0.02, 0.5), (0.4, 0.02, 0.1), (0.7, 0.05, 0.95)):
        total = users_needed(sigma, effect, share)
        error = sigma * np.sqrt(1 / (share * total) + 1 / ((1 - share) * total))
        power = norm.cdf(effect / error - norm.isf(0.025))
        hint = f"with a share of {share}, {total} users give a power of {power:.0%}"
        assert abs(power - 0.8) < 0.005, hint
    print("Right.")


def check_bar(bar: float) -> None:
    """Check the p-value at which to stop at any of five looks, to err in 5 % of A/A tests."""
    steps = np.random.default_rng(99).standard_normal((200_000, 5))
    z = np.abs(steps.cumsum(axis=1)) / np.sqrt(np.arange(1, 6))
    stopped = (2 * norm.sf(z) < bar).any(axis=1).mean()
    assert stopped < 0.053, f"stops {stopped:.1%} of the experiments without effect"
    assert stopped > 0.047, f"stops only {stopped:.1%}; the bar may be larger"
    print("Right.")


def check_ips(ips: Callable[..., float]) -> None:
    """Check the IPS estimate, given rewards, the logged actions and both policies' probabilities.

    The policies are (n, n_actions), one row per visit.
    """
    rng = np.random.default_rng(5)
    logging, asked = rng.dirichlet(np.ones(4), (2, 300))
    actions, rewards = rng.integers(4, size=300), rng.random(300)
    rows = np.arange(300)
    right = np.mean(rewards * asked[rows, actions] / logging[rows, actions])
    found = ips(rewards, actions, logging, asked)
    assert np.isclose(found, right), f"{found:.3f} and not {right:.3f}: which policy is above?"
    print("Right.")
