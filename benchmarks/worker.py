"""The worker's side of a measurement: what every contender's process shares.

Standard library and NumPy only: it runs in the peers' environment too. A worker takes its job as
JSON from the command line and tells what it finds as JSON lines on the standard output.
"""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from importlib import metadata
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

BEGAN = time.perf_counter()
PAIRS_AT_A_TIME = 1 << 18  # test pairs: their factors stay small beside the model
_told = sys.stdout

# Of these, a record has the versions of those that its worker imported.
PACKAGES = (
    "numpy", "scipy", "numba", "llvmlite", "implicit", "irspack", "cmfrec", "libmf", "lenskit",
    "myfm", "pyspark", "usearch",
)  # fmt: skip

# Of implicit ALS, the same for all, since all minimise the same objective: the weight of a rating,
# and that of the squared vectors by the number of ratings. Of 10 to 4000 it is the best on a tenth
# of the training part, held out, at K = 32 and at 128.
ALPHA = 10.0
PENALTIES = {200_000: 60.0, 2_000_000: 200.0, math.inf: 500.0}  # up to so many ratings

BURN = 40  # first draws of a Gibbs sampler, which its mean leaves out

# Copies its input to a file, each line with the moment at which it came.
STAMPER = (
    "import sys, time\n"
    "for line in sys.stdin: print(time.monotonic(), line.rstrip(), file=sys.stderr, flush=True)"
)


class NotMeasured(Exception):
    """Something that the contender needs is not on this machine; the message says what."""


class Enough(Exception):
    """The time allowed is over."""


