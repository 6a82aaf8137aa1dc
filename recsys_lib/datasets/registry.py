"""The data sets by name: where each release comes from, and what its terms are."""

from __future__ import annotations

import difflib
import tomllib
from collections import ChainMap
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from recsys_lib.errors import UnknownDatasetError

_READ = tomllib.loads(Path(__file__).with_name("registry.toml").read_text("utf-8"))
CITATION: str = _READ["citation"]


@dataclass(frozen=True)
class Layout:
    """The names of a release's files and how their fields are separated."""

    ratings: str
    items: str
    separator: str
    users: str | None = None
    users_separator: str = ""
    header: bool = False
    more: tuple[str, ...] = ()

    @property
    def files(self) -> list[str]:
        """The files that are read."""
        return [name for name in (self.ratings, self.items, self.users, *self.more) if name]


@dataclass(frozen=True)
class Release:
    """One archive as it is published.

    Attributes
    ----------
    name : str
        By which it is loaded.
    n_users, n_items, n_ratings : int
        Users with a rating, rows of the table of items, ratings.
    size : int
        Of the archive, in bytes.
    layout : Layout
        How its files are written.
    folder : str
        The folder inside the archive.
    scale : (float, float)
        The lowest and the highest rating possible.
    licence, citation : str
        Its terms in one sentence; the paper that its authors want cited.
    url : str
        Where the archive is published.
    sha256, md5 : str
        Of the archive, in hexadecimal; md5 where no sha256 is published.
    """

    name: str
    n_users: int
    n_items: int
    n_ratings: int
    size: int
    layout: Layout
    folder: str
    scale: tuple[float, float]
    licence: str
    url: str
    sha256: str = ""
    md5: str = ""
    citation: str = CITATION

    @property
    def file(self) -> str:
        """The archive's file name."""
        return self.url.rpartition("/")[2]

    @property
    def checksum(self) -> tuple[str, str]:
        """The algorithm and the archive's digest by it, in hexadecimal."""
        return ("sha256", self.sha256) if self.sha256 else ("md5", self.md5)


LAYOUTS = {
    name: Layout(**{**facts, "more": tuple(facts.get("more", ()))})
    for name, facts in _READ["layout"].items()
}
_RELEASES = {
    name: Release(
        name,
        **{
            **facts,
            "layout": LAYOUTS[facts["layout"]],
            "scale": tuple(facts["scale"]),
            "licence": _READ["licence"].get(facts["licence"], facts["licence"]),
        },
    )
    for name, facts in _READ["release"].items()
}
KUAIREC = _RELEASES.pop("kuairec")
RELEASES = _RELEASES  # of MovieLens
EVERY = ChainMap(RELEASES, {KUAIREC.name: KUAIREC})


def twin(name: str) -> str:
    """Return what stands in for a release: ml-1m -> synthetic-1m, of about its size.

    KuaiRec's is much smaller than itself: ``synthetic-kuairec`` has its size.
    """
    if name == KUAIREC.name:
        return "synthetic-watch"
    small = ("ml-latest-small", "ml-100k")
    return "synthetic" if name in small else name.replace("ml-", "synthetic-")


# What `simulate_ratings` is asked for, by name. "synthetic" is what it makes when asked for
# nothing: about 100,000 ratings.
SYNTHETIC: dict[str, dict[str, int]] = {
    twin(name): {key: getattr(release, key) for key in ("n_users", "n_items", "n_ratings")}
    for name, release in RELEASES.items()
}
SYNTHETIC["synthetic"] = {}

# And `simulate_watches`, by name.
WATCHED: dict[str, dict[str, int]] = {
    twin(KUAIREC.name): {},
    f"synthetic-{KUAIREC.name}": {
        "n_users": KUAIREC.n_users,
        "n_items": KUAIREC.n_items,
        "n_watches": KUAIREC.n_ratings,
        "n_small_users": 1_411,
        "n_small_items": 3_327,
    },
}


def check(name: str) -> str:
    """Return `name` if there is such a data set.

    Raises
    ------
    UnknownDatasetError
        There is none; the message lists the names and the nearest one.
    """
    names = ["auto", *EVERY, *SYNTHETIC, *WATCHED]
    if name in names:
        return name
    near = difflib.get_close_matches(str(name).lower(), names, n=1)
    hint = f"did you mean {near[0]!r}? The" if near else "the"
    raise UnknownDatasetError(
        f"there is no data set {name!r}: {hint} names are {', '.join(names)}, "
        "and auto:NAME (NAME if it can be had, else its synthetic twin)"
    )


def available() -> pd.DataFrame:
    """Return the MovieLens releases, a row each.

    Returns
    -------
    DataFrame
        ``name``, ``users``, ``items``, ``ratings``, ``size`` (of the archive, in MB), ``licence``,
        ``citation``, ``url``.
    """
    return pd.DataFrame(
        {
            "name": name,
            "users": release.n_users,
            "items": release.n_items,
            "ratings": release.n_ratings,
            "size": round(release.size / 1e6, 1),
            "licence": release.licence,
            "citation": release.citation,
            "url": release.url,
        }
        for name, release in RELEASES.items()
    )
