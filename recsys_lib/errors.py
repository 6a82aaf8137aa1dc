"""The errors that bad input can cause, and the checks of single values and arrays."""

import contextlib
from collections.abc import Callable, Iterator
from numbers import Integral, Real
from typing import Any

import numpy as np


class RecsysError(ValueError):
    """Base class of the errors that bad input can cause; the message is one line."""

    def __init__(self, message: str) -> None:
        super().__init__(" ".join(message.splitlines()))  # a table's form takes many


class DataError(RecsysError):
    """Ratings, items or a file do not have the form they must have."""


class UnknownDatasetError(RecsysError):
    """There is no data set of that name."""


class DownloadError(RecsysError):
    """A data set is not on this machine and could not be fetched."""


class NotFittedError(RecsysError):
    """A model was asked for something before `fit`."""


class UnknownIdError(RecsysError, KeyError):
    """A user or an item that the data does not hold."""

    __str__ = ValueError.__str__  # KeyError would print the message in quotes


# What Python, NumPy and pandas say of a thing of another kind.
FOREIGN = (LookupError, TypeError, ValueError, AttributeError, RuntimeError, OverflowError)


@contextlib.contextmanager
def taking(what: str, *more: type[Exception]) -> Iterator[None]:
    """Turn what is said of things of another kind, and `more`, into `DataError`; also a decorator.

    `what` is given, in words. It is for tables, files and the like, of which much can be wrong. The
    library's own errors are raised as they are, unless `more` holds `RecsysError`.
    """
    try:
        yield
    except FOREIGN + more as error:
        own = isinstance(error, RecsysError)
        if own and RecsysError not in more:
            raise
        told = error if own else f"{type(error).__name__}, {error}"
        raise DataError(f"{what} cannot be used: {told}") from error


def is_of(value: Any, kind: Any = Real) -> bool:
    """Return whether a value is of a kind; True is no number, nor is a span of time of NumPy's."""
    return isinstance(value, kind) and not isinstance(value, bool | np.timedelta64)


def check_value(
    name: str,
    value: Any,
    wanted: str,
    fits: Callable[[Any], bool] = lambda _: True,
    kind: Any = Real,
) -> None:
    """Raise `RecsysError` unless a value is of a `kind` and `fits`; `wanted` says it in words."""
    if not is_of(value, kind) or not fits(value):
        raise RecsysError(f"{name} is {value!r:.80}; it must be {wanted}")


def check_flags(**flags: Any) -> None:
    """Raise `RecsysError` unless these are True or False: of text, "no" would be true as well."""
    for name, value in flags.items():
        if not isinstance(value, bool | np.bool_):
            raise RecsysError(f"{name} is {value!r:.80}; it must be True or False")


def check_whole(name: str, value: Any, least: int, what: str = "a whole number") -> int:
    """Return Python's int; raise `RecsysError` unless whole, `least` or more, and of 64 bits."""
    wanted = f"{what}, {least} or more and below 2**63"
    check_value(name, value, wanted, lambda n: least <= n < 2**63, Integral)
    return int(value)


def generator(seed: Any) -> np.random.Generator:
    """Return the generator of a seed, a whole number from 0, or the one that is given."""
    if not isinstance(seed, np.random.Generator):
        check_whole("seed", seed, 0, "a Generator, or a whole number")
    return np.random.default_rng(seed)


def check_array(name: str, array: Any, dtype: Any, wanted: tuple[int | str, ...]) -> None:
    """Raise `DataError` unless an array has this dtype and shape; a word means any length."""
    known = type(array) is np.ndarray or (  # the usual case: to ask for it takes a fifth less
        isinstance(array, np.ndarray) and not isinstance(array, np.ma.MaskedArray)
    )
    known = known and array.ndim == len(wanted) and array.dtype == dtype
    if known:
        for k, size in enumerate(wanted):  # no any(): this is part of each request for a list
            known = known and (size == array.shape[k] or isinstance(size, str))
    if not known:
        kind = f"of {array.dtype} {array.shape}" if isinstance(array, np.ndarray) else ""
        told = f"{name} must be {np.dtype(dtype)} {wanted}".replace("'", "")
        raise DataError(f"{told}, an array; it is a {type(array).__name__} {kind}".rstrip())


def as_array(name: str, given: Any, dtype: Any, *wanted: int | str) -> np.ndarray:
    """Return what `check_array` holds to a shape: text, ragged lists and the like are refused."""
    found = given
    with contextlib.suppress(TypeError, ValueError, RuntimeError):  # NumPy's, and whose it is
        found = given if np.ma.is_masked(given) else np.asarray(given)
        found = found.astype(dtype, casting="safe", copy=False)
    check_array(name, found, dtype, wanted)
    return found


def check_ids(**ids: Any) -> None:
    """Raise `DataError` unless these are arrays (n,) of integers or of text, without repeats."""
    for name, array in ids.items():
        known = isinstance(array, np.ndarray) and array.ndim == 1 and array.dtype.kind in "iuO"
        kinds = {*map(type, array)} if known and array.dtype == object else ()
        if not known or not all(issubclass(kind, str) for kind in kinds):
            raise DataError(f"{name} must be integers or text, (n,)")
        if not (array[1:] > array[:-1]).all() and len({*array.tolist()}) < len(array):
            raise DataError(f"{name} holds an id twice")
