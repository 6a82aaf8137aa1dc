"""Two networks, one for users and one for items, that meet in a product of vectors."""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import pandas as pd
from optuna.distributions import BaseDistribution, FloatDistribution

from recsys_lib.features import attributes
from recsys_lib.models import network
from recsys_lib.models.base import RatingModel
from recsys_lib.models.network import NetworkModel, product
from recsys_lib.models.parameters import above, at_least, learnt, share, widths
from recsys_lib.ratings import CSR, Ratings

if TYPE_CHECKING:
    import torch

FARTHEST = 3.0  # standard deviations: how much an odd value can weigh in a history


@dataclass(eq=False, repr=False)
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
    history_size : int
        Likes in a history in training; of more, as many are drawn anew for each batch.
    dropout : float
        Share of the items that lose their vector, and of the users that lose their features.
    batch_size : int
        Likes.

    Attributes
    ----------
    history_rows_ : (n_items, width) float32
        An item's vector in a history; zero for items that nobody liked.
    user_layers_ : (n,) float32
        f's layers: of each, in order, its weights (n_out, n_in) row by row, and its biases.
    item_vectors_ : (n_items, K) float32
        g(i).
    user_features_ : (n_users, n_features) float32
        What f reads of known users.
    content_names_, feature_names_ : list of str
        What the towers read of items and of users: see `recsys_lib.features.attributes`.
    training_log_ : DataFrame
        loss is the mean over likes in the batches' contests.

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

    search_space: ClassVar[dict[str, BaseDistribution]] = {
        "learning_rate": FloatDistribution(5e-4, 1e-2, log=True),
        "temperature": FloatDistribution(0.05, 0.3, log=True),
        "weight_decay": FloatDistribution(0.03, 1.0, log=True),
        "dropout": FloatDistribution(0.0, 0.5),
    }
    _full_batches: ClassVar[bool] = True  # a batch of few pairs has few rivals
    _unit: ClassVar[bool] = True  # whether vectors have length 1

    n_factors: int = above(0, 64)
    width: int = above(0, 64)
    hidden: tuple[int, ...] = widths((128,), least=0)
    temperature: float = above(0, 0.1)
    history_size: int = above(0, 30)
    _: KW_ONLY
    learning_rate: float = above(0, 3e-3)
    weight_decay: float = at_least(0, 0.3)
    dropout: float = share(0.1)
    batch_size: int = above(0, 512)
    n_epochs: int = above(0, 30)
    history_rows_: np.ndarray = learnt("n_items", "width")
    user_layers_: np.ndarray = learnt("n_weights")
    item_vectors_: np.ndarray = learnt("n_items", "K")
    user_features_: np.ndarray = learnt("n_users", "n_features")
    content_names_: list[str] = field(init=False)
    feature_names_: list[str] = field(init=False)
    n_weights_: int = field(init=False)

    def sizes(self) -> dict[str, int]:
        """See `Fitted.sizes`."""
        inner = network.n_weights(self._user_sizes)
        return {**super().sizes(), "width": self.width, "n_weights": inner}

    @property
    def n_parameters_(self) -> int:
        """How many numbers `fit` has learnt, in both towers."""
        self.check_fitted()
        return self.n_weights_

    # ---- training

    def _init(self, train: Ratings, items: pd.DataFrame | None, users: pd.DataFrame | None) -> None:
        content, self.content_names_ = attributes(items, "item_id", train.item_ids)
        self.user_features_, self.feature_names_ = attributes(users, "user_id", train.user_ids)
        self._pairs = self._weighted(self.likes_of(train))
        self._users = np.repeat(np.arange(train.n_users), self._pairs.counts)
        counts = np.bincount(self._pairs.indices, minlength=train.n_items)
        with np.errstate(divide="ignore"):  # an item without a pair is never drawn
            self._log_share = np.log(counts / counts.sum()).astype(np.float32)
        largest = self.batch_size * self.n_factors
        self._start(np.arange(counts.sum()), lambda: self._network(counts > 0, content), largest)

    def _network(self, known: np.ndarray, content: np.ndarray) -> torch.nn.Module:
        import torch
        from torch import nn

        net: Any = nn.Module()
        net.history = nn.EmbeddingBag(len(known), self.width, mode="sum")
        net.ids = nn.Embedding(len(known), self.width)
        net.user_tower = network.layers(self._user_sizes)
        net.item_tower = network.layers([self.width + content.shape[1], *self._user_sizes[1:]])
        net.register_buffer("content", torch.from_numpy(content), persistent=False)
        for rows in (net.history.weight, net.ids.weight):
            nn.init.kaiming_uniform_(rows)
            with torch.no_grad():  # without a pair to learn from, the noise would stay
                rows[torch.from_numpy(~known)] = 0
        self.n_weights_ = sum(weights.numel() for weights in net.parameters())
        return net

    @property
    def _user_sizes(self) -> list[int]:
        """Widths of f's layers, the first that of what goes in."""
        return [self.width + len(self.feature_names_), *self.hidden, self.n_factors]

    def _batch_loss(self, examples: np.ndarray) -> torch.Tensor:
        users = self._users[examples]
        history = history_without(self._pairs, users, examples, self.history_size, self._rng)
        features = self._tensor(self.user_features_[users]) * self._kept(len(examples))
        items = self._tensor(self._pairs.indices[examples].astype(np.int64))
        vectors = self._item_tower(items, self._kept(len(examples)))
        return self._loss(self._user_tower(history, features), vectors, examples)

    def _loss(self, users: torch.Tensor, items: torch.Tensor, examples: np.ndarray) -> torch.Tensor:
        """Return the mean loss of pairs with these vectors (B, K) of users and of items."""
        ids = self._pairs.indices[examples]
        log_share = self._tensor(self._log_share[ids])
        return network.in_batch_softmax(
            users @ items.T / self.temperature, self._tensor(ids), log_share
        )

    def _user_tower(self, history: CSR, features: torch.Tensor) -> torch.Tensor:
        """Return f (B, K) of users with these histories and features."""
        import torch

        rows = torch.hstack([self._sums(self._net.history, history), features])
        return self._ended(self._net.user_tower(rows))

    def _item_tower(self, items: torch.Tensor, kept: torch.Tensor | float = 1.0) -> torch.Tensor:
        """Return g (B, K) of items; `kept` (B, 1) is 0 where the item's own vector is left out."""
        import torch

        rows = torch.hstack([self._net.ids(items) * kept, self._net.content[items]])
        return self._ended(self._net.item_tower(rows))

    def _ended(self, rows: torch.Tensor) -> torch.Tensor:
        from torch.nn import functional

        return functional.normalize(rows, dim=1) if self._unit else rows

    def _kept(self, n: int) -> torch.Tensor:
        """Return (n, 1): 0 for the share that is left out, 1 for the rest."""
        return self._tensor(self._rng.random((n, 1), np.float32) >= self.dropout).float()

    def _export(self) -> None:
        import torch

        self.history_rows_ = network.as_array(self._net.history.weight)
        self.user_layers_ = network.flattened(self._net.user_tower.parameters())
        with torch.no_grad():
            everything = torch.arange(len(self.item_ids_), device=self._device)
            self.item_vectors_ = network.as_array(self._item_tower(everything))

    # ---- serving: a user is the forward pass of likes and features

    def vectors(self, who: np.ndarray | CSR) -> np.ndarray:
        """See `Recommender`; of known users the features count as well."""
        if isinstance(who, CSR):
            return self.user_vectors(who)
        return self._forward(self._known.take(who), self.user_features_[who])

    def user_vectors(self, ratings: CSR) -> np.ndarray:
        """Return f(u) / T, (m, K) float32, of users without features; see `Recommender`."""
        self.check_who(ratings)
        shape = len(ratings.counts), self.user_features_.shape[1]
        return self._forward(ratings, np.zeros(shape, np.float32))

    def item_vectors(self) -> np.ndarray:
        """Return g(i), (n_items, K) float32."""
        return self.item_vectors_

    def _forward(self, ratings: CSR, features: np.ndarray) -> np.ndarray:
        """Return the users' vectors (m, K), which times an item's make a score."""
        history = self._weighted(self.liked(ratings))
        counts = np.repeat(history.counts, history.counts).astype(np.float32)
        mean = history._replace(values=history.values / counts)
        rows = np.hstack([product(mean, self.history_rows_), features])
        *between, (weights, biases) = network.unflattened(self.user_layers_, self._user_sizes)
        for inner, shift in between:
            rows = np.tanh(product(rows, inner) + shift)
        return self._scaled(product(rows, weights) + biases)

    def _scaled(self, rows: np.ndarray) -> np.ndarray:
        """Return the vectors of `_ended`, over T."""
        lengths = np.sqrt(np.einsum("uk,uk->u", rows, rows))[:, None]
        return rows / (np.maximum(lengths, 1e-12) * np.float32(self.temperature))

    def _weighted(self, likes: CSR) -> CSR:
        """Return what f reads of likes, their values the weights in a history."""
        return likes._replace(values=np.ones(len(likes.values), np.float32))

    def _set_user(self, user: int, ratings: CSR) -> None:
        if user == len(self.user_features_):  # of a new user nothing is known but the ratings
            self._append("user_features_", 0)


