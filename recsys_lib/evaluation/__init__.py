"""How good a model is, and how sure that is: measuring, comparing, and what to measure on.

>>> split = evaluation.folds(data, "80-20")[0]                         # doctest: +SKIP
>>> model = split.development.fit(models.ALS())                        # doctest: +SKIP
>>> split.development.measure(model, ["rmse"])                         # doctest: +SKIP
>>> split.test("ALS", split.fit(models.ALS()))                         # doctest: +SKIP

Lists of likes have two protocols of their own, `fully_observed` and `user_holdout`.
"""

from recsys_lib.evaluation.evaluate import (
    DEFAULT_METRICS,
    OF_HITS,
    OF_RATINGS,
    evaluate,
    parse_metric,
    possible,
)
from recsys_lib.evaluation.protocols import (
    PROTOCOLS,
    Development,
    Split,
    check_protocol,
    folds,
    fully_observed,
    iterate_folds,
    user_holdout,
)
from recsys_lib.evaluation.report import (
    SMALLER_IS_BETTER,
    Paired,
    Report,
    bootstrap_interval,
    compare,
    paired,
)

__all__ = [
    "DEFAULT_METRICS",
    "OF_HITS",
    "OF_RATINGS",
    "PROTOCOLS",
    "SMALLER_IS_BETTER",
    "Development",
    "Paired",
    "Report",
    "Split",
    "bootstrap_interval",
    "check_protocol",
    "compare",
    "evaluate",
    "folds",
    "fully_observed",
    "iterate_folds",
    "paired",
    "parse_metric",
    "possible",
    "user_holdout",
]
