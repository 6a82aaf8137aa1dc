"""ALS with a prior mean of items from their genres, for items with few or no ratings."""

from collections.abc import Hashable, Mapping
from typing import Any, ClassVar, Self

import numpy as np
import pandas as pd
from optuna.distributions import BaseDistribution, FloatDistribution

from recsys_lib.errors import DataError, RecsysError
from recsys_lib.models.als import ALS
from recsys_lib.models.parameters import above, factors_and_biases

PREFIX = "genre: "  # marks the genres among the features' names


class GenreALS(ALS):
    """`ALS` in which an item's row is shrunk to the sum of its genres' rows.

    The prior mean of the row [q_i; b_i] is m_i = F_i^(-½) Σ f_g over the item's F_i genres. Each
    genre g has a row f_g = [factors; bias] with the penalty β/2 ‖f_g‖². With 1/√F the variance of
    the prior mean does not depend on the number of genres. The row of an item without ratings is
    m_i. τ and γ weigh the distance from m_i.

    Parameters
    ----------
    beta : float
        β, weight of the genre rows.
    """

    search_space: ClassVar[dict[str, BaseDistribution]] = ALS.search_space | {
        "beta": FloatDistribution(3.0, 300.0, log=True),
    }

    beta: float = above(0, 100.0)

    @property
    def genre_names_(self) -> list[str]:
        """The genres, in alphabetical order."""
        return [name.removeprefix(PREFIX) for name in self.feature_names_ if PREFIX in name]

    @property
    def genre_rows_(self) -> np.ndarray:
        """The genres' rows f_g, (n_genres, K + 1); apart, `genre_factors_` and `genre_biases_`."""
        return self.feature_rows_[: len(self.genre_names_)]

    genre_factors_, genre_biases_ = factors_and_biases("genre_rows_")

    def _kinds_of_features(self) -> dict[str, float]:
        return {"genres": self.beta, **super()._kinds_of_features()}

    def partial_fit_items(
        self, item_id: Hashable, ratings: Mapping[Any, float], genres: str | None = None
    ) -> Self:
        """Update the model with new ratings of one item; see `Recommender.partial_fit_items`.

        `genres` (text such as ``"Action|Comedy"``) are those of a new item, whose row without
        ratings is then the prior mean; `DataError` if no item had such a genre in `fit`. A known
        item has its genres from `fit`: to give it others is a `RecsysError`.
        """
        self.check_fitted()
        labels = sorted(set(genres.split("|"))) if genres else []
        if labels and self.item_index.find(item_id) >= 0:
            raise RecsysError(f"item {item_id!r} has its genres from fit; leave genres= out")
        known, share = self.genre_names_, 1 / np.sqrt(max(len(labels), 1))
        if odd := [label for label in labels if label not in known]:
            there = ", ".join(known)
            raise DataError(f"no item had the genre {odd[0]!r} in fit; there are {there}")
        features = [(known.index(label), share) for label in labels]
        return self._fit_item(item_id, ratings, features)

    def explain(self, user: Hashable | Mapping[Any, float], item_id: Hashable) -> pd.DataFrame:
        """Divide a score into the contributions of the item's genres and of the item itself.

        `user` is an id, or a new user's ratings by item id. Returns part and contribution (in
        rating points). The parts are "average rating", "this user's level", each genre, and "the
        film itself"; they add up to the (unclipped) prediction.
        """
        self.check_fitted()
        if isinstance(user, Mapping | pd.Series):
            row = self.user_vectors(self.as_ratings(user))[0]
        else:
            row = self.user_rows_[self.user_index.position(user)]
        item = self.item_index.position(item_id)
        features, shares = self.features.row(item)
        taste = np.append(row[:-1], np.float32(1)).astype(np.float64)
        said = shares * (self.feature_rows_[features] @ taste)
        own = self.item_rows_[item] @ taste - said.sum()
        names = [self.feature_names_[f].removeprefix(PREFIX) for f in features]
        parts = ["average rating", "this user's level", *names, "the film itself"]
        values = [self.mu_, float(row[-1]), *said, own]
        return pd.DataFrame({"part": parts, "contribution": values})
