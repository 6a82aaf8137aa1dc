"""One protocol for every model: parts by name and seed, and a test part that is read once.

>>> fold = protocols.folds(data, "80-20")[0]                           # doctest: +SKIP
>>> fold.development.train, fold.development.valid                     # doctest: +SKIP
>>> results = protocols.run(data, {"ALS": models.ALS()}, "5-fold")     # doctest: +SKIP
>>> results.summary()                                                  # doctest: +SKIP

Lists of likes have two protocols of their own, `watch` and `strangers`.
"""

from recsys_lib.protocols.contest import Contest, Entry, baselines, contest
from recsys_lib.protocols.likes import Ground, strangers, watch
from recsys_lib.protocols.parts import PROTOCOLS, Development, Exam, Fold, check, folds
from recsys_lib.protocols.runs import Results, run

__all__ = [
    "PROTOCOLS",
    "Contest",
    "Development",
    "Entry",
    "Exam",
    "Fold",
    "Ground",
    "Results",
    "baselines",
    "check",
    "contest",
    "folds",
    "run",
    "strangers",
    "watch",
]
