"""Divide work among threads.

Numba's parallel loops run on one of three layers, whichever it finds. Under GNU's OpenMP a forked
child that enters a loop is killed; under Numba's own work queue the process is, when two of its
threads enter loops at the same time. So no kernel has such a loop: it takes `part` and `parts`,
does every `parts`-th piece of the work, and releases Python's lock meanwhile (`nogil`), so that
Python's own threads can call it side by side. `in_parts` makes a function of such a kernel.
"""

import functools
import inspect
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numba
from threadpoolctl import ThreadpoolController

PAIRS = 4096  # pairs of a user and an item; for fewer, waking a thread takes longer than the work


_threads: ThreadPoolExecutor


def _start() -> None:
    """Make a pool, whose threads start when needed; a forked child makes its own."""
    global _threads
    _threads = ThreadPoolExecutor(numba.config.NUMBA_NUM_THREADS, "recsys_lib")


_start()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_start)


def share(most: int, kernel: Callable[..., None], *args: Any) -> None:
    """Call ``kernel(part, parts, *args)`` for each part, on as many threads as Numba may use.

    `most` is the largest number of parts. A single one is done in the calling thread, and so is the
    first of several. No result may depend on their number.
    """
    parts = 1 if most <= 1 else min(most, numba.get_num_threads())
    others = [_threads.submit(kernel, part, parts, *args) for part in range(1, parts)]
    if most > 0:
        kernel(0, parts, *args)
    for other in others:
        other.result()


def in_parts(most: Callable[..., int]) -> Callable[[Callable[..., None]], Any]:
    """Return a decorator: compile a kernel, and fill in its first arguments, `part` and `parts`.

    The function that it makes takes the others, and shares the work among ``most(*args)`` parts or
    fewer. The compiled kernel is its attribute `kernel`.
    """

    def decorate(plain: Callable[..., None]) -> Any:
        kernel = numba.njit(cache=True, nogil=True)(plain)

        @functools.wraps(plain)
        def whole(*args: Any) -> None:
            share(most(*args), kernel, *args)

        signature = inspect.signature(plain)
        _, _, *others = signature.parameters.values()
        vars(whole).update(kernel=kernel, __signature__=signature.replace(parameters=others))
        return whole

    return decorate


@functools.cache
def blas() -> ThreadpoolController:
    """Return the setting of the threads of NumPy's products: with one, no bit depends on it."""
    return ThreadpoolController()  # finding the libraries takes milliseconds
