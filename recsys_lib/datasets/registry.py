"""The data sets that ``registry.toml`` lists, by name."""

import difflib
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files

import pandas as pd

from recsys_lib.errors import UnknownDatasetError


@dataclass(frozen=True, eq=False)
class Release:
    """A published archive and its files; ``registry.toml`` says what the fields mean."""

    name: str
    n_users: int
    n_items: int
    n_ratings: int
    size: int
    hash: str
    archive: str
    folder: str
    scale: tuple[float, float]
    host: str
    columns: Mapping[str, str]
    licence: str
    citation: str
    ratings: str
    items: str
    separator: str
    users: str | None = None
    users_separator: str = ""
    header: bool = False
    more: Sequence[str] = ()
    genres: Sequence[str] = ()  # what the flags of an item say, in order
    occupations: Sequence[str] = ()  # what the numbers of a user's occupation say
    n_full: int = 0
    twin: str = "synthetic"  # the simulated data that stand in for it

    @property
    def url(self) -> str:
        """Address from which the archive is downloaded."""
        return f"{self.host}/{self.archive}"

    @property
    def files(self) -> list[str]:
        """Names of the files that are read."""
        return [name for name in (self.ratings, self.items, self.users, *self.more) if name]


_TABLES = tomllib.loads(files(__package__).joinpath("registry.toml").read_text("utf-8"))
RELEASES = {
    name: Release(
        name=name,
        scale=tuple(facts.pop("scale")),
        **_TABLES["layout"][facts.pop("layout")],
        **_TABLES["source"][facts.pop("source")],
        **facts,
    )
    for name, facts in _TABLES["release"].items()
}
_MOVIELENS = [name for name in RELEASES if name.startswith("ml-")]


# What the simulators are asked for, by name.
WATCHES: dict[str, dict[str, int]] = _TABLES["watches"]
RATINGS: dict[str, dict[str, int]] = {
    RELEASES[name].twin: {
        size: getattr(RELEASES[name], size) for size in ("n_users", "n_items", "n_ratings")
    }
    for name in _MOVIELENS
} | _TABLES["ratings"]
NAMES = ("auto", *RELEASES, *RATINGS, *WATCHES)


def check(name: str) -> str:
    """Return `name`, or raise `UnknownDatasetError`, which lists the names and the nearest one."""
    if name in NAMES:
        return name
    near = difflib.get_close_matches(str(name).lower(), NAMES, n=1)
    hint = f"did you mean {near[0]!r}? The" if near else "the"
    raise UnknownDatasetError(
        f"there is no data set {name!r}: {hint} names are {', '.join(NAMES)}, "
        "and auto:NAME (NAME if it can be had, else its synthetic twin); a folder of your own "
        "ratings is named by its path, such as ./ratings"
    )


def available() -> pd.DataFrame:
    """Return a table of the MovieLens releases.

    Its columns are ``name``, ``users``, ``items``, ``ratings``, ``size`` (of the archive, in MB),
    ``licence``, ``citation``, ``url``.
    """
    some = ("name", "n_users", "n_items", "n_ratings", "size", "licence", "citation", "url")
    table = pd.DataFrame(
        [[getattr(RELEASES[name], one) for one in some] for name in _MOVIELENS],
        columns=[one.removeprefix("n_") for one in some],
    )
    return table.assign(size=(table["size"] / 1e6).round(1))
