"""Small releases in each published layout, and where the tests put them."""

import contextlib
import csv
import dataclasses
import hashlib
import io
import zipfile

import numpy as np
import pandas as pd

from recsys_lib.datasets import registry
from recsys_lib.errors import RecsysError
from tests.recsys_lib.mutations import mutated_bytes, one_of

# id, title and genres as in the file, then the title and the year that are to come of it. Nobody
# rates film 1200. All accents are in latin-1.
FILMS = [
    (318, "Shawshank Redemption, The (1994)", "Drama", "The Shawshank Redemption", 1994),
    (1, "Toy Story (1995)", "Animation|Comedy", "Toy Story", 1995),
    (
        29,
        "Cité: des enfants, La (City, The (old)) (1995)",
        "Drama|War",
        "La Cité: des enfants",
        1995,
    ),
    (1200, "Aliens", "Action|Horror|Sci-Fi", "Aliens", None),
    (30, "11'09\"01 - September 11, A  (2002) ", "", "A 11'09\"01 - September 11", 2002),
]
# user, item, rating, timestamp; user 7 rates film 1 twice, of which the later one counts
RATED = [
    (7, 1, 4, 964982703),
    (7, 318, 5, 964982224),
    (2, 30, 1, 1445714835),
    (2, 29, 3, 1445714800),
    (7, 1, 2, 964982931),
    (900, 318, 5, 1537799250),
]
USERS = [
    (2, "F", 25, "writer", "02139"),
    (7, "M", 56, "K-12 student", "V3N4P"),
    (900, "M", 18, "other", "10003"),
]
CODES = {"writer": 20, "K-12 student": 10, "other": 0}


def table(header, rows, end="\r\n"):
    text = io.StringIO()
    csv.writer(text, lineterminator=end).writerows([header, *rows])
    return text.getvalue().encode()


def lines(separator, rows, encoding="utf-8"):
    """Return rows as the old releases have them, without a header and without quotes."""
    return "".join(f"{separator.join(map(str, row))}\n" for row in rows).encode(encoding)


def members(release, films=FILMS, rated=RATED, people=USERS):
    """Return file name -> bytes: the release's files as GroupLens writes them."""
    half = 0.5 if release.scale[0] == 0.5 else 0  # whole stars in the old releases
    rated = [(u, i, r - half, t) for u, i, r, t in rated]
    told = [(i, title, genres or "(no genres listed)") for i, title, genres, *_ in films]
    if release.header:
        return {
            "README.txt": b"Summary\r\n",
            "movies.csv": table(["movieId", "title", "genres"], told),
            "ratings.csv": table(["userId", "movieId", "rating", "timestamp"], rated),
        }
    if release.separator == "::":
        files = {"ratings.dat": lines("::", rated), "movies.dat": lines("::", told, "latin-1")}
        if release.name == "ml-1m":
            coded = [(u, sex, age, CODES[job], code) for u, sex, age, job, code in people]
            files["users.dat"] = lines("::", coded)
        return files
    # As u.genre lists them.
    names = """unknown|Action|Adventure|Animation|Children's|Comedy|Crime|Documentary|Drama|Fantasy|
        Film-Noir|Horror|Musical|Mystery|Romance|Sci-Fi|Thriller|War|Western"""

    def flags(genres):
        mine = (genres or "unknown").split("|")
        return [int(name.strip() in mine) for name in names.split("|")]

    flagged = [
        (i, title, "01-Jan-1995", "", f"http://example.org/{i}", *flags(genres))
        for i, title, genres, *_ in films
    ]
    reordered = [(u, age, sex, job, code) for u, sex, age, job, code in people]
    return {
        "u.data": lines("\t", rated),
        "u.item": lines("|", flagged, "latin-1"),
        "u.user": lines("|", reordered),
    }


def archive(path, release, files):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as target:
        target.writestr(f"{release.folder}/", b"")
        for name, content in files.items():
            target.writestr(f"{release.folder}/{name}", content)
    return f"sha256:{hashlib.sha256(path.read_bytes()).hexdigest()}"


def unpack(folder, files):
    folder.mkdir(parents=True)
    for name, content in files.items():
        (folder / name).write_bytes(content)
    return folder


def damaged(read, release, folder, whole, files, rng, n):
    """Damage one of the `files` at a time; yield those that are read all the same, and as what."""
    unpack(folder, whole)
    for _ in range(n):
        file = one_of(files, rng)
        raw = mutated_bytes(whole[file], rng)
        (folder / file).write_bytes(raw)
        with contextlib.suppress(RecsysError):
            yield file, raw, read(release, folder)
        (folder / file).write_bytes(whole[file])


def publish(monkeypatch, name, **changes):
    """Put another hash or host into the registry."""
    release = dataclasses.replace(registry.RELEASES[name], **changes)
    monkeypatch.setitem(registry.RELEASES, name, release)
    return release


def put(folder, monkeypatch, name):
    """Put a small archive of release `name` into a folder and publish its checksum."""
    release = registry.RELEASES[name]
    digest = archive(folder / f"{name}.zip", release, members(release))
    return publish(monkeypatch, name, hash=digest)


def assert_same(one, other):
    for name in ("ratings", "full", "items", "users"):
        a, b = getattr(one, name), getattr(other, name)
        assert type(a) is type(b)
        if isinstance(a, pd.DataFrame):
            pd.testing.assert_frame_equal(a, b)
        elif a is not None:
            pd.testing.assert_frame_equal(a.to_frame(), b.to_frame())
            for x, y in zip((*a.by_item, a.item_ids), (*b.by_item, b.item_ids), strict=True):
                np.testing.assert_array_equal(x, y)
            assert (a.scale, a.n_duplicates) == (b.scale, b.n_duplicates)


def host(server, monkeypatch, name, path="", scheme="http", **changes):
    """Let the server publish an archive of release `name`."""
    put(server.folder, monkeypatch, name)
    url = f"{scheme}://127.0.0.1:{server.server_port}{path}"
    return publish(monkeypatch, name, **({"host": url} | changes))
