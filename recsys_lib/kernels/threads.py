"""How many threads a piece of work is worth."""

from collections.abc import Iterator
from contextlib import contextmanager

import numba

FEW = 32  # rows; below this, waking the other threads takes longer than the work


@contextmanager
def threads_for(n_rows: int) -> Iterator[None]:
    """Work on one thread where there are only a few rows; the result is the same."""
    before = numba.get_num_threads()
    if n_rows < FEW:
        numba.set_num_threads(1)
    try:
        yield
    finally:
        numba.set_num_threads(before)
