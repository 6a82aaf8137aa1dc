"""One protocol for every model: parts by name and seed, and a test part that is read once.

>>> fold = protocols.folds(data, "80-20")[0]                           # doctest: +SKIP
>>> fold.development.train, fold.development.valid                     # doctest: +SKIP
>>> results = protocols.run(data, {"ALS": models.ALS()}, "5-fold")     # doctest: +SKIP
>>> results.summary()                                                  # doctest: +SKIP
"""

from recsys_lib.protocols.parts import PROTOCOLS, Development, Exam, Fold, check, folds
from recsys_lib.protocols.runs import Results, run

__all__ = ["PROTOCOLS", "Development", "Exam", "Fold", "Results", "check", "folds", "run"]
