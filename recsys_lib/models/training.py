"""What a training run keeps: its log, the best epoch, checkpoints. The loop is in `base`.

A checkpoint is one file, written whole after each epoch: what was learnt, what the model needs to
continue (`Recommender._checkpoint`), the log so far, and model, parameters and data. So a continued
run ends with the same bits as one that was never interrupted, and one of other data is refused.
"""

import json
import zlib
from collections.abc import Callable
from typing import Any

import numpy as np

from recsys_lib import io
from recsys_lib.errors import DataError, RecsysError
from recsys_lib.models.parameters import Arrays
from recsys_lib.ratings import Ratings

CHECKPOINT, LOG = "checkpoint.safetensors", "log.jsonl"
Callback = Callable[[dict[str, Any]], None]
Data = dict[str, Ratings | None]


class Run:
    """The record of a fit: its log, its best epoch and, with a folder, its checkpoint.

    `parameters` are the model's, and its class; `data` are the parts that it learns from and is
    measured on, by name; `monitor` is the column that tells the best epoch, and "min" or "max".
    """

    def __init__(
        self, folder: Any, parameters: dict[str, Any], data: Data, monitor: tuple[str, ...]
    ) -> None:
        self.folder = None if folder is None else io.as_folder(folder)
        self.log: list[dict[str, Any]] = []
        self.begun: int | None = None  # how many epochs the log had when the loop began
        self.best_arrays: Arrays = {}
        self._monitor = monitor
        if self.folder is not None:
            io.remove_unfinished(self.folder)
            # `n_epochs` may be raised when a run continues; nothing else may change.
            told = json.dumps({**parameters, "n_epochs": None}, default=np.generic.item)
            checksums = {part: fingerprint(ratings) for part, ratings in data.items()}
            self._facts = {"parameters": json.loads(told), "data": checksums}

    @property
    def best_epoch(self) -> int:
        """The best epoch so far; of those without a value, and after them, the last."""
        found, best = 0, float("nan")
        column, direction = self._monitor or ("", "")
        for epoch, row in enumerate(self.log, 1):
            value = row.get(column, float("nan")) * (-1 if direction == "min" else 1)
            if np.isnan(best) or np.isnan(value) or value > best:
                found, best = epoch, value
        return found

    def read(self) -> tuple[Arrays, dict[str, Any]]:
        """Return the checkpoint in the folder: its arrays, and what `write` put beside them.

        Without a folder this is a `RecsysError`; if the folder holds no checkpoint, or one of other
        parameters or other data, a `DataError`.
        """
        if self.folder is None:
            raise RecsysError("resume=True needs run_dir, the folder of the run to go on with")
        arrays, meta = io.load_arrays(self.folder / CHECKPOINT)
        for what, mine in self._facts.items():
            its = found if isinstance(found := meta.get(what), dict) else {}
            if differ := sorted(name for name in mine | its if mine.get(name) != its.get(name)):
                told = f"the run in {str(self.folder)!r} had other {what} ({', '.join(differ)})"
                raise DataError(f"{told}; resume with the same or start anew")
        return arrays, meta

    def resume(self, arrays: Arrays, log: list[dict[str, Any]]) -> tuple[Arrays, Arrays]:
        """Continue the run that was read; return the state and the own arrays that it had."""
        self.log = list(log)
        _ = self.best_epoch  # an epoch's value that is no number is told here, and not in training
        if [row["epoch"] for row in log] != [*range(1, len(log) + 1)]:
            raise DataError("its epochs do not follow one another")
        parts: dict[str, Arrays] = {"state": {}, "best": {}, "own": {}}
        for key, array in arrays.items():
            part, _, name = key.partition(".")
            parts[part][name] = array
        self.best_arrays = parts["best"]
        return parts["state"], parts["own"]

    def write(self, state: Arrays, own: Arrays, rngs: list[Any]) -> None:
        """Write the checkpoint, then the log; not without a folder."""
        assert self.folder is not None
        parts = {"state": state, "best": self.best_arrays, "own": own}
        flat = {f"{part}.{name}": a for part, some in parts.items() for name, a in some.items()}
        io.save_arrays(
            self.folder / CHECKPOINT, flat, {**self._facts, "log": self.log, "rngs": rngs}
        )
        with io.replacing(self.folder / LOG) as temporary:
            # JSON knows no NaN: null stands for it.
            rows = ({k: None if v != v else v for k, v in row.items()} for row in self.log)
            lines = (json.dumps(row, default=np.generic.item) + "\n" for row in rows)
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
