"""The battery over every model there is."""

import inspect

import pytest

from tests.recsys_lib.models import check_model as battery


@pytest.mark.parametrize("check", battery.CHECKS)
def test_every_model_keeps_its_promise(name, check, small, tmp_path):
    def make(**params):
        return small(name, **params)

    run, (ratings, items) = battery.CHECKS[check], battery.table()
    given = {"make": make, "ratings": ratings, "items": items, "tmp_path": tmp_path}
    wanted = inspect.signature(run).parameters
    if "model" in wanted:
        given["model"] = battery.fit(make, ratings, items)
    run(**{one: given[one] for one in wanted})
