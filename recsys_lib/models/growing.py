"""Arrays and tables of ids that grow by one, again and again, without being copied each time."""

from __future__ import annotations

import numbers
from collections.abc import Hashable, Iterable
from typing import Any

import numpy as np
import pandas as pd
from pandas.errors import InvalidIndexError

from recsys_lib.errors import DataError
from recsys_lib.ratings import positions

SPARE = 8  # a full array gets room for an eighth more: each row is copied 8 times or so, ever


class Growing:
    """An array to whose end rows are added, each at a cost that does not depend on its length.

    Attributes
    ----------
    array : ndarray
        The rows so far, a view of the room they have. Until the first row is added it is the array
        given, which is never written to: that one may be another's, or on disk.
    """

    def __init__(self, array: np.ndarray) -> None:
        self.array = self._room = array

    def append(self, row: Any) -> np.ndarray:
        """Add a row; return the longer array."""
        n = len(self.array)
        if n == len(self._room):
            room = np.empty((n + n // SPARE + SPARE, *self.array.shape[1:]), self.array.dtype)
            room[:n] = self.array
            self._room = room
        self._room[n] = row
        self.array = self._room[: n + 1]
        return self.array


class IdIndex:
    """Where the data's own ids stand; ids that come later go to the end.

    The table of the first ids is built once; the later ones are kept in a dictionary beside it.

    Parameters
    ----------
    ids : (n,) array
        Integers or text, without repeats.
    what : str
        "user" or "item", for messages.
    """

    def __init__(self, ids: np.ndarray, what: str) -> None:
        self._index, self.what = pd.Index(ids), what
        self._later: dict[Any, int] = {}

    def __len__(self) -> int:
        return len(self._index) + len(self._later)

    def copy(self) -> IdIndex:
        """Return a table that grows apart from this one."""
        twin = IdIndex.__new__(IdIndex)
        twin._index, twin.what, twin._later = self._index, self.what, dict(self._later)
        return twin

    def positions(self, ids: Any) -> np.ndarray:
        """Return where ids (one or several) stand, (n,) int32; see `ratings.positions`."""
        return positions(self._index, ids, self.what, self._later)

    def positions_of_keys(self, ids: Iterable[Any]) -> np.ndarray:
        """As `positions`, for a few ids: many times as fast for one, and slower for thousands."""
        found = np.array([self.find(one) for one in ids], np.int32)
        if (found < 0).any():
            self.positions([one for one, place in zip(ids, found, strict=True) if place < 0])
        return found

    def find(self, one: Any) -> int:
        """Return where an id stands; -1 for one never heard of."""
        try:
            return self._index.get_loc(one)
        except (KeyError, TypeError, InvalidIndexError):
            return self._later.get(one, -1) if isinstance(one, Hashable) else -1

    def check_new(self, one: Any) -> None:
        """Refuse what cannot be an id beside those that are here already."""
        kind, fits = "text", isinstance(one, str)
        if self._index.dtype.kind in "iu":
            kind, fits = "integers", isinstance(one, numbers.Integral) and not isinstance(one, bool)
        if not fits:
            raise DataError(
                f"{one!r} cannot be a new {self.what}: the {self.what}s' ids are {kind}"
            )

    def add(self, one: Any) -> None:
        """Put a new id at the end."""
        self._later[one] = len(self)
