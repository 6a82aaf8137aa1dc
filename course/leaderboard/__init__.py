"""Every model side by side: on one protocol, beside published numbers, and against the truth."""

from course.leaderboard.curve import Curve, best_of_form, learning_curve
from course.leaderboard.literature import beside, published, published_page
from course.leaderboard.oracle import Oracle
from course.leaderboard.table import (
    ACCURACY,
    COSTS,
    METRICS,
    REACH,
    against_best,
    best,
    board,
    contestants,
    page,
    pooled,
    reachable,
    some_users,
)

__all__ = [
    "ACCURACY",
    "COSTS",
    "METRICS",
    "REACH",
    "Curve",
    "Oracle",
    "against_best",
    "beside",
    "best",
    "best_of_form",
    "board",
    "contestants",
    "learning_curve",
    "page",
    "pooled",
    "published",
    "published_page",
    "reachable",
    "some_users",
]
