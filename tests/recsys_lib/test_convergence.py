"""Split R-hat and effective sizes, against those of ArviZ (arviz-stats 0.8.0, method "bulk")."""

import numpy as np
import pytest

from recsys_lib import convergence


def chains(n_chains, n_draws, apart):
    """Autoregressive chains whose means are so far apart."""
    x = np.random.default_rng(n_chains * n_draws).normal(size=(n_chains, n_draws))
    for k in range(1, n_draws):
        x[:, k] += 0.6 * x[:, k - 1]
    return x + apart * np.arange(n_chains)[:, None]


@pytest.mark.parametrize(
    ("shape", "apart", "ratio", "size"),
    [
        ((4, 50), 0.3, 1.0476091706720294, 67.83366670027581),
        ((2, 31), 0.0, 1.3251194653879, 5.882835294093869),
        ((4, 15), 1.0, 1.4413167806117624, 13.22319963248722),
        ((3, 6), 0.0, 1.3411139720782306, 22.594905091859506),
    ],
)
def test_both_are_those_of_an_independent_implementation(shape, apart, ratio, size):
    draws = chains(*shape, apart)
    assert convergence.r_hat(draws) == pytest.approx(ratio, rel=1e-12)
    assert convergence.effective_size(draws) == pytest.approx(size, rel=1e-12)


def test_a_single_chain_is_held_against_itself():
    draws = chains(1, 400, 0.0)
    assert convergence.effective_size(draws) == pytest.approx(140.2146425601359, rel=1e-12)
    assert convergence.r_hat(draws) < 1.05
    assert convergence.r_hat(draws + np.linspace(0, 4, 400)) > 1.2


def test_chains_that_agree_on_the_middle_alone_are_seen():
    draws = chains(2, 200, 0.0)
    agreeing = convergence.r_hat(draws)
    draws[1] *= 4
    assert agreeing < 1.05
    assert convergence.r_hat(draws) > 1.15


@pytest.mark.parametrize(("start", "trend", "ends"), [(0, 0, 20), (9, 0, 60), (0, 0.1, None)])
def test_a_warm_up_ends_once_the_chains_have_met(start, trend, ends):
    """One chain is settled from the start; the other one, too, or it starts far off, or drifts."""
    draws = np.random.default_rng(0).normal(size=(2, 200))
    draws[1] += start * 0.95 ** np.arange(200) + trend * np.arange(200)
    settled = (n for n in range(201) if convergence.settled(draws[:, :n], draws[1:, :n]))
    assert next(settled, None) == ends


def test_many_quantities_at_once_are_as_each_alone():
    draws = np.stack([chains(2, 30, apart) for apart in (0.0, 0.5, 2.0)], axis=-1)
    for function in (convergence.r_hat, convergence.effective_size):
        alone = [function(draws[..., k]) for k in range(3)]
        np.testing.assert_allclose(function(draws), alone, rtol=1e-12)
        assert np.isnan(function(draws[:, : convergence.LEAST - 1])).all()


def test_a_log_is_told_and_disagreement_is_warned_of(caplog):
    noise = chains(2, 60, 0.0)
    draws = noise[..., None] + np.random.default_rng(0).normal(size=(2, 60, 50))
    row = convergence.summary(draws, noise)
    ratios, sizes = convergence.r_hat(draws), convergence.effective_size(draws)
    assert row["rhat"] == pytest.approx(np.quantile(ratios, 0.9))
    assert row["ess"] == pytest.approx(np.median(sizes))
    assert row["rhat_noise"] == pytest.approx(convergence.r_hat(noise))
    assert row["ess_noise"] == pytest.approx(convergence.effective_size(noise))
    convergence.warn_of(row, 60, "Model")
    assert caplog.text == ""
    convergence.warn_of(convergence.summary(draws, chains(2, 60, 4.0)), 60, "Model")
    assert "Model do not agree" in caplog.text and "raise n_burn" in caplog.text
