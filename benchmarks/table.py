"""The records as lines of plain text: figures, the ratio to ours, and the targets beside."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
from scipy import stats

from benchmarks import results
from benchmarks.data import FOLDS
from benchmarks.plan import OURS, TASKS

Record = dict[str, Any]

SHARE = 0.99  # of the best NDCG, which lists are timed to
# At 32 million ratings and K = 32: how many times as fast as a contender we mean to be.
TARGETS = {
    ("als", "implicit-cholesky"): 6.0,
    ("als", "cmfrec-cholesky"): 6.0,
    ("als", "implicit-cg"): 2.0,
    ("als", "cmfrec-cg"): 2.0,
    ("als", "spark"): 30.0,
    ("bpr", "implicit"): 1.5,
    ("topn", "implicit"): 1.5,
}
TARGET_PLACE = ("32m", 32)
# Of what we do alone: seconds and gigabytes at most.
LIMITS = {"job": (20.0, 1.6), "first-load": (40.0, 4.0), "first-call": (3.0, math.inf)}
LIMIT_SIZE = {"job": "32m", "first-load": "32m", "first-call": "tiny"}


def seconds_of(record: Record) -> float | None:
    """Return the seconds by which a record is compared: of an epoch, of 1000 users, or in all."""
    if record.get("epoch_s"):
        return float(record["epoch_s"])
    if record.get("users_per_s"):
        return 1000 / float(record["users_per_s"])
    return record.get("total_s")


def reached(record: Record, quality: float) -> float | None:
    """Return the seconds of training after which a curve is at `quality` or better, None if never.

    Only of a metric of which more is better.
    """
    spent = 0.0
    for seconds, value in zip(record["seconds"], record["quality"], strict=True):
        spent += seconds
        if value is not None and value >= quality:
            return spent
    return None


def ratio(record: Record, ours: Record | None) -> float | None:
    """Return how many times as long a contender takes as we do."""
    theirs, mine = seconds_of(record), seconds_of(ours) if ours else None
    return theirs / mine if theirs and mine else None


def target(record: Record, ours: Record | None) -> str:
    """Return the target that a record has, and whether it is met; an empty text if it has none."""
    times = TARGETS.get((record["task"], record["contender"]))
    found = ratio(record, ours)
    if times and found and (record["size"], record["k"]) == TARGET_PLACE:
        return f"at least {times:g}: {'met' if found >= times else 'not met'}"
    limits = LIMITS.get(record["task"])
    if limits is None or "total_s" not in record or record["contender"] == f"{OURS}-cold":
        return ""
    if record["size"] != LIMIT_SIZE[record["task"]]:
        return ""
    seconds, gigabytes = limits
    met = record["total_s"] <= seconds and record["peak_bytes"] <= gigabytes * 1e9
    memory = f", {gigabytes:g} GB" if gigabytes < math.inf else ""
    return f"at most {seconds:g} s{memory}: {'met' if met else 'not met'}"


def list_goal(records: list[Record]) -> float | None:
    """Return the NDCG that lists are timed to: `SHARE` of the best that any record ends with.

    Not of what one of them ends with: whoever sets the goal would reach it late, or others never.
    """
    ends = [one["quality"][-1] for one in records if one.get("metric") == "ndcg" and one["quality"]]
    return SHARE * max(known) if (known := [end for end in ends if end is not None]) else None


def figures(record: Record, goal: float | None = None) -> str:
    """Return what was measured, in words; of lists, also how soon their NDCG is at the `goal`."""
    if record["status"] != "ok":
        return f"{record['status']}: {record['message']}"
    found = []
    if record.get("epoch_s"):
        found.append(f"{record['epoch_s']:.3g} s per epoch")
    if record["task"] == "bpr":
        found.append(f"{record['ratings_per_s'] / 1e6:.2f} M samples/s")
    values = [value for value in record["quality"] if value is not None]
    if values:
        found.append(f"{record['metric'].upper()} {values[-1]:.4f} after {record['epochs']}")
    if record["metric"] == "ndcg" and goal is not None:
        seconds = reached(record, goal)
        found.append(f"{goal:.4f} " + (f"in {seconds:.3g} s" if seconds else "not reached"))
    if record.get("users_per_s"):
        found.append(f"{record['users_per_s']:,.0f} users/s")
    if record.get("recall"):
        found.append(f"recall {record['recall']:.4f}, built in {record['build_s']:.0f} s")
    if record.get("bytes_per_s"):
        share = record["bytes_per_s"] / record["read_bytes_per_s"]
        found.append(f"{share:.1%} of the bandwidth")
    if record.get("parts"):
        parts = ", ".join(f"{name} {value:.2f}" for name, value in record["parts"].items())
        found.append(f"{record['total_s']:.2f} s ({parts})")
    return ", ".join([*found, f"{record['peak_bytes'] / 1e9:.2f} GB"])


def line(record: Record) -> str:
    """Return one record as a line of progress."""
    place = f"{record['task']}  {record['size']}  K={record['k']}  {record['contender']}"
    return f"{place}  {figures(record)}, {record.get('wall_s', 0):.0f} s in all"


def text(path: Path) -> str:
    """Return all records of a file as a table, by task, size and K."""
    records = results.read(path)["records"]
    lines = []
    for task, about in TASKS.items():
        group = [record for record in records if record["task"] == task]
        if not group:
            continue
        lines += ["", about.title]
        group.sort(key=lambda r: (r["size"], r["k"], r["threads"], _place(r, about.contenders)))
        for record in group:
            beside = [one for one in group if _same_place(one, record)]
            ours = next((one for one in beside if one["contender"] == OURS), None)
            times = ratio(record, ours)
            lines.append(
                f"  {record['size']:<16} K={record['k']:<3} {record['threads']:>2} threads  "
                f"{record['contender']:<18} {f'x {times:.2f}' if times else '':<9} "
                f"{figures(record, list_goal(beside))}  {target(record, ours)}".rstrip()
            )
        lines += [
            f"  {len(FOLDS)} folds, K={k}: the RMSE of {who} less that of {OURS} is {mean:+.4f}, "
            f"95 % {low:+.4f} to {high:+.4f}"
            for (k, who), (mean, low, high) in over_folds(group).items()
        ]
    return "\n".join(lines)


def over_folds(records: list[Record]) -> dict[tuple[int, str], tuple[float, float, float]]:
    """Return how much larger a contender's last RMSE is than ours, by K and contender.

    The mean over `FOLDS`, and its 95 % interval. The folds learn from largely the same ratings, so
    the variance of a mean of n differences is not 1/n but 1/n + 1/(n − 1) of theirs (Nadeau &
    Bengio 2003). What was not measured on all folds is left out.
    """
    last = {
        (one["k"], one["contender"], one["size"]): one["quality"][-1]
        for one in records
        if one["status"] == "ok" and one["metric"] == "rmse" and one["quality"]
    }
    found = {}
    for k, who in dict.fromkeys((k, who) for k, who, _ in last if who != OURS):
        pairs = [(last.get((k, who, fold)), last.get((k, OURS, fold))) for fold in FOLDS]
        if all(None not in pair for pair in pairs):
            more = np.subtract(*np.array(pairs).T)
            error = more.std(ddof=1) * math.sqrt(1 / len(more) + 1 / (len(more) - 1))
            margin = stats.t.ppf(0.975, len(more) - 1) * error
            found[k, who] = (more.mean(), more.mean() - margin, more.mean() + margin)
    return found


def _same_place(candidate: Record, record: Record) -> bool:
    return all(candidate[name] == record[name] for name in ("size", "k", "threads"))


def _place(record: Record, contenders: tuple[str, ...]) -> int:
    return contenders.index(record["contender"])
