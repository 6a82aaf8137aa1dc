"""`make bench`: the harness, run as it stands on a few ratings, and the judge of its figures."""

import os
import sys
import time

import numpy as np
import psutil
import pytest
from scipy import stats

from benchmarks import __main__, data, plan, processes, results, table, worker
from recsys_lib.models import implicit_als


@pytest.fixture(scope="module")
def bench(python, build):
    """Run the command line with this very Python as that of the peers: it has none of them."""
    how = "-m", "benchmarks", "--build", build, "--peers", sys.executable, "--threads", "2"
    return lambda *args: python(*how, *args).stdout


@pytest.fixture(scope="module")
def build(tmp_path_factory):
    return tmp_path_factory.mktemp("bench")


@pytest.fixture(scope="module")
def first(bench):
    """What was said in runs where one contender fails, one is not there, and the others go on."""
    runs = [
        ("als", "--k=-1,4", "ours,implicit-cg"),
        ("bpr,bayes", "--k=4", "ours,ours-hogwild"),
        ("implicit-als", "--k=32", "ours,ours-cholesky"),  # the first by conjugate gradients
    ]
    how = "--size", "tiny", "--only"
    return "".join(bench(*how, tasks, k, "--with", some) for tasks, k, some in runs)


@pytest.fixture(scope="module")
def records(first, build):
    return {
        (record["task"], record["contender"], record["k"]): record
        for record in results.read(build / "results.json")["records"]
    }


@pytest.fixture(scope="module")
def second(bench, build, records):
    """What another run leaves, of which only one task had been measured before."""
    tasks = "als,topn,topn-approx,roof,job"
    how = "--size", "tiny", "--k", "4", "--with", "ours,ours-index"
    bench("--only", tasks, *how)
    frame, machine, where = results.load(build / "results.json")
    assert where == build / "results.json" and machine["cores"] == psutil.cpu_count()
    frame = frame.set_index(["task", "contender", "k"])
    assert frame.index.is_unique
    return frame


@pytest.mark.slow
def test_records_tell_what_was_measured(records, build):
    found = records["als", "ours", 4]
    assert found["status"] == "ok"
    assert found["epochs"] == len(found["seconds"]) == len(found["quality"]) == 10
    assert found["epoch_s"] == np.median(found["seconds"]) > 0
    assert found["ratings_per_s"] * found["epoch_s"] == pytest.approx(18_000)
    assert 50e6 < found["peak_bytes"] < 4e9
    assert found["wall_s"] > found["setup_s"] > 0
    assert found["on"]["cpu"] and set(found["on"]["instructions"]) <= set(results.INSTRUCTIONS)
    draws = records["bayes", "ours", 4]["quality"]  # of the mean of those so far
    assert len(draws) == 200 and draws[-1] < draws[worker.BURN]
    guess = np.load(build / "data" / "tiny" / "test_values.npy").std()  # the best for all alike
    for first, last in ((found["quality"][0], found["quality"][-1]), (draws[0], draws[-1])):
        assert last < first and last < guess
    wild, calm = (records["bpr", name, 4] for name in ("ours-hogwild", "ours"))
    exact, descent = (records["implicit-als", name, 32] for name in ("ours-cholesky", "ours"))
    for one, other, metric, least, near in (
        (calm, wild, "auc", 0.6, 0.08),
        (exact, descent, "ndcg", 0.05, 0.03),
    ):
        assert one["metric"] == metric
        assert least < one["quality"][-1] < 1
        assert one["quality"][0] != one["quality"][-1]  # each epoch's factors are measured
        assert other["quality"][-1] == pytest.approx(one["quality"][-1], rel=near)
    assert wild["rule"] != calm["rule"] and exact["rule"] == descent["rule"]


def test_a_peer_begins_where_we_begin():
    """The worker's file runs where the library is not, so it draws the first factors by itself."""
    ours = implicit_als.first_factors(40, 9, np.random.default_rng(0))
    np.testing.assert_array_equal(worker.first_factors(40, 9), ours)


