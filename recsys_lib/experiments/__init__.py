"""Experiments on simulated people: who sees which list, what comes of it, and how sure that is.

`audience` knows what people would truly enjoy and lets them visit; `assignment` deals them arms;
`effects` compares two arms once, at the planned end; `sequential` compares them again and again,
and replays an experiment with other draws of the arms to measure how often a rule is wrong.
"""

from recsys_lib.experiments.assignment import assign
from recsys_lib.experiments.audience import LIST, Audience, conversion
from recsys_lib.experiments.effects import (
    Effect,
    compare_users,
    compare_visits,
    deviation,
    power,
    sample_ratio,
    sample_size,
)
from recsys_lib.experiments.sequential import (
    Replays,
    always_valid_margin,
    always_valid_p,
    peek,
    replay,
)

__all__ = [
    "LIST",
    "Audience",
    "Effect",
    "Replays",
    "always_valid_margin",
    "always_valid_p",
    "assign",
    "compare_users",
    "compare_visits",
    "conversion",
    "deviation",
    "peek",
    "power",
    "replay",
    "sample_ratio",
    "sample_size",
]
