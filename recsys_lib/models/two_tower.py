"""Two networks, one for users and one for items; the score is a product of their vectors."""

from __future__ import annotations

from dataclasses import KW_ONLY, field
from typing import Any, ClassVar, cast

import numpy as np
import pandas as pd
from optuna.distributions import BaseDistribution, FloatDistribution

from recsys_lib.features import attributes
from recsys_lib.models import network
from recsys_lib.models.network import NetworkModel, product, torch
from recsys_lib.models.parameters import above, at_least, learnt, share, widths
from recsys_lib.ratings import CSR, Ratings


class TwoTower(NetworkModel):
    """ŝ_ui = f(u)·g(i) / T: a tower f for users, a tower g for items, vectors of length 1.

    f reads the mean of the vectors of the liked items, and the user's features; g reads a vector of
    the item and its content. Both return K numbers, after layers of tanh.

    The loss of a like (u, i) is a softmax of i against the items of the other likes in the batch.
    From the score of such an item j, ln q_j is subtracted, where q_j is its share of the likes;
    without this correction, popular items, which are in most batches, would be pushed down too
    much. The history that f reads leaves i out, since f could copy it.

    In training, a share of the items lose their vector and a share of the users their features, so
    that an item without likes can be scored by its content, and a new user by likes. An item
    without likes is never a negative, so nothing lowers its score: if many candidates have none,
    they can fill the lists; leave them out of the candidates.

    After Covington, Adams & Sargin 2016, Deep neural networks for YouTube recommendations; Yi et
    al. 2019, Sampling-bias-corrected neural modeling for large corpus item recommendations;
    Volkovs, Yu & Poutanen 2017, DropoutNet: addressing cold start in recommender systems.

    Parameters
    ----------
    width : int
        Length of an item's two vectors, in a history and in the item tower.
    hidden : sequence of int
        Widths of the hidden layers of both towers; may be empty.
    temperature : float
        T, by which scores are divided before the softmax.
    history_size : int
        Largest number of likes in a history in training; of more, so many are drawn for each batch.
    dropout : float
        Share of the items that lose their vector, and of the users that lose their features.
    batch_size : int
        Likes.

    Attributes
    ----------
    history_rows_ : (n_items, width) float32
        An item's vector in a history; zero for items that nobody liked.
    user_layers_ : (n,) float32
        f's layers, in order: the weights (n_out, n_in) of each row by row, then its biases.
    item_vectors_ : (n_items, K) float32
        g(i).
    user_features_ : (n_users, n_features) float32
        What f reads of known users.
    content_names_, feature_names_ : list of str
        What the towers read of items and of users: see `recsys_lib.features.attributes`.
    training_log_ : DataFrame
        loss is the mean over likes in the batches' contests.
    """

    search_space: ClassVar[dict[str, BaseDistribution]] = {
        "learning_rate": FloatDistribution(5e-4, 1e-2, log=True),
        "temperature": FloatDistribution(0.05, 0.3, log=True),
        "weight_decay": FloatDistribution(0.03, 1.0, log=True),
        "dropout": FloatDistribution(0.0, 0.5),
    }
    _full_batches: ClassVar[bool] = True  # a batch of few pairs has few rivals
    _items: ClassVar[str | None] = "item_vectors_"

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

    def _init(self, train: Ratings, items: pd.DataFrame | None, users: pd.DataFrame | None) -> None:
        content, self.content_names_ = attributes(items, "item_id", train.item_ids)
        self.user_features_, self.feature_names_ = attributes(users, "user_id", train.user_ids)
        self._pairs = self.likes_of(train)
        self._users = np.repeat(np.arange(train.n_users), self._pairs.counts)
        counts = np.bincount(self._pairs.indices, minlength=train.n_items)
        with np.errstate(divide="ignore"):  # an item without a pair is never drawn
            self._log_share = np.log(counts / counts.sum()).astype(np.float32)
        largest = self.batch_size * self.n_factors
        self._start(np.arange(counts.sum()), lambda: self._network(counts > 0, content), largest)

    def _network(self, known: np.ndarray, content: np.ndarray) -> torch.nn.Module:
        nn, net = torch.nn, cast(Any, torch.nn.Module())
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
        drawn = self._pairs.indices[examples].astype(np.int64)
        items, log_share = self._tensor(drawn), self._tensor(self._log_share[drawn])
        vectors = self._item_tower(items, self._kept(len(examples)))
        scores = self._user_tower(history, features) @ vectors.T / self.temperature
        return network.in_batch_softmax(scores, items, log_share)

    def _user_tower(self, history: CSR, features: torch.Tensor) -> torch.Tensor:
        """Return f (B, K) of users with these histories and features."""
        rows = torch.hstack([self._sums(self._net.history, history), features])
        return torch.nn.functional.normalize(self._net.user_tower(rows), dim=1)

    def _item_tower(self, items: torch.Tensor, kept: torch.Tensor | float = 1.0) -> torch.Tensor:
        """Return g (B, K) of items; `kept` (B, 1) is 0 where the item's own vector is left out."""
        rows = torch.hstack([self._net.ids(items) * kept, self._net.content[items]])
        return torch.nn.functional.normalize(self._net.item_tower(rows), dim=1)

    def _kept(self, n: int) -> torch.Tensor:
        """Return (n, 1): 0 for the share that is left out, 1 for the rest."""
        return self._tensor(self._rng.random((n, 1), np.float32) >= self.dropout).float()

    def _export(self) -> None:
        self.history_rows_ = network.as_array(self._net.history.weight)
        self.user_layers_ = network.flattened(self._net.user_tower.parameters())
        with torch.no_grad():
            everything = torch.arange(len(self.item_ids_), device=self._device)
            self.item_vectors_ = network.as_array(self._item_tower(everything))

    # ---- serving: a user is the forward pass of likes and features

    def _vectors_of(self, users: np.ndarray) -> np.ndarray:
        return self._forward(self.liked(self._known.take(users)), self.user_features_[users])

    def _fold_in(self, ratings: CSR, liked: CSR) -> np.ndarray:
        shape = liked.n_rows, self.user_features_.shape[1]
        return self._forward(liked, np.zeros(shape, np.float32))

    def _forward(self, likes: CSR, features: np.ndarray) -> np.ndarray:
        """Return f(u) / T, (m, K) float32, which times an item's vector make a score."""
        values = 1 / np.repeat(likes.counts, likes.counts).astype(np.float32)
        mean = product(likes._replace(values=values), self.history_rows_)
        rows = np.hstack([mean, features])
        rows = network.forward(rows, self.user_layers_, self._user_sizes, hidden=False)
        lengths = np.sqrt(np.einsum("uk,uk->u", rows, rows))[:, None]
        return rows / (np.maximum(lengths, 1e-12) * np.float32(self.temperature))


def history_without(
    likes: CSR, users: np.ndarray, pairs: np.ndarray, most: int, rng: np.random.Generator
) -> CSR:
    """Return each pair's history: its user's likes without the pair's own item, (B, n_items).

    `pairs` (B,) int says where they stand among the values of `likes`, `users` (B,) int whose they
    are. Of a history of more than `most` items, as many are drawn, with repeats. The values are 1
    over the length of the row.
    """
    start = likes.indptr[users]
    own, others = pairs - start, likes.indptr[users + 1] - start - 1
    counts = np.minimum(others, most)
    starts = np.concatenate([[0], np.cumsum(counts)])
    row = np.repeat(np.arange(len(pairs)), counts)
    place = np.arange(starts[-1]) - starts[row]
    drawn = (rng.random(len(place)) * others[row]).astype(np.int64)
    place = np.where(others[row] > most, drawn, place)
    place += place >= own[row]
    items = likes.indices[start[row] + place]
    return CSR(starts, items, 1 / counts[row].astype(np.float32))
