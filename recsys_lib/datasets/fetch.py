"""Find an archive: in the local folder, in the user's cache, or on its publisher's host.

Three environment variables control it: RECSYS_DATA_HOME (a folder of archives or unpacked archives,
which is only read), RECSYS_CACHE (where downloads and parsed copies are stored) and RECSYS_OFFLINE
(1: never download).
"""

import logging
import os
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import pooch

from recsys_lib import io, progress
from recsys_lib.datasets.registry import Release
from recsys_lib.errors import DataError, DownloadError

logger = logging.getLogger("recsys_lib")

# Seconds to connect, and between two packets. A machine without a network should not wait long.
TIMEOUT = (5, 30)


class Source(NamedTuple):
    """Where a release was found: ``kind`` is "local", "cache" or "download"."""

    kind: str
    path: Path  # an archive or an unpacked folder


def cache_home() -> Path:
    """Return the folder for downloads and parsed copies, which need not exist yet."""
    return io.resolved(os.environ.get("RECSYS_CACHE") or pooch.os_cache("recsys_lib"))


def local(release: Release) -> Source | None:
    """Return the release's archive or folder in RECSYS_DATA_HOME, or None.

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
        return Source("local", archive)
    for folder in (home / release.name, home / release.folder, home / archive.stem):
        if folder.is_dir():
            # Unpackers that make a folder of the archive's name put the archive's own inside it.
            inner = folder / release.folder
            return Source("local", inner if inner.is_dir() else folder)
    return None


def cached(release: Release) -> Source | None:
    """Return the release's archive in the user's cache, or None."""
    archive = cache_home() / release.archive
    return Source("cache", archive) if archive.is_file() else None


def download(release: Release) -> Source:
    """Fetch the archive into the user's cache, with a progress bar, and verify its hash.

    `DownloadError` says why that failed, and where to put the archive by hand.
    """
    folder = cache_home()
    try:
        if os.environ.get("RECSYS_OFFLINE", "").lower() not in ("", "0", "false", "no"):
            raise DownloadError("RECSYS_OFFLINE is set, so no download was tried")
        path = pooch.retrieve(
            release.url, release.hash, release.archive, folder, downloader=_transfer
        )
    except (OSError, ValueError, DownloadError) as error:  # what requests raises is an OSError
        logger.debug("download of %s", release.url, exc_info=True)
        home = os.environ.get("RECSYS_DATA_HOME", "")
        elsewhere = f"{home} (RECSYS_DATA_HOME)" if home else "a folder that RECSYS_DATA_HOME names"
        raise DownloadError(
            f"{release.name} could not be downloaded from {urlsplit(release.url).hostname}: "
            f"{_reason(error)}. Fetch {release.url} by hand and put it, still zipped, at "
            f"{folder / release.archive} or in {elsewhere}"
        ) from None
    return Source("download", Path(path))


def verify(release: Release, source: Source) -> Source:
    """Compare an archive's hash with the published one; a folder has none.

    A bad archive in RECSYS_DATA_HOME raises `DataError`; one in the cache is downloaded again.
    """
    if source.kind == "download" or source.path.is_dir():
        return source
    algorithm, published = release.hash.split(":")
    found = pooch.file_hash(source.path, algorithm)
    if found == published:
        return source
    what = (
        f"{source.path} is not the published {release.name} archive: it has "
        f"{source.path.stat().st_size:,} bytes and {algorithm} {found}, not {release.size:,} bytes "
        f"and {published}"
    )
    if source.kind == "cache":
        logger.warning("%s; fetching it again", what)
        return download(release)
    raise DataError(f"{what}; remove it or fetch {release.url} again")


def missing(release: Release, source: Source) -> list[str]:
    """Return the files that a folder lacks; an archive is verified by its hash instead."""
    if not source.path.is_dir():
        return []
    return [name for name in release.layout.files if not (source.path / name).is_file()]


def stamp(release: Release, source: Source) -> dict[str, Any]:
    """Return what identifies the state of the source without reading it: hash, sizes and times."""
    folder = source.path.is_dir()
    paths = [source.path / name for name in release.layout.files] if folder else [source.path]
    states = {path.name: path.stat() for path in paths if path.exists()}
    files = {name: [state.st_size, state.st_mtime_ns] for name, state in states.items()}
    return {"hash": release.hash, "files": files}


def _transfer(url: str, target: str, _: Any) -> None:
    """Write what `url` holds to the file `target`.

    pooch's own downloader leaves the connection and the progress bar open when a transfer fails.
    """
    import requests  # slow to import, rarely needed

    with requests.get(url, stream=True, timeout=TIMEOUT) as response:
        response.raise_for_status()
        size = int(response.headers.get("content-length", 0)) or None
        with (
            Path(target).open("wb") as file,
            progress.bar(total=size, unit="B", unit_scale=True, desc=Path(url).name) as bar,
        ):
            for chunk in response.iter_content(1 << 16):
                file.write(chunk)
                bar.update(len(chunk))


def _reason(error: Exception) -> str:
    """Say in a few words what went wrong."""
    from requests import exceptions as http

    text = str(error)
    if isinstance(error, DownloadError):
        return text
    if isinstance(error, http.SSLError):
        if "certificate" not in text.lower():
            return "no secure connection (TLS) could be made"
        return f"its certificate {'has expired' if 'has expired' in text else 'was not accepted'}"
    if isinstance(error, http.HTTPError):
        return f"the server answered {error.response.status_code} {error.response.reason}"
    if isinstance(error, http.ConnectionError | http.Timeout):
        return "it could not be reached (no network, or the host is down)"
    if isinstance(error, http.RequestException):
        return f"the transfer broke off ({type(error).__name__})"
    if isinstance(error, OSError):
        return f"{error.filename or cache_home()} could not be written ({error.strerror or error})"
    return "what came is not the published file (its hash differs)"
