"""BPR: the kernels against float64 twins and calculus, the blocks, and what a fit promises."""

import numpy as np
import pytest
from scipy import special

from recsys_lib import models
from recsys_lib.errors import DataError
from recsys_lib.kernels import bpr as kernels
from recsys_lib.models import bpr as module
from recsys_lib.ratings import CSR
from tests.recsys_lib.models.check_model import check_threads_change_no_bit
from tests.recsys_lib.small import as_ratings

RATE, REG = 0.07, 0.03


def random_ratings(n_users=40, n_items=60, share=0.15, seed=0):
    rng = np.random.default_rng(seed)
    pairs = np.argwhere(rng.random((n_users, n_items)) < share)
    return as_ratings(*pairs.T, rng.integers(1, 11, len(pairs)) / 2, n_users, n_items)


@pytest.fixture
def small_blocks(monkeypatch):
    """Deal even a few likes into many groups."""
    monkeypatch.setattr(module, "LIKES_A_BLOCK", 1)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_pull_at_any_margin(dtype):
    x = np.array([-1e30, -1e4, -89, -20, -1, -0.1, 0, 0.1, 1, 20, 89, 1e4, 1e30], dtype)
    pulls, losses = zip(*map(kernels.pull_of, x), strict=True)
    tolerance = 1e-6 if dtype is np.float32 else 1e-12
    np.testing.assert_allclose(pulls, special.expit(-x.astype(float)), rtol=tolerance, atol=1e-37)
    expected = np.logaddexp(0, -x.astype(float))
    np.testing.assert_allclose(losses, expected, rtol=tolerance, atol=1e-37)


# ---- an epoch


class Twin:
    """The kernel's epoch as a student would write it: Python integers, sets, float64."""

    def __init__(self, seed):
        self.state = seed

    def below(self, n):
        self.state = (self.state + 0x9E3779B97F4A7C15) % 2**64
        z = self.state
        z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9 % 2**64
        z = (z ^ (z >> 27)) * 0x94D049BB133111EB % 2**64
        z ^= z >> 31
        return (z >> 32) * n >> 32

    def samples(self, events, candidates, rated):
        """Draw as many triples as there are events, a batch at a time."""
        for first in range(0, len(events), kernels.BATCH):
            batch = range(min(kernels.BATCH, len(events) - first))
            pairs = [events[self.below(len(events))] for _ in batch]
            found, waiting = [None for _ in batch], list(batch)
            for _ in range(kernels.TRIES):
                for s in waiting:
                    found[s] = candidates[self.below(len(candidates))]
                waiting = [s for s in waiting if found[s] in rated[pairs[s][0]]]
            for s in batch:
                if s not in waiting:
                    yield *pairs[s], found[s]

    def block(self, events, candidates, rated, p, q, b):
        """Take a block's steps on p, q and b; return sum of losses, number in order, drawn."""
        totals = np.zeros(3)
        for u, i, j in self.samples(events, candidates, rated):
            x = p[u] @ (q[i] - q[j]) + b[i] - b[j]
            pull = 1 / (1 + np.exp(x))
            totals += np.log(1 + np.exp(-x)), x > 0, 1
            p_u = p[u].copy()
            p[u] += RATE * (pull * (q[i] - q[j]) - REG * p_u)
            q[i] += RATE * (pull * p_u - REG * q[i])
            q[j] += RATE * (-pull * p_u - REG * q[j])
            b[i] += RATE * (pull - REG * b[i])
            b[j] += RATE * (-pull - REG * b[j])
        return totals


@pytest.mark.parametrize("likes_a_block", [1, 20, 10**6])
def test_an_epoch_equals_its_twin(likes_a_block, monkeypatch):
    monkeypatch.setattr(module, "LIKES_A_BLOCK", likes_a_block)
    ratings = random_ratings()
    liked = ratings.by_user.values >= 3
    rng = np.random.default_rng(5)
    blocks = module._Blocks(ratings, ratings.by_user.select(liked), rng)
    starts, users, items, group_items, group_starts = blocks.deal(rng)
    n_groups = blocks.n_groups
    assert n_groups == {1: 13, 20: 3, 10**6: 1}[likes_a_block]
    user_rows, item_rows = rng.normal(0, 0.3, (40, 7)), rng.normal(0, 0.3, (60, 8))
    p, q, b = user_rows.copy(), item_rows[:, :-1].copy(), item_rows[:, -1].copy()
    seeds = rng.integers(0, 2**64, n_groups**2, dtype=np.uint64)
    totals = np.full((n_groups**2, 3), np.nan)
    kernels.epoch(
        starts, users, items, group_items, group_starts, *ratings.by_user[:2],
        user_rows, item_rows, RATE, REG, seeds, totals,
    )  # fmt: skip
    rated = [set(ratings.by_user.row(u)[0].tolist()) for u in range(40)]
    expected = np.empty_like(totals)
    for turn in range(n_groups):
        for user_group in range(n_groups):
            item_group = (user_group + turn) % n_groups
            block = user_group * n_groups + item_group
            span = slice(starts[block], starts[block + 1])
            events = list(zip(users[span], items[span], strict=True))
            candidates = group_items[group_starts[item_group] : group_starts[item_group + 1]]
            twin = Twin(int(seeds[block]))
            expected[block] = twin.block(events, candidates.tolist(), rated, p, q, b)
    assert totals[:, 2].sum() > 150
    np.testing.assert_allclose(totals, expected, atol=1e-10)
    np.testing.assert_allclose(user_rows, p, atol=1e-12)
    np.testing.assert_allclose(item_rows, np.column_stack([q, b]), atol=1e-12)


