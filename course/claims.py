"""Claims: the conclusions of a chapter, each with the evidence that decides it.

A claim says that a number lies above a level, below one, or between two. Its verdict follows from
the number's confidence interval: the claim holds where the whole interval lies in that range, it
does not hold here where the whole interval lies outside, and else these data do not decide it. The
intervals of a chapter cover all true values at once with a probability of 95% (Bonferroni), and
nothing is decided by fewer than 100 observations (5 seeds or splits).
"""

import json
import math
import os
import warnings
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from scipy import stats

from recsys_lib.errors import RecsysError

LEVEL = 0.95
FEWEST = {"seeds": 5, "splits": 5}  # of anything else: 100
LEDGER = "../book/appendix/claims.html"  # from a chapter's page
HOLDS, OPEN, FAILS = "holds", "not decided by these data", "does not hold here"


@dataclass
class Verdict:
    """What became of one claim."""

    key: str  # one in the whole course
    statement: str
    verdict: str  # `HOLDS`, `OPEN` or `FAILS`
    evidence: str  # the estimate with its interval and n
    must: tuple[str, ...] = ()  # data sets on which it has to hold in the reference builds
    teaches: str = ""  # shown in the ledger where the data sets disagree

    def __repr__(self) -> str:
        return f"{self.verdict} ({self.evidence})"

    def _repr_html_(self) -> str:  # in JupyterLab
        return f"<em>{self!r}</em>"

    def _repr_markdown_(self) -> str:  # in the book: to the ledger, which links to the first place
        place = "" if "_shown" in vars(self) else f' id="{self.key}"'
        vars(self)["_shown"] = True
        return f'<a class="verdict"{place} href="{LEDGER}#{self.key}">{self!r}</a>'


