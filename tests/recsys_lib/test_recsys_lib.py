"""The library as a whole: it asks for no network, and its tests pass with every index checked."""

import re

import pytest

SPARK, KERNELS = "tests/recsys_lib/spark", "tests/recsys_lib/kernels"
# Whoever looks up a name or connects to a machine ends the process; it may only talk to itself.
OFFLINE = """
import os, pkgutil, sys, warnings

def refuse(event, args):
    if event in ("socket.getaddrinfo", "socket.gethostbyname", "socket.connect", "socket.sendto"):
        print(event, args, file=sys.stderr, flush=True)
        os._exit(9)

sys.addaudithook(refuse)
warnings.simplefilter("ignore")
import papermill, course, recsys_lib  # papermill imports a part of the course
for package in (recsys_lib, course):
    for module in pkgutil.walk_packages(package.__path__, package.__name__ + ".", onerror=str):
        if ".spark" not in module.name and not module.name.endswith("__main__"):
            __import__(module.name)
from recsys_lib import datasets, evaluation, models, splits
data = datasets.load("auto:ml-1m" if len(sys.argv) > 1 else "synthetic")
train, valid, test = splits.random(data.ratings, valid=0.1, test=0.1, seed=0)
model = models.ALS(n_factors=4, n_epochs=2).fit(train, valid, items=data.items)
evaluation.evaluate(model, train, test)
print("no network was asked for")
"""


@pytest.mark.slow
def test_nothing_asks_for_the_network_unless_a_download_is_asked_for(tmp_path, python):
    folders = {"RECSYS_DATA_HOME": "", "RECSYS_CACHE": str(tmp_path)}
    assert python("-c", OFFLINE, **folders).stdout == "no network was asked for\n"
    # The hook sees what a download asks for.
    python("-c", OFFLINE, "asked", status=9, RECSYS_OFFLINE="", **folders)


@pytest.mark.long
@pytest.mark.parametrize(
    ("variable", "options"),
    [
        ("NUMBA_BOUNDSCHECK", ["-m", "not long", "tests/recsys_lib", "--ignore", SPARK]),
        ("NUMBA_DISABLE_JIT", ["-m", "not slow", "-W", "ignore", KERNELS, "-k", "not threads"]),
    ],
)
def test_the_tests_pass_with_every_index_checked(variable, options, tmp_path, trial, python):
    env = {variable: "1", "NUMBA_CACHE_DIR": str(tmp_path)}
    done = python("-m", "pytest", "-q", "-p", "no:cacheprovider", *options, **env)
    passed = int(re.search(r"(\d+) passed", done.stdout)[1])
    trial(f"tests with {variable}=1", passed, "all pass")
