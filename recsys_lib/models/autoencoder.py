"""A network that is shown a user's likes and gives them back, with more of their kind."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any, ClassVar

import numpy as np

from recsys_lib.errors import RecsysError
from recsys_lib.kernels.dense import layer, sparse_layer
from recsys_lib.models.network import Held, Job, NetworkModel
from recsys_lib.ratings import CSR, Ratings

LOSSES = ("multinomial", "bce")


class AutoEncoder(NetworkModel):
    """ŝ_u = V h_u + b, h_u what layers of tanh make of the user's likes.

    The likes go in as a vector of length 1 with a share dropped at random, so that the network
    learns to put back what is missing; through layers as wide as `hidden`, and the same backwards,
    come scores for all items. Two losses of a user with the likes Ω(u):

    * "multinomial": -Σ_Ω(u) ln softmax(ŝ_u)_i. The items share one budget, so a like pushes all
      others down, where they rank.
    * "bce", binary cross-entropy: -Σ_Ω(u) ln σ(ŝ_ui) - Σ_other ln σ(-ŝ_ui). Each item is a question
      of its own.

    Both are exact sums over all items; nothing is sampled. A batch of users holds batch_size x
    n_items scores, and nothing is as large as users x items.

    Parameters
    ----------
    hidden : sequence of int
        Widths of the layers on the way in.
    loss : {"multinomial", "bce"}
        What is minimised, by AdamW, as a mean over users.
    dropout : float
        Share of the likes that each batch leaves out on the way in.
    threshold : float, optional
        Ratings of at least this are likes; None: every rating is one.
    learning_rate, weight_decay : float
        Of AdamW.
    batch_size : int
        Users.
    n_epochs : int
        At most so many.
    patience : int, optional
        With a validation part: stop after so many epochs without a better one. None: never.
    stop_on : {"ndcg", "loss"}
        What makes an epoch better: NDCG@10 or the loss on the validation part.
    seed : int
        The same seed gives the same numbers on a processor with as many threads.
    device : str
        "cpu", "cuda", or "auto": CUDA where there is one.

    Attributes
    ----------
    input_rows_ : (n_items, hidden[0]) float32
        The first layer; zero for items that nobody liked.
    inner_ : (n,) float32
        The layers between: of each, in order, its weights (n_in, n_out) row by row (for the first,
        they are `input_rows_`) and its biases.
    output_rows_ : (n_items, hidden[0] + 1) float32
        V, then b.
    history : DataFrame
        A row an epoch: epoch, loss (mean over users, while learning and with dropout), loss_valid
        (of the likes held out, among what was not shown), ndcg_valid (at 10), seconds.

    References
    ----------
    Sedhain, Menon, Sanner & Xie 2015, AutoRec: autoencoders meet collaborative filtering; Liang,
    Krishnan, Hoffman & Jebara 2018, Variational autoencoders for collaborative filtering (the
    multinomial likelihood, and Mult-DAE).
    """

    _learnt: ClassVar[tuple[str, ...]] = ("input_rows_", "inner_", "output_rows_")

    input_rows_: np.ndarray
    inner_: np.ndarray
    output_rows_: np.ndarray

    def __init__(
        self,
        hidden: Sequence[int] = (256, 128),
        loss: str = "multinomial",
        dropout: float = 0.3,
        threshold: float | None = None,
        learning_rate: float = 1e-3,
        weight_decay: float = 0.01,
        batch_size: int = 64,
        n_epochs: int = 50,
        patience: int | None = 5,
        stop_on: str = "ndcg",
        seed: int = 0,
        device: str = "auto",
    ) -> None:
        self.hidden = tuple(hidden)
        self.loss = loss
        self.dropout = dropout
        self.threshold = threshold
        self.learning_rate = learning_rate
        self.weight_decay = weight_decay
        self.batch_size = batch_size
        self.n_epochs = n_epochs
        self.patience = patience
        self.stop_on = stop_on
        self.seed = seed
        self.device = device

    def _check_parameters(self) -> None:
        super()._check_parameters()
        if not self.hidden or min(self.hidden) < 1:
            raise RecsysError(f"hidden is {self.hidden!r}; it holds one width or more, above 0")
        if self.loss not in LOSSES:
            raise RecsysError(f"loss is {self.loss!r}; it must be 'multinomial' or 'bce'")

    @property
    def _sizes(self) -> list[int]:
        """Widths of the layers between items and items."""
        return [*self.hidden, *self.hidden[-2::-1]]

    # ---- fitting

    def _job(self, train: Ratings, likes: CSR, held: Held) -> Job:
        import torch

        from recsys_lib.models.autoencoder_torch import Net, Training, popularity_biases
        from recsys_lib.models.torch_training import State, pick_device

        generator = torch.Generator().manual_seed(self.seed)
        counts = np.bincount(likes.indices, minlength=train.n_items)
        first = popularity_biases(self.loss, counts, int((likes.counts > 0).sum()))
        net, device = Net(counts, first, self._sizes, generator), pick_device(self.device)
        state = State(net, self.learning_rate, self.weight_decay, generator, device)
        parts = likes, held.shown, held.asked
        return Training(state, *parts, self.loss, self.dropout, self.batch_size)

    def _export(self, state: Any) -> None:
        weights = state.weights()
        self.input_rows_ = weights["input"]
        parts = [weights["biases.0"]]
        for n in range(len(self._sizes) - 1):
            parts += [weights[f"inner.{n}"].ravel(), weights[f"biases.{n + 1}"]]
        self.inner_ = np.concatenate(parts)
        self.output_rows_ = np.hstack([weights["output"], weights["output_bias"][:, None]])

    # ---- what the base class asks for: a user is the forward pass of the likes

    def _fold_in(self, history: CSR) -> np.ndarray:
        """Return the last layer before the scores, h, of users of whom only likes are known."""
        likes = self._liked(history)
        counts, sizes = likes.counts, self._sizes
        values = (1 / np.sqrt(np.repeat(counts, counts))).astype(np.float32)
        place = sizes[0]
        rows = sparse_layer(
            likes.indptr, likes.indices, values, self.input_rows_, self.inner_[:place], True
        )
        for n_in, n_out in pairwise(sizes):
            weights = self.inner_[place : place + n_in * n_out].reshape(n_in, n_out)
            place += n_in * n_out
            rows = layer(rows, weights, self.inner_[place : place + n_out], True)
            place += n_out
        return rows

    def _vectors(self, rows: np.ndarray) -> np.ndarray:
        return np.hstack([rows, np.ones((len(rows), 1), np.float32)])

    def _item_vectors(self) -> np.ndarray:
        return self.output_rows_

    def _similarity_vectors(self) -> np.ndarray:
        return self.input_rows_