class Claims:
    """The claims of a chapter, each decided when it is made, and then found by its key.

    In a Markdown cell, ``{eval}`claims["key"]` `` writes out the verdict. `chapter` is a name, `of`
    the number of its claims, which are all looked at together.

    Every method takes the claim's key, its statement, its evidence and one of ``above=level``,
    ``below=level`` or ``within=(low, high)``, the range in which the number is said to lie. Options
    are `must` and `teaches`, as in `Verdict`; `over`, what was counted ("users"); `form`, the
    format of the numbers, such as ".1%"; and `bounds`, the least and the largest that the number
    can be: the interval ends there, and covers the truth as often. `RecsysError` is raised for more
    claims than `of` and for a key used twice.
    """

    def __init__(self, chapter: str, of: int) -> None:
        self.chapter, self.of = chapter, of
        self.alpha = (1 - LEVEL) / of  # the probability that one interval may miss the truth
        self.made: dict[str, Verdict] = {}
        self._write()

    def __getitem__(self, key: str) -> Verdict:
        return self.made[key]

    def mean(self, key: str, statement: str, values: Any, **claim: Any) -> Verdict:
        """Claim something of the mean of independent `values` (n,), by the t distribution.

        Give the users' differences between two models for a paired comparison, or one value per
        seed with ``over="seeds"``. NaN is left out.
        """
        x = _finite(values)
        return self._decide(key, statement, _mean(x), self._t(x, 1), len(x), **claim)

    def splits(
        self, key: str, statement: str, values: Any, test_to_train: float, **claim: Any
    ) -> Verdict:
        """Claim something of the mean of `values` (n,), one per random split of the same ratings.

        The training parts overlap, so the values are not independent; the variance of the mean is
        corrected for it by the ratio `test_to_train` of the parts' sizes (Nadeau & Bengio 2003, doi
        10.1023/A:1024068626366).
        """
        x = _finite(values)
        ends = self._t(x, 1 + len(x) * test_to_train)
        return self._decide(key, statement, _mean(x), ends, len(x), **{"over": "splits", **claim})

    def share(self, key: str, statement: str, hits: Any, **claim: Any) -> Verdict:
        """Claim something of the share of True in independent `hits` (n,), by Wilson's interval."""
        x = np.asarray(hits, bool)
        found = stats.binomtest(x.sum(), max(len(x), 1)).proportion_ci(1 - self.alpha, "wilson")
        ends = found.low, found.high
        return self._decide(key, statement, _mean(x), ends, len(x), **{"form": ".1%", **claim})

    def trend(self, key: str, statement: str, x: Any, y: Any, **claim: Any) -> Verdict:
        """Claim something of a monotone trend: the rank correlation of `x` and `y`, -1 to 1.

        Both are (n,): Spearman's coefficient over n observations, its interval by Fisher's z with
        the variance of Bonett & Wright (2000). Or `x` is (k,) and `y` (n, k), one curve per seed
        or user: the mean of the curves' coefficients.
        """
        if np.ndim(y) == 2:
            curves = [_rank_correlation(x, curve) for curve in y]
            return self.mean(key, statement, curves, bounds=(-1, 1), **claim)
        n, r = len(y), _rank_correlation(x, y)
        reach = stats.norm.ppf(1 - self.alpha / 2) * math.sqrt((1 + r**2 / 2) / max(n - 3, 1))
        z = math.atanh(min(max(r, -1 + 1e-12), 1 - 1e-12))
        ends = math.tanh(z - reach), math.tanh(z + reach)
        return self._decide(key, statement, r, ends, n, **claim)

    def statistic(
        self, key: str, statement: str, function: Callable[..., float], *samples: Any, **claim: Any
    ) -> Verdict:
        """Claim something of ``function(*samples)``, by a bootstrap of the samples (n,) in step."""
        data = tuple(np.asarray(sample) for sample in samples)
        n = len(data[0])
        if n < 2:
            return self._decide(key, statement, math.nan, (math.nan, math.nan), n, **claim)
        # Resamples enough that thirty lie beyond each end.
        found = stats.bootstrap(
            data, function, paired=True, vectorized=False, method="percentile", rng=0,
            n_resamples=math.ceil(60 / self.alpha), batch=100, confidence_level=1 - self.alpha,
        )  # fmt: skip
        return self._decide(key, statement, function(*data), found.confidence_interval, n, **claim)

    def agree(
        self, key: str, statement: str, a: Any, b: Any, within: float, **claim: Any
    ) -> Verdict:
        """Claim that two arrays are equal, each element within a tolerance: nothing is random."""
        apart = float(np.abs(np.subtract(a, b, dtype=float)).max())
        text = f"largest difference {apart:.1g}, tolerance {within:.2g}, n = {np.size(a):,}"
        text = text.replace("e-", "e−")  # a line may end after a hyphen
        claim.setdefault("must", ("synthetic", "ml-latest-small"))
        verdict = HOLDS if apart <= within else FAILS
        return self._make(Verdict(key, statement, verdict, text, **claim))

    def _t(self, x: np.ndarray, inflation: float) -> tuple[float, float]:
        """Return the ends of the mean's interval, its variance times `inflation`."""
        if len(x) < 2:
            return -math.inf, math.inf
        error = x.std(ddof=1) * math.sqrt(inflation / len(x))
        reach = float(stats.t.ppf(1 - self.alpha / 2, len(x) - 1) * error)
        return x.mean() - reach, x.mean() + reach

    def _decide(
        self, key: str, statement: str, found: float, ends: Any, n: int, **claim: Any
    ) -> Verdict:
        """Compare an interval with the range that the claim names."""
        over, form = claim.pop("over", "users"), claim.pop("form", "")
        names = ("above", "below", "within")
        given = {name: claim.pop(name) for name in names if name in claim}
        if len(given) != 1:
            raise RecsysError(f"{key}: give one of above=, below= and within=")
        one_sided = given.get("above", -math.inf), given.get("below", math.inf)
        least, most = given.get("within", one_sided)
        low, high = np.clip(ends, *claim.pop("bounds", (-math.inf, math.inf))).tolist()
        verdict = OPEN
        if n >= FEWEST.get(over, 100) and least < low and high < most:
            verdict = HOLDS
        elif n >= FEWEST.get(over, 100) and (high <= least or low >= most):
            verdict = FAILS
        width = high - low  # of which two digits are shown
        digits = 1 - math.floor(math.log10(width)) if 0 < width < math.inf else 3
        form = form or f".{min(max(digits, 0), 8)}f"
        numbers = [f"{number:z{form}}".replace("-", "−") for number in (found, low, high)]
        text = "{}, 95% {} to {}".format(*numbers) if found == found else "no number"
        text += f", n = {n:,}" + f" {over}" * (over != "users")
        return self._make(Verdict(key, statement, verdict, text, **claim))

    def _make(self, verdict: Verdict) -> Verdict:
        if verdict.key in self.made:
            raise RecsysError(f"{self.chapter} has two claims named {verdict.key!r}")
        if len(self.made) == self.of:
            raise RecsysError(f"{self.chapter} makes more than {self.of} claims: raise `of`")
        verdict.evidence = verdict.evidence.replace("n = ", "n\N{NBSP}=\N{NBSP}")  # in one line
        self.made[verdict.key] = verdict
        self._write()
        return verdict

    def _write(self) -> None:
        """Write the claims where the builder reads them; outside of the builder, nowhere."""
        if path := os.environ.get("RECSYS_CLAIMS"):
            text = json.dumps([asdict(verdict) for verdict in self.made.values()])
            Path(path).write_text(text, "utf-8")


def _finite(values: Any) -> np.ndarray:
    x = np.asarray(values, float).ravel()
    return x[np.isfinite(x)]


def _rank_correlation(x: Any, y: Any) -> float:
    with warnings.catch_warnings(action="ignore"):  # NaN for too few values, or all alike
        return float(stats.spearmanr(x, y).statistic)


def _mean(x: np.ndarray) -> float:
    return float(x.mean()) if len(x) else math.nan
