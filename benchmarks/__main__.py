"""``python -m benchmarks``: measure what was asked for, one process each, and print the table."""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from concurrent.futures import BrokenExecutor, ProcessPoolExecutor
from datetime import UTC, datetime
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import Parser, data, plan, processes, results, table
from benchmarks.auc import auc, ndcg
from benchmarks.plan import Measurement
from benchmarks.worker import Job
from recsys_lib.errors import RecsysError
from recsys_lib.ratings import CSR

ROOT = results.ROOT
HARD_LIMIT = 8  # times the budget: workers mind it themselves, but no epoch can be cut short


class Bench:
    """The measurements' surroundings: where data and results are, and who runs the peers."""

    def __init__(self, build: Path, peers: Path | None) -> None:
        self.build = build.resolve()
        self.file = self.build / "results.json"
        self.peers = peers
        self.machine = results.describe_machine()
        self.commit = results.commit()
        self.missing: dict[str, str] = {}

    def data(self, one: Measurement) -> Path:
        """Return the folder of the measurement's ratings, written now if they are not there.

        Raises
        ------
        RecsysError
            They cannot be had.
        """
        raw = one.task in plan.RAW
        folder = self.build / ("raw" if raw else "data") / one.size
        if not folder.exists() and one.size not in self.missing:
            say(f"writing the ratings of {one.size}{' as csv' * raw}")
            # In a process that ends and gives its memory back.
            with ProcessPoolExecutor(1, get_context("spawn")) as pool:
                try:
                    pool.submit(data.make, one.size, folder, raw).result()
                except (RecsysError, OSError, BrokenExecutor) as error:
                    self.missing[one.size] = str(error)
        if one.size in self.missing:
            raise RecsysError(self.missing[one.size])
        return folder

    def measure(self, one: Measurement) -> dict[str, Any]:
        """Run one measurement; return its record, also when it fails."""
        record: dict[str, Any] = {
            **one._asdict(),
            "time": datetime.now(UTC).isoformat(timespec="seconds"),
            "commit": self.commit,
            "on": results.describe_moment(),
            "status": "ok",
            "message": None,
        }
        try:
            folder = self.data(one)
        except RecsysError as error:
            return record | {"status": "not measured", "message": str(error)}
        with tempfile.TemporaryDirectory(prefix="scratch-", dir=self.build) as scratch:
            outcome = self.run(one, folder, Path(scratch))
            return record | digest(outcome, folder)

    def run(self, one: Measurement, folder: Path, scratch: Path) -> processes.Outcome:
        """Run the worker."""
        task = plan.TASKS[one.task]
        sizes = one.k, one.threads, task.epochs, task.budget_s
        job = Job(one.task, one.variant, folder, scratch, *sizes)
        ours = one.library == plan.OURS or one.task in plan.ON_SPARK
        python = self.peers if self.peers and not ours else sys.executable
        command = [python, "-m", f"benchmarks.contenders.{one.library}"]
        command.append(json.dumps(job._asdict(), default=str))
        env = self.environment(one, folder)
        log = self.build / "logs" / f"{one.key}.log"
        return processes.run(command, env, log, HARD_LIMIT * task.budget_s, ROOT)

    def environment(self, one: Measurement, folder: Path) -> dict[str, str]:
        """Return a worker's environment: how many threads it may use, where data and caches are."""
        threads = str(one.threads)
        env = {
            "OMP_NUM_THREADS": threads,
            "NUMBA_NUM_THREADS": threads,
            "RAYON_NUM_THREADS": threads,
            # Beside threads of their own, these libraries want BLAS to have but one.
            "OPENBLAS_NUM_THREADS": "1",
            "MKL_NUM_THREADS": "1",
            "RECSYS_PROGRESS": "off",
        }
        if one.task in plan.RAW:
            env["RECSYS_DATA_HOME"] = str(folder)
            env["RECSYS_CACHE"] = str(self.build / "cache" / one.size)
        if one.task in plan.ON_SPARK:
            env["PYTHONPATH"] = str(ROOT / "_build" / "spark")
        if one.task == "first-call":
            env["NUMBA_CACHE_DIR"] = str(self.build / "compiled")
        return env


