"""The autoencoder: losses and gradients against what is written out, and runs that repeat."""

import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
import torch

from recsys_lib import datasets, evaluation, io, models, splits
from recsys_lib.errors import DataError, RecsysError
from recsys_lib.kernels.dense import layer, sparse_layer
from recsys_lib.models import autoencoder_torch, network, torch_losses, torch_training
from recsys_lib.models.autoencoder import LOSSES
from recsys_lib.models.implicit_feedback import some_of


@pytest.fixture(scope="module")
def data():
    return datasets.load("synthetic", n_users=300, n_items=200, n_ratings=15_000, seed=5)


@pytest.fixture(scope="module")
def parts(data):
    return splits.strong_generalisation(data.ratings, seed=0)


def make(**params):
    return models.AutoEncoder(
        **{"hidden": (16, 8), "threshold": 4.0, "n_epochs": 4, "batch_size": 32, **params}
    )  # fmt: skip


def fit(parts, model=None, **options):
    train, valid, _, history = parts
    return (model or make()).fit(train, valid, history=history, **options)


# ---- losses and gradients


def written_out(kind, scores, target):
    """Each user's loss, over all items, with a dense target."""
    if kind == "multinomial":
        return -(target * np.log(np.exp(scores) / np.exp(scores).sum(1, keepdims=True))).sum(1)
    p = 1 / (1 + np.exp(-scores))
    return -(target * np.log(p) + (1 - target) * np.log(1 - p)).sum(1)


@pytest.mark.parametrize("kind", LOSSES)
def test_the_losses_as_they_are_written(kind):
    rng = np.random.default_rng(0)
    scores, target = rng.normal(size=(6, 11)), (rng.random((6, 11)) < 0.3).astype(float)
    target[2] = 0
    rows, items = (torch.from_numpy(places) for places in np.nonzero(target))
    found = torch_losses.over_all_items(kind, torch.from_numpy(scores), rows, items)
    np.testing.assert_allclose(found, written_out(kind, scores, target), rtol=1e-12)


def tiny_net():
    """A network of 7 items in float64, and the sparse rows of three users, one without a like."""
    counts = np.array([3, 0, 1, 2, 2, 1, 1])
    generator = torch.Generator().manual_seed(3)
    first = np.zeros(7, np.float32)
    net = autoencoder_torch.Net(counts, first, [5, 4, 5], generator).double()
    with torch.no_grad():  # biases begin at zero, where a mistake would not show
        for bias in net.biases:
            bias.uniform_(-1, 1, generator=generator)
    indices, starts = torch.tensor([0, 2, 6, 1, 5]), torch.tensor([0, 3, 3])
    values = torch.tensor([0.6, 0.5, 0.6, 0.7, 0.7], dtype=torch.float64)
    return net, (indices, starts, values)


def test_the_forward_pass_by_hand():
    net, (indices, starts, values) = tiny_net()
    dense = np.zeros((3, 7))
    dense[[0, 0, 0, 2, 2], indices] = values
    weights = {name: tensor.detach().numpy() for name, tensor in net.named_parameters()}
    hidden = np.tanh(dense @ weights["input"] + weights["biases.0"])
    for n in range(2):
        hidden = np.tanh(hidden @ weights[f"inner.{n}"] + weights[f"biases.{n + 1}"])
    expected = hidden @ weights["output"].T + weights["output_bias"]
    found = net(indices, starts, values).detach()
    np.testing.assert_allclose(found, expected, rtol=1e-12)
    assert (weights["input"][1] == 0).all()  # nobody liked it


@pytest.mark.parametrize("kind", LOSSES)
def test_gradients_by_finite_differences(kind):
    net, batch = tiny_net()
    rows, items = torch.tensor([0, 0, 0, 2, 2]), batch[0]

    def loss():
        return torch_losses.over_all_items(kind, net(*batch), rows, items).mean()

    loss().backward()
    step, checked = 1e-6, 0
    for weights in net.parameters():
        flat, gradient = weights.detach().view(-1), weights.grad.view(-1)
        for k in range(len(flat)):
            ends = []
            for sign in (1, -1):
                flat[k] += sign * step
                ends.append(loss().item())
                flat[k] -= sign * step
            assert gradient[k].item() == pytest.approx((ends[0] - ends[1]) / (2 * step), abs=1e-7)
            checked += 1
    assert checked > 100


