"""The boundary: a file whose checksum is right, and whose content is not, is refused."""

import numpy as np
import pytest

from recsys_lib import io, models
from recsys_lib.errors import DataError, RecsysError
from tests.recsys_lib.models.check_model import ITERATIVE, table
from tests.recsys_lib.mutations import mutated_file, short_and_long


@pytest.fixture
def saved(model, tmp_path):
    """A function that writes the model's file with changes, and loads it."""
    model.save(tmp_path / "whole")

    def load(change):
        arrays, meta = io.load_arrays(tmp_path / "whole")
        meta.pop("text", None)
        change(arrays, meta)
        io.save_arrays(tmp_path / "changed", arrays, meta)
        return models.load(tmp_path / "changed")

    return load


def test_every_array_is_held_to_its_shape_type_and_numbers(saved, model):
    assert model.state()[0].keys() == model.shapes.keys()

    def nan(array):
        array = array.copy()
        array.flat[-1] = np.nan
        return array

    changes = [
        lambda array: array[:-1],
        lambda array: np.concatenate([array, array[:1]]),
        lambda array: array.astype(np.float64),
        lambda array: array[None],
        nan,
    ]
    for name, learnt in model.state()[0].items():
        for change in changes if learnt.size else ():
            if learnt.dtype.kind == "i" and change is nan:
                continue

            def put(arrays, meta, name=name, change=change):
                arrays[name] = change(arrays[name])

            with pytest.raises(DataError, match=r"changed.* cannot be used"):
                saved(put)


@pytest.mark.parametrize("value", [-1, 10**6, 2**31 - 1])
def test_no_index_reaches_out_of_its_array(value, saved, model):
    names = ["known.indices", "known.indptr"]
    for name, array in model.state()[0].items():
        names += [name] * (name.endswith(("indices_", "indptr_")) and array.size > 0)
    for name in names:

        def put(arrays, meta, name=name):
            arrays[name][len(arrays[name]) // 2 :][:1] = value

        with pytest.raises(DataError):
            saved(put)


CHANGES = {
    "an id twice": lambda arrays, meta: arrays["item_ids_"].__setitem__(0, arrays["item_ids_"][1]),
    "fewer ids": lambda arrays, meta: arrays.update(user_ids_=arrays["user_ids_"][:-1]),
    "no mean": lambda arrays, meta: meta["state"].pop("mu_"),
    "a mean of text": lambda arrays, meta: meta["state"].update(mu_="3"),
    "an infinite mean": lambda arrays, meta: meta["state"].update(mu_=float("inf")),
    "a scale of one": lambda arrays, meta: meta["state"].update(scale_=[1.0]),
    "a scale of yes": lambda arrays, meta: meta["state"].update(scale_=[0.5, True]),
    "a scale without room": lambda arrays, meta: meta["state"].update(scale_=[1.0, 1.5]),
    "a stranger": lambda arrays, meta: meta["state"].update(recommend=3),
    "another parameter": lambda arrays, meta: meta["params"].update(colour="red"),
    "a parameter of another type": lambda arrays, meta: meta["params"].update(
        {next(iter(meta["params"])): [0]}
    ),
    "no parameters": lambda arrays, meta: meta.pop("params"),
    "a log that is none": lambda arrays, meta: meta["state"].update(training_log_=7),
    "an array too many": lambda arrays, meta: arrays.update(more_=np.zeros(3, np.float32)),
    "a value that is none": lambda arrays, meta: arrays["known.values"].fill(np.nan),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_what_the_class_would_not_have_is_refused(change, saved):
    with pytest.raises(DataError):
        saved(change)


def test_a_scale_without_end_is_loaded_again(tmp_path):
    ratings, _ = table(n_users=12, n_items=9, n_ratings=50)
    ratings.scale = (0.0, np.inf)
    one = models.ItemKNN().fit(ratings)
    one.save(tmp_path / "it")
    item = ratings.item_ids[ratings.by_item.counts.argmax()]
    again = models.load(tmp_path / "it").similar_items(item)
    assert again.equals(one.similar_items(item)) and len(again)


def test_a_checkpoint_is_held_to_the_same(name, small, parts, data, tmp_path):
    one = small(name)
    one.fit(parts[0], parts[1], items=data.items, run_dir=tmp_path)
    path = tmp_path / "checkpoint.safetensors"
    arrays, meta = io.load_arrays(path)
    meta.pop("text", None)
    for key, array in arrays.items():
        if not array.size:
            continue
        worse = [array.reshape(-1)[:-1]]
        worse += [array.astype("f8")[None]] * (array.dtype != np.uint8)
        for other in worse:
            io.save_arrays(path, {**arrays, key: other}, meta)
            with pytest.raises(DataError, match="checkpoint in"):
                small(name).fit(*parts[:2], items=data.items, run_dir=tmp_path, resume=True)
    io.save_arrays(path, arrays, meta | {"rngs": [3]})
    with pytest.raises(DataError, match="checkpoint in"):
        small(name).fit(*parts[:2], items=data.items, run_dir=tmp_path, resume=True)


@short_and_long(40, 2_000)
@pytest.mark.filterwarnings("ignore::RuntimeWarning")  # finite numbers whose sums are not
def test_a_damaged_file_is_refused_or_holds_a_model_that_works(name, n, small, tmp_path, trial):
    ratings, items = table(n_users=12, n_items=9, n_ratings=50)
    small(name).fit(ratings, items=items).save(tmp_path / "whole")
    whole, about = io.load_arrays(tmp_path / "whole")
    rng, taken = np.random.default_rng(n), 0
    for _ in range(n):
        mutated_file(tmp_path / "damaged", whole, about, rng)
        try:
            model = models.load(tmp_path / "damaged")
        except RecsysError:
            continue
        taken += 1
        model.recommend(model.user_ids_, n=3)
        model.recommend_for({}, n=3)
        if model.predicts_ratings:
            model.predict(model.user_ids_[:1], model.item_ids_)
        model.partial_fit_users(model.user_ids_[0], {model.item_ids_[-1]: 3.0})
        model.save(tmp_path / "again")
    assert 0 < taken < n
    trial(f"damaged models, {name}", n, f"{n - taken} refused, {taken} taken and at work")


@short_and_long(20, 500)
@pytest.mark.parametrize("name", ITERATIVE)
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_a_damaged_checkpoint_is_refused_or_goes_on(name, n, small, tmp_path, trial):
    ratings, items = table(n_users=12, n_items=9, n_ratings=50)
    patience = {"patience": 2} if "patience" in getattr(models, name).parameter_names() else {}
    fit = {"valid": ratings, "items": items, "run_dir": tmp_path}
    small(name, **patience).fit(ratings, **fit)
    path, rng = tmp_path / "checkpoint.safetensors", np.random.default_rng(n)
    whole, about = io.load_arrays(path)
    gone_on = 0
    for _ in range(n):
        mutated_file(path, whole, about, rng)
        try:
            model = small(name, **patience).set_params(n_epochs=7)
            model.fit(ratings, resume=True, **fit)
        except RecsysError:
            continue
        gone_on += 1
        assert model.training_log_["epoch"].tolist() == [*range(1, len(model.training_log_) + 1)]
    trial(f"damaged checkpoints, {name}", n, f"{n - gone_on} refused, {gone_on} gone on from")
