"""Data sets by name: MovieLens from a folder, the cache or the network, and simulated ones.

>>> from recsys_lib import datasets
>>> data = datasets.load("ml-latest-small")         # doctest: +SKIP
>>> data = datasets.load("synthetic", seed=1)       # doctest: +SKIP
"""

from __future__ import annotations

import logging
from functools import cache as _once
from typing import Any

from recsys_lib.datasets import cache, fetch, movielens, registry, synthetic
from recsys_lib.datasets.dataset import Dataset
from recsys_lib.datasets.registry import available
from recsys_lib.errors import DataError, DownloadError

__all__ = ["Dataset", "available", "load", "resolve", "synthetic"]

logger = logging.getLogger("recsys_lib")

# What "auto" takes, best first, if it is on this machine already; the first is also downloaded.
_AUTO = ("ml-latest-small", "ml-100k", "ml-1m")


def load(name: str = "auto", **options: Any) -> Dataset:
    """Load a data set.

    Parameters
    ----------
    name : str
        * A MovieLens release (`available` lists them). It is looked for in the folder that
          RECSYS_DATA_HOME names (archive or unpacked), then in the user's cache (RECSYS_CACHE), and
          then downloaded, unless RECSYS_OFFLINE is set.
        * ``"synthetic"``, or ``"synthetic-1m"`` and the like: simulated, of that release's size.
        * ``"auto"``: a small release that is on this machine, else ml-latest-small downloaded, else
          ``"synthetic"``.
        * ``"auto:NAME"``: NAME if it can be had, else simulated data of its size.
    **options
        For simulated data: what `synthetic.generate` takes, such as ``seed`` or ``n_ratings``.

    Returns
    -------
    Dataset
        After the first load, the arrays of a MovieLens release are mapped from the cache.

    Raises
    ------
    UnknownDatasetError
        There is no such name.
    DownloadError
        It is not on this machine and could not be fetched.
    DataError
        A file is damaged or not in the published form, or a MovieLens release was given options.
    """
    name, source = _find(name)
    if source is None:
        data = synthetic.generate(**{**registry.SYNTHETIC[name], **options})
        data.name = data.info["name"] = name
        return data
    if options:
        raise DataError(
            f"{name} takes no option {', '.join(options)}: only synthetic data can be varied"
        )
    return _load_release(registry.RELEASES[name], source)


def resolve(name: str = "auto") -> str:
    """Return the concrete name that `load` would use now, having downloaded it if it must be.

    Raises
    ------
    UnknownDatasetError, DownloadError
        As `load` does.
    """
    return _find(name)[0]


def _find(name: str) -> tuple[str, fetch.Source | None]:
    """Return the concrete name and, for a release, where it is; say which on the log."""
    automatic = name == "auto" or name.startswith("auto:")
    wanted = registry.check(name.removeprefix("auto:")) if name != "auto" else _AUTO[0]
    if wanted in registry.SYNTHETIC:
        return wanted, None
    for look in (fetch.local, fetch.cached):
        for candidate in _AUTO if name == "auto" else (wanted,):
            if source := look(registry.RELEASES[candidate]):
                logger.info("data set %r: %s, found at %s", name, candidate, source.path)
                return candidate, source
    try:
        source = fetch.download(registry.RELEASES[wanted])
    except DownloadError as error:
        if not automatic:
            raise
        substitute = registry.twin(wanted)
        logger.warning("data set %r: %s, simulated, because %s", name, substitute, error)
        return substitute, None
    logger.info("data set %r: %s, downloaded to %s", name, wanted, source.path)
    return wanted, source


def _load_release(release: registry.Release, source: fetch.Source) -> Dataset:
    files = release.layout.files
    stamp = {"sha256": release.sha256, "files": fetch.stamp(source, files)}
    parts = cache.read(release.name, stamp)
    if parts is None:
        source = fetch.verify(release, source)
        stamp["files"] = fetch.stamp(source, files)
        logger.info("reading %s from %s", release.name, source.path)
        parts = movielens.read(release, source.path)
        cache.write(release.name, stamp, parts)
        parts = cache.read(release.name, stamp) or parts  # mapped, the memory is free again
    ratings, items, users = parts
    _announce(release)
    info = {
        "name": release.name,
        "source": source.kind,
        "path": str(source.path),
        "licence": release.licence,
        "citation": registry.CITATION,
        "url": release.url,
    }
    return Dataset(release.name, ratings, items, users, info)


@_once
def _announce(release: registry.Release) -> None:
    """Show the terms and the paper to cite, once a process."""
    logger.info("%s: %s. Please cite: %s", release.name, release.licence, registry.CITATION)