@pytest.mark.parametrize("kind", LOSSES)
def test_the_first_biases_are_the_best_that_know_no_user(kind):
    """With the added half a like, the gradient of the loss by a score for all vanishes there."""
    counts, n_users = np.array([40, 7, 0, 21]), 50
    scores = autoencoder_torch.popularity_biases(kind, counts, n_users).astype(float)
    assert np.argsort(-scores).tolist() == [0, 3, 1, 2]
    share = (counts + 0.5) / (n_users + 1)
    if kind == "bce":
        np.testing.assert_allclose(1 / (1 + np.exp(-scores)), share, rtol=1e-5)
    else:
        np.testing.assert_allclose(
            np.exp(scores) / np.exp(scores).sum(), share / share.sum(), rtol=1e-5
        )


def test_dropout_keeps_the_mean_and_leaves_out_its_share():
    generator = torch.Generator().manual_seed(0)
    found = torch_training.dropped(torch.ones(20_000), 0.3, generator)
    assert found.unique().tolist() == pytest.approx([0, 1 / 0.7])
    assert (found == 0).float().mean().item() == pytest.approx(0.3, abs=0.02)
    assert found.mean().item() == pytest.approx(1, abs=0.02)
    values = torch.ones(3)
    assert torch_training.dropped(values, 0.0, generator) is values


# ---- the forward pass that serves


@pytest.mark.parametrize("squash", [False, True])
def test_a_layer_and_its_twin(squash):
    rng = np.random.default_rng(1)
    rows, weights = (rng.normal(size=s).astype(np.float32) for s in ((40, 9), (9, 5)))
    rows[rng.random(rows.shape) < 0.5] = 0
    biases = rng.normal(size=5).astype(np.float32)
    expected = rows.astype(float) @ weights + biases
    expected = np.tanh(expected) if squash else expected
    found = layer(rows, weights, biases, squash)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, expected, atol=1e-5)
    indptr = np.concatenate([[0], np.cumsum((rows != 0).sum(1))])
    columns = np.nonzero(rows)[1]
    sparse = sparse_layer(indptr, columns, rows[rows != 0], weights, biases, squash)
    np.testing.assert_allclose(sparse, expected, atol=1e-5)
    alone = layer(rows[7:8], weights, biases, squash)
    np.testing.assert_array_equal(alone[0], found[7])


@pytest.mark.parametrize("hidden", [(16,), (16, 8), (12, 8, 4)])
def test_what_serves_is_what_was_trained(hidden, parts):
    """The scores without PyTorch are those of the network with it."""
    train = parts[0]
    model = make(hidden=hidden).fit(train)
    generator = torch.Generator()
    counts = np.ones(train.n_items)
    net = autoencoder_torch.Net(counts, np.zeros(200, np.float32), model._sizes, generator)
    sizes = model._sizes
    weights = {"input": model.input_rows_, "output": model.output_rows_[:, :-1]}
    weights["output_bias"] = model.output_rows_[:, -1]
    rest = model.inner_
    for n, size in enumerate(sizes):
        if n:
            weights[f"inner.{n - 1}"], rest = np.split(rest, [sizes[n - 1] * size])
            weights[f"inner.{n - 1}"] = weights[f"inner.{n - 1}"].reshape(-1, size)
        weights[f"biases.{n}"], rest = np.split(rest, [size])
    assert len(rest) == 0
    tensors = {name: torch.from_numpy(np.ascontiguousarray(w)) for name, w in weights.items()}
    net.load_state_dict(tensors)
    users = np.flatnonzero(train.by_user.counts > 0)[:40].astype(np.int32)
    likes = model._liked(train.by_user.take(users))
    values = torch.from_numpy(1 / np.sqrt(np.repeat(likes.counts, likes.counts))).float()
    indices = torch.from_numpy(likes.indices.astype(np.int64))
    with torch.no_grad():
        expected = net(indices, torch.from_numpy(likes.indptr[:-1]), values).numpy()
    found = model._user_vectors(users) @ model._item_vectors().T
    np.testing.assert_allclose(found, expected, atol=2e-5)
    assert model.n_parameters_ == sum(w.numel() for w in net.parameters())


