"""The record of measurements: one JSON file, in which a new measurement replaces an earlier one.

A record has ``task, contender, size, k, threads`` (its key), ``time`` (UTC), ``commit``, ``status``
(ok, failed, not measured), ``message`` (why) and ``versions``, those of the packages that its
process imported; with Spark, ``java`` is Java's. ``on`` is the processor, its vector instructions,
its clock in MHz and the load (processes that wanted to run, a mean over a minute) at the start.
What else it has depends on the task:

* ``seconds`` and ``quality``, one entry per epoch (a quality may be None), ``metric`` (rmse, auc,
  ndcg or None), ``epochs``, ``epoch_s`` (the median), ``ratings_per_s``, and ``rule``, the
  regularisation;
* ``users``, ``users_per_s`` of the top 10;
* ``parts``, seconds by name, and ``total_s``, their sum;
* ``rmse_test``, and ``ndcg`` (at 10) of the lists of ``judged`` users, after the last epoch; beside
  it ``ndcg_most_rated``, of the list of the most rated; and ``ratings_of_listed``, how many ratings
  an item on a list was learnt from, and ``ratings_of_item``, an item at all (both medians).

All have ``setup_s`` (imports, compilation, conversion of the data), ``wall_s`` and ``peak_bytes``.
"""

from __future__ import annotations

import json
import platform
import subprocess
from pathlib import Path
from typing import Any

import llvmlite.binding
import pandas as pd
import psutil

from benchmarks.data import REAL
from recsys_lib.io import replacing

ROOT = Path(__file__).resolve().parent.parent
STORED = ROOT / "benchmarks" / "results.json"  # from a quiet machine, for who has not run it
OWN = ROOT / "_build" / "bench" / "results.json"
INSTRUCTIONS = ("avx512f", "avx2", "fma", "neon", "sve")  # of vectors
KEY = ("task", "contender", "size", "k", "threads")


def load(path: Path | None = None) -> tuple[pd.DataFrame, dict[str, Any], Path]:
    """Return the records, a row each; the machine they come from; and the file.

    Without a `path`: this machine's own run, if nothing is missing in it that the repository's
    record has of simulated data; else that record.
    """
    path = path or (OWN if _done(STORED) <= _done(OWN) else STORED)
    found = read(path)
    return pd.DataFrame(found["records"]), found["machine"], path


def _done(path: Path) -> set[tuple[str, ...]]:
    """Return what a file has of simulated data: task, contender, size and K."""
    records = read(path)["records"]
    return {
        tuple(str(record[name]) for name in KEY[:4])
        for record in records
        if not record["size"].startswith(REAL) and record["status"] == "ok" and "versions" in record
    }


def read(path: Path) -> dict[str, Any]:
    """Return the file's content; an empty record where there is none."""
    if not path.exists():
        return {"machine": {}, "records": []}
    found: dict[str, Any] = json.loads(path.read_text("utf-8"))
    return found


def add(path: Path, record: dict[str, Any], machine: dict[str, Any]) -> None:
    """Write a record in the place of an earlier one of the same measurement."""
    earlier = read(path)["records"]
    key = [record[name] for name in KEY]
    kept = [other for other in earlier if [other[name] for name in KEY] != key]
    rows = ",\n  ".join(json.dumps(one) for one in [*kept, record])  # a line each
    text = f'{{"machine": {json.dumps(machine)},\n "records": [\n  {rows}\n]}}\n'
    with replacing(path) as temporary:
        temporary.write_text(text, "utf-8")


def describe_machine() -> dict[str, Any]:
    """Return what a reader needs to judge the figures by."""
    return {
        "cpu": _processor(),
        "cores": psutil.cpu_count(),
        "memory_gb": round(psutil.virtual_memory().total / 1e9, 1),
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
    }


def describe_moment() -> dict[str, Any]:
    """Return what a single measurement depends on: the processor, and how fast and free it is."""
    features = llvmlite.binding.get_host_cpu_features()
    clock = psutil.cpu_freq()  # None where the system does not say
    return {
        "cpu": _processor(),
        "instructions": [name for name in INSTRUCTIONS if features.get(name)],
        "mhz": round(clock.current) if clock else None,
        "load": round(psutil.getloadavg()[0], 2),
    }


def _processor() -> str:
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        for line in cpuinfo.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def commit() -> str | None:
    """Return the commit that is measured, "-dirty" if there is more; None outside a repository."""
    command = ["git", "-C", str(ROOT), "describe", "--always", "--dirty"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return None
    return done.stdout.strip()