@dataclass(eq=False, repr=False)
class TwoTowerRegressor(TwoTower, RatingModel):
    """r̂_ui = μ + σ f(u)·g(i): the two towers of `TwoTower`, fitted to values and not to likes.

    Minimises the squared error, in units of the values' standard deviation σ, over the pairs that
    were observed. A history holds all that the user rated, weighed by how far above or below the
    mean (at most 3 σ, so that no odd value drowns the rest). The vectors have any length, and
    there is no contest: what nobody showed the user says nothing, so that lists rank poorly.

    Attributes
    ----------
    sigma_ : float
        σ. The loss in `training_log_` is the mean squared error over σ², with dropout.
    """

    search_space: ClassVar[dict[str, BaseDistribution]] = {
        name: TwoTower.search_space[name] for name in ("learning_rate", "weight_decay", "dropout")
    }
    monitor: ClassVar[tuple[str, str]] = ("rmse_valid", "min")
    _unit: ClassVar[bool] = False
    # Not its parameters: every rating is a value to learn from.
    threshold: ClassVar[float | None] = None  # type: ignore[misc]
    temperature: ClassVar[float] = 1.0  # type: ignore[misc]

    sigma_: float = field(init=False)

    def _init(self, train: Ratings, items: pd.DataFrame | None, users: pd.DataFrame | None) -> None:
        values = train.by_user.values
        self.sigma_ = float(np.std(values, dtype=np.float64)) or 1.0
        self._targets = self._standardised(values)
        super()._init(train, items, users)

    def _loss(self, users: torch.Tensor, items: torch.Tensor, examples: np.ndarray) -> torch.Tensor:
        from torch.nn import functional

        targets = self._tensor(self._targets[examples])
        return functional.mse_loss((users * items).sum(dim=1), targets)

    def _validate(self) -> dict[str, float]:
        return RatingModel._validate(self)

    def _standardised(self, values: np.ndarray) -> np.ndarray:
        return ((values - np.float32(self.mu_)) / np.float32(self.sigma_)).astype(np.float32)

    def _weighted(self, likes: CSR) -> CSR:
        return likes._replace(values=self._standardised(likes.values).clip(-FARTHEST, FARTHEST))

    def _scaled(self, rows: np.ndarray) -> np.ndarray:
        return rows * np.float32(self.sigma_)


def history_without(
    rated: CSR, users: np.ndarray, pairs: np.ndarray, most: int, rng: np.random.Generator
) -> CSR:
    """Return each pair's history: its user's row, without the pair's own item, (B, n_items).

    Values are divided by the length of the row.

    Parameters
    ----------
    rated : CSR
        A row a user; the values weigh the items of a history.
    users, pairs : (B,) int
        The users of the pairs, and where the pairs stand among the values of `rated`.
    most : int
        Items in a history; of a longer one, as many are drawn, with repeats.
    """
    start = rated.indptr[users]
    own, others = pairs - start, rated.indptr[users + 1] - start - 1
    counts = np.minimum(others, most)
    starts = np.concatenate([[0], np.cumsum(counts)])
    row = np.repeat(np.arange(len(pairs)), counts)
    place = np.arange(starts[-1]) - starts[row]
    drawn = (rng.random(len(place)) * others[row]).astype(np.int64)
    place = np.where(others[row] > most, drawn, place)
    place += place >= own[row]
    where = start[row] + place
    values = rated.values[where] / counts[row].astype(np.float32)
    return CSR(starts, rated.indices[where], values)