def test_a_stranger_with_a_users_history_gets_the_users_list(parts):
    model, train = fit(parts), parts[0]
    for user in train.user_ids[train.by_user.counts > 0][[0, 17, 99]]:
        table = train.of_user(user)
        mine = dict(zip(table["item_id"], table["rating"], strict=True))
        own = model.recommend(user).drop(columns="user_id")
        pd.testing.assert_frame_equal(model.recommend_for(mine), own, check_exact=True)


# ---- training


@pytest.mark.parametrize("kind", LOSSES)
def test_the_loss_falls_and_the_lists_beat_popularity(kind, parts):
    train, _, test, history = parts
    model = fit(parts, make(loss=kind, hidden=(64, 32), n_epochs=40, learning_rate=3e-3))
    assert model.training_log_["loss"].iloc[-1] < 0.95 * model.training_log_["loss"].iloc[0]
    scores = {
        type(one).__name__: evaluation.evaluate(one, train, test, ["ndcg@10"], history=history)
        for one in (model, models.Popularity().fit(train))
    }
    assert scores["AutoEncoder"]["ndcg@10"] > 1.1 * scores["Popularity"]["ndcg@10"]


def test_the_validation_loss_by_hand(parts):
    _, valid, _, history = parts
    for kind in LOSSES:
        model = fit(parts, make(loss=kind, n_epochs=1))
        found = []
        for user in np.flatnonzero(valid.by_user.counts):
            items, ratings = valid.by_user.row(user)
            if not (ratings >= 4).any():
                continue
            shown, theirs = history.by_user.row(user)
            row = model._fold_in(history.by_user.take(np.array([user])))
            scores = (model._vectors(row) @ model._item_vectors().T)[0].astype(float)
            target = np.zeros(200)
            target[items[ratings >= 4]] = 1
            left = np.setdiff1d(np.arange(200), shown[theirs >= 4])
            found.append(written_out(kind, scores[None, left], target[None, left])[0])
        assert model.training_log_["loss_valid"][0] == pytest.approx(np.mean(found), rel=1e-5)


def test_the_best_epoch_is_kept_and_patience_ends_it(parts):
    model = fit(parts, make(hidden=(64, 32), n_epochs=60, learning_rate=1e-2, patience=2))
    ndcg = model.training_log_["ndcg_valid"]
    assert len(ndcg) < 60
    assert len(ndcg) - 1 - ndcg.argmax() == 2
    train, valid, _, history = parts
    report = evaluation.evaluate(model, train, valid, ["ndcg@10"], history=history)
    assert report["ndcg@10"] == pytest.approx(ndcg.max(), rel=1e-6)
    model = fit(parts, make(hidden=(64, 32), learning_rate=1e-2, n_epochs=60, stop_on="loss"))
    assert len(model.training_log_) - 1 - model.training_log_["loss_valid"].argmin() == 5


def assert_same(one, two):
    for name in one._learnt:
        np.testing.assert_array_equal(getattr(one, name), getattr(two, name))


def test_the_same_seed_the_same_bits_at_any_thread_count(parts):
    threads, found = torch.get_num_threads(), []
    for n in (1, 2):
        torch.set_num_threads(n)
        found.append(fit(parts))
        assert torch.get_num_threads() == n  # as it was
    torch.set_num_threads(threads)
    assert_same(*found)
    other = fit(parts, make(seed=1))
    assert not np.array_equal(other.input_rows_, found[0].input_rows_)


@pytest.mark.parametrize("kind", LOSSES)
def test_a_resumed_run_equals_one_that_was_never_stopped(kind, parts, tmp_path):
    whole = fit(parts, make(loss=kind, n_epochs=5), run_dir=tmp_path / "whole")
    fit(parts, make(loss=kind, n_epochs=2), run_dir=tmp_path / "parts")
    again = fit(parts, make(loss=kind, n_epochs=5), run_dir=tmp_path / "parts", resume=True)
    assert_same(again, whole)
    both = [io.read_log(tmp_path / run).drop(columns="seconds") for run in ("whole", "parts")]
    pd.testing.assert_frame_equal(*both)
    ended = fit(parts, make(loss=kind, n_epochs=5), run_dir=tmp_path / "parts", resume=True)
    assert_same(ended, whole)
    with pytest.raises(RecsysError, match=r"other parameters \(dropout\)"):
        fit(parts, make(loss=kind, dropout=0.1), run_dir=tmp_path / "parts", resume=True)
    with pytest.raises(RecsysError, match="needs run_dir"):
        fit(parts, resume=True)


