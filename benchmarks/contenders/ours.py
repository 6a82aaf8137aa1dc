"""Our own library, through its public names; and the tasks in which it stands alone."""

import contextlib
import dataclasses
import itertools
import os
import shutil
import time
from collections.abc import Iterator
from typing import Any

import numpy as np

from benchmarks.worker import ALPHA, BURN, Job, ready, serve, tell

# Best or nearly so of eight sets tried on the 1m and on the 32m data at K = 32, ν from ½ to 1.
TAU, GAMMA, NU = 0.35, 0.3, 0.75
TIMES, LISTED, CENTRES = 14, 4096, 2000  # as many items; users; centres: of "topn-approx"


def als(job: Job) -> None:
    """Seconds per epoch and RMSE of `models.ALS`."""
    from recsys_lib.models import ALS

    model = ALS(n_factors=job.k, tau=TAU, gamma=GAMMA, nu=NU, n_epochs=job.epochs, seed=0)
    tell(rule=f"tau={TAU}, gamma={GAMMA}, times n^{NU}", metric="rmse")
    warm_up(ALS(n_factors=job.k, n_epochs=1))
    follow(job, model)


def bayes(job: Job) -> None:
    """Seconds per draw, and the RMSE of the mean of the draws kept so far."""
    import pandas as pd

    from recsys_lib.models import BayesianALS

    model = BayesianALS(job.k, job.epochs - BURN, BURN, n_chains=1, seed=0)
    tell(rule=f"noise by user, {BURN} draws left out", metric="rmse")
    warm_up(BayesianALS(job.k, n_samples=1, n_burn=0, n_chains=1))
    items = pd.read_parquet(job.data / "items.parquet") if job.described else None
    follow(job, model, items)


def follow(job: Job, model: Any, items: Any = None) -> None:
    """Fit a model of ratings; tell each epoch's seconds and RMSE until the time is over.

    `items` is their table, for the models that read one.
    """
    train, test = parts(job)
    ready()

    def after(row: dict[str, Any]) -> None:
        job.epoch(row["epoch"], row["seconds"], rmse=row["rmse_valid"])

    model.fit(train, test, items=items, progress=False, callback=after)


def implicit_als(job: Job) -> None:
    """Seconds per epoch of `models.ImplicitALS`, every rating a like; the factors, for the NDCG."""
    from recsys_lib.models import ImplicitALS

    solver = job.variant or "auto"
    model = ImplicitALS(
        job.k, alpha=ALPHA, tau=job.penalty, nu=0.0, solver=solver, n_epochs=job.epochs, seed=0
    )
    tell(rule=f"confidence 1 + {ALPHA:g}, regularization={job.penalty:g}", metric="ndcg")
    train, _ = parts(job)
    warm_up(ImplicitALS(job.k, solver=solver, n_epochs=1))
    ready()

    def after(row: dict[str, Any]) -> None:
        job.epoch(row["epoch"], row["seconds"], model.user_factors_, model.item_factors_)

    model.fit(train, progress=False, callback=after)


def bpr(job: Job) -> None:
    """Seconds per epoch of as many samples as there are ratings; the factors, for the AUC."""
    from recsys_lib.models import BPR

    bits = "same bits always"
    if job.variant == "hogwild":
        from benchmarks.contenders.hogwild import Hogwild as BPR

        bits = "other bits each time"
    model = BPR(n_factors=job.k, learning_rate=0.05, reg=0.01, n_epochs=job.epochs, seed=0)
    tell(rule=f"learning_rate=0.05, reg=0.01, verified negatives, {bits}", metric="auc")
    train, _ = parts(job)
    warm_up(BPR(n_factors=job.k, n_epochs=1))
    ready()

    def after(row: dict[str, Any]) -> None:
        users = np.pad(model.user_factors_, ((0, 0), (0, 1)), constant_values=1)
        job.epoch(row["epoch"], row["seconds"], users, model.item_rows_)

    model.fit(train, progress=False, callback=after)


def topn(job: Job) -> None:
    """Users a second: each one's ten best items less those already rated."""
    from recsys_lib.kernels.ranking import top_n

    rng = np.random.default_rng(0)
    n_users, n_items = job.shape
    users = rng.standard_normal((n_users, job.k), np.float32)
    items = rng.standard_normal((n_items, job.k), np.float32)
    indptr, indices, _ = job.csr("user")
    top_n(users[:1024], items, indptr[:1025], indices, 10)  # compiles, and starts the threads
    ready()
    block, done, began = 8192, 0, time.perf_counter()
    while done < n_users and not job.exhausted():
        end = min(done + block, n_users)
        top_n(users[done:end], items, indptr[done : end + 1], indices, 10)
        done = end
    tell(users=done, users_per_s=done / (time.perf_counter() - began))


