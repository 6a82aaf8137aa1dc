"""All steps of the sampler together: draws given ratings that the prior brings forth follow it.

After Geweke 2004, Getting it right: joint distribution tests of posterior simulators; from many
starts, as in Gandy & Scott 2020, Unit testing for MCMC, so that slow chains do no harm.
"""

import numpy as np
import pytest
from arviz_stats.base import array_stats
from scipy.stats import wishart

from recsys_lib.models import sampler
from recsys_lib.ratings import Ratings

WORTH, VARIANCE, N_USERS, N_ITEMS, N_RATINGS = 4.0, 0.05, 9, 6, 30


def a_chain(rng):
    """A chain with one factor, and its ratings, all of them zero."""
    pairs = np.sort(rng.choice(N_USERS * N_ITEMS, N_RATINGS, replace=False)).astype(np.int32)
    values, ids = np.zeros(N_RATINGS, np.float32), (np.arange(N_USERS), np.arange(N_ITEMS))
    ratings = Ratings.from_arrays(*np.divmod(pairs, N_ITEMS), values, None, *ids, (-9.0, 9.0))
    assert ratings.by_user.counts.min() > 0 < ratings.by_item.counts.min()
    features = [  # the last are one that a table tells, and the constant
        sampler.rated_or_not(side, n_others, 0.5, rng.random((len(side.counts), 1)) - 0.5)
        for side, n_others in ((ratings.by_user, N_ITEMS), (ratings.by_item, N_USERS))
    ]
    return sampler.Chain(ratings, features, 1, WORTH, rng), ratings


def draw_prior(chain, rng):
    """Give the chain a state drawn from the prior."""
    for side in (chain.users, chain.items):
        n, size = side.rows.shape
        side.Lambda = wishart.rvs(
            size, np.eye(size) / (sampler.ROW_SPREAD * size), random_state=rng
        )
        side.weights = rng.standard_normal(side.weights.shape)
        side.means = side.features @ side.weights
        root = np.linalg.cholesky(np.linalg.inv(side.Lambda))
        side.rows = side.means + rng.standard_normal((n, size)) @ root.T
        for name in sampler.Side.DRAWN:
            setattr(side, name, getattr(side, name).astype(np.float32))
    drawn = rng.gamma(WORTH / 2, 2 / (WORTH * VARIANCE), N_USERS)
    chain.precisions = drawn.astype(np.float32)


def draw_ratings(chain, ratings, rng):
    """Overwrite the ratings by draws given the chain's state."""
    users, items = ratings.user_of_rating(), ratings.by_user.indices
    p, q = chain.users.rows[users], chain.items.rows[items]
    noise = rng.standard_normal(N_RATINGS) / np.sqrt(chain.precisions[users])
    values = p[:, 0] * q[:, 0] + p[:, 1] + q[:, 1] + noise
    ratings.by_user.values[:] = values
    ratings.by_item.values[:] = values[np.lexsort([users, items])]


def described(chain):
    """Numbers that every step has a part in, none with heavy tails."""
    found = [np.log(chain.precisions).mean()]
    for side in (chain.users, chain.items):
        away = side.rows - side.means
        found += [*np.log(side.rows**2).mean(axis=0), *np.log(away**2).mean(axis=0)]
        found += [np.linalg.slogdet(side.Lambda)[1], *np.log(np.diag(side.Lambda))]
        found += [*(side.weights**2).mean(axis=0), *side.weights[-2:, -1]]
    return found


def test_a_state_from_the_prior_stays_one_whatever_ratings_it_brings_forth():
    rng = np.random.default_rng(0)
    chain, ratings = a_chain(rng)
    changes = []
    for _ in range(1500):
        draw_prior(chain, rng)
        before = described(chain)
        for _ in range(3):
            chain.variance[...] = VARIANCE  # it has no proper prior, so it is held
            draw_ratings(chain, ratings, rng)
            chain.draw()
        changes.append(np.subtract(described(chain), before))
    changes = np.array(changes)
    z = changes.mean(axis=0) / (changes.std(axis=0) / np.sqrt(len(changes)))
    assert (np.abs(z) < 4).all(), z.round(1)


# ---- do the chains agree?


def chains(n_chains, n_draws, apart):
    """Autoregressive chains whose means are so far apart."""
    x = np.random.default_rng(n_chains * n_draws).normal(size=(n_chains, n_draws))
    for k in range(1, n_draws):
        x[:, k] += 0.6 * x[:, k - 1]
    return x + apart * np.arange(n_chains)[:, None]


def test_a_single_chain_is_held_against_itself():
    draws = chains(1, 400, 0.0)
    assert sampler.r_hat(draws) < 1.05
    assert sampler.r_hat(draws + np.linspace(0, 4, 400)) > 1.2


@pytest.mark.parametrize(("start", "trend", "ends"), [(0, 0, 20), (9, 0, 60), (0, 0.1, None)])
def test_a_warm_up_ends_once_the_chains_have_met(start, trend, ends):
    """One chain is settled from the start; the other one, too, or it starts far off, or drifts."""
    draws = np.random.default_rng(0).normal(size=(2, 200))
    draws[1] += start * 0.95 ** np.arange(200) + trend * np.arange(200)
    settled = (n for n in range(201) if sampler.settled(draws[:, :n], draws[1:, :n]))
    assert next(settled, None) == ends


def test_a_log_is_told_and_disagreement_is_warned_of(caplog):
    noise = chains(2, 60, 0.0)
    draws = noise[..., None] + np.random.default_rng(0).normal(size=(2, 60, 50))
    row = sampler.agreement(draws, noise, "Model")
    assert caplog.text == ""
    each = [[f(draws[..., k]) for k in range(50)] for f in (array_stats.rhat, array_stats.ess)]
    assert row["rhat"] == pytest.approx(np.quantile(each[0], 0.9))
    assert row["ess"] == pytest.approx(np.median(each[1]))
    assert row["rhat_noise"] == pytest.approx(array_stats.rhat(noise))
    assert row["ess_noise"] == pytest.approx(array_stats.ess(noise))
    assert np.isnan([*sampler.agreement(draws[:, :3], noise[:, :3], "Model").values()]).all()
    sampler.agreement(draws, chains(2, 60, 4.0), "Model")
    assert "Model do not agree" in caplog.text and "raise n_burn" in caplog.text
