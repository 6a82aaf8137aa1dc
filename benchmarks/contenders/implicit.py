"""implicit (Ben Frederickson): ALS for implicit feedback, BPR, and the batch `recommend`.

Its ALS knows no explicit ratings: it takes them as confidences, so an epoch costs what it costs and
an RMSE has no meaning. As its documentation asks, BLAS keeps to one thread and it to `num_threads`.
"""

import time
from typing import Any

import numpy as np
from scipy.sparse import csr_matrix

from benchmarks.worker import ALPHA, Job, first_factors, ready, serve, tell

BATCH = 1000  # users in a call of `recommend`: what the library's own examples take


def matrix(job: Job) -> csr_matrix:
    """Return the training part as implicit takes it."""
    indptr, indices, values = job.csr("user")
    return csr_matrix((values, indices, indptr), shape=job.shape)


def follow(job: Job, model: Any, ratings: csr_matrix, measured: bool = True) -> None:
    """Fit a model; tell each epoch's seconds and, where they are `measured`, the factors."""

    def after(epoch: int, seconds: float, *counts: int | None) -> None:
        if epoch == 0:  # its transposition of the matrix came before the first epoch
            tell(setup_s=job.spent() - seconds)
        if len(counts) == 2:  # of BPR's samples, right ones and those whose negative was rated
            tell(skipped_share=counts[1] / ratings.nnz)
        factors = (model.user_factors, model.item_factors) if measured else ()
        job.epoch(epoch + 1, seconds, *factors)

    model.fit(ratings, show_progress=False, callback=after)


def als(job: Job) -> None:
    """Seconds per epoch of conjugate gradient (3 steps, its default) or of Cholesky."""
    tell(rule="confidence = rating; regularization=0.01, its default", metric=None)
    follow(job, als_model(job), matrix(job), measured=False)


def implicit_als(job: Job) -> None:
    """Seconds per epoch on likes, at the same confidences and penalty as ours; the factors."""
    tell(rule=f"confidence 1 + {ALPHA:g}, regularization={job.penalty:g}", metric="ndcg")
    likes = matrix(job)
    likes.data[:] = 1 + ALPHA  # it takes what the matrix holds for the confidence itself
    model = als_model(job, regularization=job.penalty, alpha=1.0)
    model.item_factors = first_factors(job.shape[1], job.k)
    model.user_factors = np.zeros((job.shape[0], job.k), np.float32)
    follow(job, model, likes)


def als_model(job: Job, **options: float) -> Any:
    """Return its model of implicit feedback."""
    from implicit.cpu.als import AlternatingLeastSquares

    return AlternatingLeastSquares(
        factors=job.k,
        use_cg=job.variant == "cg",
        iterations=job.epochs,
        num_threads=job.threads,
        random_state=0,
        **options,
    )


def bpr(job: Job) -> None:
    """Seconds per epoch of as many samples as there are ratings; the factors, for the AUC."""
    from implicit.cpu.bpr import BayesianPersonalizedRanking

    tell(rule="learning_rate=0.05, regularization=0.01, verified negatives", metric="auc")
    model = BayesianPersonalizedRanking(
        factors=job.k,
        learning_rate=0.05,
        regularization=0.01,
        iterations=job.epochs,
        num_threads=job.threads,
        verify_negative_samples=True,
        random_state=0,
    )
    follow(job, model, matrix(job))


def topn(job: Job) -> None:
    """Users a second: each one's ten best items less those already rated."""
    model = als_model(job)
    rng = np.random.default_rng(0)
    n_users, n_items = job.shape
    model.user_factors = rng.standard_normal((n_users, job.k), np.float32)
    model.item_factors = rng.standard_normal((n_items, job.k), np.float32)
    seen = matrix(job)
    model.recommend(np.arange(2), seen[:2], N=10)
    ready()
    began, done = time.perf_counter(), 0
    while done < n_users and not job.exhausted():
        users = np.arange(done, min(done + BATCH, n_users))
        model.recommend(users, seen[users], N=10, filter_already_liked_items=True)
        done += len(users)
    tell(users=done, users_per_s=done / (time.perf_counter() - began))


if __name__ == "__main__":
    serve(als=als, bpr=bpr, topn=topn, **{"implicit-als": implicit_als})
