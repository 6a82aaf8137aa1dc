"""The leaderboard: who takes part, beside published numbers, and against the truth."""

from course.leaderboard.curve import learning_curve
from course.leaderboard.literature import beside, published, published_page
from course.leaderboard.oracle import Oracle
from course.leaderboard.table import (
    ACCURACY,
    COSTS,
    METRICS,
    REACH,
    baselines,
    best,
    contestants,
    page,
    some_users,
)

__all__ = [
    "ACCURACY",
    "COSTS",
    "METRICS",
    "REACH",
    "Oracle",
    "baselines",
    "beside",
    "best",
    "contestants",
    "learning_curve",
    "page",
    "published",
    "published_page",
    "some_users",
]
