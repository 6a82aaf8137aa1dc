"""What every network needs of PyTorch: a device, numbers that repeat, a state that can be saved.

This module and `*_torch` are the only ones that import PyTorch, and they are imported only when a
network is fitted.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import numpy as np
import torch

from recsys_lib.errors import DataError, RecsysError


def pick_device(name: str) -> torch.device:
    """Return the device of that name; "auto" is CUDA's where there is one, else the processor.

    Raises
    ------
    RecsysError
        There is no such device here.
    """
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
    except RuntimeError as error:
        raise RecsysError(f"device is {name!r}; it must be 'auto', 'cpu' or 'cuda'") from error
    if device.type == "cuda" and not torch.cuda.is_available():
        raise RecsysError(f"device is {name!r}, and PyTorch sees no CUDA device on this machine")
    return device


# Multiplications in a batch's largest product. With fewer, a second thread gains next to nothing,
# and all threads wait whenever another program takes the core of one.
WORTH_THREADS = 1e8


@contextlib.contextmanager
def repeatable(multiplications: float) -> Iterator[None]:
    """Let PyTorch do meanwhile only what comes out the same again.

    Algorithms are refused whose result depends on which thread comes first (but on CUDA, whose
    fast products are such). And a small batch is the work of one thread, so that its result does
    not depend on their number either.
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


class State:
    """All that changes while a network learns: weights, optimiser, random numbers, the best so far.

    Parameters
    ----------
    net : Module
    learning_rate, weight_decay : float
        Of AdamW: Adam with the decay apart from the gradient.
    generator : Generator
        The source of all random numbers, on the processor whatever the device: the same everywhere.
    device : device

    Attributes
    ----------
    epoch, best_epoch : int
    best : float
        The best score so far, of which more is better.
    """

    def __init__(
        self,
        net: torch.nn.Module,
        learning_rate: float,
        weight_decay: float,
        generator: torch.Generator,
        device: torch.device,
    ) -> None:
        self.net: Any = net.to(device)  # whatever methods it has
        self.device, self.generator = device, generator
        self.optimizer = torch.optim.AdamW(
            self.net.parameters(), learning_rate, weight_decay=weight_decay, fused=True
        )
        self.epoch = self.best_epoch = 0
        self.best = -np.inf
        self._best_weights = self.weights()

    @property
    def largest(self) -> int:
        """Size of the largest weight matrix."""
        return max(weights.numel() for weights in self.net.parameters())

    def step(self, loss: torch.Tensor) -> None:
        """Take a step down the gradient of `loss`."""
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        self.optimizer.step()

    def end_epoch(self, score: float) -> None:
        """Count an epoch; keep its weights if its score is the best so far; NaN always is."""
        self.epoch += 1
        if np.isnan(score) or score > self.best:
            self.best, self.best_epoch = score, self.epoch
            self._best_weights = self.weights()

    def weights(self) -> dict[str, np.ndarray]:
        """Return copies of the weights."""
        named = self.net.state_dict().items()
        return {name: tensor.detach().cpu().numpy().copy() for name, tensor in named}

    def restore_best(self) -> None:
        """Go back to the weights of the best epoch."""
        self._put(self._best_weights)

    def _put(self, weights: dict[str, np.ndarray]) -> None:
        self.net.load_state_dict({name: torch.from_numpy(w) for name, w in weights.items()})

    def to_arrays(self) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
        """Return the state as arrays, and what is no array."""
        arrays = {f"weights.{name}": w for name, w in self.weights().items()}
        arrays |= {f"best.{name}": w for name, w in self._best_weights.items()}
        names = [name for name, _ in self.net.named_parameters()]
        for number, moments in self.optimizer.state_dict()["state"].items():
            for key, tensor in moments.items():
                arrays[f"adam.{names[number]}.{key}"] = tensor.detach().cpu().numpy()
        arrays["generator"] = self.generator.get_state().numpy()
        best = None if np.isinf(self.best) else self.best
        return arrays, {"best": best, "best_epoch": self.best_epoch}

    def from_arrays(self, arrays: dict[str, np.ndarray], meta: dict[str, Any]) -> None:
        """Go back to a state that `to_arrays` returned.

        Raises
        ------
        DataError
            The network has other weights than that one.
        """
        own = self.weights()
        for name, w in own.items():
            there = arrays.get(f"weights.{name}", np.empty(0))
            if there.shape != w.shape:
                raise DataError(
                    f"the run was on other data: its {name} is {there.shape}, here it is {w.shape}"
                )
        self._put({name: arrays[f"weights.{name}"] for name in own})
        self._best_weights = {name: arrays[f"best.{name}"] for name in own}
        state = self.optimizer.state_dict()
        for number, (name, _) in enumerate(self.net.named_parameters()):
            keys = [key for key in arrays if key.startswith(f"adam.{name}.")]
            moments = {key.rpartition(".")[2]: torch.from_numpy(arrays[key]) for key in keys}
            if moments:
                state["state"][number] = moments
        self.optimizer.load_state_dict(state)
        self.generator.set_state(torch.from_numpy(arrays["generator"]))
        self.epoch, self.best_epoch = int(meta["epoch"]), int(meta["best_epoch"])
        self.best = -np.inf if meta["best"] is None else float(meta["best"])


def initialised(*shape: int, generator: torch.Generator) -> torch.nn.Parameter:
    """Return first weights by Glorot & Bengio's rule (2010): variance 2 / (n_in + n_out)."""
    weights = torch.empty(*shape)
    torch.nn.init.xavier_uniform_(weights, generator=generator)
    return torch.nn.Parameter(weights)


def dropped(values: torch.Tensor, share: float, generator: torch.Generator) -> torch.Tensor:
    """Return `values` with a share of them zero, the others scaled so that the mean stays."""
    if share == 0:
        return values
    kept = torch.rand(values.shape, generator=generator) >= share
    return values * (kept.to(values.device) / (1 - share))
