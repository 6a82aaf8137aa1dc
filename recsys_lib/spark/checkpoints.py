"""Checkpoints of a fit on a cluster: both sides' rows as Parquet, and a line in a log.

A folder holds ``epoch-00005/users`` and ``.../items`` of the last checkpoint, and ``log``, which
has a row a checkpoint. The row is written last: without it there is no checkpoint.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import numpy as np
from pyspark.sql import SparkSession

from recsys_lib.errors import RecsysError
from recsys_lib.spark.rows import Rows

LOG = "epoch int, facts string, history string, feature_rows binary"


@dataclass(eq=False)
class State:
    """Where a fit stands after some epochs: all that the next one starts from."""

    epoch: int
    users: Rows | None
    items: Rows
    feature_rows: np.ndarray
    history: list[dict[str, Any]]

    def release(self) -> None:
        """Give the memory back."""
        for rows in (self.users, self.items):
            if rows is not None:
                rows.release()


class Checkpoints:
    """The checkpoints of one run.

    Parameters
    ----------
    session : SparkSession
    folder : str or None
        Where they are, on any file system of Hadoop's; None keeps none.
    facts : dict
        What the run is: parameters, and the size of its data.
    """

    def __init__(self, session: SparkSession, folder: str | None, facts: dict[str, Any]) -> None:
        self.session, self.folder, self.facts = session, folder, facts
        self.kept: list[int] = []

    def begin(self, resume: bool) -> State | None:
        """Return the state to go on from; None to start anew.

        Raises
        ------
        RecsysError
            There is no checkpoint to resume from, or it is of another run; or there is one, and
            the run was not to be resumed.
        """
        if self.folder is None:
            if resume:
                raise RecsysError("resume=True needs checkpoint, the folder of the run")
            return None
        there = self._exists("log")
        if resume and not there:
            raise RecsysError(f"there is no checkpoint in {self.folder!r} to resume from")
        if there and not resume:
            raise RecsysError(
                f"{self.folder!r} holds the checkpoints of a run already; go on with it by "
                "resume=True, or name another folder"
            )
        return self._last() if there else None

    def keep(self, state: State) -> State:
        """Write a state, and return it as read back; with it, its history of computation ends."""
        if self.folder is None:
            return state
        assert state.users is not None
        for name, rows in (("users", state.users), ("items", state.items)):
            rows.frame.write.mode("overwrite").parquet(self._path(state.epoch, name))
        line = (
            state.epoch,
            json.dumps(self.facts),
            json.dumps(state.history),
            bytearray(state.feature_rows.tobytes()),
        )
        log = self.session.createDataFrame([line], LOG).coalesce(1)
        log.write.mode("append").parquet(f"{self.folder}/log")
        read = self._read(state.epoch, state.feature_rows, state.history)
        state.release()
        for epoch in self.kept:  # nothing is computed from these any more
            self._delete(epoch)
        self.kept = [state.epoch]
        return read

    def _last(self) -> State:
        log = self.session.read.schema(LOG).parquet(f"{self.folder}/log")
        line = log.sort("epoch", ascending=False).first()
        assert line is not None
        its = json.loads(line.facts)
        if self.facts != its:
            names = (self.facts | its).items()
            differ = [name for name, _ in names if self.facts.get(name) != its.get(name)]
            pairs = (f"{name} {its.get(name)!r}, here {self.facts.get(name)!r}" for name in differ)
            raise RecsysError(
                f"the run in {self.folder!r} had other parameters or data ({'; '.join(pairs)})"
            )
        size = self.facts["n_factors"] + 1
        features = np.frombuffer(line.feature_rows, np.float32).reshape(-1, size).copy()
        self.kept = [line.epoch]
        return self._read(line.epoch, features, json.loads(line.history))

    def _read(self, epoch: int, features: np.ndarray, history: list[dict[str, Any]]) -> State:
        sides = []
        for name in ("users", "items"):
            frame = self.session.read.parquet(self._path(epoch, name))
            dealt = frame.repartition(self.facts["n_blocks"], "key")
            sides.append(Rows(dealt, self.facts[f"n_{name}"], self.facts["n_factors"] + 1))
            sides[-1].hold()
        return State(epoch, sides[0], sides[1], features, history)

    def _path(self, epoch: int, side: str) -> str:
        return f"{self.folder}/epoch-{epoch:05}/{side}"

    def _exists(self, name: str) -> bool:
        files, path = self._files(f"{self.folder}/{name}")
        return bool(files.exists(path))

    def _delete(self, epoch: int) -> None:
        files, path = self._files(f"{self.folder}/epoch-{epoch:05}")
        files.delete(path, True)

    def _files(self, path: str) -> tuple[Any, Any]:
        """Return Hadoop's file system of a path, and the path as it knows it."""
        context: Any = self.session.sparkContext
        place = context._jvm.org.apache.hadoop.fs.Path(path)
        return place.getFileSystem(context._jsc.hadoopConfiguration()), place
