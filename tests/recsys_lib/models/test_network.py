"""What the networks share: what training refuses, and serving without PyTorch."""

import pytest
import torch

from recsys_lib.errors import RecsysError
from recsys_lib.models import base, network

NETWORKS = ["AutoEncoder", "TwoTower"]


@pytest.fixture
def fit(small, parts):
    return lambda name, **params: small(name, **params).fit(*parts[:2])


def test_of_many_users_some_are_watched_always_the_same(fit, monkeypatch):
    def ndcg():
        return fit("TwoTower", n_epochs=2, patience=None).training_log_["ndcg_valid"].tolist()

    of_all = ndcg()
    monkeypatch.setattr(base, "VALID_USERS", 10)
    assert ndcg() == ndcg() != of_all


@pytest.mark.parametrize("name", ["AutoEncoder", "TwoTower", "BPR"])
def test_steps_that_grow_without_bound_are_told(name, fit):
    with pytest.raises(RecsysError, match="learning_rate 1e\\+18 is too large"):
        fit(name, learning_rate=1e18, n_epochs=20, patience=None)


def test_a_device_that_is_not_there_is_told(fit):
    if torch.cuda.is_available():
        assert network.pick_device("auto").type == "cuda"
    else:
        assert network.pick_device("auto").type == "cpu"
        with pytest.raises(RecsysError, match="no CUDA device"):
            fit("AutoEncoder", device="cuda")


@pytest.mark.slow
def test_pytorch_is_imported_only_to_train(fit, parts, tmp_path, python):
    """A fitted network serves on a machine that has no PyTorch; fitting there says what to do."""
    user, expected = parts[0].user_ids[0], []
    for name in NETWORKS:
        model = fit(name, n_epochs=1)
        model.save(tmp_path / name)
        expected.append(str(model.recommend(user)["item_id"].tolist()))
    program = f"""
import sys

class Nowhere:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] == "torch":
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)

sys.meta_path.insert(0, Nowhere())
from recsys_lib import datasets, models
for name in {NETWORKS}:
    model = models.load({str(tmp_path)!r} + "/" + name)
    print(model.recommend({user})["item_id"].tolist())
try:
    model.fit(datasets.load("synthetic", n_users=50, n_items=40, n_ratings=1500).ratings)
except Exception as error:
    print(type(error).__name__, error)
"""
    *lists, error = python("-c", program).stdout.splitlines()
    assert lists == expected
    told = "RecsysError networks are trained by PyTorch, which is not installed"
    assert error.startswith(told)
