"""Choosing parameters: by a search that sees no test part, written where the chapters read them.

>>> search = tuning.tune(models.ALS(), split.development, n_trials=30)  # doctest: +SKIP
>>> model = models.ALS(**search.best_params)                            # doctest: +SKIP
>>> model = models.ALS(**tuning.load_params("ALS", data.name))          # doctest: +SKIP
"""

from recsys_lib.tuning.finals import Decision, choose, confirm, some_users
from recsys_lib.tuning.search import Search, default_metric, tune
from recsys_lib.tuning.tuned import class_name, load_params, provenance, record

__all__ = [
    "Decision",
    "Search",
    "choose",
    "class_name",
    "confirm",
    "default_metric",
    "load_params",
    "provenance",
    "record",
    "some_users",
    "tune",
]
