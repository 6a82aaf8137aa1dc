"""Choosing parameters: by a search that sees no test part, written where the chapters read them.

>>> search = tuning.tune(models.ALS(), split.development, n_trials=30)  # doctest: +SKIP
>>> model = models.ALS(**search.best_params)                            # doctest: +SKIP
>>> model = models.ALS(**tuning.load_params("ALS", data.name))          # doctest: +SKIP
"""

from recsys_lib.tuning.finals import Decision, choose, choose_within, confirm, some_users
from recsys_lib.tuning.search import Search, metric_of, tune
from recsys_lib.tuning.tuned import class_name, load_params, provenance, record

__all__ = [
    "Decision",
    "Search",
    "choose",
    "choose_within",
    "class_name",
    "confirm",
    "load_params",
    "metric_of",
    "provenance",
    "record",
    "some_users",
    "tune",
]
