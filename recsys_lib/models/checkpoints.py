"""Checkpoints: a run that was interrupted goes on as if it had not been."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np

from recsys_lib import io
from recsys_lib.errors import DataError, RecsysError
from recsys_lib.models.base import Recommender

NAME = "checkpoint.safetensors"


def save(
    run_dir: str | os.PathLike[str] | None,
    model: Recommender,
    epoch: int,
    arrays: dict[str, np.ndarray] | None = None,
    **more: Any,
) -> None:
    """Write a checkpoint to `run_dir`, if there is one: `arrays`, or else all that was learnt.

    `more` is whatever else, of the kinds JSON knows, the run needs to go on.
    """
    if run_dir is None:
        return
    if arrays is None:
        arrays = {name: getattr(model, name) for name in model._learnt}
    meta = {"class": type(model).__name__, "params": model.get_params(), "epoch": epoch, **more}
    io.save_arrays(Path(run_dir) / NAME, arrays, meta)


def load(
    run_dir: str | os.PathLike[str] | None, model: Recommender
) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """Read the checkpoint in `run_dir`; `n_epochs` may have changed since, nothing else.

    Raises
    ------
    RecsysError
        There is no `run_dir`, or the run had other parameters.
    DataError
        The folder holds no checkpoint.
    """
    if run_dir is None:
        raise RecsysError("resume=True needs run_dir, the folder of the run to go on with")
    arrays, meta = io.load_arrays(Path(run_dir) / NAME)
    # What was read came from JSON, which knows lists only.
    mine = {"class": type(model).__name__, **_listed(model.get_params()), "n_epochs": None}
    its = {"class": meta["class"], **meta["params"], "n_epochs": None}
    if mine != its:
        differ = sorted(name for name in mine | its if mine.get(name) != its.get(name))
        raise RecsysError(
            f"the run in {os.fspath(run_dir)!r} had other parameters ({', '.join(differ)}); "
            "resume with the same ones or start anew"
        )
    return arrays, meta


def check_shapes(
    run_dir: str | os.PathLike[str] | None,
    arrays: dict[str, np.ndarray],
    shapes: dict[str, tuple[int, ...]],
) -> None:
    """Refuse arrays of a run on other data.

    Raises
    ------
    DataError
        One has another shape than here.
    """
    for name, shape in shapes.items():
        if arrays[name].shape != shape:
            raise DataError(
                f"the run in {os.fspath(run_dir or '')!r} was on other data: its {name} is "
                f"{arrays[name].shape}, here it is {shape}"
            )


def take_up(run_dir: str | os.PathLike[str] | None, model: Recommender) -> int:
    """Give `model` what the checkpoint in `run_dir` had learnt; return the epochs it had done."""
    arrays, meta = load(run_dir, model)
    check_shapes(run_dir, arrays, {name: getattr(model, name).shape for name in model._learnt})
    for name in model._learnt:
        setattr(model, name, arrays[name])
    return int(meta["epoch"])


def _listed(params: dict[str, Any]) -> dict[str, Any]:
    return {
        name: list(value) if isinstance(value, tuple) else value for name, value in params.items()
    }
