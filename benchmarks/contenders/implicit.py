"""implicit (Ben Frederickson): ALS for implicit feedback, BPR, and the batch `recommend`.

Its ALS knows no explicit ratings: it takes them as confidences, so an epoch costs what it costs and
an RMSE has no meaning. As its documentation asks, BLAS keeps to one thread and it to `num_threads`.
"""

import contextlib
import time

import numpy as np
from scipy.sparse import csr_matrix

from benchmarks.worker import (
    ALPHA,
    Enough,
    Job,
    factor_files,
    first_factors,
    ready,
    serve,
    tell,
)

BATCH = 1000  # users in a call of `recommend`: what the library's own examples take


def matrix(job: Job) -> csr_matrix:
    """Return the training part as implicit takes it."""
    indptr, indices, values = job.csr("user")
    return csr_matrix((values, indices, indptr), shape=job.shape)


def als(job: Job) -> None:
    """Seconds per epoch of conjugate gradient (3 steps, its default) or of Cholesky."""
    from implicit.cpu.als import AlternatingLeastSquares

    tell(rule="confidence = rating; regularization=0.01, its default", metric=None)
    model = AlternatingLeastSquares(
        factors=job.k,
        use_cg=job.variant == "cg",
        iterations=job.epochs,
        num_threads=job.threads,
        random_state=0,
    )

    def after(epoch: int, seconds: float, loss: None) -> None:
        if epoch == 0:
            # Its transposition of the matrix came before the first epoch.
            tell(setup_s=job.spent() - seconds)
        tell(epoch=epoch + 1, seconds=seconds)
        if job.exhausted(seconds):
            raise Enough

    with contextlib.suppress(Enough):
        model.fit(matrix(job), show_progress=False, callback=after)


def implicit_als(job: Job) -> None:
    """Seconds per epoch on likes, at the same confidences and penalty as ours; the factors."""
    from implicit.cpu.als import AlternatingLeastSquares

    tell(rule=f"confidence 1 + {ALPHA:g}, regularization={job.penalty:g}", metric="ndcg")
    likes = matrix(job)
    likes.data[:] = 1 + ALPHA  # it takes what the matrix holds for the confidence itself
    model = AlternatingLeastSquares(
        factors=job.k,
        regularization=job.penalty,
        alpha=1.0,
        use_cg=job.variant == "cg",
        iterations=job.epochs,
        num_threads=job.threads,
        random_state=0,
    )
    model.item_factors = first_factors(job.shape[1], job.k)
    model.user_factors = np.zeros((job.shape[0], job.k), np.float32)

    def after(epoch: int, seconds: float, loss: None) -> None:
        if epoch == 0:
            tell(setup_s=job.spent() - seconds)
        files = factor_files(job, model.user_factors, model.item_factors, epoch)
        tell(epoch=epoch + 1, seconds=seconds, factors=files)
        if job.exhausted(seconds):
            raise Enough

    with contextlib.suppress(Enough):
        model.fit(likes, show_progress=False, callback=after)


def bpr(job: Job) -> None:
    """Seconds per epoch of as many samples as there are ratings; the factors, for the AUC."""
    from implicit.cpu.bpr import BayesianPersonalizedRanking

    tell(rule="learning_rate=0.05, regularization=0.01, verified negatives", metric="auc")
    ratings = matrix(job)
    model = BayesianPersonalizedRanking(
        factors=job.k,
        learning_rate=0.05,
        regularization=0.01,
        iterations=job.epochs,
        num_threads=job.threads,
        verify_negative_samples=True,
        random_state=0,
    )

    def after(epoch: int, seconds: float, correct: int, skipped: int) -> None:
        if epoch == 0:
            tell(setup_s=job.spent() - seconds)
        files = factor_files(job, model.user_factors, model.item_factors, epoch)
        tell(epoch=epoch + 1, seconds=seconds, factors=files)
        # Negatives are drawn by popularity; a sample whose negative was rated is counted, not used.
        tell(skipped_share=skipped / ratings.nnz)
        if job.exhausted(seconds):
            raise Enough

    with contextlib.suppress(Enough):
        model.fit(ratings, show_progress=False, callback=after)


def topn(job: Job) -> None:
    """Users a second: each one's ten best items less those already rated."""
    from implicit.cpu.als import AlternatingLeastSquares

    model = AlternatingLeastSquares(factors=job.k, num_threads=job.threads)
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
