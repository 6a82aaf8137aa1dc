"""Run a worker and watch it: its findings, the memory of all its processes, its end."""

from __future__ import annotations

import contextlib
import json
import os
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import psutil

INTERVAL = 0.05  # seconds between two looks at the memory


class Outcome(NamedTuple):
    """What a process has told, and what was seen of it."""

    findings: list[dict[str, Any]]
    peak_bytes: int
    wall_s: float
    error: str | None


def run(
    command: Sequence[str | Path],
    env: Mapping[str, str],
    log: Path,
    limit_s: float,
    cwd: Path,
) -> Outcome:
    """Run `command` to its end, or end it after `limit_s` seconds.

    Its standard output is taken for JSON lines, its standard error goes to `log`. Memory is the
    sum of the resident sizes of the process and of all that it has started.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    began, peak, error = time.perf_counter(), 0, None
    with log.open("w") as file, tempfile.TemporaryFile() as told:
        env, words = {**os.environ, **env}, [str(part) for part in command]
        worker = psutil.Popen(words, stdout=told, stderr=file, env=env, cwd=cwd)
        try:
            while worker.poll() is None:
                peak = max(peak, memory(worker))
                time.sleep(INTERVAL)
                if time.perf_counter() - began > limit_s and error is None:
                    error = f"ended after {limit_s:.0f} s"
                    kill(worker)
        finally:
            kill(worker)
        wall = time.perf_counter() - began
        told.seek(0)
        findings = [json.loads(line) for line in told]
    if worker.returncode != 0 and error is None:
        error = f"the process ended with status {worker.returncode}; its log: {log}"
    return Outcome(findings, peak, wall, error)


def family(worker: psutil.Process) -> list[psutil.Process]:
    """Return a process and all that it has started."""
    with contextlib.suppress(psutil.NoSuchProcess):
        return [worker, *worker.children(recursive=True)]
    return []


def memory(worker: psutil.Process) -> int:
    """Return the bytes that a process and its children hold in memory now."""
    total = 0
    for process in family(worker):
        with contextlib.suppress(psutil.NoSuchProcess, psutil.AccessDenied):
            total += process.memory_info().rss
    return total


def kill(worker: psutil.Process) -> None:
    """End a process and its children, if they have not ended by themselves."""
    for process in family(worker):
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()
    worker.wait()
