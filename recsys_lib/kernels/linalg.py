"""Cholesky for the small systems that alternating least squares solves by the million."""

from numba import njit

# What LLVM may do with our sums: reorder them, so that they fill vector registers, and fuse
# multiply and add. Not the full `fastmath`, which would also assume that no NaN ever comes in.
FAST = {"reassoc", "contract", "nsz", "arcp"}


@njit(cache=True, fastmath=FAST)
def cholesky(a, n):
    """Overwrite the lower triangle of the leading n x n block of `a` by L, where a = L Lᵀ.

    The diagonal holds 1 / L_jj afterwards: the substitutions multiply by it.
    """
    for i in range(n):
        for j in range(i):
            total = a[i, j]
            for k in range(j):
                total -= a[i, k] * a[j, k]
            a[i, j] = total * a[j, j]
        total = a[i, i]
        for k in range(i):
            total -= a[i, k] * a[i, k]
        a[i, i] = 1 / total**0.5


@njit(cache=True, fastmath=FAST)
def solve_cholesky(a, n, x):
    """Overwrite `x`, the right-hand side, by the solution; `a` comes from `cholesky`."""
    for i in range(n):
        total = x[i]
        for k in range(i):
            total -= a[i, k] * x[k]
        x[i] = total * a[i, i]
    for i in range(n - 1, -1, -1):
        x[i] *= a[i, i]
        for k in range(i):
            x[k] -= a[i, k] * x[i]
