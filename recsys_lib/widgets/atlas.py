"""A map of items with zoom, search and nearest neighbours in the latent space."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import traitlets

from recsys_lib.errors import DataError
from recsys_lib.widgets.base import Draw, Explorer, Plain

N_NEAR = 6


class ItemMap(Explorer, page="atlas"):
    """Items as points of a plane; lines tie a chosen item to its nearest in the latent space.

    Parts that are not of one length, and numbers that are not finite, are a `DataError`.

    Parameters
    ----------
    points : (n, 2)
        Coordinates of the items, in any unit.
    titles : sequence of n str
        Titles of the items, the most important first: its label is drawn first.
    vectors : (n, K)
        The vectors that the map was made from. An item's nearest have the largest cosine.
    groups : (n,) int, optional
        Positions of the items' groups in `names`, or -1. None: all items have one colour.
    names : sequence of str
        Names of the groups, at most six.
    figure : callable, optional
        Draws the map for print, from points, groups, names, titles, an item and its nearest.

    Attributes
    ----------
    chosen : int or None
        Position in `titles` of the chosen item.
    """

    chosen = traitlets.Int(None, allow_none=True).tag(sync=True, page=True)

    def __init__(
        self,
        points: np.ndarray,
        titles: Sequence[str],
        vectors: np.ndarray,
        groups: np.ndarray | None = None,
        names: Sequence[str] = (),
        figure: Draw | None = None,
    ) -> None:
        groups = np.full(len(titles), -1) if groups is None else np.asarray(groups)
        lengths = {len(points), len(titles), len(vectors), len(groups)}
        if len(lengths) > 1:
            raise DataError(
                f"{len(points)} points, {len(titles)} titles, {len(vectors)} vectors and "
                f"{len(groups)} groups: there must be as many of each"
            )
        if not (np.isfinite(points).all() and np.isfinite(vectors).all()):
            raise DataError("the points and the vectors of a map must be finite numbers")
        middle = (np.max(points, axis=0) + np.min(points, axis=0)) / 2
        reach = float(np.abs(points - middle).max()) or 1.0
        fixed = {
            "points": ((points - middle) / reach).round(4).tolist(),
            "titles": [str(title) for title in titles],
            "groups": groups.tolist(),
            "names": list(names),
            "near": nearest(vectors, N_NEAR),
        }
        super().__init__(figure, fixed)

    @traitlets.validate("chosen")
    def _check_chosen(self, proposal: Any) -> int | None:
        chosen: int | None = proposal["value"]
        n = len(self.fixed["titles"])
        if chosen is not None and not 0 <= chosen < n:
            raise DataError(f"there is no item {chosen} on a map of {n}")
        return chosen

    def _still(self) -> Plain:
        points, titles, groups, names, near = self.fixed.values()
        item = self.chosen or 0
        others = [other for other, _ in near[item]]
        listed = ", ".join(titles[other] for other in others)
        said = f"{titles[item]}: nearest in the space of factors are {listed}."
        return said, (np.array(points), np.array(groups), names, titles, item, others)


def nearest(vectors: np.ndarray, n: int) -> list[list[tuple[int, float]]]:
    """Return for each row the `n` others with the largest cosine, and the cosine."""
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    unit = vectors / np.where(lengths > 0, lengths, 1)
    found = []
    for place, one in enumerate(unit):  # a row at a time: no matrix of all pairs
        cosines = unit @ one
        cosines[place] = -np.inf
        best = np.argsort(-cosines, kind="stable")[: min(n, len(unit) - 1)]
        found.append([(int(other), round(float(cosines[other]), 3)) for other in best])
    return found
