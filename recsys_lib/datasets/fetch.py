"""Find an archive: in RECSYS_DATA_HOME, which is only read, in the user's cache, or on its host."""

import logging
import os
from contextlib import ExitStack
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pooch

from recsys_lib import io, progress
from recsys_lib.datasets.registry import Release
from recsys_lib.errors import DataError, DownloadError

logger = logging.getLogger("recsys_lib")

# Seconds to connect, and between two packets. A machine without a network should not wait long.
TIMEOUT = (5, 30)


def cache_home() -> Path:
    """Return the folder for downloads and parsed copies, which need not exist yet."""
    return io.resolved(os.environ.get("RECSYS_CACHE") or pooch.os_cache("recsys_lib"))


def local(release: Release) -> Path | None:
    """Return the release's archive or unpacked folder in RECSYS_DATA_HOME, or None.

    `DataError` is raised where that names no folder: to continue would hide a misspelt path.
    """
    value = os.environ.get("RECSYS_DATA_HOME", "")
    if not value:
        return None
    home = io.resolved(value)
    if not home.is_dir():
        raise DataError(
            f"RECSYS_DATA_HOME is {value!r}, and {home} is not a folder; "
            "correct the path, or unset the variable to use the cache and the network"
        )
    archive = home / release.archive
    if archive.is_file():
        return archive
    # Unpackers that make a folder of the archive's name put the archive's own inside it.
    folders = [home / name for name in (release.name, release.folder, archive.stem)]
    nested = [folder / release.folder for folder in folders]
    return next(filter(Path.is_dir, [*nested, *folders]), None)


def cached(release: Release) -> Path | None:
    """Return the release's archive in the user's cache, or None."""
    archive = cache_home() / release.archive
    return archive if archive.is_file() else None


def download(release: Release) -> Path:
    """Fetch the archive into the user's cache, with a progress bar, and verify its hash.

    `DownloadError` says why that failed, and where to put the archive by hand.
    """
    folder = cache_home()
    try:
        if os.environ.get("RECSYS_OFFLINE", "").lower() not in ("", "0", "false", "no"):
            raise DownloadError("RECSYS_OFFLINE is set, so no download was tried")
        bar = progress.bar(total=release.size, unit="B", unit_scale=True, desc=release.archive)
        with ExitStack() as opened, bar:  # pooch leaves an answer open that breaks off
            keep = {"response": lambda answer, **_: opened.enter_context(answer)}
            transfer = pooch.HTTPDownloader(bar, 1 << 16, timeout=TIMEOUT, hooks=keep)
            where = release.url, release.hash, release.archive, folder
            return Path(pooch.retrieve(*where, downloader=transfer))
    except (OSError, ValueError, DownloadError) as error:  # what requests raises is an OSError
        from requests import exceptions as http  # slow to import, rarely needed

        logger.debug("download of %s", release.url, exc_info=True)
        why = " ".join(str(error).split())
        unreached = isinstance(error, http.ConnectionError | http.Timeout)
        if unreached and not isinstance(error, http.SSLError):
            why = "it could not be reached (no network, or the host is down)"
        home = os.environ.get("RECSYS_DATA_HOME", "")
        elsewhere = f"{home} (RECSYS_DATA_HOME)" if home else "a folder that RECSYS_DATA_HOME names"
        raise DownloadError(
            f"{release.name} could not be downloaded from {urlsplit(release.url).hostname}: "
            f"{why}. Fetch {release.url} by hand and put it, still zipped, at "
            f"{folder / release.archive} or in {elsewhere}"
        ) from None


def verify(release: Release, path: Path) -> Path:
    """Compare an archive's hash with the published one; a folder has none.

    A bad archive in RECSYS_DATA_HOME raises `DataError`; one in the cache is downloaded again.
    """
    if path.is_dir():
        return path
    algorithm, published = release.hash.split(":")
    found = pooch.file_hash(path, algorithm)
    if found == published:
        return path
    what = (
        f"{path} is not the published {release.name} archive: it has {path.stat().st_size:,} bytes "
        f"and {algorithm} {found}, not {release.size:,} bytes and {published}"
    )
    if path == cached(release):
        logger.warning("%s; fetching it again", what)
        return download(release)
    raise DataError(f"{what}; remove it or fetch {release.url} again")


def missing(release: Release, path: Path) -> list[str]:
    """Return the files that a folder lacks; an archive is verified by its hash instead."""
    return [name for name in release.files if path.is_dir() and not (path / name).is_file()]


def stamp(release: Release, path: Path) -> dict[str, Any]:
    """Return what identifies the state of the source without reading it: hash, sizes and times."""
    paths = [path / name for name in release.files] if path.is_dir() else [path]
    states = {file.name: file.stat() for file in paths if file.exists()}
    files = {name: [state.st_size, state.st_mtime_ns] for name, state in states.items()}
    return {"hash": release.hash, "files": files}
