"""How far an epoch is from what the machine can do: its parts apart, and the two limits.

The parts are the library's own kernels, stopped early: gathering alone, with the sums, and with
the solutions too. The limits are the multiplications at the rate of a large matrix product, and
the bytes at the rate at which all threads together read an array from end to end.
"""

import time
from collections.abc import Callable

import numpy as np
from numba import njit, prange
from threadpoolctl import threadpool_limits

from benchmarks.worker import Job
from recsys_lib.kernels import als, linalg
from recsys_lib.kernels.threads import share

GATHER, SUMS = 0, 1
SIZE = 2048  # of the matrix product
STREAM = 50_000_000  # numbers: far more than any cache holds
REPEATS = 3


def stopped_early(indptr, indices, values, order, other, mu, until, out):
    """Do a half step up to a point; `out` takes one number per row, which keeps the work alive."""
    task = indptr, indices, values, order, other, mu, until, out
    share(als.groups(order), parts_of_rows, *task)


@njit(nogil=True)
def parts_of_rows(part, parts, indptr, indices, values, order, other, mu, until, out):
    """Do every `parts`-th row of `stopped_early`."""
    n_factors = other.shape[1] - 1
    panel, targets, grams, _, _, _ = als.workspace(n_factors + 1, other)
    gram = grams[0]
    for position in range(part, len(order), parts):
        r = order[position]
        if until == SUMS:
            gram[:] = 0
        for first in range(indptr[r], indptr[r + 1], als.PANEL):
            last = min(first + als.PANEL, indptr[r + 1])
            als.gather(first, last, indices, other, n_factors, panel)
            for j in range(last - first):
                targets[0, j] = 1
                targets[1, j] = values[first + j] - mu - other[indices[first + j], n_factors]
            if until == SUMS:
                linalg.add_gram(panel, last - first, n_factors, gram)
                als.add_sums(panel, targets, last - first, n_factors, gram)
        out[r] = panel[0, 0] + gram[0, 0]


@njit(parallel=True, fastmath=True)
def total(array):
    """Read an array from end to end."""
    found = np.float32(0)
    for k in prange(len(array)):
        found += array[k]
    return found


def fastest(work: Callable[..., object], *args: object) -> float:
    """Return the seconds of the best of several calls, after one that is not counted."""
    work(*args)
    seconds = []
    for _ in range(REPEATS):
        began = time.perf_counter()
        work(*args)
        seconds.append(time.perf_counter() - began)
    return min(seconds)


def measure(job: Job) -> dict[str, float]:
    """Return seconds of an epoch and of its parts, operations and bytes, and the machine's rates.

    `operations` counts a multiplication and an addition as two, of each Gram matrix its lower
    triangle. `bytes` are those of the indices and values of all ratings and of their rows, which
    come in whole cache lines, wherever in a line they begin.
    """
    size, n, one = job.k + 1, 0, np.float32(1)
    gather = sums = epoch = 0.0
    for side, count in zip(("user", "item"), reversed(job.shape), strict=True):
        csr = job.csr(side)
        n += len(csr[2])
        other = np.float32(0.1) * np.random.default_rng(0).standard_normal((count, size), "f4")
        order = np.argsort(-np.diff(csr[0]), kind="stable")
        out, sse = np.empty((2, len(order)))
        gather += fastest(stopped_early, *csr, order, other, one, GATHER, out)
        sums += fastest(stopped_early, *csr, order, other, one, SUMS, out)
        penalty, prior = np.ones(size, np.float32), np.zeros((1, size), np.float32)
        rows, rule = np.empty((len(order), size), np.float32), (one, one, penalty, 0.5, prior)
        epoch += fastest(als.half_step, *csr, order, other, *rule, rows, sse)
    return {
        "gather_s": gather,
        "sums_s": sums - gather,
        "solve_s": epoch - sums,
        "epoch_s": epoch,
        "operations": float(n) * (size + 1) * (size + 2),
        "bytes": float(n) * (linalg.LINE - 4 + 4 * size + 8),
        **limits(job.threads),
    }


def limits(threads: int) -> dict[str, float]:
    """Return what the machine could do: operations of a product and bytes read, a second."""
    a, b = np.ones((2, SIZE, SIZE), np.float32)
    stream = np.ones(STREAM, np.float32)
    with threadpool_limits(threads):
        product = fastest(np.matmul, a, b)
    return {
        "product_ops_per_s": 2 * SIZE**3 / product,
        "read_bytes_per_s": stream.nbytes / fastest(total, stream),
    }
