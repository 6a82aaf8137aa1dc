"""Learning curves of many fits, and two sliders that choose one of them."""

from typing import Any

import numpy as np
import pandas as pd
import traitlets

from recsys_lib.errors import DataError
from recsys_lib.widgets.base import Draw, Explorer, Plain


class FitExplorer(Explorer, page="fits"):
    """RMSE over epochs, in training and in validation, for any pair of two parameters.

    Parameters
    ----------
    fits : DataFrame
        Columns epoch, rmse_train, rmse_valid and the two parameters, which come first; a row an
        epoch of each fit. There is a fit for every pair of their values, all of the same epochs;
        otherwise it is a `DataError`.
    figure : callable, optional
        Draws the ends of the curves for print, from the parameters' values, their names, and the
        RMSE after the last epoch in training and in validation, both (n_first, n_second).

    Attributes
    ----------
    chosen : list of two int
        Which fit is shown: the positions of its parameters among their values, ascending.
    """

    chosen = traitlets.List(traitlets.Int(), minlen=2, maxlen=2).tag(sync=True, page=True)

    def __init__(self, fits: pd.DataFrame, figure: Draw | None = None) -> None:
        first, second = fits.columns[:2]
        values = [np.unique(fits[name]) for name in (first, second, "epoch")]
        shape = tuple(map(len, values))
        table = fits.set_index([first, second, "epoch"]).sort_index()
        if not table.index.equals(pd.MultiIndex.from_product(values)):
            raise DataError(
                f"{len(table):,} rows for {shape[0]} values of {first!r}, {shape[1]} of {second!r} "
                f"and {shape[2]} epochs: there must be one row for each of these"
            )
        train, valid = (
            table[f"rmse_{part}"].to_numpy(np.float64).reshape(shape) for part in ("train", "valid")
        )
        best = np.unravel_index(np.argmin(valid[:, :, -1]), shape[:2])
        fixed = {
            "names": [first, second],
            "values": [several.tolist() for several in values[:2]],
            "epochs": values[2].tolist(),
            "train": train.round(5).tolist(),
            "valid": valid.round(5).tolist(),
            "best": [int(place) for place in best],
        }
        super().__init__(figure, fixed, chosen=[0, 0])

    @traitlets.validate("chosen")
    def _check_chosen(self, proposal: Any) -> list[int]:
        chosen: list[int] = proposal["value"]
        for place, values in zip(chosen, self.fixed["values"], strict=True):
            if not 0 <= place < len(values):
                raise DataError(f"there is no value number {place} among {len(values)}")
        return chosen

    def _still(self) -> Plain:
        names, values, _, *curves, _ = self.fixed.values()
        said = f"RMSE after the last epoch over {names[1]}, a line for each {names[0]}."
        return said, (values, names, *(np.array(each)[:, :, -1] for each in curves))
