"""The rating demo: rate a few items and see a model's recommendations at once."""

import html
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
import traitlets

from recsys_lib.errors import DataError, RecsysError, UnknownIdError, is_of
from recsys_lib.models import ALS, ItemKNN, Popularity
from recsys_lib.widgets.base import PageWidget
from recsys_lib.widgets.catalogue import beside as packed_beside
from recsys_lib.widgets.catalogue import catalogue
from recsys_lib.widgets.taste import noise_at, taste_of

Stars = Mapping[Any, float]
N_SHOWN = 10
MOST_STARS = 10
N_GENRES, N_LOVED = 5, 4  # of the tastes that stand ready


def _pairs(ratings: Stars, _: Any = None) -> list[list[Any]]:
    """Return ratings as JSON can hold them: its keys are text, and ids may be numbers."""
    return [[item, value] for item, value in ratings.items()]


def _named_pairs(tastes: Mapping[str, Stars], _: Any = None) -> list[list[Any]]:
    return [[name, _pairs(ratings)] for name, ratings in tastes.items()]


class RatingDemo(PageWidget, page="demo"):
    """Search for items, rate them with stars, and see a model's ten best and the reasons.

    Everything is computed in the browser from the model's items, so a page of the book needs no
    kernel. With a kernel, `ratings` follows the reader's actions, can be observed, and can be set.

    Parameters
    ----------
    model : ALS or GenreALS
        Fitted, with at least two factors.
    items : DataFrame
        item_id, title; year and genres where they are known.
    n_items : int, optional
        Only the items with the most ratings: a page should stay light. None: all.
    noise : dict of int to float, optional
        σ, the standard deviation of the noise in ratings, in stars, by number of known ratings, as
        `measured_noise` returns. None: the model's last RMSE on its validation part, or else on its
        training part.
    beside : dict of str to ItemKNN or Popularity, optional
        Models fitted to the same items, by the name under which a reader can compare their lists.

    Attributes
    ----------
    ratings : dict of item id to rating
        The ratings given so far.
    """

    catalogue = traitlets.Dict().tag(sync=True, page=True)
    beside: traitlets.List[Any] = traitlets.List().tag(sync=True, page=True)
    noise = traitlets.Dict().tag(sync=True, page=True, to_json=_pairs)
    tastes = traitlets.Dict().tag(sync=True, page=True, to_json=_named_pairs)
    ratings = traitlets.Dict().tag(
        sync=True, page=True, to_json=_pairs, from_json=lambda pairs, _: dict(pairs)
    )

    def __init__(
        self,
        model: ALS,
        items: pd.DataFrame,
        n_items: int | None = None,
        noise: Mapping[int, float] | None = None,
        beside: Mapping[str, ItemKNN | Popularity] | None = None,
    ) -> None:
        if not isinstance(model, ALS):
            raise RecsysError(f"the demo shows ALS and GenreALS, not {type(model).__name__}")
        if not 0 <= model.scale_[0] < model.scale_[1] <= MOST_STARS:
            raise RecsysError(
                f"ratings from {model.scale_[0]:g} to {model.scale_[1]:g} are no stars"
            )
        self._model = model
        self._positions, packed = catalogue(model, items, n_items)
        self._place = {item: place for place, item in enumerate(packed["ids"])}
        if noise is None:
            log = model.training_log_.iloc[-1]
            noise = {0: float(log[["rmse_valid", "rmse_train"]].dropna().iloc[0])}
        if 0 not in noise or not all(is_of(s) and 0 < s < 1e9 for s in noise.values()):
            raise RecsysError(f"noise is {noise}; it needs numbers above 0, one of them for 0")
        others = beside or {}
        for name, other in others.items():
            if not np.array_equal(other.item_ids_, model.item_ids_):
                raise DataError(f"{name!r} was fitted to other items than the demo's model")
        super().__init__(
            catalogue=packed,
            beside=[packed_beside(name, other, self._positions) for name, other in others.items()],
            noise=dict(sorted(noise.items())),
            tastes=self._genre_tastes(packed),
            ratings={},
        )

    @traitlets.validate("ratings")
    def _check_ratings(self, proposal: Any) -> dict[Any, float]:
        low, high = self._model.scale_
        for item, rating in proposal["value"].items():
            if item not in self._place:
                raise UnknownIdError(f"item {item!r} is not among the items of this demo")
            if not (is_of(rating) and low <= rating <= high):
                raise DataError(
                    f"item {item!r} has the rating {rating!r}; the scale is {low:g} to {high:g}"
                )
        return dict(proposal["value"])

    @property
    def recommendations(self) -> pd.DataFrame:
        """The ten best items that `ratings` lacks; the browser shows the same.

        Columns rank, item_id, title, score (predicted stars, not clipped) and spread (standard
        deviation of a new rating).
        """
        return self._best(self.ratings)

    def _best(self, ratings: Stars) -> pd.DataFrame:
        shown = self._positions
        taste = taste_of(self._model, ratings)
        scores = taste.scores()[shown]
        scores[[self._place[item] for item in ratings]] = -np.inf
        best = np.argsort(-scores, kind="stable")[:N_SHOWN]
        best = best[np.isfinite(scores[best])]
        return pd.DataFrame(
            {
                "rank": np.arange(1, len(best) + 1),
                "item_id": self._model.item_ids_[shown[best]],
                "title": [self.catalogue["titles"][place] for place in best],
                "score": scores[best],
                "spread": taste.spread(noise_at(self.noise, len(ratings)), shown[best]),
            }
        )

    def _genre_tastes(self, items: dict[str, Any]) -> dict[str, dict[Any, float]]:
        """Return tastes of well-known items: those of one genre loved, or without genres, all."""
        order = np.argsort(-np.array(items["counts"]), kind="stable").tolist()
        weight = np.zeros(len(items["genreNames"]))
        for place in order:
            weight[items["genres"][place]] += items["counts"][place]
        low, high = self._model.scale_
        tastes = {}
        for genre in np.argsort(-weight, kind="stable")[:N_GENRES].tolist():
            of_it = [place for place in order if genre in items["genres"][place]]
            others = [place for place in order if genre not in items["genres"][place]]
            rated = {items["ids"][place]: high for place in of_it[:N_LOVED]}
            rated |= {items["ids"][place]: max(low, 2.0) for place in others[: N_LOVED // 2]}
            tastes[items["genreNames"][genre]] = rated
        return tastes or {"Popular": {items["ids"][place]: high for place in order[:N_LOVED]}}

    def _plain(self) -> str:
        """Return a taste and its ten items as two lists; the first taste, where none is rated."""
        name, ratings = "Rated", self.ratings
        if not ratings:
            name, ratings = next(iter(self.tastes.items()))
        titles = self.catalogue["titles"]
        rated = [f"{titles[self._place[item]]}: {value:g}" for item, value in ratings.items()]
        best = self._best(ratings)
        listed = [f"{row.title}: {row.score:.2f}" for row in best.itertuples()]
        return (
            f"<p>{html.escape(name)}</p><ul>{_entries(rated)}</ul>"
            f"<p>The model's ten films</p><ol>{_entries(listed)}</ol>"
        )


def _entries(lines: list[str]) -> str:
    return "".join(f"<li><bdi>{html.escape(line)}</bdi></li>" for line in lines)