def topn_approx(job: Job) -> None:
    """Users a second from a large catalogue, by the exact kernel or by the index, and its recall.

    The vectors lie about centres, as those of items that the same people like; nobody has seen
    anything. `bytes_per_s` counts the items' vectors, which each block of users reads once.
    """
    from benchmarks.contenders.roof import limits
    from recsys_lib.kernels.approximate import Index
    from recsys_lib.kernels.ranking import USERS, top_n

    rng, n_items = np.random.default_rng(0), TIMES * job.shape[1]
    centres = rng.standard_normal((CENTRES, job.k), np.float32)
    items = centres[rng.integers(CENTRES, size=n_items)]
    items += rng.standard_normal(items.shape, np.float32)
    items *= rng.lognormal(0, 0.3, (len(items), 1)).astype(np.float32)
    users = centres[rng.integers(CENTRES, size=LISTED)]
    users += rng.standard_normal(users.shape, np.float32)
    nothing = np.zeros(LISTED + 1, np.int64), np.empty(0, np.int32)
    top_n(users[:8], items[:8], nothing[0][:9], nothing[1], 8)  # compiled
    clock = Clock()
    if job.variant == "index":
        with clock("build"):
            index = Index(items, threads=job.threads)
        ready()
        with clock("lists"):
            found, _ = index.top_n(users, *nothing, 10)
        exact, _ = top_n(users, items, *nothing, 10)
        hits = [len(np.intersect1d(*both)) for both in zip(found, exact, strict=True)]
        tell(recall=float(np.mean(hits)) / 10, build_s=clock.parts["build"])
    else:
        ready()
        with clock("lists"):
            top_n(users, items, *nothing, 10)
        read = -(-LISTED // USERS) * items.nbytes
        tell(bytes_per_s=read / clock.parts["lists"], **limits(job.threads))
    tell(items=n_items, users=LISTED, users_per_s=LISTED / clock.parts["lists"])


def roof(job: Job) -> None:
    """Measure what an epoch consists of, beside what the machine could do."""
    from benchmarks.contenders.roof import measure

    ready()
    found = measure(job)
    parts = {name: found[f"{name}_s"] for name in ("gather", "sums", "solve")}
    tell(parts=parts, total_s=found.pop("epoch_s"), **found)


def publish(job: Job) -> None:
    """Let the simulated files pass for ml-32m: the registry knows how much that release holds."""
    from recsys_lib.datasets import registry

    n_users, n_items, n_ratings = job.load("sizes").tolist()
    registry.RELEASES["ml-32m"] = dataclasses.replace(
        registry.RELEASES["ml-32m"], n_users=n_users, n_items=n_items, n_ratings=n_ratings
    )


def whole_job(job: Job) -> None:
    """Do the whole job: from the cache to a saved model, the seconds of each part."""
    from recsys_lib import datasets, evaluation, models, splits

    publish(job)
    ready()
    clock = Clock()
    with clock("load"):
        ratings = datasets.load("ml-32m").ratings
    with clock("split"):
        train, _, test = splits.random(ratings, valid=0, test=0.1, seed=0)
        del ratings  # the parts hold all that follows needs
    with clock("fit"):
        model = models.ALS(n_factors=job.k, n_epochs=job.epochs, seed=0).fit(train, progress=False)
    with clock("evaluate"):
        report = evaluation.evaluate(model, train, test, metrics=["rmse", "ndcg@10"])
    with clock("save"):
        model.save(job.scratch / "model.safetensors")
    clock.tell(rmse=float(report["rmse"]), ndcg=float(report["ndcg@10"]))


def first_load(job: Job) -> None:
    """Read the raw CSV, with a cache that holds nothing yet."""
    from recsys_lib import datasets

    shutil.rmtree(os.environ["RECSYS_CACHE"], ignore_errors=True)
    publish(job)
    ready()
    clock = Clock()
    with clock("load"):
        data = datasets.load("ml-32m")
    clock.tell(ratings=len(data.ratings))


def first_call(job: Job) -> None:
    """Import, then fit on a handful of ratings: what a newcomer waits for."""
    if job.variant == "cold":
        shutil.rmtree(os.environ["NUMBA_CACHE_DIR"], ignore_errors=True)
    clock = Clock()
    with clock("import"):
        from recsys_lib import models
    ratings = handful()
    ready()
    with clock("fit"):
        models.ALS(n_factors=job.k, n_epochs=1).fit(ratings, progress=False)
    clock.tell()


def cluster(job: Job) -> None:
    """Measure ALS by the rule of Spark's, in memory and on Spark."""
    from benchmarks.contenders.cluster import ours, ours_on_spark

    (ours_on_spark if job.variant == "spark" else ours)(job)


class Clock:
    """Seconds of the parts of a job, by name."""

    def __init__(self) -> None:
        self.parts: dict[str, float] = {}

    @contextlib.contextmanager
    def __call__(self, name: str) -> Iterator[None]:
        """Time the ``with`` block, the part of that name."""
        began = time.perf_counter()
        yield
        self.parts[name] = time.perf_counter() - began

    def tell(self, **fields: Any) -> None:
        """Hand over the parts and their sum."""
        tell(parts=self.parts, total_s=sum(self.parts.values()), **fields)


def parts(job: Job) -> tuple[Any, Any]:
    """Return the training and the test part as `Ratings` of the files."""
    from recsys_lib.ratings import CSR, Ratings

    users, items = map(np.arange, job.shape)
    train = Ratings(users, items, CSR(*job.csr("user")))
    train.by_item = CSR(*job.csr("item"))  # read, as by the others: to make it is nobody's epoch
    return train, Ratings(users, items, CSR(*job.csr("test")))


def handful() -> Any:
    """Return 40 ratings of 10 users."""
    from recsys_lib.ratings import Ratings

    pairs = np.array([(u, i) for u, i in itertools.product(range(10), range(5)) if u % 5 != i])
    users, items = pairs.astype(np.int32).T
    values = (1 + (users + 2 * items) % 5).astype(np.float32)
    ids = np.arange(10), np.arange(5)
    return Ratings.from_arrays(users, items, values, None, *ids, (1, 5))


def warm_up(model: Any) -> None:
    """Compile, or read from the disk, what `model` needs."""
    model.fit(handful(), handful(), progress=False)


if __name__ == "__main__":
    serve(
        als=als,
        bayes=bayes,
        bpr=bpr,
        topn=topn,
        job=whole_job,
        cluster=cluster,
        scaling=als,
        threads=als,
        roof=roof,
        **{
            "implicit-als": implicit_als,
            "first-load": first_load,
            "first-call": first_call,
            "topn-approx": topn_approx,
        },
    )
