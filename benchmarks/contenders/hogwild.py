"""What "the same bits at any thread count" costs: our BPR, as most libraries run it.

Each thread draws from its own part of the likes and steps on whatever rows come, whoever else is
at them ("Hogwild", Niu et al. 2011). The steps are the library's own; only the blocks are missing.
"""

import numba
import numpy as np
from numba import njit, prange

from recsys_lib.kernels.bpr import BATCH, work_on
from recsys_lib.models import BPR


@njit(parallel=True)
def epoch(
    starts, users, items, everything, seen_indptr, seen_indices,
    user_rows, item_rows, rate, reg, seeds, totals,
):  # fmt: skip
    """Take as many steps as there are likes, each thread its share, without any order."""
    for t in prange(len(seeds)):
        part, state = slice(starts[t], starts[t + 1]), seeds[t : t + 1].copy()
        work_on(
            users[part], items[part], everything, seen_indptr, seen_indices, user_rows, item_rows,
            rate, reg, state, np.empty((6, BATCH), np.int64), totals[t],
        )  # fmt: skip


class Hogwild(BPR):
    """`BPR` without blocks: another result each time, where there is more than one thread."""

    def _epoch(self, train):
        blocks, rng = self._blocks, self._rng
        threads = numba.get_num_threads()
        totals = np.zeros((threads, 3))
        seeds = rng.integers(0, 2**64, threads, dtype=np.uint64)
        starts = np.linspace(0, len(blocks.users), threads + 1).astype(np.int64)
        epoch(
            starts, blocks.users, blocks.items, np.arange(train.n_items, dtype=np.int32),
            train.by_user.indptr, train.by_user.indices, self.user_factors_, self.item_rows_,
            np.float32(self.learning_rate), np.float32(self.reg), seeds, totals,
        )  # fmt: skip
        loss, in_order, drawn = totals.sum(axis=0)
        return {"loss": loss / drawn, "auc_train": in_order / drawn}
