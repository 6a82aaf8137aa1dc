"""ALS on Spark and off it, by one rule: that of Spark's own ALS, which knows no biases.

Spark minimises Σ (r - p·q)² + ρ (Σ n_u ‖p_u‖² + Σ n_i ‖q_i‖²) on ratings less their mean. Ours does
the same with λ = 1, τ = ρ, ν = 1 and a γ that holds the biases at zero.
"""

import time
from typing import Any

import numpy as np

from benchmarks.contenders.spark import REG, centred, fit, session_of, table
from benchmarks.worker import Job, epoch_between, ready, rmse, tell

NO_BIAS = 1e6  # γ
JUDGED = 5_000  # users, drawn at random, whose lists are judged
RELEVANT = 4.0
SHORT_S = 20.0  # a fit of 1 epoch: of a shorter one, most is start, and hides a few epochs more


def ours(job: Job) -> None:
    """Measure `models.ALS` in memory."""
    from benchmarks.contenders.ours import parts, warm_up

    model = our_model(job)
    train, _ = parts(job)
    warm_up(our_model(job, 1))
    ready()
    model.fit(train, progress=False)
    curve(model.training_log_["seconds"])
    judge(job, model.mu_, model.user_rows_, model.item_rows_)


def ours_on_spark(job: Job) -> None:
    """Measure the same fit by `recsys_lib.spark`."""
    from recsys_lib import spark

    session = session_of(job)

    def blocks(part: str) -> Any:
        frame = table(job, session, part)
        frame = frame.withColumnsRenamed({"user": "user_id", "item": "item_id"})
        users, items = map(range, job.shape)
        return spark.Blocks.from_frame(frame, (0.5, 5.0), users, items)

    warm = spark.fit(our_model(job, 1), blocks("test"), progress=False)
    warm.release()
    began = time.perf_counter()
    train = blocks("train")
    tell(packing_s=time.perf_counter() - began, blocks=train.users.n_blocks)
    ready()
    fitted = spark.fit(our_model(job), train, progress=False)
    curve(fitted.training_log_["seconds"])
    model = fitted.model()
    session.stop()
    judge(job, model.mu_, model.user_rows_, model.item_rows_)


def sparks_own(job: Job) -> None:
    """Measure ``pyspark.ml.recommendation.ALS``: all its epochs are one lazy chain."""
    session = session_of(job)
    train, mean = centred(job, session)
    fit(job, 1, train)  # Java compiles what has run for a while
    ready()
    one, _ = fit(job, 1, train)
    many, fitted = fit(job, job.epochs, train)
    n = job.epochs
    if one < SHORT_S:
        n *= 3  # many more would be too long a chain for the Java machine
        many, _ = fit(job, n, train)
    curve([epoch_between(one, many, n)] * job.epochs)
    sides = []
    for factors, n in zip((fitted.userFactors, fitted.itemFactors), job.shape, strict=True):
        table = factors.toArrow()
        rows = np.zeros((n, job.k + 1), np.float32)
        flat = table.column("features").combine_chunks().flatten().to_numpy()
        rows[table.column("id").to_numpy(), :-1] = flat.reshape(-1, job.k)
        sides.append(rows)
    session.stop()
    judge(job, mean, *sides)


def our_model(job: Job, n_epochs: int | None = None) -> Any:
    """Return our model by Spark's rule."""
    from recsys_lib.models import ALS

    tell(rule=f"{REG} times n (ν = 1), no biases", metric="rmse")
    epochs = n_epochs or job.epochs
    return ALS(n_factors=job.k, tau=REG, gamma=NO_BIAS, nu=1.0, n_epochs=epochs, seed=0)


def curve(seconds: Any) -> None:
    """Tell the seconds of each epoch."""
    for epoch, each in enumerate(seconds, 1):
        tell(epoch=epoch, seconds=float(each))


def judge(job: Job, mu: float, users: np.ndarray, items: np.ndarray) -> None:
    """Tell RMSE over the test part, and of the lists of some users NDCG@10 and who is on them.

    Beside them, the NDCG@10 of the list of the most rated: what any list should reach.
    """
    from recsys_lib.kernels import ranking
    from recsys_lib.metrics import ndcg_at_k
    from recsys_lib.ratings import CSR

    biases = users[:, -1], items[:, -1]
    error = rmse(job, mu, users[:, :-1], items[:, :-1], *biases)
    test, seen = CSR(*job.csr("test")), CSR(*job.csr("user"))
    liked = test.values >= RELEVANT
    indptr = np.concatenate([[0], np.cumsum(liked)])[test.indptr]
    wanted = CSR(indptr, test.indices[liked], test.values[liked])
    able = np.flatnonzero(wanted.counts)
    some = np.random.default_rng(0).choice(able, min(JUDGED, len(able)), replace=False)
    counts = np.bincount(seen.indices, minlength=len(items))
    vectors = users[some].copy()
    vectors[:, -1] = 1  # meets the item's bias
    seen, wanted = seen.take(some), wanted.take(some)

    def listed(vectors: np.ndarray, items: np.ndarray) -> tuple[np.ndarray, float]:
        lists, _ = ranking.top_n(vectors, items, seen.indptr, seen.indices, 10)
        hits = ranking.find_hits(lists, wanted.indptr, wanted.indices)
        return lists, float(ndcg_at_k(hits, wanted.counts).mean())

    lists, ndcg = listed(vectors, items)
    _, popular = listed(np.ones((len(some), 1), np.float32), counts[:, None].astype(np.float32))
    tell(rmse_test=error, ndcg=ndcg, judged=len(some), ndcg_most_rated=popular)
    tell(ratings_of_listed=float(np.median(counts[lists])))
    tell(ratings_of_item=float(np.median(counts[counts > 0])))
