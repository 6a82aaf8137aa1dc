"""Two towers in PyTorch: the network, and batches of pairs whose history leaves out the target."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise

import numpy as np
import torch
from torch.nn import functional

from recsys_lib.models.torch_losses import in_batch_softmax, over_all_items
from recsys_lib.models.torch_training import State, initialised
from recsys_lib.ratings import CSR

VALID_AT_A_TIME = 256  # users of the validation part, each with a score for every item


class Tower(torch.nn.Module):
    """Layers of the widths `sizes`, tanh between them, and none after the last."""

    def __init__(self, sizes: Sequence[int], generator: torch.Generator) -> None:
        super().__init__()
        self.weights = torch.nn.ParameterList(
            initialised(*pair, generator=generator) for pair in pairwise(sizes)
        )
        self.biases = torch.nn.ParameterList(torch.zeros(size) for size in sizes[1:])

    def forward(self, rows: torch.Tensor) -> torch.Tensor:
        """Return the last layer's (B, n_out)."""
        for n, (weights, bias) in enumerate(zip(self.weights, self.biases, strict=True)):
            rows = (torch.tanh(rows) if n else rows) @ weights + bias
        return rows


class Net(torch.nn.Module):
    """A vector for a user, of history and features, and one for an item, of id and content.

    Parameters
    ----------
    known : (n_items,) bool
        Which items have a pair to learn from. The others' rows would stay the noise that they began
        as, so they are zero.
    content : (n_items, n_content) float32
    n_features : int
        Of users.
    width : int
        Of an id's vector.
    hidden : sequence of int
        Widths of the layers between, in either tower.
    n_factors : int
        Of the vectors that come out.
    unit : bool
        Whether they have length 1.
    generator : Generator
    """

    content: torch.Tensor

    def __init__(
        self,
        known: np.ndarray,
        content: np.ndarray,
        n_features: int,
        width: int,
        hidden: Sequence[int],
        n_factors: int,
        unit: bool,
        generator: torch.Generator,
    ) -> None:
        super().__init__()
        self.training_log_ = initialised(len(known), width, generator=generator)
        self.ids = initialised(len(known), width, generator=generator)
        with torch.no_grad():
            for rows in (self.training_log_, self.ids):
                rows.mul_((len(known) / width) ** 0.5)  # as if each were a layer of its own
                rows[torch.from_numpy(~known)] = 0
        self.user_tower = Tower([width + n_features, *hidden, n_factors], generator)
        self.item_tower = Tower([width + content.shape[1], *hidden, n_factors], generator)
        self.register_buffer("content", torch.from_numpy(content), persistent=False)
        self.unit, self.n_factors = unit, n_factors

    def users(
        self,
        items: torch.Tensor,
        starts: torch.Tensor,
        values: torch.Tensor,
        features: torch.Tensor,
    ) -> torch.Tensor:
        """Return the vectors (B, K) of users with these histories and features."""
        history = functional.embedding_bag(
            items, self.training_log_, starts, mode="sum", per_sample_weights=values
        )
        return self._finish(self.user_tower(torch.hstack([history, features])))

    def items(self, items: torch.Tensor, kept: torch.Tensor | None = None) -> torch.Tensor:
        """Return the vectors (B, K) of items; `kept` (B, 1) is 0 where the id is left out."""
        ids = self.ids.index_select(0, items)
        ids = ids if kept is None else ids * kept
        content = self.content.index_select(0, items)
        return self._finish(self.item_tower(torch.hstack([ids, content])))

    def catalogue(self) -> np.ndarray:
        """Return the vectors of all items, (n_items, K) float32."""
        with torch.no_grad():
            everything = torch.arange(len(self.ids), device=self.ids.device)
            vectors: np.ndarray = self.items(everything).cpu().numpy()
        return vectors

    def _finish(self, rows: torch.Tensor) -> torch.Tensor:
        return functional.normalize(rows, dim=1) if self.unit else rows


class Pairs:
    """The pairs to learn from, and for each a history of its user without the pair's own item.

    With the item in its own history, a network would learn to look it up, and nothing else.

    Parameters
    ----------
    rated : CSR
        A row a user; the values weigh the items of a history.
    most : int
        Items in a history; of a longer one, as many are drawn anew each time.
    """

    def __init__(self, rated: CSR, most: int) -> None:
        self._rated, self._most = rated, most
        self.users = np.repeat(np.arange(len(rated.counts)), rated.counts)

    def __len__(self) -> int:
        return len(self.users)

    def histories(self, pairs: np.ndarray, generator: torch.Generator) -> CSR:
        """Return a row a pair (B, n_items); the values are divided by the row's length."""
        indptr, indices, values = self._rated
        start, own = indptr[self.users[pairs]], pairs - indptr[self.users[pairs]]
        others = indptr[self.users[pairs] + 1] - start - 1
        counts = np.minimum(others, self._most)
        starts = np.concatenate([[0], np.cumsum(counts)])
        row = np.repeat(np.arange(len(pairs)), counts)
        place = np.arange(starts[-1]) - starts[row]
        drawn = torch.rand(len(place), generator=generator, dtype=torch.float64).numpy()
        place = np.where(others[row] > self._most, (drawn * others[row]).astype(np.int64), place)
        place += place >= own[row]
        where = start[row] + place
        return CSR(starts, indices[where], values[where] / counts[row].astype(np.float32))


