"""A denoising autoencoder of users' likes."""

from __future__ import annotations

from typing import Any, ClassVar, cast

import numpy as np
import pandas as pd
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution

from recsys_lib.models import network
from recsys_lib.models.base import with_zero
from recsys_lib.models.network import NetworkModel, as_array, product, torch
from recsys_lib.models.parameters import learnt, one_of, widths
from recsys_lib.ratings import CSR, Ratings

LOSSES = ("multinomial", "bce")


class AutoEncoder(NetworkModel):
    """ŝ_u = V h_u + b, where h_u is computed from the user's likes by layers of tanh.

    The input is the vector of likes, scaled to length 1, with a share of them dropped at random, so
    that the network learns to predict what is missing. Layers of the widths `hidden`, and the same
    in reverse order, lead to scores of all items. There are two losses, for a user with the likes
    Ω(u):

    * "multinomial": -Σ_Ω(u) ln softmax(ŝ_u)_i. The items share one budget, so a like pushes all
      others down, where they rank.
    * "bce", binary cross-entropy: -Σ_Ω(u) ln σ(ŝ_ui) - Σ_other ln σ(-ŝ_ui). Each item is a question
      of its own.

    Both are exact sums over all items, without sampling. A batch needs batch_size x n_items scores;
    no array is as large as users x items.

    After Sedhain, Menon, Sanner & Xie 2015, AutoRec: autoencoders meet collaborative filtering;
    Liang, Krishnan, Hoffman & Jebara 2018, Variational autoencoders for collaborative filtering
    (the multinomial likelihood, and Mult-DAE).

    Parameters
    ----------
    hidden : sequence of int
        Widths of the layers of the encoder.
    loss : {"multinomial", "bce"}
        The loss, a mean over users, which AdamW minimises.
    dropout : float
        Share of the likes that each batch drops from the input.
    batch_size : int
        Users.

    Attributes
    ----------
    input_rows_ : (n_items, hidden[0]) float32
        The first layer; zero for items without a like.
    inner_ : (n,) float32
        The layers between, in order: the weights (n_out, n_in) of each row by row (those of the
        first are `input_rows_`), then its biases.
    output_rows_ : (n_items, hidden[0] + 1) float32
        V, then b.
    training_log_ : DataFrame
        loss is the mean over users in training, with dropout.
    """

    search_space: ClassVar[dict[str, BaseDistribution]] = {
        "learning_rate": FloatDistribution(3e-4, 5e-3, log=True),
        "dropout": FloatDistribution(0.1, 0.7),
        "weight_decay": FloatDistribution(0.01, 1.0, log=True),
        "batch_size": CategoricalDistribution((32, 64, 128)),
    }
    ends_in_bias: ClassVar[bool] = True
    _items: ClassVar[str | None] = "output_rows_"

    hidden: tuple[int, ...] = widths((256, 128), least=1)
    loss: str = one_of(LOSSES, "multinomial")
    input_rows_: np.ndarray = learnt("n_items", "W")
    inner_: np.ndarray = learnt("n_inner")
    output_rows_: np.ndarray = learnt("n_items", "W + 1")

    @property
    def _sizes(self) -> list[int]:
        """Widths of the layers between items and items."""
        return [*self.hidden, *self.hidden[-2::-1]]

    def sizes(self) -> dict[str, int]:
        """See `Fitted.sizes`."""
        n_inner = (first := self.hidden[0]) + network.n_weights(self._sizes)
        return {**super().sizes(), "W": first, "W + 1": first + 1, "n_inner": n_inner}

    def _init(self, train: Ratings, items: pd.DataFrame | None, users: pd.DataFrame | None) -> None:
        self._likes = self.likes_of(train)
        counts = np.bincount(self._likes.indices, minlength=train.n_items)
        examples = np.flatnonzero(self._likes.counts > 0)
        first = popularity_scores(self.loss, counts, len(examples))
        largest = train.n_items * self.hidden[0]
        self._start(examples, lambda: self._network(counts, first), largest)

    def _network(self, counts: np.ndarray, first_scores: np.ndarray) -> torch.nn.Module:
        nn, net = torch.nn, cast(Any, torch.nn.Module())
        net.rows = nn.EmbeddingBag(len(counts), self._sizes[0], mode="sum")
        net.biases = nn.Parameter(torch.zeros(self._sizes[0]))
        net.layers = network.layers([*self._sizes, len(counts)])
        nn.init.xavier_uniform_(net.rows.weight)
        with torch.no_grad():
            # Of items that nobody liked, the rows would stay the noise that they began as.
            net.rows.weight[torch.from_numpy(counts == 0)] = 0
            # From zero, the layers would spend the first epochs on what is the same for all users.
            net.layers[-1].bias.copy_(torch.from_numpy(first_scores))
        return net

    def _batch_loss(self, examples: np.ndarray) -> torch.Tensor:
        likes = _of_length_1(self._likes.take(examples))
        kept = self._rng.random(len(likes.values), np.float32) >= self.dropout
        values = likes.values * (kept / np.float32(1 - self.dropout))
        scores = self._scores(likes._replace(values=values))
        target = torch.zeros_like(scores)
        rows = np.repeat(np.arange(len(examples)), likes.counts)
        target[self._tensor(rows), self._tensor(likes.indices.astype(np.int64))] = 1
        losses = torch.nn.functional
        loss: Any = losses.cross_entropy
        if self.loss == "bce":
            loss = losses.binary_cross_entropy_with_logits
        return loss(scores, target, reduction="sum") / len(examples)

    def _scores(self, likes: CSR) -> torch.Tensor:
        """Return the scores (m, n_items) of rows of likes: the network, as it is trained."""
        rows = self._sums(self._net.rows, likes) + self._net.biases
        return self._net.layers(torch.tanh(rows))

    def _export(self) -> None:
        *inner, weights, biases = self._net.layers.parameters()
        self.input_rows_ = as_array(self._net.rows.weight)
        self.inner_ = network.flattened([self._net.biases, *inner])
        self.output_rows_ = np.column_stack([as_array(weights), as_array(biases)])

    def _fold_in(self, ratings: CSR, liked: CSR) -> np.ndarray:
        """Return the last layer before the scores, h, and a zero."""
        rows = product(_of_length_1(liked), self.input_rows_)
        return with_zero(np.tanh(network.forward(rows, self.inner_, self._sizes, hidden=True)))

    def _similarity_vectors(self) -> np.ndarray:
        return self.input_rows_


def popularity_scores(loss: str, counts: np.ndarray, n_users: int) -> np.ndarray:
    """Return the scores (n_items,) float32, the same for all users, that fit best.

    Half a like is added to each item, so that no score is infinite.
    """
    chance = (counts + 0.5) / (n_users + 1)
    scores = np.log(chance) if loss == "multinomial" else np.log(chance) - np.log1p(-chance)
    return scores.astype(np.float32)


def _of_length_1(likes: CSR) -> CSR:
    """Return the same likes with values that give each row the length 1."""
    values = 1 / np.sqrt(np.repeat(likes.counts, likes.counts))
    return likes._replace(values=values.astype(np.float32))