class Job(NamedTuple):
    """What to measure; see `benchmarks.plan.Measurement`."""

    task: str
    variant: str
    data: Path
    scratch: Path
    k: int
    threads: int
    epochs: int
    budget_s: float

    def load(self, name: str) -> np.ndarray:
        """Return one array of the data."""
        array: np.ndarray = np.load(self.data / f"{name}.npy")
        return array

    def csr(self, side: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return indptr int64, indices int32, values float32 of one side, such as "test"."""
        return (
            self.load(f"{side}_indptr"),
            self.load(f"{side}_indices"),
            self.load(f"{side}_values"),
        )

    def triples(self, side: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return users int32, items int32, ratings float32 of side "user" (training) or "test"."""
        indptr, items, values = self.csr(side)
        users = np.repeat(np.arange(len(indptr) - 1, dtype=np.int32), np.diff(indptr))
        return users, items, values

    @property
    def shape(self) -> tuple[int, int]:
        """Numbers of users and of items."""
        return len(self.load("user_indptr")) - 1, len(self.load("item_indptr")) - 1

    @property
    def described(self) -> bool:
        """Whether the items have a table and features."""
        return (self.data / "items.parquet").exists()

    @property
    def large(self) -> bool:
        """Whether the ratings are many: their best regularisation is then another one."""
        return len(self.load("user_values")) > 10_000_000

    @property
    def penalty(self) -> float:
        """The weight of the squared vectors in implicit ALS."""
        n_ratings = len(self.load("user_values"))
        return next(value for most, value in PENALTIES.items() if n_ratings <= most)

    def spent(self) -> float:
        """Seconds since the process began."""
        return time.perf_counter() - BEGAN

    def exhausted(self, next_s: float = 0.0) -> bool:
        """Whether the time allowed is over, or would be after another `next_s` seconds."""
        return self.spent() + next_s > self.budget_s

    def epoch(self, number: int, seconds: float, *factors: np.ndarray, **found: Any) -> None:
        """Tell of an epoch, the users' and the items' `factors` in files, for the harness to judge.

        Raises `Enough`, which ends the job, where the time allowed does not do for another.
        """
        files = [str(self.scratch / f"{side}-{number}.npy") for side in ("users", "items")]
        for file, rows in zip(files, factors, strict=False):
            np.save(file, rows)
        tell(epoch=number, seconds=seconds, **found, **({"factors": files} if factors else {}))
        if self.exhausted(seconds):
            raise Enough


def tell(**fields: Any) -> None:
    """Hand a finding to the harness; with `epoch`, one point of the curve."""
    print(json.dumps(fields), file=_told, flush=True)


def ready() -> None:
    """Say that training begins: all before was imports, conversion and compilation."""
    tell(setup_s=time.perf_counter() - BEGAN)


def epoch_between(one: float, many: float, n: int) -> float:
    """Return the seconds of an epoch, given those of fits of 1 and of `n` epochs.

    Raises
    ------
    RuntimeError
        The longer fit was not longer: whatever else ran here, it hides what was to be measured.
    """
    if many <= one:
        raise RuntimeError(
            f"a fit of {n} epochs took {many:.1f} s, one of 1 epoch {one:.1f} s: the machine was "
            "busy; measure this again, alone"
        )
    return (many - one) / (n - 1)


def first_factors(n: int, k: int) -> np.ndarray:
    """Return the items' first factors (n, k) float32, as `models.ImplicitALS` draws them at seed 0.

    From another start the same algorithm ends elsewhere, and a few users' lists tell the two ends
    apart by more than one library from another.
    """
    scale = np.float32(np.sqrt(0.1 / np.sqrt(k)))
    return scale * np.random.default_rng(0).standard_normal((n, k), np.float32)


def serve(**tasks: Callable[[Job], None]) -> None:
    """Do the job that the command line names; its failure is told, too."""
    global _told
    # What libraries print goes to the log, so that nothing but findings stands on the output.
    _told = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    fields = json.loads(sys.argv[1])
    job = Job(**{**fields, "data": Path(fields["data"]), "scratch": Path(fields["scratch"])})
    try:
        with suppress(Enough):
            tasks[job.task](job)
    except (NotMeasured, ModuleNotFoundError) as reason:
        tell(not_measured=str(reason))
    except Exception as error:
        traceback.print_exc()
        tell(error=f"{type(error).__name__}: {error}")
    used = [name for name in PACKAGES if name in sys.modules]
    tell(versions={name: metadata.version(name) for name in used})


def rmse(
    job: Job,
    mu: float,
    p: np.ndarray,
    q: np.ndarray,
    user_bias: np.ndarray | None = None,
    item_bias: np.ndarray | None = None,
) -> float:
    """Return the root mean square error of μ + b_u + b_i + p_u·q_i on the test part."""
    users, items, values = job.triples("test")
    total = 0.0
    for start in range(0, len(values), PAIRS_AT_A_TIME):
        part = slice(start, start + PAIRS_AT_A_TIME)
        u, i = users[part], items[part]
        guess = mu + np.einsum("nk,nk->n", p[u], q[i])
        if user_bias is not None:
            guess += user_bias[u]
        if item_bias is not None:
            guess += item_bias[i]
        total += float(np.square(guess - values[part], dtype=np.float64).sum())
    return (total / len(values)) ** 0.5


@contextmanager
def stamped() -> Iterator[list[tuple[float, str]]]:
    """Collect what a C library prints, each line with the moment (`time.monotonic`) it came.

    Libraries that call nobody back between epochs do print a line. It is read by a process of its
    own, because the library may hold Python's lock all the while.
    """
    lines: list[tuple[float, str]] = []
    with tempfile.TemporaryFile("w+") as log:
        reader = subprocess.Popen(
            [sys.executable, "-c", STAMPER], stdin=subprocess.PIPE, stderr=log
        )
        assert reader.stdin is not None
        before = os.dup(1)
        os.dup2(reader.stdin.fileno(), 1)
        try:
            yield lines
        finally:
            os.dup2(before, 1)
            os.close(before)
            reader.stdin.close()  # the pipe's last end: the reader comes to its own
            reader.wait()
        log.seek(0)
        for line in log:
            moment, _, text = line.rstrip("\n").partition(" ")
            lines.append((float(moment), text))
