"""LensKit (Ekstrand 2020): ALS on what a damped bias model leaves, solved by Cholesky in Rust."""

import time

import numpy as np

from benchmarks.worker import Job, ready, rmse, serve, tell

# Best of 0.05, 0.07, 0.1, 0.14 on the 1m data at K = 32, and of 0.035, 0.05, 0.07 on the 32m data.
REGULARIZATION = 0.07


def als(job: Job) -> None:
    """Seconds per epoch and RMSE."""
    import pandas as pd
    from lenskit.als import BiasedMFScorer
    from lenskit.data import from_interactions_df
    from lenskit.training import TrainingOptions

    tell(rule=f"regularization={REGULARIZATION} times n (ν = 1), damping 5", metric="rmse")
    users, items, values = job.triples("user")
    frame = pd.DataFrame({"user_id": users, "item_id": items, "rating": values})
    data = from_interactions_df(frame)
    del frame, users, items, values
    scorer = BiasedMFScorer(embedding_size=job.k, epochs=job.epochs, regularization=REGULARIZATION)
    trainer = scorer.create_trainer(data, TrainingOptions(rng=0))
    ready()
    # Who has no rating in the training part is unknown to it: bias and factors of zero.
    n_users, n_items = job.shape
    known_users, known_items = data.users.ids(), data.items.ids()
    user_bias, item_bias = np.zeros(n_users, np.float32), np.zeros(n_items, np.float32)
    user_bias[known_users], item_bias[known_items] = (
        scorer.bias.user_biases,
        scorer.bias.item_biases,
    )
    p, q = np.zeros((n_users, job.k), np.float32), np.zeros((n_items, job.k), np.float32)
    for epoch in range(1, job.epochs + 1):
        began = time.perf_counter()
        trainer.train_epoch()
        seconds = time.perf_counter() - began
        p[known_users], q[known_items] = scorer.user_embeddings, scorer.item_embeddings
        error = rmse(job, scorer.bias.global_bias, p, q, user_bias, item_bias)
        job.epoch(epoch, seconds, rmse=error)


if __name__ == "__main__":
    serve(als=als)
