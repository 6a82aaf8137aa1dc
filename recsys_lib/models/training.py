"""What a training run keeps: its log, the best epoch, checkpoints. The loop is in `base`.

A checkpoint is one file, written whole after each epoch: what was learnt, what the model needs to
continue (`Recommender._checkpoint`), the log so far, and model, parameters and data. So a continued
run ends with the same bits as one that was never interrupted, and one of other data is refused.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Callable
from typing import Any

import numpy as np

from recsys_lib import io
from recsys_lib.errors import DataError, RecsysError
from recsys_lib.ratings import Ratings

CHECKPOINT, LOG = "checkpoint.safetensors", "log.jsonl"
Callback = Callable[[dict[str, Any]], None]
Arrays = dict[str, np.ndarray]
Data = dict[str, Ratings | None]


class Run:
    """The record of a fit: its log, its best epoch and, with a folder, its checkpoint.

    `name` is the model's class and `params` are its parameters; `data` are the parts that it learns
    from and is measured on, by name.
    """

    def __init__(self, folder: Any, name: str, params: dict[str, Any], data: Data) -> None:
        self.folder = None if folder is None else io.as_folder(folder)
        self.log: list[dict[str, Any]] = []
        self.best: dict[str, Any] = {"epoch": 0, "score": None}
        self.best_arrays: Arrays = {}
        if self.folder is not None:
            io.remove_unfinished(self.folder)
            # `n_epochs` may be raised when a run continues; nothing else may change.
            params = json.loads(json.dumps({**params, "n_epochs": None}, default=io.number))
            checksums = {part: fingerprint(ratings) for part, ratings in data.items()}
            self.facts: dict[str, Any] = {"class": name, "params": params, "data": checksums}

    def keep_best(self, monitor: tuple[str, ...], arrays: Arrays) -> None:
        """Keep copies of `arrays` if the last epoch is the best; without a score, it always is."""
        column, direction = monitor
        row = self.log[-1]
        score = -row[column] if direction == "min" else row[column]
        if self.best["score"] is None or np.isnan(score) or score > self.best["score"]:
            self.best = {"epoch": row["epoch"], "score": None if np.isnan(score) else score}
            self.best_arrays = {name: array.copy() for name, array in arrays.items()}

    def resume(self) -> tuple[Arrays, Arrays, dict[str, Any]]:
        """Continue the run in the folder; return what `write` was given: state, own arrays, meta.

        Without a folder, and if the run had other parameters, this is a `RecsysError`; if the
        folder holds no checkpoint, or one of other data, a `DataError`.
        """
        if self.folder is None:
            raise RecsysError("resume=True needs run_dir, the folder of the run to go on with")
        arrays, meta = io.load_arrays(self.folder / CHECKPOINT)
        told, anew = f"the run in {str(self.folder)!r}", "resume with the same or start anew"
        try:
            its, mine = ({"class": one["class"], **one["params"]} for one in (meta, self.facts))
            data, known = dict(meta["data"]), self.facts["data"]
            log, best, own = list(meta["log"]), meta["best"], meta["own"]
            follow = [row["epoch"] for row in log] == [*range(1, len(log) + 1)]
            if not follow or best["epoch"] not in range(len(log) + 1):
                raise KeyError("its epochs do not follow one another")
            if not isinstance(best["score"], float | None):
                raise TypeError("its best score is no number")
        except (KeyError, TypeError, ValueError) as error:
            raise DataError(f"{told} left no checkpoint of a run: {error}") from error
        for a, b, what, kind in (
            (mine, its, "had other parameters", RecsysError),
            (known, data, "was on other data", DataError),
        ):
            if differ := sorted(name for name in a | b if a.get(name) != b.get(name)):
                raise kind(f"{told} {what} ({', '.join(differ)}); {anew}")
        self.log, self.best = log, best
        parts: dict[str, Arrays] = {"state": {}, "best": {}, "own": {}}
        for key, array in arrays.items():
            part, _, name = key.partition(".")
            parts[part][name] = array
        self.best_arrays = parts["best"]
        return parts["state"], parts["own"], own

    def write(self, state: Arrays, own: Arrays, meta: dict[str, Any]) -> None:
        """Write the checkpoint, then the log; not without a folder."""
        assert self.folder is not None
        parts = {"state": state, "best": self.best_arrays, "own": own}
        flat = {f"{part}.{name}": a for part, some in parts.items() for name, a in some.items()}
        header = {**self.facts, "log": self.log, "best": self.best, "own": meta}
        io.save_arrays(self.folder / CHECKPOINT, flat, header)
        with io.replacing(self.folder / LOG) as temporary:
            # JSON knows no NaN: null stands for it.
            rows = ({k: None if v != v else v for k, v in row.items()} for row in self.log)
            lines = (json.dumps(row, default=io.number) + "\n" for row in rows)
            temporary.write_text("".join(lines), encoding="utf-8")


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
