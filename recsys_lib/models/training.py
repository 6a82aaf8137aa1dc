"""The training loop of every model: a log, validation, early stopping, checkpoints.

A checkpoint is one file, written whole after each epoch. It holds what was learnt, what the model
needs to go on (`Recommender._checkpoint`), the log so far and what the run was: model, parameters
and data. So a run that goes on ends with the same bits as one that was never interrupted, and one
of other data is refused.
"""

from __future__ import annotations

import json
import os
import time
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from recsys_lib import io
from recsys_lib.errors import DataError, RecsysError
from recsys_lib.progress import bar
from recsys_lib.ratings import Ratings

if TYPE_CHECKING:
    from recsys_lib.models.base import Recommender

CHECKPOINT, LOG = "checkpoint.safetensors", "log.jsonl"
Callback = Callable[[dict[str, Any]], None]
PathLike = str | os.PathLike[str]


class Run:
    """One fit of a model: see `Recommender.fit` for the parameters."""

    def __init__(
        self, model: Recommender, data: dict[str, Ratings | None], folder: PathLike | None
    ):
        self.model, self.folder = model, None if folder is None else Path(folder)
        self.log: list[dict[str, Any]] = []
        self.best: dict[str, Any] = {"epoch": 0, "score": None}
        self.best_arrays: dict[str, np.ndarray] = {}
        if self.folder is not None:
            self.folder.mkdir(parents=True, exist_ok=True)
            # `n_epochs` may be raised when a run goes on; nothing else may change.
            params = _plain({**model.get_params(), "n_epochs": None})
            checksums = {name: fingerprint(part) for name, part in data.items()}
            self.facts = {"class": type(model).__name__, "params": params, "data": checksums}

    def train(self, train: Ratings, callback: Callback | None, progress: bool | None) -> None:
        """Run the epochs that are left."""
        model, total = self.model, int(self.model.n_epochs)
        patience, done = model.patience, len(self.log)
        steps = bar(progress, total=total, initial=done, desc=type(model).__name__)
        with steps:
            for epoch in range(done + 1, total + 1):
                if patience is not None and epoch - 1 - self.best["epoch"] >= patience:
                    break
                began = time.perf_counter()
                learnt = model._epoch(train)
                seconds = time.perf_counter() - began
                row = {"epoch": epoch, **learnt, **model._validate(), "seconds": seconds}
                self.log.append(row)
                model.training_log_ = pd.DataFrame(self.log)
                self._keep_best(row)
                self._write()
                steps.update()
                steps.set_postfix_str(_told(row))
                if callback is not None:
                    callback(row)
        for name, array in self.best_arrays.items():
            setattr(model, name, array)

    def _keep_best(self, row: dict[str, Any]) -> None:
        """Keep what was learnt in the best epoch so far; without a validation part, in the last."""
        model = self.model
        if model.patience is None:
            return
        column, direction = model.monitor
        score = -row[column] if direction == "min" else row[column]
        if self.best["score"] is None or np.isnan(score) or score > self.best["score"]:
            self.best = {"epoch": row["epoch"], "score": None if np.isnan(score) else score}
            self.best_arrays = {name: array.copy() for name, array in model.state()[0].items()}

    def start_anew(self) -> None:
        """Remove what an earlier run left: nothing of it may be taken for this one's."""
        if self.folder is not None:
            for name in (CHECKPOINT, LOG):
                (self.folder / name).unlink(missing_ok=True)

    def resume(self) -> None:
        """Take up the run in the folder.

        Raises
        ------
        RecsysError
            There is no folder, or the run had other parameters.
        DataError
            The folder holds no checkpoint, or one of other data.
        """
        if self.folder is None:
            raise RecsysError("resume=True needs run_dir, the folder of the run to go on with")
        arrays, meta = io.load_arrays(self.folder / CHECKPOINT)
        told = repr(os.fspath(self.folder))
        try:
            its = {"class": meta["class"], **meta["params"]}
            mine = {"class": self.facts["class"], **self.facts["params"]}
            data, log, best, own = meta["data"], meta["log"], meta["best"], meta["own"]
            epochs = [row["epoch"] for row in log]
        except (KeyError, TypeError) as error:
            raise DataError(f"the file in {told} is no checkpoint of a run: {error}") from error
        differ = sorted(name for name in mine | its if mine.get(name) != its.get(name))
        if differ:
            raise RecsysError(
                f"the run in {told} had other parameters ({', '.join(differ)}); "
                "resume with the same ones or start anew"
            )
        differ = sorted(name for name in data if data[name] != self.facts["data"].get(name))
        if differ or epochs != list(range(1, len(log) + 1)):
            raise DataError(
                f"the run in {told} was on other data ({', '.join(differ) or 'epochs are missing'})"
                "; resume with the same split or start anew"
            )
        self.log, self.best = log, best
        state = {k[6:]: array for k, array in arrays.items() if k.startswith("state.")}
        for name, array in state.items():
            setattr(self.model, name, array)
        self.best_arrays = {k[5:]: array for k, array in arrays.items() if k.startswith("best.")}
        more = {k[4:]: array for k, array in arrays.items() if k.startswith("own.")}
        if meta["rng"] is not None:
            self.model._rng.bit_generator.state = meta["rng"]
        self.model._resume(more, own)
        self.model.training_log_ = pd.DataFrame(log)

    def _write(self) -> None:
        """Write the checkpoint, then the log."""
        if self.folder is None:
            return
        model = self.model
        arrays, own = model._checkpoint()
        parts = {"state": model.state()[0], "best": self.best_arrays, "own": arrays}
        flat = {f"{part}.{name}": a for part, some in parts.items() for name, a in some.items()}
        rng = getattr(model, "_rng", None)
        meta = {
            **self.facts,
            "log": _plain(self.log),
            "best": self.best,
            "own": own,
            "rng": None if rng is None else rng.bit_generator.state,
        }
        io.save_arrays(self.folder / CHECKPOINT, flat, meta)
        with io.replacing(self.folder / LOG) as temporary:
            text = "".join(json.dumps(row) + "\n" for row in _plain(self.log, nan=None))
            temporary.write_text(text, encoding="utf-8")


def read_log(folder: PathLike) -> pd.DataFrame:
    """Return the log of a run, a row an epoch."""
    path = Path(folder) / LOG
    if not path.is_file():
        raise DataError(f"there is no training log {os.fspath(path)!r}")
    return pd.DataFrame([json.loads(line) for line in path.read_text("utf-8").splitlines()])


def fingerprint(part: Ratings | None) -> str:
    """Return a checksum of a part of the data: its ids and its ratings."""
    if part is None:
        return ""
    crc = zlib.crc32(repr((part.n_users, part.n_items)).encode())
    for ids in (part.user_ids, part.item_ids):
        text = ids.dtype == object
        crc = zlib.crc32("\0".join(ids).encode() if text else np.ascontiguousarray(ids), crc)
    for array in part.by_user:
        crc = zlib.crc32(np.ascontiguousarray(array), crc)
    return f"{crc:08x}"


def _plain(value: Any, nan: float | None = float("nan")) -> Any:
    """Return a value as JSON would give it back: Python's own numbers, lists, and `nan` for NaN."""
    if isinstance(value, dict):
        return {key: _plain(one, nan) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(one, nan) for one in value]
    value = value.item() if isinstance(value, np.generic) else value
    return nan if isinstance(value, float) and np.isnan(value) else value


def _told(row: dict[str, Any]) -> str:
    """Return an epoch's numbers as a few words for the bar."""
    return " ".join(f"{k} {v:.4f}" for k, v in row.items() if k not in ("epoch", "seconds"))
