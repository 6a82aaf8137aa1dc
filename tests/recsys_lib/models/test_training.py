"""The training loop: logs, checkpoints, runs that go on, early stopping."""

import json
import os
import pickle
import re
import shutil
import subprocess
import sys
from collections import ChainMap

import numpy as np
import pandas as pd
import pytest

from recsys_lib import io, models, splits
from recsys_lib.errors import DataError, RecsysError
from recsys_lib.models import training
from tests.recsys_lib.models.check_model import ITERATIVE, Interrupted, assert_same, interrupt_after

# Forks a run, kills it at a random moment, forks another that goes on, and so to the end.
KILLS = """
import os, pickle, signal, sys, time, traceback
from recsys_lib import io, models
from recsys_lib.models.training import CHECKPOINT

model, (train, valid, items), folder, n, rng = pickle.load(sys.stdin.buffer)

def fit(run):
    resume = (run / CHECKPOINT).exists()
    fitted = model.fit(train, valid, items=items, run_dir=run, resume=resume, progress=False)
    fitted.save(run.with_suffix(".model"))

def result(run):
    arrays, meta = io.load_arrays(run.with_suffix(".model"))
    meta["state"]["training_log_"].pop("seconds")
    return {name: array.tobytes() for name, array in arrays.items()}, meta

fit(folder / "whole")  # compiles
began = time.perf_counter()
fit(folder / "again")
seconds = time.perf_counter() - began
killed = writing = runs = done = 0
while True:
    run = folder / str(runs)
    child = os.fork()
    if not child:
        try:
            fit(run)
            os._exit(0)
        except BaseException:
            traceback.print_exc()
            os._exit(1)
    if killed < n:
        time.sleep(rng.uniform(0, seconds))
        os.kill(child, signal.SIGKILL)
    status = os.waitpid(child, 0)[1]
    assert status in (0, signal.SIGKILL), status
    if status:
        killed += 1
        writing += any(run.glob(".*"))
        before, done = done, 0
        if (run / CHECKPOINT).exists():
            done = len(io.load_arrays(run / CHECKPOINT)[1]["log"])
        assert done >= before
    else:
        assert result(run) == result(folder / "whole")
        assert len([*run.iterdir()]) == 2, [*run.iterdir()]
        runs, done = runs + 1, 0
        if killed == n:
            break
print(killed, writing, runs)
"""


@pytest.fixture
def begun(parts, tmp_path):
    """A folder with a run of ALS that was interrupted after two of five epochs."""
    model = models.ALS(n_factors=4, n_epochs=5)
    with pytest.raises(Interrupted):
        model.fit(*parts[:2], run_dir=tmp_path, callback=interrupt_after(2))
    return tmp_path


def test_a_run_of_other_parameters_or_another_split_does_not_go_on(begun, data, parts):
    other, same = splits.random(data.ratings, valid=0.1, test=0.1, seed=1), {"n_factors": 4}
    how = {"run_dir": begun, "resume": True}
    with pytest.raises(DataError, match=r"other parameters \(tau\)"):
        models.ALS(**same, tau=7.0).fit(*parts[:2], **how)
    for train, valid in (other[:2], (parts[0], other[1]), (parts[0], None)):
        with pytest.raises(DataError, match=r"other data \(.*valid"):
            models.ALS(**same).fit(train, valid, **how)
    with pytest.raises(RecsysError, match="needs run_dir"):
        models.ALS().fit(parts[0], resume=True)


def test_a_log_that_was_cut_stops_no_run(begun, parts):
    (begun / "log.jsonl").write_text('{"epoch": 1, "lo')
    model = models.ALS(n_factors=4, n_epochs=5).fit(*parts[:2], run_dir=begun, resume=True)
    log = pd.read_json(begun / training.LOG, lines=True)
    assert log["epoch"].tolist() == [1, 2, 3, 4, 5]
    assert len(model.training_log_) == 5


def test_a_new_run_leaves_nothing_of_an_earlier_one(begun, parts):
    with pytest.raises(RecsysError, match="tau"):
        models.ALS(tau=-1.0).fit(parts[0], run_dir=begun)  # refused before anything is touched
    assert (begun / training.CHECKPOINT).is_file()

    def look(row):
        arrays, _ = io.load_arrays(begun / training.CHECKPOINT)
        assert arrays["state.item_rows_"].shape[1] == 3
        raise Interrupted

    with pytest.raises(Interrupted):
        models.ALS(n_factors=2).fit(parts[0], run_dir=begun, callback=look)


def test_the_log_stands_beside_the_checkpoint(parts, tmp_path):
    train, valid, _ = parts
    model = models.BPR(n_factors=4, n_epochs=3).fit(train, valid, run_dir=tmp_path)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["checkpoint.safetensors", "log.jsonl"]
    lines = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    wanted = {"epoch", "loss", "auc_train", "ndcg_valid", "seconds"}
    assert set(lines[0]) == wanted
    arrays, _ = io.load_arrays(tmp_path / training.CHECKPOINT)
    np.testing.assert_array_equal(arrays["state.item_rows_"], model.item_rows_)
    untested = models.ALS(n_factors=2, n_epochs=1).fit(train, run_dir=tmp_path / "als")
    assert np.isnan(untested.training_log_["rmse_valid"][0])
    line = (tmp_path / "als" / "log.jsonl").read_text()
    assert json.loads(line)["rmse_valid"] is None


OVERFIT = {"n_epochs": 60, "learning_rate": 3e-2, "patience": 2}


