"""Choosing parameters: by a search that sees no test part, written where the chapters read them.

>>> search = tuning.tune(models.ALS(), split.development, n_trials=30)  # doctest: +SKIP
>>> model = models.ALS(**search.best_params)                            # doctest: +SKIP
>>> model = models.ALS(**tuning.load_params("ALS", data.name))          # doctest: +SKIP
"""

<<<<<<< HEAD
from recsys_lib.tuning.finals import Decision, choose, choose_within, confirm, some_users
from recsys_lib.tuning.search import Search, metric_of, tune
from recsys_lib.tuning.tuned import class_name, load_params, provenance, record
=======
from recsys_lib.tuning.cli import command
from recsys_lib.tuning.finals import (
    Decision,
    choose,
    choose_within,
    confirm,
    draw_users,
    some_users,
)
from recsys_lib.tuning.search import Search, metric_of, tune
from recsys_lib.tuning.tuned import load_params, provenance, record
>>>>>>> 20861792f3046e77fba2bb25b742c3504c680b23

__all__ = [
    "Decision",
    "Search",
    "choose",
    "choose_within",
<<<<<<< HEAD
    "class_name",
=======
    "choose_within",
    "command",
>>>>>>> 20861792f3046e77fba2bb25b742c3504c680b23
    "confirm",
    "metric_of",
    "load_params",
    "provenance",
    "record",
    "some_users",
    "tune",
]
