"""What the networks share: batches and steps in PyTorch, and in NumPy the layers that serve.

A fitted network is NumPy arrays: PyTorch is imported when one is trained, and not before.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from io import BytesIO
from itertools import pairwise
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from scipy.sparse import csr_matrix

from recsys_lib.errors import RecsysError
from recsys_lib.models.base import ImplicitFeedbackModel
from recsys_lib.models.parameters import Arrays, above, at_least, one_of, share
from recsys_lib.ratings import CSR, Ratings

if TYPE_CHECKING:
    import torch
else:

    class _Late:
        """PyTorch, imported when something of it is asked for."""

        def __getattr__(self, name: str) -> Any:
            if name.startswith("__"):  # what Python asks of anything
                raise AttributeError(name)
            try:
                import torch
            except ModuleNotFoundError as error:
                told = "networks are trained by PyTorch, which is not installed here"
                raise RecsysError(f"{told}: pip install torch") from error
            return getattr(torch, name)

    torch = _Late()

# Multiplications in a batch's largest product. With fewer, a second thread gains next to nothing,
# and all threads wait whenever another program takes the core of one.
WORTH_THREADS = 1e8


class NetworkModel(ImplicitFeedbackModel, kw_only=True):
    """Base class of the networks, which AdamW trains on batches of examples.

    A network's `_init` ends with `_start`. It also writes `_batch_loss`, the mean loss of some of
    the examples, and `_export`, which sets the arrays that serve from the weights.

    Parameters
    ----------
    learning_rate, weight_decay : float
        Of AdamW.
    dropout : float
        Share of the inputs that each batch leaves out; each network says of which.
    batch_size : int
        Examples; each network says of what.
    device : str
        "cpu", "cuda", or "auto": CUDA where there is one.
    """

    _full_batches: ClassVar[bool] = False  # whether a last batch of fewer examples is left out

    learning_rate: float = above(0, 1e-3)
    weight_decay: float = at_least(0, 0.01)
    dropout: float = share(0.3)
    batch_size: int = above(0, 64)
    n_epochs: int = above(0, 50)
    patience: int | None = above(0, 5)
    seed: int = at_least(0, 0)
    device: str = one_of(("auto", "cpu", "cuda"), "auto")

    def _batch_loss(self, examples: np.ndarray) -> torch.Tensor:
        raise NotImplementedError

    def _export(self) -> None:
        raise NotImplementedError

    def _start(
        self, examples: np.ndarray, network: Callable[[], torch.nn.Module], per_example: float
    ) -> None:
        """Set the state from which training starts.

        The batches are drawn from `examples` (n,) int; `network` makes the modules with their first
        weights; `per_example` are the multiplications for one in the largest product of a batch.
        """
        self._examples, self._per_example = examples, per_example
        self._device = pick_device(self.device)
        with torch.random.fork_rng(devices=[]):  # PyTorch's own random numbers stay as they are
            torch.default_generator.manual_seed(self.seed)
            self._net: Any = network().to(self._device)
        self._optimizer = torch.optim.AdamW(
            self._net.parameters(), self.learning_rate, weight_decay=self.weight_decay, fused=True
        )

    def _epoch(self, train: Ratings) -> dict[str, float]:
        order = self._rng.permutation(self._examples)
        size = min(self.batch_size, len(order))
        stop = len(order) - (size - 1 if self._full_batches else 0)
        total, n_seen = 0.0, 0
        with repeatable(self._per_example * size):
            for start in range(0, stop, size):
                some = order[start : start + size]
                loss = self._batch_loss(some)
                self._optimizer.zero_grad()
                loss.backward()
                self._optimizer.step()
                total += loss.item() * len(some)
                n_seen += len(some)
            self._export()
        if not np.isfinite(total):
            raise RecsysError(f"learning_rate {self.learning_rate!r} is too large: steps diverge")
        return {"loss": total / n_seen}

    def _checkpoint(self) -> Arrays:
        file = BytesIO()
        torch.save([self._net.state_dict(), self._optimizer.state_dict()], file)
        return {"torch": np.frombuffer(file.getvalue(), np.uint8)}

    def _resume(self, arrays: Arrays) -> None:
        file = BytesIO(arrays["torch"].tobytes())
        weights, moments = torch.load(file, map_location=self._device, weights_only=True)
        self._net.load_state_dict(weights)
        self._optimizer.load_state_dict(moments)

    def _tensor(self, array: np.ndarray) -> torch.Tensor:
        """Return an array as a tensor on the device."""
        return torch.from_numpy(array).to(self._device)

    def _sums(self, bag: torch.nn.EmbeddingBag, rows: CSR) -> torch.Tensor:
        """Return the product (m, width) of sparse rows and the weights of `bag`."""
        items, starts = self._tensor(rows.indices.astype(np.int64)), self._tensor(rows.indptr[:-1])
        return bag(items, starts, per_sample_weights=self._tensor(rows.values))


def pick_device(name: str) -> torch.device:
    """Return the device of that name; "auto" is CUDA's where there is one, else the CPU.

    If CUDA is asked for and PyTorch sees none, this is a `RecsysError`.
    """
    there = torch.cuda.is_available()
    if name == "cuda" and not there:
        raise RecsysError(f"device is {name!r}, and PyTorch sees no CUDA device on this machine")
    return torch.device("cuda" if there and name != "cpu" else "cpu")


@contextlib.contextmanager
def repeatable(multiplications: float) -> Iterator[None]:
    """Make PyTorch's results reproducible within the context.

    Algorithms are refused whose result depends on the order of the threads (but not on CUDA, where
    the fast products are of this kind). A small batch has one thread: their number changes nothing.
    """
    strict, threads = torch.are_deterministic_algorithms_enabled(), torch.get_num_threads()
    torch.use_deterministic_algorithms(not torch.cuda.is_available())
    if multiplications < WORTH_THREADS:
        torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(strict)
        torch.set_num_threads(threads)


def in_batch_softmax(
    scores: torch.Tensor, items: torch.Tensor, log_share: torch.Tensor
) -> torch.Tensor:
    """Return the mean loss of pairs whose negatives are the other pairs' items: see `TwoTower`.

    `scores` (B, B) are of each pair's user and each pair's item, with the pairs themselves on the
    diagonal. Of the pairs' `items` (B,) int, the same one in another pair is no negative.
    `log_share` (B,) is ln q of the items, q the probability that a random pair is the item's. A
    negative of share q counts 1 / ((B - 1) q) times: so the sum that a pair's own item is set
    against is, on average, the one over all items that anybody likes.
    """
    rivals = scores - (log_share + math.log(max(len(items) - 1, 1)))
    rivals = rivals.masked_fill(items[:, None] == items, -torch.inf)
    all_scores = torch.diagonal_scatter(rivals, scores.diagonal())
    own = torch.arange(len(items), device=scores.device)
    return torch.nn.functional.cross_entropy(all_scores, own)


# ---- layers: those that are trained, and the same in NumPy


def layers(sizes: Sequence[int]) -> torch.nn.Sequential:
    """Return linear layers of the widths `sizes`, tanh between: Glorot's weights, biases of 0."""
    nn, modules = torch.nn, []
    for n_in, n_out in pairwise(sizes):
        layer = nn.Linear(n_in, n_out)
        nn.init.xavier_uniform_(layer.weight)
        nn.init.zeros_(layer.bias)
        modules += [nn.Tanh(), layer]
    return nn.Sequential(*modules[1:])


