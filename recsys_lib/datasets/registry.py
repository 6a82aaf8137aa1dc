"""The data sets by name: where each release comes from, and what its terms are."""

from __future__ import annotations

import difflib
from collections import ChainMap
from dataclasses import dataclass, replace

import pandas as pd

from recsys_lib.errors import UnknownDatasetError

CITATION = (
    "F. Maxwell Harper and Joseph A. Konstan. 2015. The MovieLens Datasets: History and Context. "
    "ACM Transactions on Interactive Intelligent Systems 5(4), 19:1-19:19. "
    "https://doi.org/10.1145/2827872"
)
_KUAIREC = (
    "Chongming Gao, Shijun Li, Wenqiang Lei, Jiawei Chen, Biao Li, Peng Jiang, Xiangnan He, "
    "Jiaxin Mao and Tat-Seng Chua. 2022. KuaiRec: A Fully-Observed Dataset and Insights for "
    "Evaluating Recommender Systems. CIKM '22, 540-550. https://doi.org/10.1145/3511808.3557220"
)
# The terms in short; each archive holds them in full, in its README.
_TERMS = "GroupLens, University of Minnesota: research use with acknowledgement; {}; " + (
    "no commercial use without permission; no endorsement implied"
)
_SHAREABLE = _TERMS.format("redistribution under the same conditions")
_NOT_SHAREABLE = _TERMS.format("no redistribution without permission")


@dataclass(frozen=True)
class Layout:
    """The names of a release's files and how their fields are separated."""

    ratings: str
    items: str
    users: str | None
    separator: str
    users_separator: str = ""
    header: bool = False
    more: tuple[str, ...] = ()

    @property
    def files(self) -> list[str]:
        """The files that are read."""
        return [name for name in (self.ratings, self.items, self.users, *self.more) if name]


CSV = Layout("ratings.csv", "movies.csv", None, ",", header=True)
COLONS = Layout("ratings.dat", "movies.dat", "users.dat", "::", "::")
U_DATA = Layout("u.data", "u.item", "u.user", "\t", "|")


@dataclass(frozen=True)
class Release:
    """One archive as it is published.

    Attributes
    ----------
    name : str
        By which it is loaded.
    n_users, n_items, n_ratings : int
        Users with a rating, films in the table of films, ratings.
    size : int
        Of the archive, in bytes.
    sha256 : str
        Of the archive, in hexadecimal; empty where only its md5 is published.
    layout : Layout
        How its files are written.
    folder : str
        The folder inside the archive.
    scale : (float, float)
        The lowest and the highest rating possible, in stars.
    licence : str
        Its terms in one sentence.
    host : str
        The address of the folder that it is published in.
    archive : str
        The archive's file name, ``<name>.zip`` unless it says otherwise.
    md5 : str
        Of the archive, in hexadecimal, where there is no sha256.
    citation : str
        The paper that its authors want cited.
    """

    name: str
    n_users: int
    n_items: int
    n_ratings: int
    size: int
    sha256: str
    layout: Layout = CSV
    folder: str = ""
    scale: tuple[float, float] = (0.5, 5.0)
    licence: str = _NOT_SHAREABLE
    host: str = "https://files.grouplens.org/datasets/movielens"
    archive: str = ""
    md5: str = ""
    citation: str = CITATION

    @property
    def file(self) -> str:
        """The archive's file name."""
        return self.archive or f"{self.name}.zip"

    @property
    def url(self) -> str:
        """Where the archive is published."""
        return f"{self.host}/{self.file}"

    @property
    def checksum(self) -> tuple[str, str]:
        """The algorithm and the archive's digest by it, in hexadecimal."""
        return ("sha256", self.sha256) if self.sha256 else ("md5", self.md5)