class Training:
    """A two-tower's `network.Job`.

    Parameters
    ----------
    state : State
    rated : CSR
        The pairs, with the weights of a history's items for values.
    targets : (nnz,) float32, optional
        What the scores should be; None: the pairs are likes, and should win a softmax.
    features : (n_users, n_features) float32
    shown, asked, asking : CSR, CSR, (m,) int, optional
        Of the validation part: what is shown of each user (as `rated`), what should come out, and
        the users' indices, -1 for strangers.
    temperature, dropout, history_size, batch_size
        See `TwoTower`.
    """

    def __init__(
        self,
        state: State,
        rated: CSR,
        targets: np.ndarray | None,
        features: np.ndarray,
        held: tuple[CSR, CSR, np.ndarray] | None,
        temperature: float,
        dropout: float,
        history_size: int,
        batch_size: int,
    ) -> None:
        self.state, self._targets, self._held = state, targets, held
        self._pairs, self._items = Pairs(rated, history_size), rated.indices.astype(np.int64)
        self._features, self._temperature, self._dropout = features, temperature, dropout
        self._batch_size = min(batch_size, len(self._pairs))
        counts = np.bincount(rated.indices, minlength=len(state.net.ids))
        with np.errstate(divide="ignore"):  # an item without a pair is never drawn
            self._log_share = np.log(counts / len(self._pairs)).astype(np.float32)
        self.multiplications = float(self._batch_size**2) * state.net.n_factors

    @property
    def n_batches(self) -> int:
        """Batches in an epoch; a last one of few pairs is left out, for want of rivals."""
        return len(self._pairs) // self._batch_size

    def epoch(self) -> Iterator[tuple[float, int]]:
        """Learn from each batch of pairs; yield its mean loss and its size."""
        generator = self.state.generator
        order = torch.randperm(len(self._pairs), generator=generator).numpy()
        for number in range(self.n_batches):
            pairs = order[number * self._batch_size : (number + 1) * self._batch_size]
            found = self._losses(pairs, generator)
            loss = found.mean()
            self.state.step(loss)
            yield loss.item(), len(pairs)

    def _losses(self, pairs: np.ndarray, generator: torch.Generator) -> torch.Tensor:
        net, items = self.state.net, self._to_device(self._items[pairs])
        features = self._features[self._pairs.users[pairs]]
        features = self._to_device(features) * self._kept(len(pairs), generator)
        users = net.users(*self._history(self._pairs.histories(pairs, generator)), features)
        vectors = net.items(items, self._kept(len(pairs), generator))
        if self._targets is not None:
            return ((users * vectors).sum(dim=1) - self._to_device(self._targets[pairs])) ** 2
        log_share = self._to_device(self._log_share)[items]
        return in_batch_softmax(users @ vectors.T / self._temperature, items, log_share)

    def _kept(self, n: int, generator: torch.Generator) -> torch.Tensor:
        """Return (n, 1): 0 for the share that is left out, 1 for the rest."""
        return self._to_device(torch.rand(n, 1, generator=generator) >= self._dropout).float()

    def loss_valid(self) -> float:
        """Return the mean loss of the pairs held out.

        For likes it is that of the softmax over all items that the user was not shown.
        """
        if self._held is None:
            return float("nan")
        shown, asked, users = self._held
        total = 0.0
        with torch.no_grad():
            net = self.state.net
            catalogue = net.items(torch.arange(len(net.ids), device=self.state.device))
            for start in range(0, len(users), VALID_AT_A_TIME):
                part = np.arange(start, min(start + VALID_AT_A_TIME, len(users)))
                seen, wanted = shown.take(part), asked.take(part)
                scores = self._score(seen, users[part]) @ catalogue.T
                rows = self._to_device(np.repeat(np.arange(len(part)), wanted.counts))
                items = self._to_device(wanted.indices.astype(np.int64))
                if self._targets is not None:
                    error = scores[rows, items] - self._to_device(wanted.values)
                    total += (error**2).sum().item()
                    continue
                scores /= self._temperature
                behind = np.repeat(np.arange(len(part)), seen.counts)
                scores[
                    self._to_device(behind), self._to_device(seen.indices.astype(np.int64))
                ] = -torch.inf
                total += over_all_items("multinomial", scores, rows, items).sum().item()
        return total / len(asked.values)

    def _score(self, seen: CSR, users: np.ndarray) -> torch.Tensor:
        counts = np.maximum(seen.counts, 1).astype(np.float32)
        whole = seen._replace(values=seen.values / np.repeat(counts, seen.counts))
        features = self._features[users] * (users >= 0)[:, None]
        return self.state.net.users(*self._history(whole), self._to_device(features))

    def _history(self, rows: CSR) -> tuple[torch.Tensor, ...]:
        arrays = rows.indices.astype(np.int64), rows.indptr[:-1], rows.values.astype(np.float32)
        return tuple(map(self._to_device, arrays))

    def _to_device(self, array: np.ndarray | torch.Tensor) -> torch.Tensor:
        tensor = torch.from_numpy(array) if isinstance(array, np.ndarray) else array
        return tensor.to(self.state.device)