def test_the_lists_of_the_stored_implicit_als_are_as_good_as_those_of_its_equals():
    """Of equal settings, and solvers that come as near to the minimum: within one per cent."""
    frame, _, _ = results.load(results.STORED)
    frame = frame[(frame.task == "implicit-als") & (frame.status == "ok")]
    last = frame.assign(ndcg=frame["quality"].str[-1]).pivot_table(
        "ndcg", index=["size", "k"], columns="contender"
    )
    last.loc[("32m", 64), "implicit-cg"] = np.nan  # the one place where it leads by more
    for theirs in ("implicit-cholesky", "irspack-ialspp", "implicit-cg"):
        ratio = (last["ours" + "-cholesky" * ("cholesky" in theirs)] / last[theirs]).dropna()
        assert len(ratio) >= 4
        np.testing.assert_array_less(0.99, ratio)


@pytest.mark.slow
def test_who_fails_or_is_not_there_is_reported_and_stops_nobody(records, first):
    told = {
        ("ours", -1): ("failed", "RecsysError: n_factors is -1; it must be a whole number, 0 or "),
        ("implicit-cg", 4): ("not measured", "No module named 'implicit'"),
        ("implicit-cg", -1): ("not measured", "No module named 'implicit'"),
    }
    for (contender, k), (status, message) in told.items():
        found = records["als", contender, k]
        assert found["status"] == status and found["message"].startswith(message)
        assert message in first
    assert len(records) == 2 * 2 + 2 + 1 + 2
    assert "x 1.00" in first


@pytest.mark.slow
def test_a_second_run_keeps_what_it_does_not_measure_again(records, second):
    assert set(records) <= set(second.index)
    assert second.loc[("als", "implicit-cg", 4), "time"] == records["als", "implicit-cg", 4]["time"]
    assert second.loc[("als", "ours", 4), "wall_s"] != records["als", "ours", 4]["wall_s"]
    lists = second.loc[("topn", "ours", 4)]
    assert lists["users"] == 600 and lists["users_per_s"] > 0
    assert lists["versions"]["numpy"] == np.__version__


@pytest.mark.slow
def test_an_epochs_parts_and_those_of_the_whole_job_add_up(second):
    roof, load, job = (second.loc[(task, "ours", 4)] for task in ("roof", "first-load", "job"))
    for whole in (roof, job):
        assert whole.total_s == pytest.approx(sum(whole.parts.values()))
    assert roof.parts["gather"] > 0
    triangle = (4 + 2) * (4 + 3) / 2
    assert roof.operations == 2 * 2 * 18_000 * triangle  # both sides; multiply and add
    assert roof["bytes"] == 2 * 18_000 * (8 + 5 * 4 + 60)  # five numbers, and parts of two lines
    assert roof.product_ops_per_s > 1e9
    assert roof.read_bytes_per_s > 1e8
    exact, index = (second.loc[("topn-approx", name, 4)] for name in ("ours", "ours-index"))
    assert exact.bytes_per_s == pytest.approx(64 * 4200 * 4 * 4 * exact.users_per_s / 4096)
    assert (index["items"], index.users) == (14 * 300, 4096)
    assert index.recall > 0.9
    assert load.ratings == 20_000  # from raw files in the published layout
    assert list(job.parts) == ["load", "split", "fit", "evaluate", "save"]
    assert 0 < job.ndcg < 1 and 0 < job.rmse < 1.2


@pytest.mark.slow
def test_the_files_hold_each_rating_once(records, build):
    folder = build / "data" / "tiny"
    whole = data.load("tiny").ratings
    job = worker.Job("als", "", folder, folder, 4, 1, 1, 1.0)
    assert job.shape == (whole.n_users, whole.n_items)
    users, items, values = (
        np.concatenate(pair) for pair in zip(*map(job.triples, ("user", "test")), strict=True)
    )
    order = np.lexsort((items, users))
    np.testing.assert_array_equal(users[order], whole.user_of_rating())
    np.testing.assert_array_equal(items[order], whole.by_user.indices)
    np.testing.assert_array_equal(values[order], whole.by_user.values)
    assert job.csr("item")[2].sum() == job.csr("user")[2].sum()


