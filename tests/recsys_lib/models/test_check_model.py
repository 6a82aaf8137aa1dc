"""The battery over every model there is."""

import inspect

import pytest

from tests.recsys_lib.models import check_model as battery


@pytest.mark.parametrize("check", battery.CHECKS)
def test_every_model_keeps_its_promise(name, check, small, request):
    run = battery.CHECKS[check]
    _, *fixtures = inspect.signature(run).parameters
    given = {fixture: request.getfixturevalue(fixture) for fixture in fixtures}
    run(lambda **params: small(name, **params), **given)
