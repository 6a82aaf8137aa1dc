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
        epoch of each fit. There is a fit for every pair of their values, all of the same epochs.
    figure : callable, optional
        Draws the ends of the curves for print, from the parameters' values, their names, and the
        RMSE after the last epoch in training and in validation, both (n_first, n_second).

    Attributes
    ----------
    chosen : list of two int
        Which fit is shown: the positions of its parameters among their values, ascending.

    Raises
    ------
    DataError
        A pair of values has no fit, or other epochs than the rest.
    """

    chosen = traitlets.List(traitlets.Int(), minlen=2, maxlen=2).tag(sync=True, page=True)

    def __init__(self, fits: pd.DataFrame, figure: Draw | None = None) -> None:
        first, second = fits.columns[:2]
        *self._values, epochs = (np.unique(fits[name]) for name in (first, second, "epoch"))
        shape = len(self._values[0]), len(self._values[1]), len(epochs)
        table = fits.set_index([first, second, "epoch"]).sort_index()
        if not table.index.equals(pd.MultiIndex.from_product([*self._values, epochs])):
            raise DataError(
                f"{len(table):,} rows for {shape[0]} values of {first!r}, {shape[1]} of {second!r} "
                f"and {shape[2]} epochs: there must be one row for each of these"
            )
        self._curves = {
            part: table[f"rmse_{part}"].to_numpy(np.float64).reshape(shape)
            for part in ("train", "valid")
        }
        last = self._curves["valid"][:, :, -1]
        best = np.unravel_index(np.argmin(last), last.shape)
        fixed = {
            "names": [first, second],
            "values": [values.tolist() for values in self._values],
            "epochs": epochs.tolist(),
            **{part: curves.round(5).tolist() for part, curves in self._curves.items()},
            "best": [int(place) for place in best],
        }
        super().__init__(figure, fixed, chosen=[0, 0])

    @traitlets.validate("chosen")
    def _check_chosen(self, proposal: Any) -> list[int]:
        chosen: list[int] = proposal["value"]
        for place, values in zip(chosen, self._values, strict=True):
            if not 0 <= place < len(values):
                raise DataError(f"there is no value number {place} among {len(values)}")
        return chosen

    def _still(self) -> Plain:
        names = self.fixed["names"]
        ends = {part: curves[:, :, -1] for part, curves in self._curves.items()}
        said = f"RMSE after the last epoch over {names[1]}, a line for each {names[0]}."
        return said, (self._values, names, ends["train"], ends["valid"])