@pytest.mark.parametrize(("n_users", "n_items"), [(300, 200), (5, 200), (300, 9), (1, 3)])
def test_blocks_of_one_turn_share_nothing_and_hold_every_like_once(n_users, n_items, small_blocks):
    ratings = random_ratings(n_users, n_items, share=0.5, seed=2)
    liked = ratings.by_user.values >= 2
    rng = np.random.default_rng(0)
    blocks = module._Blocks(ratings, ratings.by_user.select(liked), rng)
    n = blocks.n_groups
    assert n == max(1, min(module.MAX_GROUPS, n_users, n_items // 4))
    before = None
    for _ in range(2):  # each deal is another, and each must be right
        starts, users, items, group_items, group_starts = blocks.deal(rng)
        assert not np.array_equal(group_items, before)
        before = group_items.copy()
        assert sorted(group_items) == list(range(n_items))
        assert (np.diff(group_starts) >= min(4, n_items)).all()
        group = {
            item: g
            for g in range(n)
            for item in group_items[group_starts[g] : group_starts[g + 1]].tolist()
        }
        for turn in range(n):
            met = [set(users[starts[k] : starts[k + 1]].tolist()) for k in turn_of(turn, n)]
            assert sum(map(len, met)) == len(set().union(*met))
            for k in turn_of(turn, n):
                assert {group[i] for i in items[starts[k] : starts[k + 1]].tolist()} <= {k % n}
        keys = np.sort(users.astype(np.int64) * n_items + items)
        expected = ratings.user_of_rating()[liked].astype(np.int64) * n_items
        np.testing.assert_array_equal(keys, expected + ratings.by_user.indices[liked])


def turn_of(turn, n_groups):
    """Return the blocks that run at once: one of each user group, one of each item group."""
    return [g * n_groups + (g + turn) % n_groups for g in range(n_groups)]


# ---- fitting


@pytest.mark.parametrize("likes_a_block", [1, 10**6])
def test_users_who_have_seen_everything_are_passed_over(likes_a_block, monkeypatch):
    monkeypatch.setattr(module, "LIKES_A_BLOCK", likes_a_block)
    n_items = 12
    pairs = np.array([(0, i) for i in range(n_items)] + [(1, 0), (2, 1)])
    model = models.BPR(n_factors=3, reg=0.5, n_epochs=60).fit(as_ratings(*pairs.T, 5, 3, n_items))
    start = np.random.default_rng(0).standard_normal((3, 3), np.float32)
    start *= np.float32(0.1 / np.sqrt(3))
    moved = (model.user_factors_ != start).any(axis=1)
    assert moved.tolist() == [False, True, True]
    with pytest.raises(DataError, match="no pair to learn from"):
        models.BPR(n_factors=3).fit(as_ratings(*pairs[:n_items].T, 5, 1, n_items))


# ---- strangers


def test_who_likes_nothing_gets_the_items_by_their_bias(fitted):
    model = fitted("BPR")
    for history in ({}, {model.item_ids_[7]: 1.0}):
        bias = model.item_biases_.copy()
        bias[[7] * len(history)] = -np.inf
        best = model.item_ids_[np.argsort(-bias, kind="stable")[:5]]
        assert model.recommend_for(history, n=5)["item_id"].tolist() == best.tolist()


def test_fold_in_goes_to_the_minimum_of_its_objective():
    """With few items the objective's minimum over p is found by calculus; the steps come near."""
    rng = np.random.default_rng(0)
    items = rng.normal(0, 0.8, (30, 4)).astype(np.float32)
    history = CSR(np.array([0, 3]), np.array([2, 11, 17], np.int32), np.full(3, 5, np.float32))
    rows = np.zeros((1, 3), np.float32)
    args = history.indptr, history.indices, history.indptr, history.indices
    seeds = np.array([1], np.uint64)
    kernels.fold_in(*args, items, np.float32(0.05), np.float32(0.3), 20_000, seeds, rows)
    q, b = items[:, :-1].astype(float), items[:, -1].astype(float)
    others = np.setdiff1d(np.arange(30), history.indices)
    d = (q[history.indices][:, None] - q[others]).reshape(-1, 3)
    c = (b[history.indices][:, None] - b[others]).ravel()
    p = np.zeros(3)
    for _ in range(2000):
        p -= 0.2 * (0.3 * p - (special.expit(-(d @ p + c))[:, None] * d).mean(axis=0))
    np.testing.assert_allclose(rows[0], p, atol=0.02)


def test_the_same_bits_at_any_thread_count_in_many_blocks(small, small_blocks):
    check_threads_change_no_bit(lambda **params: small("BPR", **params))
