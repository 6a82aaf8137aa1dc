"""Parameters, ids, known ratings, and state: every attribute that ends in an underscore."""

import copy
import os
from collections.abc import Hashable, Mapping
from dataclasses import dataclass, field, fields
from types import UnionType
from typing import Any, ClassVar, Self, dataclass_transform, get_type_hints

import numpy as np
import pandas as pd

from recsys_lib import io
from recsys_lib.columns import IdIndex, limits
from recsys_lib.errors import DataError, NotFittedError, RecsysError
from recsys_lib.models.known import KnownRatings, as_row, merged
from recsys_lib.models.parameters import HUGE, KINDS, plain
from recsys_lib.ratings import CSR, Ratings, check_csr

IDS = ("user_ids_", "item_ids_")


@dataclass_transform(eq_default=False)
@dataclass(eq=False, repr=False)
class Fitted:
    """The parameters of a model, as scikit-learn has them, and its learnt state.

    Every class that inherits this is a dataclass; `kw_only` stands beside its base class.

    Attributes
    ----------
    user_ids_, item_ids_ : arrays
        The data's own ids, in the order of the rows of all other arrays.
    scale_ : (float, float)
        Lowest and highest rating.
    mu_ : float
        The training mean.
    user_index, item_index : IdIndex
        Positions of the ids.
    """

    _stored: ClassVar[str | None] = None  # the array of the users' vectors; None: folded in anew
    # Of the arrays of the state, in the symbols of `sizes`; other words are free.
    shapes: ClassVar[dict[str, tuple[str, ...]]] = {}

    n_factors = 0  # of a model without; no annotation: it is no parameter of all

    user_ids_: np.ndarray = field(init=False)
    item_ids_: np.ndarray = field(init=False)
    scale_: tuple[float, float] = field(init=False)
    mu_: float = field(init=False)
    training_log_: pd.DataFrame = field(init=False)

    def __init_subclass__(cls, kw_only: bool = False) -> None:
        dataclass(eq=False, repr=False, kw_only=kw_only)(cls)
        learnt = {one.name: one.metadata.get("shape") for one in fields(cls)}
        cls.shapes = {name: shape for name, shape in learnt.items() if shape}

    @classmethod
    def parameter_names(cls) -> list[str]:
        """Return the names of the parameters, in the order of the constructor."""
        return [one.name for one in fields(cls) if one.init]

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """Return the parameters; `deep` is there for scikit-learn's sake."""
        return {name: getattr(self, name) for name in self.parameter_names()}

    def set_params(self, **params: Any) -> Self:
        """Change parameters: sizes from the next `fit` on, the weights of a fold-in at once."""
        known = self.parameter_names()
        for name, value in params.items():
            if name not in known:
                told = f"{type(self).__name__} has no parameter {name!r}"
                raise RecsysError(f"{told}; it has {', '.join(known)}")
            setattr(self, name, value)
        return self

    def unfitted(self, **changes: Any) -> Self:
        """Return a new model with the same parameters, but for `changes`."""
        return type(self)(**self.get_params()).set_params(**changes)

    def __repr__(self) -> str:
        params = ", ".join(f"{name}={value!r}" for name, value in self.get_params().items())
        return f"{type(self).__name__}({params})"

    def check_parameters(self) -> None:
        """Refuse parameters of another type, or outside the limits declared with them.

        The `RecsysError` names the parameter, its value and what it must be.
        """
        hints = get_type_hints(type(self))
        for one in (one for one in fields(self) if one.init):
            hint = hints[one.name]
            kind, *optional = hint.__args__ if isinstance(hint, UnionType) else (hint,)
            setattr(self, one.name, value := plain(getattr(self, one.name)))
            what, is_one = KINDS.get(kind, ("", lambda _: True))
            wanted = ", ".join(filter(None, (what, one.metadata.get("wanted"))))
            fits = is_one(value) and one.metadata.get("fits", lambda _: True)(value)
            if fits and isinstance(value, int | float) and not abs(value) < HUGE:
                fits, wanted = False, f"below {HUGE}"
            if not fits and not (optional and value is None):
                also = ", or None" if optional else ""
                raise RecsysError(f"{one.name} is {value!r}; it must be {wanted}{also}")

    def check_fitted(self) -> None:
        """Raise `NotFittedError` unless `fit` has been called."""
        if not hasattr(self, "_known"):
            raise NotFittedError(f"this {type(self).__name__} has learnt nothing; call fit first")

    def _remember(self, train: Ratings) -> None:
        """Keep what lists and updates need of the training data."""
        self.user_ids_, self.item_ids_ = train.user_ids, train.item_ids
        self.scale_, self.mu_ = train.scale, train.mean
        self._set_known(train)

    def _set_known(self, ratings: Ratings) -> None:
        self._known = KnownRatings(ratings)
        hint = "; recommend_for and predict_for take a stranger's ratings"
        self.user_index = IdIndex(self.user_ids_, "user", hint)
        self.item_index = IdIndex(self.item_ids_, "item")

    def as_ratings(self, ratings: Mapping[Any, float]) -> CSR:
        """Return a new user's ratings, a mapping of item id to rating, as a matrix of one row."""
        return as_row(ratings, self.item_index, self.scale_)

    # ---- state

    def sizes(self) -> dict[str, int]:
        """Return the values of the symbols in `shapes`."""
        n, names, k = len(self.item_ids_), getattr(self, "feature_names_", ()), self.n_factors
        found = {"n_users": len(self.user_ids_), "n_items": n, "n_items + 1": n + 1, "K": k}
        return found | {"K + 1": k + 1, "n_features": len(names), "n_priors": n if names else 1}

    def state(self) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
        """Return the learnt state by name: arrays, and all else. The ids are not included."""
        learnt = {k: v for k, v in vars(self).items() if k[-1] == "_" and k not in IDS}
        arrays = {k: v for k, v in learnt.items() if isinstance(v, np.ndarray)}
        return arrays, {k: v for k, v in learnt.items() if k not in arrays}

    def known_ratings(self) -> CSR:
        """Return the known ratings (n_users, n_items) of all users: training and later ones."""
        self.check_fitted()
        return self._known.everything(len(self.user_ids_))

    @property
    def n_parameters_(self) -> int:
        """Number of parameters that `fit` has learnt."""
        self.check_fitted()
        learnt = (one.name for one in fields(self) if one.metadata.get("derived") is False)
        arrays = (getattr(self, name) for name in learnt)
        return sum(array.size for array in arrays if array.dtype == np.float32)

    def copy(self) -> Self:
        """Return a copy that can be updated independently; it shares the training data."""
        self.check_fitted()
        return copy.deepcopy(self)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the fitted model to one safetensors file; `models.load` reads it back.

        The file includes the training ratings: lists leave them out, and updates use them.
        """
        self.check_fitted()
        arrays, rest = self.state()
        arrays |= {name: getattr(self, name) for name in IDS}
        known = self.known_ratings()._asdict()
        arrays |= {f"known.{name}": array for name, array in known.items()}
        rest["training_log_"] = self.training_log_.to_dict("list")
        meta = {"class": type(self).__name__, "params": self.get_params(), "state": rest}
        io.save_arrays(path, arrays, meta)

    @classmethod
    def from_saved(cls, arrays: dict[str, np.ndarray], meta: dict[str, Any]) -> Self:
        """Return the model that `save` wrote; see `models.load`."""
        model = cls().set_params(**meta["params"])
        known = CSR(*(arrays.pop(f"known.{name}") for name in CSR._fields))
        for name, value in (arrays | meta["state"]).items():
            if not name.endswith("_"):
                raise DataError(f"it holds {name}, and state ends in an underscore")
            setattr(model, name, value)
        model.scale_ = low, high = limits(model.scale_)
        if np.any((known.values < np.float32(low)) | (known.values > np.float32(high))):
            raise DataError(f"its scale is {low:g} to {high:g}, and a rating lies outside")
        model.training_log_ = pd.DataFrame(meta["state"]["training_log_"])
        model._set_known(Ratings(model.user_ids_, model.item_ids_, known))
        return model

    # ---- new ratings, without training anew

    def user_vectors(self, ratings: CSR) -> np.ndarray:
        """Return users' vectors (m, D) float32 from their ratings (m, n_items): fold-in.

        The columns are positions in `item_ids_`.
        """
        check_csr("the ratings", ratings, "n_rows + 1", len(self.item_ids_))
        return self._fold_in(ratings, self.liked(ratings))

    def _fold_in(self, ratings: CSR, liked: CSR) -> np.ndarray:
        """Return `user_vectors` of ratings that are checked, and of the likes among them."""
        raise NotImplementedError

    def liked(self, ratings: CSR) -> CSR:
        """Return the ratings that a model learns from: all, or the likes."""
        return ratings

    def partial_fit_users(self, user_id: Hashable, ratings: Mapping[Any, float]) -> Self:
        """Update the model with new ratings of one user, known or not, without a new fit.

        All ratings of the user, old and new, are folded in, with the same result as for a new user
        who gave them; the items do not change. A rating of an item rated before replaces the old
        one. A new user is appended to `user_ids_`.

        `user_id` is an integer or text, as in the data. `ratings`, a mapping of item id to rating,
        are the new ratings; it may be empty. An item that is not in the data is an `UnknownIdError`
        (`partial_fit_items` adds new items), a rating outside the scale or an id of another type a
        `DataError`. The model is then unchanged.
        """
        self.check_fitted()
        _, items, values = as_row(ratings, self.item_index, self.scale_)
        user = self.user_index.find_or_next(user_id)
        rows = self._learn_user(merged(self._known.of_user(user), items, values))
        if user == len(self.user_ids_):
            self._add("user", user_id)
        for name, row in rows.items():
            getattr(self, name)[user] = row
        self._known.add(user, items, values)
        return self

    def _learn_user(self, ratings: CSR) -> dict[str, np.ndarray]:
        """Return a user's rows of the arrays of the state that depend on the ratings, by name."""
        if self._stored is None:
            return {}
        width = getattr(self, self._stored).shape[1]
        return {self._stored: self.user_vectors(ratings)[0, :width]}

    def partial_fit_items(self, item_id: Hashable, ratings: Mapping[Any, float]) -> Self:
        """Update the model with new ratings of one item, known or not, without a new fit.

        It is the half step of training for one item, with all its ratings; the users do not change.
        `item_id`, `ratings` (a mapping of user id to rating) and the errors are as for
        `partial_fit_users`, with users and items exchanged; a model other than `ALS`, `BiasALS` and
        `GenreALS` raises `RecsysError`.
        """
        self.check_fitted()
        told = f"{type(self).__name__} cannot take in the ratings of one item alone"
        raise RecsysError(f"{told}: fit it anew, or use ALS, BiasALS or GenreALS")

    def _add(self, what: str, one: Hashable) -> None:
        """Add a new user or item, with a row of zeros to each array that has a row for each."""
        for name, shape in self.shapes.items():
            if shape[0] == f"n_{what}s":
                self._append(name, 0)
        self._append(f"{what}_ids_", one)
        getattr(self, f"{what}_index").add(one)

    def _append(self, name: str, row: Any) -> None:
        """Add a row to the array of this name."""
        array = getattr(self, name)
        added = np.full_like(array, row, shape=(1, *array.shape[1:]))
        setattr(self, name, np.concatenate([array, added]))