@pytest.mark.slow
def test_the_workers_rmse_is_the_plain_one(records, build, monkeypatch):
    monkeypatch.setattr(worker, "PAIRS_AT_A_TIME", 300)  # several blocks, the last one not full
    folder = build / "data" / "tiny"
    job = worker.Job("als", "", folder, folder, 4, 1, 1, 1.0)
    rng = np.random.default_rng(0)
    p, q = (rng.standard_normal((n, 4)).astype(np.float32) for n in job.shape)
    b_u, b_i = (rng.standard_normal(n).astype(np.float32) for n in job.shape)
    users, items, values = job.triples("test")
    plain = (p.astype(float) @ q.T)[users, items] + 3.5
    assert worker.rmse(job, 3.5, p, q) == pytest.approx(np.sqrt(np.mean((plain - values) ** 2)))
    plain += b_u[users] + b_i[items]
    found = worker.rmse(job, 3.5, p, q, b_u, b_i)
    assert found == pytest.approx(np.sqrt(np.mean((plain - values) ** 2)))


@pytest.mark.parametrize(
    ("args", "says"),
    [
        (["--only", "speed"], "als, bpr"),
        (["--size", "33m"], "32m"),
        (["--with", "surprise"], "implicit-cg"),
        (["--only", "bpr", "--with", "spark"], "takes part"),
        (["--peers", "no/python"], "no/python"),
    ],
)
def test_a_mistake_is_told_in_one_line(capsys, args, says):
    assert __main__.main(args) == 2
    error = capsys.readouterr().err
    assert error.startswith("error: ") and error.count("\n") == 1
    assert says in error


def test_the_plan_takes_a_librarys_name_for_all_its_variants():
    chosen = plan.measurements(["als"], ["1m"], [32], ["cmfrec", "implicit-cg"], 4)
    assert [one.contender for one in chosen] == ["implicit-cg", "cmfrec-cg", "cmfrec-cholesky"]
    chosen = plan.measurements(["threads"], ["1m"], [], [], 6)
    assert [one.threads for one in chosen] == [1, 2, 4, 6]


def run(tmp_path, code, limit_s=30.0):
    command = [sys.executable, "-c", code]
    return processes.run(command, {"SAID": "1"}, tmp_path / "log", limit_s, tmp_path)


def test_the_memory_of_children_counts(tmp_path):
    child = "import sys, time; x = bytearray(200_000_000); time.sleep(1)"
    code = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {child!r}])"
    assert run(tmp_path, code).peak_bytes > 200e6


def test_a_process_that_does_not_end_is_ended_with_its_children(tmp_path):
    child = "import time; time.sleep(600)"
    code = (
        "import json, subprocess, sys\n"
        f"worker = subprocess.Popen([sys.executable, '-c', {child!r}])\n"
        "print(json.dumps({'child': worker.pid}), flush=True)\n"
        "worker.wait()"
    )
    found = run(tmp_path, code, limit_s=2)
    assert found.error == "ended after 2 s"
    child = found.findings[0]["child"]
    deadline = time.monotonic() + 30  # a killed process ends when the kernel next runs it
    while time.monotonic() < deadline and alive(child):
        time.sleep(0.01)
    assert not alive(child)


def alive(pid):
    """Whether a process runs; one that nobody has buried yet is dead too."""
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def test_a_process_that_dies_is_told_with_its_log(tmp_path):
    found = run(tmp_path, "import os, sys; print('why', file=sys.stderr); os._exit(3)")
    assert "status 3" in found.error
    assert str(tmp_path / "log") in found.error
    assert (tmp_path / "log").read_text() == "why\n"


def test_lines_of_a_c_library_are_stamped_with_their_moments():
    began = time.monotonic()
    with worker.stamped() as lines:
        os.write(1, b"one\n")
        time.sleep(0.3)
        os.write(1, b"two words\n")
    (first, one), (second, two) = lines
    assert (one, two) == ("one", "two words")
    assert began < first < second - 0.2


def test_an_epoch_is_what_more_of_them_take_longer():
    assert worker.epoch_between(3.0, 9.0, 4) == 2.0
    with pytest.raises(RuntimeError, match="measure this again"):
        worker.epoch_between(3.0, 2.9, 4)


