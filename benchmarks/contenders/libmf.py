"""LIBMF (Chin et al. 2015): stochastic gradient descent on blocks, p_u·q_i without biases.

One fit gives the seconds, from the line printed after each epoch; a second one with the test part
beside it prints the RMSE.
"""

import re
import time

import numpy as np

from benchmarks.worker import Job, serve, stamped, tell

# The step that is its default, and the penalty that was best of 0.02, 0.03 on the 32m data and
# within 0.001 of the best of 0.01 to 0.12 on the 1m data, K = 32.
ETA, LAMBDA = 0.1, 0.02


def als(job: Job) -> None:
    """Seconds per epoch and RMSE: gradient steps, beside those who solve least squares."""
    from libmf import mf

    tell(rule=f"at each step: lambda_p2 = lambda_q2 = {LAMBDA}, eta={ETA}", metric="rmse")
    train = np.column_stack(job.triples("user"))  # it wants ids as float32: exact up to 16 million
    test = np.column_stack(job.triples("test"))

    def model() -> mf.MF:
        return mf.MF(
            k=job.k,
            nr_threads=job.threads,
            nr_iters=job.epochs,
            lambda_p2=LAMBDA,
            lambda_q2=LAMBDA,
            eta=ETA,
            quiet=False,
        )

    with stamped() as lines:
        model().fit(train)
    moments = [moment for moment, _ in lines]  # the table's head comes before the first epoch
    tell(setup_s=job.spent() - (time.monotonic() - moments[0]))
    with stamped() as lines:
        model().mf_train_test(train, test)
    errors = [float(text.split()[2]) for _, text in lines[1:] if re.match(r"\s*\d", text)]
    for epoch, seconds in enumerate(np.diff(moments), 1):
        tell(epoch=epoch, seconds=float(seconds), rmse=errors[epoch - 1])


if __name__ == "__main__":
    serve(als=als)
