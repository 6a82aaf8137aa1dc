"""Two networks, one for users and one for items, that meet in a product of vectors."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any, ClassVar, Self

import numpy as np
import pandas as pd

from recsys_lib.features import attributes
from recsys_lib.errors import RecsysError
from recsys_lib.kernels import ranking
from recsys_lib.kernels.dense import layer, sparse_layer

from recsys_lib.models.network import Held, Job, NetworkModel
from recsys_lib.models.rating import RatingModel
from recsys_lib.ratings import CSR, Ratings

FARTHEST = 3.0  # standard deviations: how much an odd value can weigh in a history


class TwoTower(NetworkModel):
    """ŝ_ui = f(u)·g(i) / T: a tower f for users, a tower g for items, vectors of length 1.

    f reads the mean of the vectors of what the user liked, and the user's features; g reads a
    vector of the item's own and its content. Both end in K numbers, with layers of tanh between.

    Each batch of likes (u, i) is a contest by softmax: i against the items of the other likes. A
    rival's score is less ln q_j, q_j being j's share of the likes. Without that, popular items,
    which are in every batch, would be pushed down the most. The history that f reads leaves i
    out; with it, f would learn to look i up.

    In training, a share of the items lose their own vector and of the users their features. So
    an item that nobody liked can be scored by its content alone, and a stranger by likes alone.

    Parameters
    ----------
    n_factors : int
        K.
    width : int
        Length of an item's own vectors, the one in a history and the one in its tower.
    hidden : sequence of int
        Widths of the layers between, in either tower; may be empty.
    temperature : float
        T: the lower, the more a score can say.
    dropout : float
        Share of the items that lose their vector, and of the users that lose their features.
    history_size : int
        Likes in a history in training; of more, as many are drawn anew for each batch.
    threshold : float, optional
        Ratings of at least this are likes; None: every rating is one.
    learning_rate, weight_decay : float
        Of AdamW.
    batch_size : int
        Likes.
    n_epochs, patience, stop_on, seed, device
        As in `AutoEncoder`.

    Attributes
    ----------
    history_rows_ : (n_items, width) float32
        An item's vector in a history; zero for items that nobody liked.
    user_layers_ : (n,) float32
        f's layers: of each, in order, its weights (n_in, n_out) row by row, and its biases.
    item_vectors_ : (n_items, K) float32
        g(i).
    content_names_, feature_names_ : list of str
        What the towers read of items and of users: see `recsys_lib.features.attributes`.
    history : DataFrame
        A row an epoch: epoch, loss (mean over likes, in the batches' contests), loss_valid (of the
        likes held out, among all items that were not shown), ndcg_valid (at 10), seconds.

    Notes
    -----
    An item that nobody likes is never a rival, so nothing pushes it down. Where many of the items
    to be ranked are such, they can fill the lists; leave them out of the candidates.

    References
    ----------
    Covington, Adams & Sargin 2016, Deep neural networks for YouTube recommendations; Yi et al.
    2019, Sampling-bias-corrected neural modeling for large corpus item recommendations; Volkovs,
    Yu & Poutanen 2017, DropoutNet: addressing cold start in recommender systems.
    """

    _learnt_old: ClassVar[tuple[str, ...]] = (
        "history_rows_", "user_layers_", "item_vectors_", "_features",
    )  # fmt: skip
    _unit: ClassVar[bool] = True  # whether vectors have length 1

    history_rows_: np.ndarray
    user_layers_: np.ndarray
    item_vectors_: np.ndarray
    content_names_: list[str]
    feature_names_: list[str]
    _features: np.ndarray  # (n_users, n_features) float32
    _n_weights: int

    def __init__(
        self,
        n_factors: int = 64,
        width: int = 64,
        hidden: Sequence[int] = (128,),
        temperature: float = 0.1,
        dropout: float = 0.1,
        history_size: int = 30,
        threshold: float | None = None,
        learning_rate: float = 3e-3,
        weight_decay: float = 0.3,
        batch_size: int = 512,
        n_epochs: int = 30,
        patience: int | None = 5,
        stop_on: str = "ndcg",
        seed: int = 0,
        device: str = "auto",
    ) -> None:
        self.n_factors = n_factors
        self.width = width
        self.hidden = tuple(hidden)
        self.temperature = temperature
        self.dropout = dropout
        self.history_size = history_size
        self.threshold = threshold
        self.learning_rate = learning_rate
        self.weight_decay = weight_decay
        self.batch_size = batch_size
        self.n_epochs = n_epochs
        self.patience = patience
        self.stop_on = stop_on
        self.seed = seed
        self.device = device

    @property
    def n_parameters_(self) -> int:
        """How many numbers `fit` has learnt, in both towers."""
        self._check_fitted()
        return self._n_weights

    def _check_parameters(self) -> None:
        super()._check_parameters()
        for name in ("n_factors", "width", "history_size", "temperature"):
            if not getattr(self, name) > 0:
                raise RecsysError(f"{name} is {getattr(self, name)!r}; it must be above 0")
        if self.hidden and min(self.hidden) < 1:
            raise RecsysError(f"hidden is {self.hidden!r}; its widths must be above 0")

    # ---- fitting

    def _prepare(
        self, train: Ratings, items: pd.DataFrame | None, users: pd.DataFrame | None
    ) -> None:
        self._content, self.content_names_ = attributes(items, "item_id", train.item_ids)
        self._features, self.feature_names_ = attributes(users, "user_id", train.user_ids)

    def _job(self, train: Ratings, likes: CSR, held: Held) -> Job:
        return self._training(_alike(likes), None, _shown(held, _alike))

    def _training(
        self, rated: CSR, targets: np.ndarray | None, held: tuple[CSR, CSR, np.ndarray] | None
    ) -> Job:
        """Make the PyTorch side, of pairs whose values weigh the items of a history."""
        import torch

        from recsys_lib.models.torch_training import State, pick_device
        from recsys_lib.models.two_tower_torch import Net, Training

        generator = torch.Generator().manual_seed(self.seed)
        net = Net(
            np.bincount(rated.indices, minlength=len(self.item_ids_)) > 0,
            self._content,
            self._features.shape[1],
            self.width,
            self.hidden,
            self.n_factors,
            self._unit,
            generator,
        )
        del self._content  # from here on the network's
        self._n_weights = sum(weights.numel() for weights in net.parameters())
        device = pick_device(self.device)
        state = State(net, self.learning_rate, self.weight_decay, generator, device)
        batches = self.temperature, self.dropout, self.history_size, self.batch_size
        return Training(state, rated, targets, self._features, held, *batches)

    def _export(self, state: Any) -> None:
        weights = state.weights()
        self.history_rows_ = weights["history"]
        parts = []
        for n in range(len(self.hidden) + 1):
            parts += [weights[f"user_tower.weights.{n}"], weights[f"user_tower.biases.{n}"]]
        self.user_layers_ = np.concatenate([part.ravel() for part in parts])
        self.item_vectors_ = state.net.catalogue()

    # ---- what the base class asks for: a user is the forward pass of history and features

    def _user_rows(self, users: np.ndarray) -> np.ndarray:
        return self._forward(self._rated.take(users), self._features[users])

    def _set_user_row(self, user: int, row: np.ndarray) -> None:
        if user == len(self._features):  # of a new user nothing is known but the history
            self._append("_features", np.zeros(self._features.shape[1], np.float32))

    def _fold_in(self, history: CSR) -> np.ndarray:
        n_strangers = len(history.indptr) - 1
        return self._forward(history, np.zeros((n_strangers, self._features.shape[1]), np.float32))

    def _forward(self, history: CSR, features: np.ndarray) -> np.ndarray:
        """Return the users' vectors (m, K), which times an item's make a score."""
        rows = self._tower(self._weighted(history), features)
        lengths = np.sqrt(np.einsum("uk,uk->u", rows, rows))[:, None]
        return rows / (np.maximum(lengths, 1e-12) * np.float32(self.temperature))

    def _weighted(self, history: CSR) -> CSR:
        """Return the part of a history that f reads, with weights for values."""
        return _alike(self._liked(history))

    def _tower(self, history: CSR, features: np.ndarray) -> np.ndarray:
        """Return what f's last layer gives."""
        counts = history.counts
        values = history.values / np.repeat(counts, counts).astype(np.float32)
        nothing = np.zeros(self.width, np.float32)
        csr = history.indptr - history.indptr[0], history.indices, values
        rows = np.hstack([sparse_layer(*csr, self.history_rows_, nothing, False), features])
        sizes, place = [rows.shape[1], *self.hidden, self.n_factors], 0
        for number, (n_in, n_out) in enumerate(pairwise(sizes), 1):
            weights = self.user_layers_[place : place + n_in * n_out].reshape(n_in, n_out)
            place += n_in * n_out
            biases = self.user_layers_[place : place + n_out]
            rows = layer(rows, weights, biases, number < len(sizes) - 1)
            place += n_out
        return rows

    def _item_vectors(self) -> np.ndarray:
        return self.item_vectors_

    def _similarity_vectors(self) -> np.ndarray:
        return self.item_vectors_

    def _extra(self) -> dict[str, Any]:
        names = {"content_names": self.content_names_, "feature_names": self.feature_names_}
        return {**names, "n_weights": self._n_weights}

    @classmethod
    def _from_saved(cls, arrays: dict[str, np.ndarray], meta: dict[str, Any]) -> Self:
        model = super()._from_saved(arrays, meta)
        model.content_names_, model.feature_names_ = meta["content_names"], meta["feature_names"]
        model._n_weights = meta["n_weights"]
        return model