def as_array(tensor: torch.Tensor) -> np.ndarray:
    """Return a copy of a tensor's numbers."""
    return tensor.detach().cpu().numpy().copy()


def flattened(tensors: Iterable[torch.Tensor]) -> np.ndarray:
    """Return the numbers of all the tensors, one after the other, (n,) float32."""
    return as_array(torch.nn.utils.parameters_to_vector(tensors))


def forward(rows: np.ndarray, flat: np.ndarray, sizes: Sequence[int], hidden: bool) -> np.ndarray:
    """Return what `layers`, whose numbers `flat` holds, make of `rows` (m, n_in).

    If these are a hidden layer's products, `flat` begins with their biases, and a tanh follows.
    """
    if len(flat) != n_weights(sizes) + hidden * sizes[0]:
        raise RecsysError("the network has other layers than its parameters say; call fit again")
    if hidden:
        rows, flat = rows + flat[: sizes[0]], flat[sizes[0] :]
    for k, (n_in, n_out) in enumerate(pairwise(sizes)):
        weights, biases, flat = np.split(flat, [n_in * n_out, (n_in + 1) * n_out])
        weights = weights.reshape(n_out, n_in).T
        rows = product(np.tanh(rows) if hidden or k else rows, weights) + biases
    return rows


def n_weights(sizes: Sequence[int]) -> int:
    """Return how many numbers `layers` of these widths have."""
    return sum((n_in + 1) * n_out for n_in, n_out in pairwise(sizes))


def product(rows: np.ndarray | CSR, weights: np.ndarray) -> np.ndarray:
    """Return the product (m, n_out) of `rows` (m, n_in) and `weights` (n_in, n_out), all float32.

    A row's result has the same bits alone or among others, at any thread count, which BLAS does not
    guarantee: SciPy's sparse product sums over ascending columns, one row at a time.
    """
    matrix = rows.to_scipy(len(weights)) if isinstance(rows, CSR) else csr_matrix(rows)
    return matrix @ weights
