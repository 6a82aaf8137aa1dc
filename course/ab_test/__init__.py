"""Experiments on simulated people: who sees which list, what comes of it, and how sure that is.

`audience` knows what people would truly enjoy and lets them visit; `assignment` deals them arms;
`effects` compares two arms once, at the planned end; `sequential` compares them again and again,
and replays an experiment with other draws of the arms to measure how often a rule is wrong.
"""

from course.ab_test.assignment import assign
from course.ab_test.effects import (
    Effect,
    compare_users,
    compare_visits,
    deviation,
    power,
    sample_size,
    srm_test,
)
from course.ab_test.sequential import (
    Replays,
    always_valid_p,
    confidence_sequence,
    peek,
    replay,
)
from course.ab_test.simulated_users import LIST, SimulatedUsers, conversion

__all__ = [
    "LIST",
    "Effect",
    "Replays",
    "SimulatedUsers",
    "always_valid_p",
    "assign",
    "compare_users",
    "compare_visits",
    "confidence_sequence",
    "conversion",
    "deviation",
    "peek",
    "power",
    "replay",
    "sample_size",
    "srm_test",
]
