"""cmfrec (David Cortes): explicit ratings, biases within the rows, as ours.

Its settings are those that its documentation gives for speed. No call comes back between epochs,
but it prints a line after each: so one fit gives the seconds of its epochs, and fits of 1, 2, 4,
... epochs from the same seed give the RMSE after these.
"""

import time

import numpy as np

from benchmarks.worker import Job, rmse, serve, stamped, tell

# Best after 8 epochs at K = 32: of 0.03 to 0.1 on the 1m data, of 0.04 to 0.07 on the 32m data.
SMALL, LARGE = 0.07, 0.055


def als(job: Job) -> None:
    """Seconds per epoch and RMSE, by conjugate gradient (3 steps, its default) or by Cholesky."""
    from cmfrec import CMF
    from scipy.sparse import coo_matrix

    lambda_ = LARGE if job.large else SMALL
    tell(rule=f"scale_lam=True (ν = 1), lambda_={lambda_}", metric="rmse")
    users, items, values = job.triples("user")
    ratings = coo_matrix((values, (users, items)), shape=job.shape)
    del users
    told, n, expected = 0, 1, 0.0
    while n <= job.epochs and not job.exhausted(expected):
        model = CMF(
            k=job.k,
            lambda_=lambda_,
            scale_lam=True,
            use_cg=job.variant == "cg",
            finalize_chol=False,
            use_float=True,
            niter=n,
            precompute_for_predictions=False,
            produce_dicts=False,
            random_state=0,
            verbose=True,
            nthreads=job.threads,
        )
        began = time.monotonic()
        with stamped() as lines:
            model.fit(ratings)
        # "Starting ALS optimization routine", then "Completed ALS iteration" after each epoch.
        moments = [moment for moment, text in lines if "Starting" in text or "Completed" in text]
        seconds = np.diff(moments)
        if n == 1:
            tell(setup_s=job.spent() - (time.monotonic() - moments[0]))
        # Rows without a rating are left as the memory was found: some hold 1e30.
        for indptr, *rows in (
            (job.load("user_indptr"), model.A_, model.user_bias_),
            (job.load("item_indptr"), model.B_, model.item_bias_),
        ):
            for row in rows:
                row[np.diff(indptr) == 0] = 0
        error = rmse(job, model.glob_mean_, model.A_, model.B_, model.user_bias_, model.item_bias_)
        for epoch in range(told + 1, n + 1):
            found = error if epoch == n else None
            tell(epoch=epoch, seconds=float(seconds[epoch - 1]), rmse=found)
        told, n = n, 2 * n
        expected = moments[0] - began + n * float(seconds[-1])  # what the next fit will take


if __name__ == "__main__":
    serve(als=als)