def digest(outcome: processes.Outcome, folder: Path) -> dict[str, Any]:
    """Return the findings as the fields of a record.

    ``seconds`` and ``quality`` hold one entry per epoch; ``epoch_s`` is the median of the former,
    ``setup_s`` all that came before the first epoch.
    """
    fields: dict[str, Any] = {"metric": None, "seconds": [], "quality": []}
    for finding in outcome.findings:
        if "epoch" not in finding:
            fields |= finding
            continue
        fields["seconds"].append(finding["seconds"])
        value = finding.get("rmse")
        if "factors" in finding:
            users, items = map(np.load, finding["factors"])
            measured = ndcg if fields["metric"] == "ndcg" else auc
            value = measured(users, items, stored(folder, "user"), stored(folder, "test"))
        fields["quality"].append(value)
    if fields["seconds"]:
        fields["epochs"] = len(fields["seconds"])
        fields["epoch_s"] = float(np.median(fields["seconds"]))
        fields["ratings_per_s"] = len(stored(folder, "user").values) / fields["epoch_s"]
    fields |= {"peak_bytes": outcome.peak_bytes, "wall_s": outcome.wall_s}
    if missing := fields.pop("not_measured", None):
        return fields | {"status": "not measured", "message": missing}
    if error := fields.pop("error", None) or outcome.error:
        return fields | {"status": "failed", "message": error}
    return fields


def stored(folder: Path, side: str) -> CSR:
    """Return one side of the ratings, mapped."""
    names = (f"{side}_{name}.npy" for name in CSR._fields)
    return CSR(*(np.load(folder / name, mmap_mode="c") for name in names))


say = partial(print, flush=True)


def find_peers() -> Path | None:
    """Have the builder make the peers' environment; return its Python, None where it cannot."""
    done = subprocess.run(
        [sys.executable, "book", "peers"], cwd=ROOT, stdout=subprocess.PIPE, text=True, check=False
    )
    return Path(done.stdout.strip()) if done.returncode == 0 else None


def parse(argv: list[str]) -> argparse.Namespace:
    """Read the command line."""

    def names(text: str) -> list[str]:
        return [name.strip() for name in text.split(",") if name.strip()]

    def numbers(text: str) -> list[int]:
        return [int(name) for name in names(text)]

    def positive(text: str) -> int:
        if (number := int(text)) < 1:
            raise ValueError
        return number

    parser = Parser(prog="benchmarks", description="Measure this library beside its peers.")
    add = parser.add_argument
    add("--only", type=names, default=[], help=f"tasks, of {', '.join(plan.TASKS)}")
    add("--size", type=names, default=[], help="1m, 32m, ml-latest-small, ...")
    add("--k", type=numbers, default=[], help="numbers of factors")
    add("--with", type=names, default=[], dest="contenders", help="ours, implicit, cmfrec-cg, ...")
    add("--threads", type=positive, default=os.cpu_count(), help="for every contender; all cores")
    add("--build", type=Path, default=results.OWN.parent, help="folder for data and results")
    add("--peers", type=Path, help="Python of an environment with the peers; else one is made")
    return parser.parse_args(argv)


def main(argv: list[str]) -> int:
    """Measure, and store each record as soon as it is there; print all that are stored."""
    args = parse(argv)
    try:
        wanted = list(
            plan.measurements(args.only, args.size, args.k, args.contenders, args.threads)
        )
        if not wanted:
            raise RecsysError("none of these contenders takes part in these tasks")
        if args.peers and not args.peers.exists():
            raise RecsysError(f"there is no Python at {args.peers}")
    except RecsysError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    peers = args.peers
    if peers is None and any(
        one.library != plan.OURS and one.task not in plan.ON_SPARK for one in wanted
    ):
        peers = find_peers()
    bench = Bench(args.build, peers)
    try:
        for number, one in enumerate(wanted, 1):
            record = bench.measure(one)
            results.add(bench.file, record, bench.machine)
            say(f"{number}/{len(wanted)}  {table.line(record)}")
    except KeyboardInterrupt:
        say("interrupted: what was measured is kept")
        return 130
    finally:
        say(table.text(bench.file))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