_ALL = (
    Release(
        "ml-latest-small", 610, 9_742, 100_836, 978_202,
        "696d65a3dfceac7c45750ad32df2c259311949efec81f0f144fdfb91ebc9e436",
        folder="ml-latest-small", licence=_SHAREABLE,
    ),
    Release(
        "ml-100k", 943, 1_682, 100_000, 4_924_029,
        "50d2a982c66986937beb9ffb3aa76efe955bf3d5c6b761f4e3a7cd717c6a3229",
        layout=U_DATA, folder="ml-100k", scale=(1.0, 5.0),
    ),
    Release(
        "ml-1m", 6_040, 3_883, 1_000_209, 5_917_549,
        "a6898adb50b9ca05aa231689da44c217cb524e7ebd39d264c56e2832f2c54e20",
        layout=COLONS, folder="ml-1m", scale=(1.0, 5.0),
    ),
    Release(
        "ml-10m", 69_878, 10_681, 10_000_054, 65_566_137,
        "813c411ccb6122564edfe752e7f80c4dcc5aa25fa94c93622f6877a7ba252862",
        layout=replace(COLONS, users=None), folder="ml-10M100K",
    ),
    Release(
        "ml-20m", 138_493, 27_278, 20_000_263, 198_702_078,
        "96f243c338a8665f6bcc89c53edf6ee39162a846940de6b7c8c48aeada765ff3",
        folder="ml-20m",
    ),
    Release(
        "ml-25m", 162_541, 62_423, 25_000_095, 261_978_986,
        "8b21cfb7eb1706b4ec0aac894368d90acf26ebdfb6aced3ebd4ad5bd1eb9c6aa",
        folder="ml-25m",
    ),
    Release(
        "ml-32m", 200_948, 87_585, 32_000_204, 238_950_008,
        "e4a68655d7386b8f95f2f2424b2ff975dfdd15ffd59e0d864a14dca43e99d6ee",
        folder="ml-32m", licence=_SHAREABLE,
    ),
)  # fmt: skip
RELEASES = {release.name: release for release in _ALL}

# Watch ratios instead of stars. Zenodo publishes no other checksum than an md5.
KUAIREC = Release(
    "kuairec", 7_176, 10_728, 12_530_806, 431_964_858, "",
    md5="261550d472c48eff4990fb13c0e5bcf7",
    layout=Layout(
        "big_matrix.csv", "kuairec_caption_category.csv", "user_features.csv", ",", header=True,
        more=("small_matrix.csv", "item_categories.csv", "item_daily_features.csv"),
    ),
    folder="KuaiRec 2.0/data", scale=(0.0, float("inf")),
    licence="Kuaishou and the authors: CC BY-SA 4.0; redistribution under the same licence",
    host="https://zenodo.org/records/18164998/files", archive="KuaiRec.zip", citation=_KUAIREC,
)  # fmt: skip
EVERY = ChainMap(RELEASES, {KUAIREC.name: KUAIREC})


def twin(name: str) -> str:
    """Return what stands in for a release: ml-1m -> synthetic-1m, of about its size.

    KuaiRec's is much smaller than itself: ``synthetic-kuairec`` has its size.
    """
    if name == KUAIREC.name:
        return "synthetic-watch"
    small = ("ml-latest-small", "ml-100k")
    return "synthetic" if name in small else name.replace("ml-", "synthetic-")


# What `synthetic.generate` is asked for, by name. "synthetic" is what it makes when asked for
# nothing: about 100,000 ratings.
SYNTHETIC: dict[str, dict[str, int]] = {
    twin(release.name): {
        "n_users": release.n_users,
        "n_items": release.n_items,
        "n_ratings": release.n_ratings,
    }
    for release in _ALL
}
SYNTHETIC["synthetic"] = {}

# And `watching.generate`, by name.
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
    names = ["auto", *RELEASES, KUAIREC.name, *SYNTHETIC, *WATCHED]
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
            "name": release.name,
            "users": release.n_users,
            "items": release.n_items,
            "ratings": release.n_ratings,
            "size": round(release.size / 1e6, 1),
            "licence": release.licence,
            "citation": CITATION,
            "url": release.url,
        }
        for release in _ALL
    )
