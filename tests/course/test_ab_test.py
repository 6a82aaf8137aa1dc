"""A/B tests: arms, errors, and above all how often a rule is wrong where the truth is known."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from statsmodels.stats.proportion import test_proportions_2indep as two_proportions

from course import ab_test as ab
from recsys_lib.errors import RecsysError

from .conftest import DAYS

PINNED = "01000101110010010010011110111110"


def ever(p):
    return (p < 0.05).any(axis=1).mean()


def valid_p(found, scale):
    return ab.always_valid_p(found.difference, found.error, scale)


# --- arms


def test_a_user_keeps_the_arm_whatever_the_order_and_the_company():
    ids = np.arange(1, 5001)
    arm = ab.assign(ids, "first")
    shuffled = np.random.default_rng(0).permutation(ids)
    np.testing.assert_array_equal(ab.assign(shuffled, "first"), arm[shuffled - 1])
    np.testing.assert_array_equal(ab.assign(ids.astype(np.int32), "first"), arm)
    assert ab.assign(17, "first")[0] == arm[16]
    # Written down once: an experiment that runs must not be dealt anew by an update.
    assert "".join(map(str, ab.assign(np.arange(1, 33), "als-wr-in-may"))) == PINNED


def test_arms_are_balanced_and_the_experiments_independent(tolerance):
    ids = np.arange(1, 2001)
    arms = np.array([ab.assign(ids, f"number {k}") for k in range(400)])
    # Numbers of users in arm B over experiments: binomial, in mean and in variance.
    z = (arms.sum(axis=1) - 1000) / np.sqrt(500)
    assert abs(z.mean()) < 3.5 / 20
    assert stats.kstest(z, "norm").pvalue > 1e-3
    # A user is in B in half of the experiments; two experiments agree on half of the users.
    assert stats.kstest((arms.sum(axis=0) - 200) / 10, "norm").pvalue > 1e-4
    assert abs((arms[:-1] == arms[1:]).mean() - 0.5) < tolerance(0.5, arms[1:].size)
    # Neighbours are not dealt together.
    assert abs((arms[:, :-1] == arms[:, 1:]).mean() - 0.5) < tolerance(0.5, arms[:, 1:].size)


def test_unequal_shares(tolerance):
    counts = np.bincount(ab.assign(np.arange(100_000), "three", [0.7, 0.2, 0.1]))
    np.testing.assert_allclose(counts / 1e5, [0.7, 0.2, 0.1], atol=tolerance(0.5, 100_000))


@pytest.mark.parametrize("shares", [(1.0,), (0.5, 0.4), (1.5, -0.5), (1.0, 0.0)])
def test_shares_that_are_none(shares):
    with pytest.raises(RecsysError, match="shares"):
        ab.assign([1, 2], "x", shares)


# --- one look


def test_the_delta_method_agrees_with_drawing_users_anew(users, arrivals, lists):
    seen = users.experiment(arrivals, lists, "delta", np.random.default_rng(6))
    found = ab.compare_users(seen)
    visits = seen.groupby(["arm", "user_id"], observed=True)["converted"].agg(["sum", "size"])
    rng, rates = np.random.default_rng(0), []
    for arm in ("loved", "seen"):
        c, v = visits.loc[arm].to_numpy().T
        drawn = rng.integers(len(c), size=(4000, len(c)))
        rates.append(c[drawn].sum(axis=1) / v[drawn].sum(axis=1))
    assert found.error == pytest.approx((rates[1] - rates[0]).std(), rel=0.06)
    by_arm = seen.groupby("arm", observed=True)["converted"].mean()
    assert (found.control, found.treatment) == pytest.approx(tuple(by_arm))
    assert found.users == (len(visits.loc["loved"]), len(visits.loc["seen"]))
    assert found.p_value == pytest.approx(2 * stats.norm.sf(abs(found.difference / found.error)))
    low, high = found.interval()
    assert (low + high) / 2 == pytest.approx(found.difference)
    assert (high - low) / 2 == pytest.approx(1.959964 * found.error, rel=1e-6)
    assert f"{found.difference:+.4f}" in repr(found)


def test_the_residuals_arms_differ_as_the_rates_do_with_the_same_error(log):
    arm = ab.assign(log["user_id"], "residuals")
    rates, y = ab.compare_users(log.assign(arm=arm)), ab.residuals(log)
    treated = ab.assign(y.index.to_numpy(), "residuals") == 1
    both = stats.ttest_ind(y[treated], y[~treated], equal_var=False)
    low, high = both.confidence_interval()
    assert (low + high) / 2 == pytest.approx(rates.difference, abs=0.03 * rates.error)
    assert (high - low) / 3.92 == pytest.approx(rates.error, rel=0.02)
    watched, v = log["position"] > 0, log.groupby("user_id").size()
    by_hand = (watched.groupby(log["user_id"]).sum() - watched.mean() * v) / v.mean()
    np.testing.assert_allclose(ab.residuals(log.assign(watched=watched), "watched"), by_hand)


def test_visits_taken_as_users_are_the_test_of_two_proportions(log):
    found = ab.compare_users(log.assign(arm=ab.assign(log["user_id"], "naive")))
    arms = log.groupby(ab.assign(log["user_id"], "naive"))["converted"].agg(["sum", "size"])
    (a, n_a), (b, n_b) = arms.to_numpy()
    theirs = two_proportions(b, n_b, a, n_a, method="wald", correction=False)
    assert found.naive_p_value == pytest.approx(theirs.pvalue)
    assert found.difference == pytest.approx(theirs.diff)
    # With one visit each both errors agree, up to n against n - 1 in the variance.
    single = log.drop_duplicates("user_id")
    one = ab.compare_users(single.assign(arm=ab.assign(single["user_id"], "single")))
    assert one.error == pytest.approx(one.naive_error, rel=2e-3)


def test_only_two_arms_of_different_users_compare(log):
    user = log["user_id"]
    only_one = pd.Categorical(["a"] * len(log), ["a", "b"])
    for arm, match in (
        (user % 3, "3 arms"),
        (np.arange(len(log)) % 2, "deal arms to users"),
        (user == 5, "takes two"),
        (only_one, "and 0 users"),
    ):
        with pytest.raises(RecsysError, match=match):
            ab.compare_users(log.assign(arm=arm))
    with pytest.raises(RecsysError, match="level"):
        ab.compare_users(log.assign(arm=user < 900)).interval(level=95)


# --- logs and interleaved lists


def test_a_policy_is_judged_from_anothers_log():
    rng, n = np.random.default_rng(3), 2000
    logging, asked = np.array([0.5, 0.3, 0.1, 0.1]), np.array([0.1, 0.2, 0.3, 0.4])
    chance = np.array([0.2, 0.4, 0.8, 0.9])
    actions = rng.choice(4, (1000, n), p=logging)
    rewards = (rng.random(actions.shape) < chance[actions]).astype(float)
    logs = [*zip(rewards, (asked / logging)[actions], strict=True)]
    for normalise in (False, True):
        found, errors = np.array([ab.off_policy(*log, normalise) for log in logs]).T
        assert found.mean() == pytest.approx(asked @ chance, abs=3.5 * errors.mean() / 1000**0.5)
        assert errors.mean() == pytest.approx(found.std(), rel=0.08)
    same = ab.off_policy(rewards[0], np.ones(n), True)
    assert same == pytest.approx((rewards[0].mean(), stats.sem(rewards[0])))


def test_team_draft_is_that_of_two_captains(lists):
    few = {name: table[table["user_id"] <= 200] for name, table in lists.items()}
    mixed = ab.team_draft(few["loved"], few["seen"], np.random.default_rng(0))
    coins = np.random.default_rng(0).integers(2, size=(200, 15))
    for user, rows in mixed.groupby("user_id"):
        wants = [list(few[name].loc[few[name]["user_id"] == user, "item_id"]) for name in lists]
        expected = []
        for coin in coins[user - 1]:
            for team in (coin, 1 - coin):
                item = next(i for i in wants[team] if i not in [one for one, _ in expected])
                expected.append((item, team))
        assert [*zip(rows["item_id"], rows["team"], strict=True)] == expected[:30]
    assert list(mixed["rank"]) == 200 * [*range(1, 31)]
    for other in (few["seen"][1:], lists["seen"]):
        with pytest.raises(RecsysError, match="not equally long"):
            ab.team_draft(few["loved"], other, np.random.default_rng(0))


# --- many looks


def test_a_replay_is_an_experiment(log):
    looks = [0.5, 3, 17.25, DAYS]
    replays = ab.replay(log, looks=looks, n=3, name="same")
    assert replays.difference.shape == (3, len(looks))
    for k in range(3):
        shown = log.assign(arm=ab.assign(log["user_id"], f"same-{k}"))
        many = ab.compare_users(shown, looks)
        for at, time in enumerate(looks):
            once = ab.compare_users(shown[shown["time"] <= time])
            for name in ("control", "treatment", "error", "naive_error", "users"):
                number = np.array(getattr(once, name))
                np.testing.assert_array_equal(np.array(getattr(many, name))[..., at], number)
                # The order of summation changes nothing: all sums are of whole numbers.
                replayed = np.array(getattr(replays, name))[..., k, at]
                np.testing.assert_array_equal(replayed, number)


def test_replays_do_not_depend_on_how_many_are_made_at_a_time(log, monkeypatch):
    whole = ab.replay(log, looks=[7, 14], n=20)
    monkeypatch.setattr(ab, "REPLAYS_AT_A_TIME", 7)
    np.testing.assert_array_equal(whole.error, ab.replay(log, looks=[7, 14], n=20).error)


def test_before_anybody_comes_nothing_is_proven(log):
    early = ab.replay(log, looks=[1e-9, DAYS], n=5)
    assert not np.add(*early.users)[:, 0].any()
    for p in (early.p_value, early.naive_p_value, valid_p(early, 0.02)):
        assert (p[:, 0] == 1).all()


def test_users_keep_the_level_and_visits_do_not(aa, tolerance):
    users, visits = aa.p_value[:, -1], aa.naive_p_value[:, -1]
    assert (users < 0.05).mean() == pytest.approx(0.05, abs=tolerance(0.05))
    assert (users < 0.2).mean() == pytest.approx(0.2, abs=tolerance(0.2))
    assert stats.kstest(users, "uniform").pvalue > 1e-3
    assert (visits < 0.05).mean() > 0.05 + 2 * tolerance(0.05)
    # The standard errors say the same: one is that of the differences, one is too small.
    spread = aa.difference[:, -1].std()
    assert aa.error[:, -1].mean() == pytest.approx(spread, rel=0.06)
    assert aa.naive_error[:, -1].mean() < 0.9 * spread


def test_peeking_errs_as_known(aa, tolerance):
    # Armitage, McPherson & Rowe 1969, table 2: 2, 4 and 5 looks, evenly spaced; 28 by simulation.
    z = np.random.default_rng(0).standard_normal((20_000, 28)).cumsum(axis=1)
    many = (np.abs(z / np.sqrt(np.arange(1, 29))) > 1.96).any(axis=1).mean()
    for n_looks, share in ((2, 0.083), (4, 0.126), (28, many)):
        every = DAYS // n_looks
        found = ever(aa.p_value[:, every - 1 :: every])
        assert found == pytest.approx(share, abs=tolerance(share) + 0.01)
        assert found > 0.05 + tolerance(0.05) or n_looks == 2
    assert ever(aa.naive_p_value) > ever(aa.p_value) + 2 * tolerance(0.3)


@pytest.mark.parametrize("scale", [0.02, 0.05, 0.1])
def test_always_valid_p_values_hold_at_every_look(aa, scale):
    p = valid_p(aa, scale)
    assert (np.diff(p, axis=1) <= 0).all()
    assert ever(p) <= 0.05
    assert (p[:, -1] < 0.5).mean() > 0.05  # and yet they move


def test_the_likelihood_ratio_is_that_of_the_two_densities():
    d, error, scale = np.array([0.03, -0.08, 0.0]), np.array([0.02, 0.02, 0.01]), 0.025
    ratio = stats.norm.pdf(d, 0, np.hypot(error, scale)) / stats.norm.pdf(d, 0, error)
    np.testing.assert_allclose(
        ab.always_valid_p(d, error, scale), np.minimum.accumulate(np.minimum(1 / ratio, 1))
    )


def test_what_makes_no_sense(log):
    for call, match in (
        (lambda: ab.assign([1.5], "x"), "whole numbers"),
        *(
            (lambda at=at: ab.replay(log, looks=at), "looks are")
            for at in ([], [3, 2], [0], [1, 1])
        ),
        (lambda: ab.replay(log, looks=[1], n=0), "n is 0"),
        *((lambda s=s: ab.always_valid_p([0.1], [0.1], s), "scale") for s in (0, -1, np.inf)),
    ):
        with pytest.raises(RecsysError, match=match):
            call()
