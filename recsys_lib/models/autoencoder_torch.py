"""The autoencoder in PyTorch: the network, its two losses, and its batches of users."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise

import numpy as np
import torch
from torch.nn import functional

from recsys_lib.models.torch_losses import over_all_items
from recsys_lib.models.torch_training import State, dropped, initialised
from recsys_lib.ratings import CSR


class Net(torch.nn.Module):
    """Likes in, a score for every item out: tanh layers of the widths `sizes` in between.

    Parameters
    ----------
    counts : (n_items,) int
        How many liked each item. Of those that nobody liked the rows in the first layer would stay
        the noise that they began as, so they are zero.
    first_biases : (n_items,) float32
        Of the scores: those of a network that knows popularity and nothing else. From zero, the
        other layers would spend the first epochs on what is the same for all users.
    sizes : sequence of int
        Widths of the layers between items and items.
    generator : Generator
        For the first weights.
    """

    def __init__(
        self,
        counts: np.ndarray,
        first_biases: np.ndarray,
        sizes: Sequence[int],
        generator: torch.Generator,
    ) -> None:
        super().__init__()
        self.input = initialised(len(counts), sizes[0], generator=generator)
        with torch.no_grad():
            self.input[torch.from_numpy(counts == 0)] = 0
        self.inner = torch.nn.ParameterList(
            initialised(size, after, generator=generator) for size, after in pairwise(sizes)
        )
        self.biases = torch.nn.ParameterList(torch.zeros(size) for size in sizes)
        self.output = initialised(len(counts), sizes[-1], generator=generator)
        self.output_bias = torch.nn.Parameter(torch.from_numpy(first_biases))

    def forward(
        self, indices: torch.Tensor, starts: torch.Tensor, values: torch.Tensor
    ) -> torch.Tensor:
        """Return the scores (B, n_items) of sparse rows: `starts` (B,) are offsets in the rest."""
        hidden = functional.embedding_bag(
            indices, self.input, starts, mode="sum", per_sample_weights=values
        )
        hidden = torch.tanh(hidden + self.biases[0])
        for weights, bias in zip(self.inner, list(self.biases)[1:], strict=True):
            hidden = torch.tanh(hidden @ weights + bias)
        return hidden @ self.output.T + self.output_bias


def popularity_biases(kind: str, counts: np.ndarray, n_users: int) -> np.ndarray:
    """Return the scores (n_items,) float32 that fit best where they are the same for all users.

    Half a like more for each item: none is impossible.
    """
    share = (counts + 0.5) / (n_users + 1)
    scores = np.log(share) if kind == "multinomial" else np.log(share) - np.log1p(-share)
    return scores.astype(np.float32)


class Training:
    """An autoencoder's `network.Job`.

    Parameters
    ----------
    state : State
    likes : CSR
        Of the training part.
    shown, asked : CSR, optional
        Of the validation part's users: what goes in, and what should come out.
    loss : {"multinomial", "bce"}
    dropout : float
    batch_size : int
        Users.
    """

    def __init__(
        self,
        state: State,
        likes: CSR,
        shown: CSR | None,
        asked: CSR | None,
        loss: str,
        dropout: float,
        batch_size: int,
    ) -> None:
        self.state, self._likes, self._loss = state, likes, loss
        self._shown, self._asked = shown, asked
        self._dropout, self._batch_size = dropout, batch_size
        self._users = np.flatnonzero(likes.counts > 0)
        self.multiplications = float(min(batch_size, len(self._users))) * state.largest

    @property
    def n_batches(self) -> int:
        """Batches in an epoch."""
        return -(-len(self._users) // self._batch_size)

    def epoch(self) -> Iterator[tuple[float, int]]:
        """Learn from each batch of users; yield its mean loss and its size."""
        generator, net = self.state.generator, self.state.net
        order = self._users[torch.randperm(len(self._users), generator=generator).numpy()]
        for start in range(0, len(order), self._batch_size):
            some = self._likes.take(order[start : start + self._batch_size])
            rows, items, starts, values = self._tensors(some)
            values = dropped(values, self._dropout, generator)
            found = over_all_items(self._loss, net(items, starts, values), rows, items)
            loss = found.mean()
            self.state.step(loss)
            yield loss.item(), len(found)

    def loss_valid(self) -> float:
        """Return the mean loss of what is asked of the users, among what they were not shown."""
        if self._shown is None or self._asked is None:
            return float("nan")
        total, n_users = 0.0, len(self._asked.counts)
        with torch.no_grad():
            for start in range(0, n_users, self._batch_size):
                part = np.arange(start, min(start + self._batch_size, n_users))
                seen, items, starts, values = self._tensors(self._shown.take(part))
                scores = self.state.net(items, starts, values)
                scores[seen, items] = -torch.inf
                rows, items, _, _ = self._tensors(self._asked.take(part))
                total += over_all_items(self._loss, scores, rows, items).sum().item()
        return total / n_users

    def _tensors(self, likes: CSR) -> tuple[torch.Tensor, ...]:
        """Return rows, items (nnz,), starts (B,) and values of length 1 in each row (nnz,)."""
        counts = likes.counts
        rows = np.repeat(np.arange(len(counts)), counts)
        values = (1 / np.sqrt(counts[rows])).astype(np.float32)
        arrays = rows, likes.indices.astype(np.int64), likes.indptr[:-1], values
        return tuple(torch.from_numpy(array).to(self.state.device) for array in arrays)