class TwoTowerRegressor(TwoTower, RatingModel):
    """r̂_ui = μ + σ f(u)·g(i): the two towers of `TwoTower`, fitted to values and not to likes.

    Minimises the squared error, in units of the values' standard deviation σ, over the pairs that
    were observed. A history holds all that the user rated, weighed by how far above or below the
    mean (at most 3 σ, so that no odd value drowns the rest). The vectors have any length, and
    there is no contest: what nobody showed the user says nothing, so that lists rank poorly.

    Parameters
    ----------
    n_factors, width, hidden, dropout, history_size, learning_rate, weight_decay, batch_size :
        As in `TwoTower`.
    n_epochs, patience, seed, device :
        As in `TwoTower`; what makes an epoch better is the error on the validation part.

    Attributes
    ----------
    sigma_ : float
        σ.
    history : DataFrame
        A row an epoch: epoch, loss (mean squared error over σ², with dropout), loss_valid (the
        same of the validation part, without), ndcg_valid (NaN: it is not watched), seconds.
    """

    _unit: ClassVar[bool] = False
    threshold = None  # every rating is a value to learn from
    temperature = 1.0  # of no effect
    stop_on = "loss"

    sigma_: float

    def __init__(
        self,
        n_factors: int = 64,
        width: int = 64,
        hidden: Sequence[int] = (128,),
        dropout: float = 0.1,
        history_size: int = 30,
        learning_rate: float = 3e-3,
        weight_decay: float = 0.3,
        batch_size: int = 512,
        n_epochs: int = 30,
        patience: int | None = 5,
        seed: int = 0,
        device: str = "auto",
    ) -> None:
        self.n_factors = n_factors
        self.width = width
        self.hidden = tuple(hidden)
        self.dropout = dropout
        self.history_size = history_size
        self.learning_rate = learning_rate
        self.weight_decay = weight_decay
        self.batch_size = batch_size
        self.n_epochs = n_epochs
        self.patience = patience
        self.seed = seed
        self.device = device

    def _job(self, train: Ratings, likes: CSR, held: Held) -> Job:
        self.sigma_ = float(np.std(likes.values, dtype=np.float64)) or 1.0
        return self._training(
            self._weighted(likes),
            self._standardised(likes.values),
            _shown(held, self._weighted, self._standardised),
        )

    def _standardised(self, values: np.ndarray) -> np.ndarray:
        return ((values - np.float32(self.mu_)) / np.float32(self.sigma_)).astype(np.float32)

    def _weighted(self, history: CSR) -> CSR:
        weights = self._standardised(history.values).clip(-FARTHEST, FARTHEST)
        return history._replace(values=weights)

    def _watch(self, valid: Ratings | None, history: Ratings | None) -> Any:
        return Watch(self, None, None)  # the errors are what counts

    def _forward(self, history: CSR, features: np.ndarray) -> np.ndarray:
        return self._tower(self._weighted(history), features) * np.float32(self.sigma_)

    def _offsets(self, rows: np.ndarray) -> np.ndarray:
        return np.full(len(rows), self.mu_, np.float32)

    # ---- predicting

    def _predict_index(self, users: np.ndarray, items: np.ndarray) -> np.ndarray:
        who, places = np.unique(users, return_inverse=True)
        return self._products(self._user_rows(who), places.astype(np.int32), items)

    def _predict_history(self, history: CSR, rows: np.ndarray, items: np.ndarray) -> np.ndarray:
        return self._products(self._fold_in(history), rows, items)

    def _products(self, vectors: np.ndarray, rows: np.ndarray, items: np.ndarray) -> np.ndarray:
        guess = ranking.score_pairs(vectors, self.item_vectors_, rows, items)
        return (guess + np.float32(self.mu_)).clip(*self.scale_)

    def _extra(self) -> dict[str, Any]:
        return {**super()._extra(), "sigma": self.sigma_}

    @classmethod
    def _from_saved(cls, arrays: dict[str, np.ndarray], meta: dict[str, Any]) -> Self:
        model = super()._from_saved(arrays, meta)
        model.sigma_ = meta["sigma"]
        return model


def _alike(rated: CSR) -> CSR:
    """Return the same pairs, all of the same weight."""
    return rated._replace(values=np.ones(len(rated.values), np.float32))


def _shown(
    held: Held,
    weighted: Callable[[CSR], CSR],
    target: Callable[[np.ndarray], np.ndarray] = np.asarray,
) -> tuple[CSR, CSR, np.ndarray] | None:
    """Return what `two_tower_torch.Training` wants of the validation part."""
    if held.shown is None or held.asked is None:
        return None
    asked = held.asked._replace(values=target(held.asked.values))
    users = np.full(len(held.users), -1) if held.strangers else held.users
    return weighted(held.shown), asked, users
