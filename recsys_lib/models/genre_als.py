"""ALS whose films start from what their genres say: an answer to the film nobody has rated."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import Any, ClassVar, Self

import numpy as np
import pandas as pd

from recsys_lib.errors import RecsysError
from recsys_lib.genres import genre_matrix
from recsys_lib.kernels import genres as genre_kernels
from recsys_lib.models.als import ALS
from recsys_lib.ratings import Ratings, positions


class GenreALS(ALS):
    """`ALS` with a prior: an item's row is its genres' sum, and what is its own.

    The prior mean of the row [q_i; b_i] is m_i = F_i^(-½) Σ f_g over its F_i genres, each genre g
    having a row f_g = [factors; bias] of its own, with penalty β/2 ‖f_g‖². 1/√F keeps the prior's
    variance the same for films of one genre and of six. An item nobody rated gets m_i itself.

    Parameters
    ----------
    n_factors, lam, tau, gamma, nu, n_epochs, seed :
        As in `ALS`; τ and γ now weigh the distance from the prior mean.
    beta : float
        β, weight of the genre rows.

    Attributes
    ----------
    genre_names_ : list of str
        The genres, in alphabetical order.
    genre_factors_, genre_biases_ : (n_genres, K) and (n_genres,) float32
        The rows f_g.
    """

    _learnt: ClassVar[tuple[str, ...]] = (*ALS._learnt, "genre_rows_", "item_genres_")

    genre_rows_: np.ndarray  # (n_genres, K + 1) float32
    item_genres_: np.ndarray  # (n_items, n_genres) bool
    genre_names_: list[str]

    def __init__(
        self,
        n_factors: int = 20,
        lam: float = 1.0,
        tau: float = 1.35,
        gamma: float = 1.0,
        beta: float = 100.0,
        nu: float = 0.5,
        n_epochs: int = 15,
        seed: int = 0,
    ) -> None:
        super().__init__(n_factors, lam, tau, gamma, nu, n_epochs, seed)
        self.beta = beta

    @property
    def genre_factors_(self) -> np.ndarray:
        """The genres' factors, (n_genres, K)."""
        return self.genre_rows_[:, :-1]

    @property
    def genre_biases_(self) -> np.ndarray:
        """The genres' biases, (n_genres,)."""
        return self.genre_rows_[:, -1]

    def _check_parameters(self) -> None:
        super()._check_parameters()
        if not self.beta > 0:
            raise RecsysError(f"beta is {self.beta!r}; it must be above 0")

    def _start(self, train: Ratings, items: pd.DataFrame | None) -> None:
        if items is None:
            raise RecsysError("GenreALS reads the items' genres: pass items=data.items to fit")
        super()._start(train, items)
        self.item_genres_, self.genre_names_ = genre_matrix(items, train.item_ids)
        self.genre_rows_ = np.zeros((len(self.genre_names_), self.n_factors + 1), np.float32)

    def _genre_lists(self) -> tuple[np.ndarray, np.ndarray]:
        """Return the genres of each item as offsets and genre indices."""
        starts = np.concatenate([[0], np.cumsum(self.item_genres_.sum(axis=1))])
        return starts, np.nonzero(self.item_genres_)[1]

    def _prior(self) -> np.ndarray:
        means = np.empty_like(self.item_rows_)
        genre_kernels.prior_means(*self._genre_lists(), self.genre_rows_, means)
        return means

    def _solve_priors(self, train: Ratings) -> None:
        indptr = train.by_item.indptr
        rows = genre_kernels.solve_genres(
            indptr, float(self.nu), *self._genre_lists(), self.item_rows_, self._penalty,
            float(self.beta), len(self.genre_names_),
        )  # fmt: skip
        self.genre_rows_ = rows.astype(np.float32)
        unrated = train.by_item.counts == 0
        self.item_rows_[unrated] = self._prior()[unrated]

    def _loss(self, train: Ratings, sse: float) -> float:
        squares = float(np.square(self.genre_rows_, dtype=np.float64).sum())
        return super()._loss(train, sse) + 0.5 * self.beta * squares

    def explain(self, user: Hashable | Mapping[Any, float], item_id: Hashable) -> pd.DataFrame:
        """Take a score apart: what each genre of the film added, and what is the film's own.

        Parameters
        ----------
        user : user id, or mapping of item id to rating
            A user of the training data, or a stranger's ratings.
        item_id : item id

        Returns
        -------
        DataFrame
            part, contribution (in rating points). The parts are "average rating", "this user's
            level", each genre, and "the film itself"; they add up to the (unclipped) prediction.
        """
        self._check_fitted()
        if isinstance(user, Mapping):
            row = self._fold_in(self._as_history(user))[0]
        else:
            row = self.user_rows_[positions(self._user_lookup, user, "user")[0]]
        item = positions(self._item_lookup, item_id, "item")[0]
        mine = np.flatnonzero(self.item_genres_[item])
        taste = np.append(row[:-1], np.float32(1)).astype(np.float64)
        by_genre = self.genre_rows_[mine] @ taste / np.sqrt(max(len(mine), 1))
        own = self.item_rows_[item] @ taste - by_genre.sum()
        parts = ["average rating", "this user's level"]
        parts += [self.genre_names_[g] for g in mine] + ["the film itself"]
        values = [self.mu_, float(row[-1]), *by_genre, own]
        return pd.DataFrame({"part": parts, "contribution": values})

    def _extra(self) -> dict[str, Any]:
        return {"genre_names": self.genre_names_}

    @classmethod
    def _from_saved(cls, arrays: dict[str, np.ndarray], meta: dict[str, Any]) -> Self:
        model = super()._from_saved(arrays, meta)
        model.genre_names_ = meta["genre_names"]
        return model
