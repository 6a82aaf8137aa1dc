"""The checkers of the exercises on experiments: they let right answers pass, and no others."""

import numpy as np
import pytest
from statsmodels.stats.power import NormalIndPower

from course.exercises import experiments as exercises


def needed(sigma, effect, share):
    how = {"alpha": 0.05, "power": 0.8, "ratio": (1 - share) / share}
    return NormalIndPower().solve_power(effect / sigma, **how) / share


def ips(rewards, actions, logging, new):
    return (rewards * (new / logging)[np.arange(len(actions)), actions]).mean()


@pytest.mark.parametrize(
    ("check", "right", "wrong", "hint"),
    [
        (exercises.check_needed, needed, lambda s, e, _: needed(s, e, 0.5), "share of 0.1"),
        (exercises.check_bar, 0.0158, 0.05, "stops 1"),  # Pocock 1977, table 1
        (exercises.check_bar, 0.0158, 0.01, "stops only"),
        (exercises.check_ips, ips, lambda r, a, old, new: ips(r, a, new, old), "which policy"),
    ],
)
def test_right_answers_pass_and_wrong_ones_get_a_hint(check, right, wrong, hint):
    check(right)
    with pytest.raises(AssertionError, match=hint):
        check(wrong)
