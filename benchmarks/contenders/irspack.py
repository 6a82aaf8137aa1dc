"""irspack (Tomoki Ohtsuki): ALS for implicit feedback, in C++ on Eigen.

It minimises our objective, up to a factor, once its confidences are c - 1; factors may be set, and
an epoch is a call.
"""

import time

import numpy as np
from scipy.sparse import csr_matrix

from benchmarks.worker import ALPHA, Job, first_factors, ready, serve, tell

CG_STEPS = 3  # its default
SUBSPACE = 64  # unknowns that its iALS++ solves for at a time: its default


def implicit_als(job: Job) -> None:
    """Seconds per epoch on likes, by conjugate gradient or by iALS++; the factors of each."""
    from irspack.recommenders._ials_core import (
        IALSModelConfigBuilder,
        IALSSolverConfigBuilder,
        IALSTrainer,
        LossType,
        SolverType,
    )

    tell(rule=f"confidence 1 + {ALPHA:g}, reg={job.penalty:g}", metric="ndcg")
    indptr, indices, _ = job.csr("user")
    excess = np.full(len(indices), ALPHA, np.float32)
    model = IALSModelConfigBuilder().set_K(job.k).set_alpha0(1.0).set_reg(job.penalty).set_nu(0.0)
    model = model.set_loss_type(LossType.ORIGINAL).set_init_stdev(0.1).set_random_seed(0)
    solver = IALSSolverConfigBuilder().set_n_threads(job.threads).set_max_cg_steps(CG_STEPS)
    kind = {"cg": SolverType.CG, "ialspp": SolverType.IALSPP}[job.variant]
    solver = solver.set_solver_type(kind).set_ialspp_iteration(1)
    solver = solver.set_ialspp_subspace_dimension(min(job.k, SUBSPACE)).build()
    trainer = IALSTrainer(model.build(), csr_matrix((excess, indices, indptr), shape=job.shape))
    trainer.item = first_factors(job.shape[1], job.k)
    trainer.user = np.zeros((job.shape[0], job.k), np.float32)
    ready()
    for epoch in range(1, job.epochs + 1):
        began = time.perf_counter()
        trainer.step(solver)
        job.epoch(epoch, time.perf_counter() - began, trainer.user, trainer.item)


if __name__ == "__main__":
    serve(**{"implicit-als": implicit_als})
