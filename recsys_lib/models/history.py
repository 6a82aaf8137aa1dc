"""The ratings a model was fitted on, and those that came after."""

import numpy as np

from recsys_lib.ratings import CSR


class History:
    """Rows of ratings that can be added to, one user at a time.

    The matrix of the training data is left as it is (it may be on disk); changed rows stand aside.
    """

    def __init__(self, ratings: CSR) -> None:
        self.ratings = ratings
        self.changed: dict[int, tuple[np.ndarray, np.ndarray]] = {}

    def row(self, user: int) -> tuple[np.ndarray, np.ndarray]:
        """Return a user's items, ascending, and ratings; nothing for a user never heard of."""
        if user in self.changed:
            return self.changed[user]
        if user < len(self.ratings.indptr) - 1:
            return self.ratings.row(user)
        return self.ratings.indices[:0], self.ratings.values[:0]

    def add(self, user: int, items: np.ndarray, values: np.ndarray) -> None:
        """Add ratings to a user's row; those of items it holds already replace them."""
        old_items, old_values = self.row(user)
        keep = ~np.isin(old_items, items)
        items = np.concatenate([old_items[keep], items]).astype(np.int32)
        values = np.concatenate([old_values[keep], values]).astype(np.float32)
        order = np.argsort(items)
        self.changed[user] = items[order], values[order]

    def take(self, users: np.ndarray) -> CSR:
        """Return the matrix of some users' rows, in the order given."""
        if not self.changed:
            return self.ratings.take(users)
        rows = [self.row(int(user)) for user in users]
        indptr = np.concatenate([[0], np.cumsum([len(items) for items, _ in rows], dtype=np.int64)])
        empty = CSR(indptr, self.ratings.indices[:0], self.ratings.values[:0])
        if not rows:
            return empty
        return CSR(
            indptr, np.concatenate([i for i, _ in rows]), np.concatenate([v for _, v in rows])
        )
