"""Who sees which arm: a hash of the user's id and the experiment's name, and nothing else."""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import blake2b
from typing import Any

import numpy as np

from recsys_lib.errors import RecsysError


def assign(user_ids: Any, experiment: str, shares: Sequence[float] = (0.5, 0.5)) -> np.ndarray:
    """Return each user's arm, (n,) int8, from 0.

    The same user gets the same arm of an experiment on every visit and every machine, without a
    table to keep. In an experiment of another name the arms are dealt anew, independently.

    Parameters
    ----------
    user_ids : array-like (n,) of whole numbers
    experiment : str
        The experiment's name, its salt.
    shares : sequence of float
        Which part of the users each arm gets; adds up to 1.

    Raises
    ------
    RecsysError
        Ids are not whole numbers, or the shares do not add up to 1.
    """
    ids = np.atleast_1d(user_ids)
    if ids.dtype.kind not in "iu":
        raise RecsysError(f"user ids are {ids.dtype}; to be dealt arms they must be whole numbers")
    check_shares(shares)
    key = int.from_bytes(blake2b(experiment.encode(), digest_size=8).digest(), "little")
    # Scrambled once before the key comes in: ids in a row must not meet the key in a row.
    mixed = _mix(_mix(ids.astype(np.uint64)) ^ np.uint64(key))
    uniform = (mixed >> np.uint64(11)) * 2.0**-53
    return np.searchsorted(np.cumsum(shares)[:-1], uniform, side="right").astype(np.int8)


def check_shares(shares: Sequence[float]) -> None:
    """Refuse shares of arms that are no shares."""
    if len(shares) < 2 or min(shares) <= 0 or abs(sum(shares) - 1) > 1e-9:
        raise RecsysError(
            f"shares are {tuple(shares)}; give one above 0 for each of two arms or more, adding up "
            "to 1"
        )


def _mix(z: np.ndarray) -> np.ndarray:
    """Scramble 64 bits: SplitMix64's step and finaliser (Steele, Lea and Flood 2014)."""
    z = z + np.uint64(0x9E3779B97F4A7C15)
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return z ^ (z >> np.uint64(31))