def record(contender, **fields):
    base = {"task": "als", "contender": contender, "size": "32m", "k": 32, "threads": 2}
    base |= {"status": "ok", "versions": {}}
    return {**base, "peak_bytes": 1e9, "quality": [], **fields}


def test_folds_are_compared_in_pairs_and_learn_from_the_same_ratings():
    more = np.array([0.010, 0.012, 0.009, 0.011, 0.013])
    mine = [record("ours", size=fold, metric="rmse", quality=[1, 0.8]) for fold in data.FOLDS]
    theirs = [
        record("myfm", size=fold, metric="rmse", quality=[1, 0.8 + own])
        for fold, own in zip(data.FOLDS, more, strict=True)
    ]
    mean, low, high = table.over_folds(mine + theirs)[32, "myfm"]
    plain = stats.ttest_1samp(more, 0).confidence_interval()  # of folds that share nothing
    assert [low, mean, high] == pytest.approx([2 * more.mean() - high, more.mean(), high])
    assert (high - low) / (plain.high - plain.low) == pytest.approx(1.5)  # √(1 + 5/4), by hand
    assert table.over_folds(mine + theirs[1:]) == {}


def test_targets_are_judged():
    ours = record("ours", epoch_s=2.0)
    assert table.target(record("implicit-cg", epoch_s=4.1), ours) == "at least 2: met"
    assert table.target(record("cmfrec-cholesky", epoch_s=11.9), ours) == "at least 6: not met"
    assert table.target(record("cmfrec-cholesky", epoch_s=12.0, k=16), ours) == ""
    assert table.target(record("spark", epoch_s=99.0), None) == ""
    theirs, mine = record("implicit", users_per_s=100.0), record("ours", users_per_s=500.0)
    assert table.ratio(theirs, mine) == pytest.approx(5)
    job = record("ours", task="job", total_s=19.0, peak_bytes=1.5e9)
    assert table.target(job, job) == "at most 20 s, 1.6 GB: met"
    assert table.target({**job, "peak_bytes": 1.7e9}, job) == "at most 20 s, 1.6 GB: not met"


def test_lists_are_compared_by_the_seconds_until_they_are_as_good():
    ours = record("ours", metric="ndcg", seconds=[1.0] * 3, quality=[0.1, 0.19, 0.2])
    late = record("irspack-cg", metric="ndcg", seconds=[0.5] * 4, quality=[0.1, None, 0.198, 0.19])
    assert [table.reached(one, 0.198) for one in (ours, late)] == [3.0, 1.5]
    assert table.reached(late, 0.2) is None
    best = record("irspack-ialspp", metric="ndcg", seconds=[9.0], quality=[0.25])
    broken = record("implicit-cg", metric=None, status="failed")
    assert table.list_goal([ours, late, best, broken]) == pytest.approx(0.99 * 0.25)
    assert table.list_goal([broken, {"status": "not measured"}]) is None  # there were no data
    assert "0.1980 in 1.5 s" in table.figures({**late, "epochs": 4}, 0.198)
    assert "0.2475 not reached" in table.figures({**late, "epochs": 4}, 0.2475)


def test_an_own_run_is_shown_once_it_is_complete(tmp_path, monkeypatch):
    own, stored = tmp_path / "own.json", tmp_path / "stored.json"
    monkeypatch.setattr(results, "OWN", own)
    monkeypatch.setattr(results, "STORED", stored)
    for contender in ("ours", "spark"):
        results.add(stored, record(contender, epoch_s=2.0), {"cpu": "stored"})
    results.add(stored, record("ours", size=data.REAL), {"cpu": "stored"})
    assert results.load()[2] == stored
    results.add(own, record("ours", epoch_s=1.0), {"cpu": "own"})
    assert results.load()[2] == stored
    results.add(own, record("spark", status="failed"), {"cpu": "own"})
    assert results.load()[2] == stored
    old = {name: value for name, value in record("spark").items() if name != "versions"}
    results.add(own, old, {"cpu": "own"})  # it cannot be shown: nobody knows what it measured
    assert results.load()[2] == stored
    results.add(own, record("spark", epoch_s=9.0), {"cpu": "own"})
    assert results.load()[1:] == ({"cpu": "own"}, own)
