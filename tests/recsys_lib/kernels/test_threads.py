"""Processes and threads: every way to start one ends in an answer, on every layer of Numba's."""

import multiprocessing
import os
import subprocess
import sys
import threading

import numba
import pytest

from recsys_lib.kernels import threads
from tests.recsys_lib.mutations import short_and_long

MODEL = """
import multiprocessing, os, time
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
import numba, numpy as np, pandas as pd
from joblib.externals.loky import get_reusable_executor
from recsys_lib import models
from recsys_lib.ratings import Ratings

pairs = np.random.default_rng(0).choice(300 * 200, 9000, replace=False)
columns = {"user_id": pairs // 200, "item_id": pairs % 200, "rating": pairs % 5 + 1.0}

def fit():
    return models.ALS(n_factors=8, n_epochs=2).fit(Ratings.from_frame(pd.DataFrame(columns)))

def ask(k):
    return tuple(MODEL.recommend_for({k % 200: 4.0})["item_id"])

def fitted(_):
    return fit().item_rows_.tobytes()

"""
ASK = """
MODEL = fit()
numba.set_num_threads(1)
expected = [ask(k) for k in range(200)]
numba.set_num_threads(numba.config.NUMBA_NUM_THREADS)
with ThreadPoolExecutor(8) as pool:
    began = time.perf_counter(), time.process_time()
    assert list(pool.map(ask, range(N))) == expected * (N // 200)
    rates = N / (time.perf_counter() - began[0]), N / (time.process_time() - began[1])
    assert set(pool.map(fitted, range(4))) == {MODEL.item_rows_.tobytes()}
print("answered", *map(round, rates))
"""
PROCESSES = """
MODEL = fit()
if __name__ == "__main__":
    with POOL as pool:
        assert list(pool.map(ask, range(20))) == [ask(k) for k in range(20)]
        assert set(pool.map(fitted, range(2))) == {MODEL.item_rows_.tobytes()}
    print("answered")
"""
POOLS = {
    method: f"ProcessPoolExecutor(2, mp_context=multiprocessing.get_context({method!r}))"
    for method in multiprocessing.get_all_start_methods()
}
POOLS["joblib"] = "get_reusable_executor(2)"


@pytest.fixture
def run(tmp_path, python):
    """A function that returns what a script printed."""

    def run(text, folder=tmp_path, **env):
        script = folder / "script.py"
        script.write_text(MODEL + text)
        return python("-W", "ignore", script, **env).stdout

    return run


@pytest.mark.slow
@short_and_long(200, 5_000)
@pytest.mark.parametrize("layer", ["default", "omp", "tbb", "workqueue"])
def test_eight_threads_ask_one_model_on_each_layer(run, layer, n, trial):
    env = {"NUMBA_THREADING_LAYER": layer, "NUMBA_NUM_THREADS": "2"}
    probe = "import numba; numba.get_num_threads()"
    found = subprocess.run([sys.executable, "-c", probe], env={**os.environ, **env}, check=False)
    if found.returncode:
        pytest.skip(f"Numba has no {layer} here")
    answered, rate, alone = run(f"N = {n}\n{ASK}", **env).split()
    assert answered == "answered"
    told = f"all right, {rate} a second, {alone} a second of the processor"
    trial(f"requests by eight threads, layer {layer}", n, told)


@pytest.mark.slow
@pytest.mark.parametrize("method", POOLS)
def test_a_process_that_has_used_the_library_starts_others(run, method, trial):
    text = PROCESSES.replace("POOL", POOLS[method])
    assert run(text, NUMBA_NUM_THREADS="2") == "answered\n"
    trial(f"requests to processes started by {method}", 20, "all right")


@pytest.mark.long
def test_two_processes_may_compile_at_once(run, tmp_path, trial):
    def compile_it(k):
        (tmp_path / str(k)).mkdir()
        cache = str(tmp_path / "cache")
        found[k] = run(f"N = 200\n{ASK}", tmp_path / str(k), NUMBA_CACHE_DIR=cache)

    found = {}
    both = [threading.Thread(target=compile_it, args=(k,)) for k in range(2)]
    for thread in both:
        thread.start()
    for thread in both:
        thread.join()
    assert [found[k].split()[0] for k in range(2)] == ["answered"] * 2
    trial("processes that compile at once", 2, "both answered")


@pytest.mark.parametrize("most", [0, 1, 2, 7])
def test_every_part_is_done_once(most):
    done, parts = [], min(most, numba.get_num_threads())
    threads.share(most, lambda *args: done.append(args), "more")
    assert sorted(done) == [(part, parts, "more") for part in range(parts)]


def test_several_parts_are_under_way_at_once():
    if numba.get_num_threads() < 2:
        pytest.skip("one thread only")
    meet = threading.Barrier(2)
    threads.share(2, lambda part, parts: meet.wait(timeout=600))


def test_what_fails_in_a_part_is_raised():
    def fail(part, parts):
        if part == parts - 1:
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        threads.share(numba.get_num_threads(), fail)
