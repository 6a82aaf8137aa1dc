"""myFM (Ohtsuki): factorisation machines, drawn by Gibbs sampling as `BayesianALS` is.

It gets the features that ours reads: the user, the item, who rated what on both sides, 1/√n for
each of n, and the items' genres and years where the data have them. Each kind has a prior of its
own. The noise is the same for all users. The variant "probit" takes a rating for one of the steps
of the scale: the thresholds between them are drawn, too, and the mean of the steps is predicted.
"""

import time
from typing import Any

import numpy as np

from benchmarks.worker import BURN, Job, ready, serve, tell


def bayes(job: Job) -> None:
    """Seconds per draw, and the RMSE of the mean of all draws but the first `BURN`."""
    from myfm import MyFMOrderedProbit, MyFMRegressor, RelationBlock
    from scipy.sparse import csr_matrix, hstack

    probit = job.variant == "probit"
    noise = "thresholds between steps" if probit else "one noise for all"
    tell(rule=f"{noise}, {BURN} draws left out", metric="rmse")
    n_users, n_items = job.shape
    tables = described(job, "user", n_items), described(job, "item", n_users)
    kinds = job.load("features_kinds").tolist() if job.described else []
    if job.described:
        indptr, columns, shares = job.csr("features")
        told = csr_matrix((shares, columns, indptr), (n_items, sum(kinds)))
        tables = tables[0], hstack([tables[1], told], format="csr")

    def blocks(part: str) -> tuple[list[Any], np.ndarray]:
        users, items, values = job.triples(part)
        return [RelationBlock(*side) for side in zip((users, items), tables, strict=True)], values

    moments = []

    def after(*_: Any) -> tuple[bool, None]:
        moments.append(time.perf_counter())
        return job.exhausted(), None

    train, values = blocks("user")
    model = (MyFMOrderedProbit if probit else MyFMRegressor)(job.k, random_seed=0)
    steps, level = np.unique(values, return_inverse=True)
    target, n_kept = level if probit else values, job.epochs - BURN
    ready()
    moments.append(time.perf_counter())
    model.fit(
        None, target, train, n_iter=job.epochs, n_kept_samples=n_kept,
        group_shapes=[n_users, n_items, n_items, n_users, *kinds], callback=after,
    )  # fmt: skip
    test, stars = blocks("test")
    if probit:
        guess = model.predict_proba(None, test) @ steps
    else:
        guess = model.predict(None, test).clip(values.min(), values.max())
    errors = [None] * (len(moments) - 2) + [float(np.sqrt(np.square(guess - stars).mean()))]
    for epoch, (seconds, error) in enumerate(zip(np.diff(moments), errors, strict=True), 1):
        tell(epoch=epoch, seconds=float(seconds), rmse=error)


def described(job: Job, side: str, n_others: int) -> Any:
    """Return the features of the users or of the items, a sparse row each."""
    from scipy.sparse import csr_matrix, hstack, identity

    indptr, others, _ = job.csr(side)
    counts = np.diff(indptr)
    shares = np.repeat(1 / np.sqrt(np.maximum(counts, 1)), counts)
    rated = csr_matrix((shares, others, indptr), (len(counts), n_others))
    return hstack([identity(len(counts)), rated], format="csr")


if __name__ == "__main__":
    serve(bayes=bayes)
