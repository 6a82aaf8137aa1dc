"""Data sets by name: from a folder, the cache or the network, or simulated."""

import logging
import os
from functools import cache as _once
from pathlib import Path
from typing import Any

from recsys_lib.datasets import archive, cache, fetch, folder, kuairec, movielens, registry
from recsys_lib.datasets.dataset import Dataset
from recsys_lib.datasets.simulator.ratings import simulate_ratings
from recsys_lib.datasets.simulator.watches import simulate_watches
from recsys_lib.errors import DataError, DownloadError

logger = logging.getLogger("recsys_lib")

# What "auto" takes, best first, if it is on this machine already; the first is also downloaded.
_AUTO = ("ml-latest-small", "ml-100k", "ml-1m")


def load(name: str | os.PathLike[str] = "auto", **options: Any) -> Dataset:
    """Load a data set; after the first load, the arrays of a release are mapped from the cache.

    `UnknownDatasetError`: there is no such name. `DownloadError`: it is not on this machine and
    could not be fetched. `DataError`: a file is damaged or not in the published form, a folder
    cannot be read, or options were given for data that are not simulated.

    Parameters
    ----------
    name : str or path
        * A MovieLens release (`available` lists them), or ``"kuairec"``. It is looked for in the
          folder that RECSYS_DATA_HOME names (archive or unpacked), then in the user's cache
          (RECSYS_CACHE), and then downloaded, unless RECSYS_OFFLINE is set.
        * ``"synthetic"``, or ``"synthetic-1m"`` and the like: simulated, of that release's size.
          ``"synthetic-watch"`` and ``"synthetic-kuairec"``: simulated watch ratios, of a size for a
          chapter, and of KuaiRec's.
        * ``"auto"``: a small release that is on this machine, else ml-latest-small downloaded, else
          ``"synthetic"``.
        * ``"auto:NAME"``: NAME if it can be had, else simulated data of its size (for KuaiRec,
          ``"synthetic-watch"``). A folder in RECSYS_DATA_HOME that lacks files is passed over.
        * The path of a folder of your own ratings, as `recsys_lib.datasets.folder` describes it. It
          is read at each load.
    **options
        For simulated data: what `simulate_ratings` or `simulate_watches` takes, such as ``seed`` or
        ``n_ratings``.
    """
    path = folder.path_of(name)
    name, source = (str(path), None) if path else _find(str(name))
    if options and (path or source):
        raise DataError(f"{name} takes no option {', '.join(options)}: only synthetic data do")
    if path:
        return folder.read(path)
    if source:
        return _load_release(registry.RELEASES[name], source)
    if name in registry.WATCHES:
        data = simulate_watches(**{**registry.WATCHES[name], **options})
    else:
        data = simulate_ratings(**{**registry.RATINGS[name], **options})
    data.name = name
    return data


def resolve(name: str | os.PathLike[str] = "auto") -> str:
    """Return the name of the data set that `load` would use now; download it if necessary.

    The name of a folder is its absolute path. The folder is read, so that the errors of `load` are
    raised now.
    """
    if path := folder.path_of(name):
        return folder.read(path).info["path"]
    return _find(str(name))[0]


def _find(name: str) -> tuple[str, Path | None]:
    """Return the concrete name and, for a release, where it is; say which on the log."""
    automatic, wanted = name.startswith("auto"), registry.check(name.removeprefix("auto:"))
    candidates = _AUTO if wanted == "auto" else (wanted,)
    wanted = candidates[0]
    if wanted not in registry.RELEASES:
        return wanted, None
    for look in (fetch.local, fetch.cached):
        for candidate in candidates:
            release = registry.RELEASES[candidate]
            source = look(release)
            missing = fetch.missing(release, source) if source and automatic else []
            if source and missing:
                logger.warning("passed over %s: no %s", source, ", ".join(missing))
            elif source:
                logger.info("data set %r: %s, found at %s", name, candidate, source)
                return candidate, source
    try:
        source = fetch.download(registry.RELEASES[wanted])
    except DownloadError as error:
        if not automatic:
            raise
        substitute = registry.RELEASES[wanted].twin
        logger.warning("data set %r: %s, simulated, because %s", name, substitute, error)
        return substitute, None
    logger.info("data set %r: %s, downloaded to %s", name, wanted, source)
    return wanted, source


def _load_release(release: registry.Release, source: Path) -> Dataset:
    data = cache.read(release.name, fetch.stamp(release, source))
    if data is None:
        if lacking := fetch.missing(release, source):
            raise DataError(
                f"{source} is not all of {release.name}: it lacks {', '.join(lacking)}; fetch "
                f"{release.url} ({release.size / 1e6:,.0f} MB) and put it, still zipped, beside "
                "this folder or in its place"
            )
        source = fetch.verify(release, source)
        logger.info("reading %s from %s", release.name, source)
        stamp = fetch.stamp(release, source)
        data = (kuairec if release.name == "kuairec" else movielens).read(release, source)
        archive.check_counts(release, source, data)
        cache.write(stamp, data)
        data = cache.read(release.name, stamp) or data  # mapped, the memory is free again
    _announce(release)
    data.info = {key: getattr(release, key) for key in ("licence", "citation", "url")}
    data.info["path"] = str(source)
    return data


@_once
def _announce(release: registry.Release) -> None:
    """Show the terms and the paper to cite, once a process."""
    logger.info("%s: %s. Please cite: %s", release.name, release.licence, release.citation)
