"""What was rated: the ratings a model was fitted on, and those that came after."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from recsys_lib.ratings import CSR, Ratings

USERS_AT_A_TIME = 8192  # whatever goes over all users streams: nothing grows with users x items
Row = tuple[np.ndarray, np.ndarray]  # columns, ascending, int32; and the ratings, float32


class History:
    """Ratings that can be added to, one at a time, and read by user and by item.

    The training ratings are left as they are (they may be on disk, and shared with other models).
    A later rating stands aside, under its user and under its item: the two are always written
    together, so that both sides see the same. Of a pair rated again, the later rating counts.
    """

    def __init__(self, train: Ratings) -> None:
        self._train = train
        self._of_user: dict[int, dict[int, float]] = {}
        self._of_item: dict[int, dict[int, float]] = {}

    def copy(self) -> History:
        """Return a history that goes on apart from this one; the training ratings are shared."""
        twin = History(self._train)
        twin._of_user = {user: dict(late) for user, late in self._of_user.items()}
        twin._of_item = {item: dict(late) for item, late in self._of_item.items()}
        return twin

    def add(self, user: int, item: int, value: float) -> None:
        """Add a rating, or put it in the place of an earlier one of the pair."""
        self._of_user.setdefault(user, {})[item] = value
        self._of_item.setdefault(item, {})[user] = value

    def of_user(self, user: int) -> Row:
        """Return a user's items and ratings; nothing for a user never heard of."""
        return _read(self._train.by_user, self._of_user, user)

    def of_item(self, item: int) -> Row:
        """Return an item's users and ratings; nothing for an item never heard of."""
        return _read(self._train.by_item, self._of_item, item)

    def take(self, users: np.ndarray) -> CSR:
        """Return the matrix of some users' rows, in the order given."""
        trained = self._train.by_user
        n = len(trained.indptr) - 1
        if not self._of_user and (len(users) == 0 or users.max() < n):
            return trained.take(users)
        known = np.where(users < n, users, 0)
        counts = np.where(users < n, trained.indptr[known + 1] - trained.indptr[known], 0)
        changed = [k for k, user in enumerate(users.tolist()) if user in self._of_user]
        rows = [self.of_user(int(users[k])) for k in changed]
        counts[changed] = [len(items) for items, _ in rows]
        indptr = np.concatenate([[0], np.cumsum(counts)])
        indices, values = np.empty(indptr[-1], np.int32), np.empty(indptr[-1], np.float32)
        same = counts > 0
        same[changed] = False
        old = trained.take(users[same])
        where = np.repeat(indptr[:-1][same] - old.indptr[:-1], old.counts)
        where += np.arange(len(where))
        indices[where], values[where] = old.indices, old.values
        for k, row in zip(changed, rows, strict=True):
            indices[indptr[k] : indptr[k + 1]], values[indptr[k] : indptr[k + 1]] = row
        return CSR(indptr, indices, values)

    def blocks(self, n_users: int) -> Iterator[CSR]:
        """Yield the rows of all users, some thousands at a time."""
        for start in range(0, n_users, USERS_AT_A_TIME):
            yield self.take(np.arange(start, min(start + USERS_AT_A_TIME, n_users)))

    def everything(self, n_users: int) -> CSR:
        """Return the rows of all users: the training matrix itself where nothing has changed."""
        if not self._of_user and n_users == self._train.n_users:
            return self._train.by_user
        blocks = list(self.blocks(n_users))
        counts = np.concatenate([block.counts for block in blocks])
        return CSR(
            np.concatenate([[0], np.cumsum(counts)]),
            np.concatenate([block.indices for block in blocks]),
            np.concatenate([block.values for block in blocks]),
        )


def merged(old: Row, new: Row) -> Row:
    """Return a row with ratings added; those of columns that it holds already replace them."""
    columns = np.concatenate([old[0], new[0]])
    order = np.argsort(columns, kind="stable")  # of equal columns, the new one comes last
    columns = columns[order]
    last = np.ones(len(columns), bool)
    np.not_equal(columns[1:], columns[:-1], out=last[:-1])
    return columns[last], np.concatenate([old[1], new[1]])[order[last]]


def _read(trained: CSR, later: dict[int, dict[int, float]], r: int) -> Row:
    nothing = np.empty(0, np.int32), np.empty(0, np.float32)
    old = trained.row(r) if r < len(trained.indptr) - 1 else nothing
    if r not in later:
        return old
    late = later[r]
    columns = np.fromiter(late, np.int32, len(late))
    return merged(old, (columns, np.fromiter(late.values(), np.float32, len(late))))
