"""Sliders for the genres of an item without ratings, and some users' predicted ratings of it."""

from typing import Any

import numpy as np
import traitlets

from recsys_lib.errors import DataError, RecsysError, is_of
from recsys_lib.models import GenreALS
from recsys_lib.widgets.base import Draw, Explorer, Plain

N_READERS = 5


class GenreSliders(Explorer, page="genres"):
    """Mix the genres of an item without ratings; the bars show predictions for some users.

    The users are the five with the most ratings. The item's row is m = Σ w_g f_g / √(Σ w_g²): with
    weights of one, that of `GenreALS`.

    Parameters
    ----------
    model : GenreALS
        Fitted.
    figure : callable, optional
        Draws the bars for print, from the users' names, their predictions, and the scale.

    Attributes
    ----------
    weights : dict of genre to weight
        From 0 to 1; genres that are not named have the weight 0.
    """

    weights = traitlets.Dict().tag(sync=True, page=True)

    def __init__(self, model: GenreALS, figure: Draw | None = None) -> None:
        if not isinstance(model, GenreALS):
            raise RecsysError(f"{type(model).__name__} has no genres; fit GenreALS")
        users = np.argsort(-model.known_ratings().counts, kind="stable")[:N_READERS]
        fixed = {
            "names": model.genre_names_,
            "rows": model.genre_rows_.round(6).tolist(),
            "readers": [f"user {user}" for user in model.user_ids_[users]],
            "tastes": model.vectors(users).round(6).tolist(),
            "mu": model.mu_,
            "stars": list(model.scale_),
        }
        super().__init__(figure, fixed, weights={model.genre_names_[0]: 1.0})

    @traitlets.validate("weights")
    def _check_weights(self, proposal: Any) -> dict[str, float]:
        for name, weight in proposal["value"].items():
            if name not in self.fixed["names"] or not (is_of(weight) and 0 <= weight <= 1):
                raise DataError(f"genre {name!r} has the weight {weight!r}; it must be from 0 to 1")
        return dict(proposal["value"])

    def predictions(self) -> np.ndarray:
        """Return the users' predicted ratings of the item, in stars, not clipped to the scale."""
        weights = np.array([self.weights.get(name, 0.0) for name in self.fixed["names"]])
        length = np.sqrt((weights**2).sum())
        item = weights @ np.array(self.fixed["rows"]) / (length or 1.0)
        tastes = np.array(self.fixed["tastes"])
        return self.fixed["mu"] + tastes[:, -1] + item[-1] + tastes[:, :-1] @ item[:-1]

    def _still(self) -> Plain:
        readers, stars = self.fixed["readers"], self.predictions()
        each = zip(readers, stars, strict=True)
        said = "; ".join(f"{name}: {value:.2f} stars" for name, value in each)
        said = f"A film without any rating, {', '.join(self.weights)}. {said}"
        return said, (readers, stars, tuple(self.fixed["stars"]))