def test_a_run_on_other_data_is_not_resumed(parts, tmp_path):
    fit(parts, run_dir=tmp_path)
    other = datasets.load("synthetic", n_users=80, n_items=60, n_ratings=2000, seed=5).ratings
    with pytest.raises(DataError, match="on other data"):
        make().fit(other, run_dir=tmp_path, resume=True)


def test_global_random_numbers_are_left_alone(parts):
    state = torch.random.get_rng_state()
    fit(parts)
    assert torch.equal(torch.random.get_rng_state(), state)
    assert not torch.are_deterministic_algorithms_enabled()


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"hidden": ()}, "one width or more"),
        ({"hidden": (8, 0)}, "one width or more"),
        ({"loss": "mse"}, "'multinomial' or 'bce'"),
        ({"dropout": 1.0}, "below 1"),
        ({"learning_rate": 0.0}, "learning_rate"),
        ({"learning_rate": float("nan")}, "learning_rate"),
        ({"weight_decay": -1.0}, "weight_decay"),
        ({"batch_size": 0}, "batch_size"),
        ({"n_epochs": 0}, "n_epochs"),
        ({"patience": 0}, "patience"),
        ({"stop_on": "rmse"}, "'ndcg' or 'loss'"),
        ({"device": "abacus"}, "'auto', 'cpu' or 'cuda'"),
        ({"threshold": 9.0}, "lower the threshold"),
    ],
)
def test_parameters_without_sense_are_refused(params, message, parts):
    with pytest.raises(RecsysError, match=message):
        make(**params).fit(parts[0])


def test_a_device_that_is_not_there_is_told(parts):
    if torch.cuda.is_available():
        assert torch_training.pick_device("auto").type == "cuda"
    else:
        assert torch_training.pick_device("auto").type == "cpu"
        with pytest.raises(RecsysError, match="no CUDA device"):
            make(device="cuda").fit(parts[0])


def test_pytorch_is_imported_only_to_train(parts, tmp_path):
    """A fitted network serves on a machine that has no PyTorch; fitting there says what to do."""
    model = fit(parts)
    model.save(tmp_path / "m")
    expected = model.recommend(parts[0].user_ids[0])["item_id"].tolist()
    program = f"""
import sys

class Nowhere:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] == "torch":
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)

sys.meta_path.insert(0, Nowhere())
from recsys_lib import datasets, models
model = models.load({str(tmp_path / "m")!r})
print(model.recommend({parts[0].user_ids[0]})["item_id"].tolist())
try:
    model.fit(datasets.load("synthetic", n_users=50, n_items=40, n_ratings=1500).ratings)
except Exception as error:
    print(type(error).__name__, error)
"""
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )  # fmt: skip
    lists, error = done.stdout.splitlines()
    assert lists == str(expected)
    assert error.startswith("RecsysError AutoEncoder is trained by PyTorch, which is not installed")


def test_of_many_users_some_are_watched_always_the_same(parts, monkeypatch):
    users = np.arange(0, 200, 2)
    np.testing.assert_array_equal(some_of(users, 100), users)
    some = some_of(users, 30)
    np.testing.assert_array_equal(some, np.unique(some_of(users, 30)))
    assert len(some) == 30
    assert set(some) < set(users)
    monkeypatch.setattr(network, "some_of", lambda users: some_of(users, 7))
    train, valid, _, history = parts
    held = network.Held(make(), train, valid, history)
    assert len(held.users) == len(held.asked.counts) == len(held.shown.counts) == 7
    first = held.asked.take(np.array([0]))
    mine = valid.by_user.take(held.users[:1])
    np.testing.assert_array_equal(first.indices, mine.indices[mine.values >= 4])
