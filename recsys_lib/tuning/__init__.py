"""Choosing parameters: by a search that sees no test part, written where the chapters read them.

>>> search = tuning.tune(models.ALS(), fold.development, n_trials=30)  # doctest: +SKIP
>>> model = models.ALS(**search.best_params)                           # doctest: +SKIP
>>> model = models.ALS(**tuning.load_params("ALS", data.name))              # doctest: +SKIP
"""

from recsys_lib.tuning.cli import command
from recsys_lib.tuning.finals import Decision, choose, confirm
from recsys_lib.tuning.sample import some_users
from recsys_lib.tuning.search import Search, tune
from recsys_lib.tuning.spaces import SPACES, Choice, Range, grid
from recsys_lib.tuning.tuned import load_params, provenance, record

__all__ = [
    "SPACES",
    "Choice",
    "Decision",
    "Range",
    "Search",
    "choose",
    "command",
    "confirm",
    "grid",
    "load_params",
    "provenance",
    "record",
    "some_users",
    "tune",
]