@pytest.mark.parametrize(
    ("name", "params"),
    [
        ("ALS", {"n_factors": 16, "tau": 0.05, "nu": 0.0, "n_epochs": 30, "patience": 2}),
        *(("AutoEncoder", OVERFIT), ("TwoTower", OVERFIT)),
    ],
)
def test_patience_keeps_the_best_epoch(name, params, small, parts, tmp_path):
    """Too weak a penalty overfits: the best epoch comes early, and is the one that is kept."""
    train, valid, _ = parts
    model = small(name, **params).fit(train, valid)
    curve = model.training_log_[model.monitor[0]]
    best = int(curve.argmin() if model.monitor[1] == "min" else curve.argmax())
    assert len(curve) == best + 1 + 2 < params["n_epochs"]
    short = small(name, **{**params, "n_epochs": best + 1}).fit(train, valid)
    assert_same(model, short, train)
    with pytest.raises(Interrupted):
        model.fit(train, valid, run_dir=tmp_path, callback=interrupt_after(len(curve) - 1))
    assert_same(model.fit(train, valid, run_dir=tmp_path, resume=True), short, train)


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
@pytest.mark.parametrize(
    ("name", "n"),
    [("ALS", 3), ("BayesianALS", 3), ("TwoTower", 3)]
    + [pytest.param(name, 50, marks=pytest.mark.long) for name in ITERATIVE],
)
def test_a_killed_run_goes_on_to_the_same_bits(name, n, data, parts, tmp_path, small, trial):
    model = small(name)
    epochs = {"n_epochs": 25, "n_burn": 10, "n_samples": 20, "patience": 30}
    known = {key: value for key, value in epochs.items() if key in model.parameter_names()}
    parts = *parts[:2], data.items
    task = pickle.dumps((model.set_params(**known), parts, tmp_path, n, np.random.default_rng(n)))
    command = [sys.executable, "-W", "ignore", "-c", KILLS]
    done = subprocess.run(command, input=task, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode()
    killed, writing, runs = map(int, done.stdout.split())
    assert killed == n
    trial(f"kills, {name}", n, f"{writing} while writing; {runs} runs ended with the same bits")


TRACED = """
import os, sys
from recsys_lib import datasets, models

os.write(2, b"whole 0")
ratings = datasets.simulate_ratings(12, 9, 50, seed=1, min_ratings=2).ratings
tell = lambda row: os.write(2, b"whole %d" % row["epoch"])
models.ALS(n_factors=2, n_epochs=4).fit(ratings, run_dir=sys.argv[1], callback=tell)
"""
CALLS = "openat,write,rename,renameat,renameat2,fsync"


def traced(folder):
    """Yield the system calls on files of a process that trains: name, texts as bytes, line."""
    form = ["--seccomp-bpf", "-ff", "-y", "-xx", "-s1000000", f"-etrace={CALLS}"]
    strace = ["strace", *form, "-o", folder / "calls"]
    command = [*strace, sys.executable, "-W", "ignore", "-c", TRACED, folder / "run"]
    subprocess.run(command, check=True, stderr=subprocess.DEVNULL)
    for line in max((path.read_text() for path in folder.glob("calls.*")), key=len).splitlines():
        texts = re.findall(r"(?:\\x[0-9a-f]{2})+", line)
        yield line.split("(")[0], [bytes.fromhex(one.replace("\\x", "")) for one in texts], line


def remains(name, disk, waiting):
    """Yield what a power failure may leave of a file: None, or bytes.

    Names that wait for the disk get there in order, or do not; unsynced text does, half, or not.
    """
    for n in range(len(waiting) + 1):
        file = ChainMap(*waiting[:n][::-1], disk).get(name)
        if file is None or file["now"] == file["disk"]:
            yield file and file["now"]
        else:
            yield from (file["disk"], file["now"][: len(file["now"]) // 2], file["now"])


@pytest.mark.skipif(not shutil.which("strace"), reason="no strace here")
def test_a_power_failure_leaves_the_last_checkpoint_or_the_next(tmp_path, trial):
    names, disk, waiting = {}, {}, []  # files by name: as seen, on the disk, changes on their way
    ends = [os.fsencode(tmp_path / "run" / name) for name in (training.CHECKPOINT, training.LOG)]
    whole, left = [], []  # the files after each epoch; and what each failure leaves
    for call, texts, line in traced(tmp_path):
        change = {}
        if call == "openat" and "O_CREAT" in line and texts[1] not in names:
            change = {texts[1]: {"now": b"", "disk": b""}}
        elif call == "openat" and "O_TRUNC" in line:
            names[texts[1]]["now"] = b""
        elif call == "write" and texts[0] in names:
            names[texts[0]]["now"] += texts[1]
        elif call == "write" and texts[1].startswith(b"whole"):
            whole.append([names.get(end, {"now": None})["now"] for end in ends])
        elif call.startswith("rename"):
            old, new = texts if call == "rename" else texts[1::2]
            change = {new: names[old], old: None}
        elif call == "fsync" and texts[0] in names:
            names[texts[0]]["disk"] = names[texts[0]]["now"]
        elif call == "fsync":
            disk, waiting = names.copy(), []
        names |= change
        waiting += [change] * bool(change)
        left += [
            (len(whole), *one) for one in enumerate([*remains(end, disk, waiting)] for end in ends)
        ]
    for epoch, (checkpoint, log) in enumerate(whole[1:], 1):
        (tmp_path / "it").write_bytes(checkpoint)
        assert len(io.load_arrays(tmp_path / "it")[1]["log"]) == log.count(b"\n") == epoch
    assert whole[0] == [None, None]
    assert len(whole) == 5
    for epoch, which, found in left:
        assert {*found} <= {files[which] for files in whole[max(epoch - 1, 0) : epoch + 1]}
    trial(
        "power failures between two system calls",
        sum(len(found) for _, _, found in left),
        "the last checkpoint, or the next",
    )
