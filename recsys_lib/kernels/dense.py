"""The layers of a network, applied to many rows: the forward pass that serves users.

Training is PyTorch's. A trained network serves without it, and a row's result has the same bits
alone or among others, at any thread count, which no BLAS promises: each sum runs over ascending
inputs, one row at a time.
"""

import numpy as np
from numba import njit, prange

from recsys_lib.kernels.threads import threads_for


def layer(rows, weights, biases, squash):
    """Return ``rows @ weights + biases``, through tanh where `squash` is true.

    Parameters
    ----------
    rows : (m, n_in) float32
    weights : (n_in, n_out) float32
    biases : (n_out,) float32
    squash : bool

    Returns
    -------
    (m, n_out) float32
    """
    m, n_in = rows.shape
    indptr = np.arange(m + 1) * n_in
    indices = np.tile(np.arange(n_in, dtype=np.int32), m)
    return sparse_layer(indptr, indices, rows.ravel(), weights, biases, squash)


def sparse_layer(indptr, indices, values, weights, biases, squash):
    """As `layer`, of rows that are sparse: a CSR matrix (m, n_in)."""
    out = np.empty((len(indptr) - 1, weights.shape[1]), np.float32)
    with threads_for(len(out)):
        _layer(indptr, indices, values, np.ascontiguousarray(weights), biases, squash, out)
    return out


@njit(cache=True, parallel=True)
def _layer(indptr, indices, values, weights, biases, squash, out):
    for r in prange(len(out)):
        row = out[r]
        for k in range(len(row)):
            row[k] = biases[k]
        for j in range(indptr[r], indptr[r + 1]):
            x, own = values[j], weights[indices[j]]
            for k in range(len(row)):
                row[k] += x * own[k]
        if squash:
            for k in range(len(row)):
                row[k] = np.tanh(row[k])
