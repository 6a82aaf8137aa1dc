"""What is measured: every measurement, in order, and how much of it is enough."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import NamedTuple

from benchmarks.data import FOLDS, REAL, SIZES
from recsys_lib.errors import RecsysError

OURS = "ours"


class Measurement(NamedTuple):
    """One line of the table, made by one process."""

    task: str
    contender: str
    size: str
    k: int
    threads: int

    @property
    def key(self) -> str:
        """A name for its files."""
        return "-".join(map(str, self))

    @property
    def library(self) -> str:
        """The module of `benchmarks.contenders`."""
        return self.contender.partition("-")[0]

    @property
    def variant(self) -> str:
        """What stands behind the library's name: the solver, or the state of the cache."""
        return self.contender.partition("-")[2]


class Task(NamedTuple):
    """Who takes part in a task, on which data by default, and how long each may take."""

    title: str
    contenders: tuple[str, ...]
    sizes: tuple[str, ...]
    ks: tuple[int, ...]
    epochs: int = 10
    budget_s: float = 100.0


TASKS = {
    "als": Task(
        "Explicit ALS, seconds per epoch",
        (
            OURS,
            "implicit-cg",
            "implicit-cholesky",
            "cmfrec-cg",
            "cmfrec-cholesky",
            "lenskit",
            "libmf",
            "spark",
        ),
        (REAL, "1m", "32m"),
        (16, 32, 64),
    ),
    "implicit-als": Task(
        "Implicit ALS, seconds per epoch",
        (
            OURS,
            f"{OURS}-cholesky",
            "implicit-cholesky",
            "implicit-cg",
            "irspack-cg",
            "irspack-ialspp",
        ),
        (REAL, "1m", "8m"),
        (32, 64, 128, 256, 512),
        budget_s=400.0,  # at K = 512, an epoch of 32 M ratings may take a minute
    ),
    "bpr": Task(
        "BPR, samples a second", (OURS, f"{OURS}-hogwild", "implicit"), ("1m", "32m"), (32,)
    ),
    "bayes": Task(
        "Factors drawn by Gibbs sampling, features and who rated what known; an epoch is a draw",
        (OURS, "myfm", "myfm-probit"),
        FOLDS,
        (8, 16),
        epochs=200,
        budget_s=300.0,
    ),
    "topn": Task("Top 10 of all users", (OURS, "implicit"), ("1m", "32m"), (32,)),
    "topn-approx": Task(
        "Top 10 of 14 times as many items, exact and by an index",
        (OURS, f"{OURS}-index"),
        ("32m",),
        (32,),
        budget_s=600.0,
    ),
    "first-load": Task("First load from the raw CSV", (OURS,), ("32m",), (20,)),
    "job": Task("Load, split, 10 epochs, evaluate, save", (OURS,), ("32m",), (20,)),
    "scaling": Task("Time against ratings", (OURS,), ("1m", "4m", "16m", "64m"), (20,), epochs=4),
    "cluster": Task(
        "ALS by the rule of Spark's, on Spark and off it",
        (OURS, f"{OURS}-spark", "spark"),
        ("1m", "4m", "16m", "64m"),
        (20,),
        epochs=4,
        budget_s=300.0,
    ),
    "threads": Task("Time against threads", (OURS,), ("32m",), (20,), epochs=4),
    "roof": Task("What an epoch consists of", (OURS,), ("32m",), (16, 20, 32, 64)),
    "first-call": Task(
        "First fit in a fresh process", (f"{OURS}-cold", f"{OURS}-warm"), ("tiny",), (20,)
    ),
}
ON_SPARK = ("cluster",)  # tasks for which Spark stands beside the library: `make spark` brings it
RAW = ("first-load", "job")  # tasks that read files in MovieLens' layout


def measurements(
    only: list[str], sizes: list[str], ks: list[int], contenders: list[str], threads: int
) -> Iterator[Measurement]:
    """Yield what was asked for; an empty list stands for all that a task measures by default.

    Raises
    ------
    RecsysError
        There is no task, size or contender of that name; the message lists those that are.
    """
    everyone = list(dict.fromkeys(itertools.chain(*(task.contenders for task in TASKS.values()))))
    libraries = list(dict.fromkeys(name.partition("-")[0] for name in everyone))
    _check("task", only, list(TASKS))
    _check("size", sizes, [REAL, *FOLDS, *SIZES])
    _check("contender", contenders, list(dict.fromkeys(libraries + everyone)))
    if "job" in only and "first-load" not in only:  # which leaves the parsed copy that a job loads
        only = ["first-load", *only]
    for name in only or TASKS:
        task = TASKS[name]
        libraries_asked = set(contenders) - set(task.contenders)  # "ours" is also a contender
        wanted = [
            who
            for who in task.contenders
            if not contenders or who in contenders or who.partition("-")[0] in libraries_asked
        ]
        counts = _doubled(threads) if name == "threads" else [threads]
        where = task.sizes if name == "first-call" else sizes or task.sizes
        for size, k, who, n in itertools.product(where, ks or task.ks, wanted, counts):
            yield Measurement(name, who, size, k, n)


def _doubled(most: int) -> list[int]:
    """Return 1, 2, 4, ... and `most`."""
    counts = [1]
    while 2 * counts[-1] < most:
        counts.append(2 * counts[-1])
    return counts + [most] * (most > 1)


def _check(kind: str, names: list[str], known: list[str]) -> None:
    for name in names:
        if name not in known:
            raise RecsysError(f"there is no {kind} {name!r}; there are {', '.join(known)}")
