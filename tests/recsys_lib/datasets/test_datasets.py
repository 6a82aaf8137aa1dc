"""The loaders: archives in each published layout, a real one where there is one, and a server."""

import csv
import dataclasses
import hashlib
import http.server
import io
import json
import logging
import os
import shutil
import socket
import ssl
import subprocess
import threading
import zipfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from recsys_lib import datasets, evaluation
from recsys_lib.datasets import fetch, movielens, official, registry
from recsys_lib.datasets.tidy import tidy_title
from recsys_lib.errors import DataError, DownloadError, UnknownDatasetError

# Where the published archive may be; fixtures point RECSYS_DATA_HOME elsewhere.
PLACES = (os.environ.get("RECSYS_DATA_HOME"), Path(__file__).parents[2] / "shared" / "datasets")
REAL = [Path(place) / "ml-latest-small.zip" for place in PLACES if place]

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


def members(release, films=FILMS, rated=RATED):
    """Return file name -> bytes: the release's files as GroupLens writes them."""
    half = 0.5 if release.scale[0] == 0.5 else 0  # whole stars in the old releases
    rated = [(u, i, r - half, t) for u, i, r, t in rated]
    if release.layout is registry.CSV:

        def table(header, rows):
            text = io.StringIO()
            csv.writer(text, lineterminator="\r\n").writerows([header, *rows])
            return text.getvalue().encode()

        return {
            "README.txt": b"Summary\r\n",
            "movies.csv": table(
                ["movieId", "title", "genres"],
                [(i, title, genres or "(no genres listed)") for i, title, genres, *_ in films],
            ),
            "ratings.csv": table(["userId", "movieId", "rating", "timestamp"], rated),
        }
    if release.layout.separator == "::":
        files = {
            "ratings.dat": "".join(f"{u}::{i}::{r}::{t}\n" for u, i, r, t in rated).encode(),
            "movies.dat": "".join(
                f"{i}::{title}::{genres or '(no genres listed)'}\n"
                for i, title, genres, *_ in films
            ).encode("latin-1"),
        }
        if release.name == "ml-1m":
            files["users.dat"] = "".join(
                f"{u}::{sex}::{age}::{CODES[job]}::{code}\n" for u, sex, age, job, code in USERS
            ).encode()
        return files
    # As u.genre lists them.
    names = """unknown|Action|Adventure|Animation|Children's|Comedy|Crime|Documentary|Drama|Fantasy|
        Film-Noir|Horror|Musical|Mystery|Romance|Sci-Fi|Thriller|War|Western"""

    def flags(genres):
        mine = (genres or "unknown").split("|")
        return "|".join(str(int(name.strip() in mine)) for name in names.split("|"))

    return {
        "u.data": "".join(f"{u}\t{i}\t{r}\t{t}\n" for u, i, r, t in rated).encode(),
        "u.item": "".join(
            f"{i}|{title}|01-Jan-1995||http://example.org/{i}|{flags(genres)}\n"
            for i, title, genres, *_ in films
        ).encode("latin-1"),
        "u.user": "".join(
            f"{u}|{age}|{sex}|{job}|{code}\n" for u, sex, age, job, code in USERS
        ).encode(),
    }


def archive(path, release, files):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as target:
        target.writestr(f"{release.folder}/", b"")
        for name, content in files.items():
            target.writestr(f"{release.folder}/{name}", content)
    return hashlib.sha256(path.read_bytes()).hexdigest()


def unpack(folder, files):
    folder.mkdir(parents=True)
    for name, content in files.items():
        (folder / name).write_bytes(content)
    return folder


def publish(monkeypatch, name, **changes):
    """Put another checksum or host into the registry."""
    release = dataclasses.replace(registry.RELEASES[name], **changes)
    monkeypatch.setitem(registry.RELEASES, name, release)
    return release


@pytest.fixture
def home(tmp_path, monkeypatch):
    """Return an empty RECSYS_DATA_HOME, with an empty cache and without a network."""
    folder = tmp_path / "home"
    folder.mkdir()
    monkeypatch.setenv("RECSYS_DATA_HOME", str(folder))
    monkeypatch.setenv("RECSYS_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("RECSYS_OFFLINE", "1")
    return folder


@pytest.fixture
def log(caplog):
    caplog.set_level(logging.INFO, "recsys_lib")
    return caplog


def put(home, monkeypatch, name, **content):
    """Put a small archive of release `name` into `home` and publish its checksum."""
    release = registry.RELEASES[name]
    digest = archive(home / f"{name}.zip", release, members(release, **content))
    return publish(monkeypatch, name, sha256=digest)


def assert_same(one, other):
    pd.testing.assert_frame_equal(one.ratings.to_frame(), other.ratings.to_frame())
    pd.testing.assert_frame_equal(one.items, other.items)
    for a, b in zip(one.ratings.by_item, other.ratings.by_item, strict=True):
        np.testing.assert_array_equal(a, b)
    np.testing.assert_array_equal(one.ratings.item_ids, other.ratings.item_ids)
    assert one.ratings.scale == other.ratings.scale
    assert one.ratings.n_duplicates == other.ratings.n_duplicates
    assert (one.users is None) == (other.users is None)
    if one.users is not None:
        pd.testing.assert_frame_equal(one.users, other.users)


# --- reading ------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", registry.RELEASES)
def test_every_release_is_read_from_its_archive_and_from_its_folder(home, monkeypatch, name):
    release = put(home, monkeypatch, name)
    data = datasets.load(name)
    half = 0.5 if release.scale[0] == 0.5 else 0
    expected = [r for k, r in enumerate(RATED) if k != 0]  # the first is overruled by the fifth
    frame = pd.DataFrame(expected, columns=["user_id", "item_id", "rating", "timestamp"])
    frame = frame.sort_values(["user_id", "item_id"], ignore_index=True)
    frame["rating"] = (frame["rating"] - half).astype(np.float32)
    pd.testing.assert_frame_equal(data.ratings.to_frame(), frame)
    assert data.ratings.n_duplicates == 1
    assert data.ratings.scale == release.scale
    films = sorted(FILMS)
    assert data.ratings.item_ids.tolist() == data.items["item_id"].tolist() == [f[0] for f in films]
    assert data.items["title"].tolist() == [f[3] for f in films]
    assert data.items["year"].fillna(0).tolist() == [f[4] or 0 for f in films]
    assert data.items["genres"].tolist() == [f[2] for f in films]
    assert [str(dtype) for dtype in data.items.dtypes[["item_id", "year"]]] == ["int64", "Int64"]
    if name in ("ml-100k", "ml-1m"):
        columns = ["user_id", "gender", "age", "occupation", "zip_code"]
        pd.testing.assert_frame_equal(data.users, pd.DataFrame(USERS, columns=columns))
    else:
        assert data.users is None
    assert data.info["source"] == "local"
    assert data.info["path"] == str(home / f"{name}.zip")

    (home / f"{name}.zip").unlink()
    unpacked = unpack(home / name / release.folder, members(release))
    again = datasets.load(name)
    assert_same(again, data)
    assert again.info["path"] == str(unpacked)


def other_reading(path):
    """Read a csv release independently of the library."""
    with zipfile.ZipFile(path) as source:
        return (
            pd.read_csv(source.open("ml-latest-small/ratings.csv")),
            pd.read_csv(source.open("ml-latest-small/movies.csv")),
        )


def test_ml_latest_small_as_pandas_reads_it(home, monkeypatch):
    """The real archive where there is one, else one of the same size in the same form."""
    real = [path for path in REAL if path.is_file()]
    if real:
        shutil.copy(real[0], home)
    else:
        rng = np.random.default_rng(0)
        films = [(2 * k + 1, f"Film, The ({k}) (1990)", "Drama", "", 0) for k in range(9_742)]
        pairs = rng.choice(610 * 9_742, 100_836, replace=False)
        rated = [(p // 9_742 + 1, films[p % 9_742][0], 1 + p % 5, p) for p in pairs.tolist()]
        put(home, monkeypatch, "ml-latest-small", films=films, rated=rated)
    data = datasets.load("ml-latest-small")
    ratings, movies = other_reading(home / "ml-latest-small.zip")
    ratings = ratings.sort_values(["userId", "movieId"], ignore_index=True)
    ratings["rating"] = ratings["rating"].astype(np.float32)
    ratings.columns = ["user_id", "item_id", "rating", "timestamp"]
    pd.testing.assert_frame_equal(data.ratings.to_frame(), ratings)
    assert (data.ratings.n_users, data.ratings.n_items, len(data.ratings)) == (610, 9_742, 100_836)
    movies = movies.sort_values("movieId", ignore_index=True)
    assert data.items["item_id"].tolist() == movies["movieId"].tolist()
    genres = movies["genres"].replace("(no genres listed)", "")
    assert data.items["genres"].tolist() == genres.tolist()
    year = movies["title"].str.extract(r"\((\d{4})\S*\)\s*$")[0].fillna("0").astype(int)
    assert data.items["year"].fillna(0).tolist() == year.tolist()
    assert not data.items["title"].str.contains(r", The$|\(\d{4}\)$|^\s|\s$|^$").any()


@pytest.mark.parametrize(
    ("raw", "title", "year"),
    [
        ("Matrix, The (1999)", "The Matrix", 1999),
        ("City of Lost Children, The (Cité des enfants perdus, La) (1995)",
         "The City of Lost Children", 1995),
        ("Avventura, L' (Adventure, The) (1960)", "L'Avventura", 1960),
        ("Boot, Das (Boat, The) (1981)", "Das Boot", 1981),
        ("Trou, Le (Hole, The) (Night Watch, The) (1960)", "Le Trou", 1960),
        ("8 ½ Women (a.k.a. 8 1/2 Women (or so)) (1999)", "8 ½ Women", 1999),
        ("Corrina, Corrina (1994)", "Corrina, Corrina", 1994),
        ("(500) Days of Summer (2009)", "(500) Days of Summer", 2009),
        ("Frontière(s) (2007)", "Frontière(s)", 2007),
        ("Birdman: Or (The Unexpected Virtue of Ignorance) (2014)",
         "Birdman: Or (The Unexpected Virtue of Ignorance)", 2014),
        ("Death Note: Desu nôto (2006–2007)", "Death Note: Desu nôto", 2006),
        ("Land Before Time III, The (1995) (V)", "The Land Before Time III", 1995),
        ("  Superman/Doomsday  (2007) ", "Superman/Doomsday", 2007),
        ("2012 (2009)", "2012", 2009),
        ("Babylon 5", "Babylon 5", None),
        ("(1984)", "(1984)", None),
    ],
)  # fmt: skip
def test_titles_are_tidied(raw, title, year):
    assert tidy_title(raw) == (title, year)


@pytest.mark.parametrize("size", [1, 2, 3, 4, 7, 64, -1])
def test_double_colons_are_found_across_reads(size):
    raw = b"1::1193::5::978300760\n12:3::a:::b::\n::::x:"
    stream = movielens._OneByteSeparators(io.BytesIO(raw))
    parts = list(iter(lambda: stream.read(size), b""))
    assert b"".join(parts) == raw.replace(b"::", b"\t")
    assert size < 2 or max(map(len, parts)) <= size


# --- what is refused ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "file", "old", "new", "says"),
    [
        ("ml-20m", "ratings.csv", b"7,318,4.5,", b"7,318,5.5,", "row 3: 5.5 is not a rating"),
        ("ml-20m", "ratings.csv", b"2,30,0.5,", b"2,30,nan,", "row 4: nan is not a rating"),
        ("ml-20m", "ratings.csv", b"2,30,0.5,", b"2,30,,", "row 4"),
        ("ml-20m", "ratings.csv", b"2,30,0.5,", b"2,30,four,", "row 4"),
        ("ml-20m", "ratings.csv", b"0.5,1445714835", b"0.5", "row 4: CSV parse error: Expected 4"),
        ("ml-20m", "ratings.csv", b"2,30,0.5,", b"2,31,0.5,", "row 4: its movie does not stand"),
        ("ml-20m", "ratings.csv", b"2,30,0.5,", b"-2,30,0.5,", "row 4: -2 is not the id of a user"),
        ("ml-20m", "ratings.csv", b"userId", b"user", "'userId'"),
        ("ml-20m", "movies.csv", b"movieId", b"movie", "row 1: the header"),
        ("ml-20m", "movies.csv", b"1200,Aliens,", b"1200,Aliens,1986,", "row 5: 3 fields expected"),
        ("ml-20m", "movies.csv", b"1200,Aliens", b"1,Aliens", "row 5: movie 1 stands"),
        ("ml-1m", "ratings.dat", b"7::318::5", b"7::318::6", "row 2: 6 is not a rating from 1 to"),
        ("ml-1m", "ratings.dat", b"2::30::1::", b"2::30::1:", "row 3"),
        ("ml-10m", "movies.dat", b"1200::Aliens::", b"1200::Aliens:", "row 4: 3 fields"),
        ("ml-1m", "movies.dat", b"1200::Aliens", b"12x::Aliens", "row 4: '12x'"),
        ("ml-1m", "users.dat", b"::20::", b"::21::", "row 1: 21 is not the number of"),
        ("ml-100k", "u.data", b"7\t318\t5", b"7\t318\t0", "row 2: 0 is not a rating from 1 to 5"),
        ("ml-100k", "u.data", b"7\t318\t5", b"7 318 5", "row 2"),
        ("ml-100k", "u.item", b"1200|Aliens|", b"1200|Aliens||", "row 4: 5 fields and 19 flags"),
        ("ml-100k", "u.user", b"7|56|", b"7|", "row 2: 5 fields expected, 4 found"),
    ],
)  # fmt: skip
def test_a_bad_row_is_refused_with_its_file_and_row(home, name, file, old, new, says):
    files = members(registry.RELEASES[name])
    assert old in files[file]
    files[file] = files[file].replace(old, new, 1)
    folder = unpack(home / name, files)
    with pytest.raises(DataError) as caught:
        datasets.load(name)
    assert str(folder / file) in str(caught.value)
    assert says in str(caught.value)


@pytest.mark.parametrize("file", ["ratings.csv", "movies.csv"])
def test_empty_and_missing_files_are_named(home, file):
    files = members(registry.RELEASES["ml-32m"])
    folder = unpack(home / "ml-32m", files)
    (folder / file).write_bytes(files[file].splitlines(keepends=True)[0])
    with pytest.raises(DataError, match=rf"{file}: it holds no (rating|movie)"):
        datasets.load("ml-32m")
    (folder / file).unlink()
    with pytest.raises(DataError, match=rf"ml-32m holds no file {file}"):
        datasets.load("ml-32m")


def test_a_local_archive_with_another_checksum_is_refused(home):
    release = registry.RELEASES["ml-1m"]
    archive(home / "ml-1m.zip", release, members(release))
    with pytest.raises(DataError, match=r"ml-1m\.zip is not the published ml-1m archive") as caught:
        datasets.load("ml-1m")
    assert release.sha256 in str(caught.value)


@pytest.mark.parametrize("name", ["ML-100K", "ml-10k", "auto:ml-33m", "auto:", "", "netflix"])
def test_an_unknown_name_is_answered_with_the_names(home, name):
    with pytest.raises(UnknownDatasetError, match=r"ml-latest-small.*synthetic-1m") as caught:
        datasets.load(name)
    assert ("did you mean" in str(caught.value)) == (len(name) > 5 and name != "netflix")
    assert "\n" not in str(caught.value)


def test_a_data_home_that_is_no_folder_is_an_error_not_a_detour(home, monkeypatch):
    monkeypatch.setenv("RECSYS_DATA_HOME", str(home / "elsewhere"))
    with pytest.raises(DataError, match="elsewhere is not a folder"):
        datasets.load("auto")


def test_a_release_takes_no_options(home, monkeypatch):
    put(home, monkeypatch, "ml-1m")
    with pytest.raises(DataError, match="ml-1m takes no option seed"):
        datasets.load("ml-1m", seed=1)


# --- the parsed copy ----------------------------------------------------------------------------


def test_the_second_load_is_mapped_and_the_same(home, monkeypatch, tmp_path, log):
    put(home, monkeypatch, "ml-1m")
    monkeypatch.setenv(
        "RECSYS_CACHE", str(home / "ml-1m.zip" / "cache")
    )  # below a file: impossible
    parsed = datasets.load("ml-1m")
    assert not isinstance(parsed.ratings.by_user.values, np.memmap)
    assert "RECSYS_CACHE" in log.text
    monkeypatch.setenv("RECSYS_CACHE", str(tmp_path / "cache"))
    datasets.load("ml-1m")
    log.clear()
    mapped = datasets.load("ml-1m")
    assert "reading" not in log.text
    for array in (*mapped.ratings.by_user, *mapped.ratings.by_item, mapped.ratings.timestamps):
        assert isinstance(array, np.memmap)
    assert_same(mapped, parsed)
    mapped.ratings.by_user.values[:] = 0  # a slip of a caller does not reach the disk
    assert_same(datasets.load("ml-1m"), parsed)
    assert [path.name for path in home.iterdir()] == ["ml-1m.zip"]


def cut(folder):
    with (folder / "ratings_timestamps.npy").open("r+b") as file:
        file.truncate(140)


def older(folder):
    about = json.loads((folder / "copy.json").read_text())
    (folder / "copy.json").write_text(json.dumps(about | {"format": 0}))


@pytest.mark.parametrize(
    "damage",
    [
        cut,
        older,
        lambda folder: (folder / "copy.json").write_text("{"),
        lambda folder: (folder / "copy.json").write_text("[]"),
        lambda folder: (folder / "ratings_by_item_indices.npy").write_bytes(b""),
        lambda folder: np.save(folder / "ratings_by_user_values.npy", np.zeros(3, np.float32)),
        lambda folder: (folder / "items.parquet").write_bytes(b"PAR1"),
        lambda folder: (folder / "users.parquet").unlink(),
    ],
)
def test_a_damaged_or_older_copy_is_made_again(home, monkeypatch, tmp_path, log, damage):
    put(home, monkeypatch, "ml-1m")
    before = datasets.load("ml-1m")
    folder = tmp_path / "cache" / "parsed" / "ml-1m"
    kept = Path(shutil.copytree(folder, tmp_path / "kept"))
    before = dataclasses.replace(before, ratings=before.ratings.select(np.ones(5, bool)))
    before.ratings.n_duplicates = 1
    damage(folder)
    log.clear()
    assert_same(datasets.load("ml-1m"), before)
    assert "reading ml-1m" in log.text
    assert not [r for r in log.records if r.levelno > logging.INFO]
    for file in kept.glob("*.npy"):
        assert file.read_bytes() == (folder / file.name).read_bytes()
    assert [path.name for path in folder.parent.iterdir()] == ["ml-1m"]


def test_a_source_that_changed_is_read_again(home):
    release = registry.RELEASES["ml-1m"]
    folder = unpack(home / "ml-1m", members(release))
    assert len(datasets.load("ml-1m").ratings) == 5
    (folder / "ratings.dat").write_bytes(members(release, rated=RATED[1:4])["ratings.dat"])
    assert len(datasets.load("ml-1m").ratings) == 3


# --- the network --------------------------------------------------------------------------------


class Server(http.server.ThreadingHTTPServer):
    """Serves a folder; paths that begin with /503 or /short fail in that way."""

    daemon_threads = False  # so that closing the server waits for them

    def __init__(self, folder):
        self.folder, self.requests = folder, []
        super().__init__(("127.0.0.1", 0), Handler)
        self.thread = threading.Thread(target=self.serve_forever)
        self.thread.start()

    def stop(self):
        self.shutdown()
        self.thread.join()
        self.server_close()


class Handler(http.server.BaseHTTPRequestHandler):
    def log_message(self, *_):
        pass

    def do_GET(self):
        self.server.requests.append(self.path)
        path = self.server.folder / Path(self.path).name
        if self.path.startswith("/503") or not path.is_file():
            self.send_error(503 if self.path.startswith("/503") else 404)
            return
        content = path.read_bytes()
        self.send_response(200)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content[:100] if self.path.startswith("/short") else content)


@pytest.fixture
def server(home, tmp_path, monkeypatch):
    monkeypatch.delenv("RECSYS_OFFLINE")
    for proxy in ("http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.delenv(proxy, raising=False)
        monkeypatch.delenv(proxy.upper(), raising=False)
    folder = tmp_path / "host"
    folder.mkdir()
    server = Server(folder)
    yield server
    server.stop()


def host(server, monkeypatch, name, path="", scheme="http", **changes):
    """Let the server publish an archive of release `name`."""
    release = registry.RELEASES[name]
    digest = archive(server.folder / f"{name}.zip", release, members(release))
    url = f"{scheme}://127.0.0.1:{server.server_port}{path}"
    return publish(monkeypatch, name, **({"sha256": digest, "host": url} | changes))


def test_a_release_is_downloaded_once(server, home, tmp_path, monkeypatch, log):
    host(server, monkeypatch, "ml-10m")
    first = datasets.load("ml-10m")
    assert first.info["source"] == "download"
    assert first.info["path"] == str(tmp_path / "cache" / "ml-10m.zip")
    second = datasets.load("ml-10m")
    assert second.info["source"] == "cache"
    assert_same(first, second)
    assert server.requests == ["/ml-10m.zip"]
    assert not list(home.iterdir())

    (tmp_path / "cache" / "ml-10m.zip").write_bytes(b"damaged")  # the cache is ours to mend
    assert_same(datasets.load("ml-10m"), first)
    assert len(server.requests) == 2
    assert "fetching it again" in log.text


def assert_fails(name, reason, tmp_path):
    with pytest.raises(DownloadError, match=reason) as caught:
        datasets.resolve(name)
    message = str(caught.value)
    assert "\n" not in message
    assert registry.RELEASES[name].url in message
    assert str(tmp_path / "cache" / f"{name}.zip") in message
    assert not list((tmp_path / "cache").glob("*"))  # nothing half done is left


@pytest.mark.parametrize(
    ("path", "changes", "reason"),
    [
        ("", {"sha256": "0" * 64}, "what came is not the published file"),
        ("/503", {}, "the server answered 503 Service Unavailable"),
        ("/short", {}, "the transfer broke off"),
    ],
)
def test_a_failed_download_says_why_and_what_to_do(
    server, tmp_path, monkeypatch, path, changes, reason
):
    host(server, monkeypatch, "ml-25m", path, **changes)
    assert_fails("ml-25m", reason, tmp_path)


def test_a_host_that_is_down(server, tmp_path, monkeypatch):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        dead = f"http://127.0.0.1:{free.getsockname()[1]}"
    publish(monkeypatch, "ml-25m", host=dead)
    assert_fails("ml-25m", "it could not be reached", tmp_path)


def test_a_host_whose_name_is_unknown(server, tmp_path, monkeypatch):
    publish(monkeypatch, "ml-25m", host="https://files.invalid")
    assert_fails("ml-25m", "its name could not be resolved", tmp_path)


def test_a_host_that_speaks_no_tls(server, tmp_path, monkeypatch):
    def babble():
        connection, _ = listening.accept()
        with connection:
            connection.sendall(b"HTTP/1.0 400 this is not TLS\r\n\r\n")
            connection.recv(1 << 16)

    with socket.create_server(("127.0.0.1", 0)) as listening:
        thread = threading.Thread(target=babble)
        thread.start()
        publish(monkeypatch, "ml-25m", host=f"https://127.0.0.1:{listening.getsockname()[1]}")
        assert_fails("ml-25m", "no secure connection", tmp_path)
        thread.join()


@pytest.mark.skipif(not shutil.which("openssl"), reason="openssl makes the certificates")
@pytest.mark.parametrize(
    ("days", "trusted", "reason"),
    [("-1", True, "its certificate has expired"), ("1", False, "its certificate was not accepted")],
)
def test_a_bad_certificate_is_never_accepted(server, tmp_path, monkeypatch, days, trusted, reason):
    def openssl(*words):
        subprocess.run(["openssl", *words], check=True, capture_output=True, cwd=tmp_path)

    (tmp_path / "ext").write_text("subjectAltName=IP:127.0.0.1\nbasicConstraints=CA:TRUE\n")
    openssl("req", "-newkey", "rsa:2048", "-nodes", "-keyout", "key", "-out", "asked",
            "-subj", "/CN=127.0.0.1")  # fmt: skip
    openssl("x509", "-req", "-in", "asked", "-signkey", "key", "-days", days, "-out", "cert",
            "-extfile", "ext")  # fmt: skip
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "cert", tmp_path / "key")
    server.socket = context.wrap_socket(server.socket, server_side=True)
    server.handle_error = lambda *_: None  # it would print that the client hung up
    if trusted:
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tmp_path / "cert"))
    host(server, monkeypatch, "ml-25m", scheme="https")
    assert_fails("ml-25m", reason, tmp_path)
    assert not server.requests


def test_offline_means_that_nobody_is_asked(server, tmp_path, monkeypatch):
    host(server, monkeypatch, "ml-25m")
    monkeypatch.setenv("RECSYS_OFFLINE", "1")
    assert_fails("ml-25m", "RECSYS_OFFLINE", tmp_path)
    assert not server.requests


# --- auto ---------------------------------------------------------------------------------------


def test_auto_takes_what_is_nearest(server, home, tmp_path, monkeypatch, log):
    host(server, monkeypatch, "ml-latest-small")
    put(home, monkeypatch, "ml-1m")
    release = registry.RELEASES["ml-100k"]
    (tmp_path / "cache").mkdir()
    digest = archive(tmp_path / "cache" / "ml-100k.zip", release, members(release))
    publish(monkeypatch, "ml-100k", sha256=digest)

    data = datasets.load("auto")
    assert (data.name, data.info["source"]) == ("ml-1m", "local")
    assert "'auto': ml-1m, found at" in log.text
    (home / "ml-1m.zip").unlink()
    data = datasets.load()
    assert (data.name, data.info["source"]) == ("ml-100k", "cache")
    assert not server.requests
    (tmp_path / "cache" / "ml-100k.zip").unlink()
    assert datasets.resolve() == "ml-latest-small"
    assert server.requests == ["/ml-latest-small.zip"]
    assert datasets.load().info["source"] == "cache"


def test_auto_without_data_or_network_is_synthetic_and_says_why(home, log):
    data = datasets.load("auto", n_ratings=20_000)
    assert (data.name, data.info["source"], len(data.ratings)) == ("synthetic", "synthetic", 20_000)
    assert data.truth is not None
    (warning,) = [r for r in log.records if r.levelno == logging.WARNING]
    assert "synthetic" in warning.getMessage()
    assert "RECSYS_OFFLINE" in warning.getMessage()


@pytest.mark.parametrize(
    ("name", "concrete"),
    [
        ("auto:ml-100k", "synthetic"),
        ("auto:ml-1m", "synthetic-1m"),
        ("auto:ml-32m", "synthetic-32m"),
        ("auto:synthetic-1m", "synthetic-1m"),
        ("synthetic-32m", "synthetic-32m"),
    ],
)
def test_a_release_that_cannot_be_had_has_a_twin(home, name, concrete):
    assert datasets.resolve(name) == concrete


def test_auto_with_a_name_takes_it_where_it_is(home, monkeypatch):
    put(home, monkeypatch, "ml-20m")
    assert datasets.load("auto:ml-20m").name == "ml-20m"
    assert datasets.resolve("ml-20m") == "ml-20m"


def test_synthetic_data_keep_the_name_and_take_options(home):
    data = datasets.load("synthetic-1m", n_users=100, n_items=80, n_ratings=2_500, seed=3)
    same = datasets.load("synthetic-1m", n_users=100, n_items=80, n_ratings=2_500, seed=3)
    assert (data.name, data.info["name"], data.ratings.n_users) == (
        "synthetic-1m",
        "synthetic-1m",
        100,
    )
    pd.testing.assert_frame_equal(data.ratings.to_frame(), same.ratings.to_frame())


# --- the splits that come with ml-100k ------------------------------------------------------------

# user, item, rating, timestamp: every pair once, as in the published archive
PAIRS = [(u, i, 1 + (u + i) % 5, u * i) for u, *_ in USERS for i, *_ in FILMS]


def official_members(pairs=PAIRS):
    """Return the files of ml-100k with u1 to u5, whose test parts make up the whole, ua and ub."""

    def rows(some):
        return "".join("\t".join(map(str, row)) + "\n" for row in some).encode()

    files = members(registry.RELEASES["ml-100k"]) | {"u.data": rows(pairs)}
    rng = np.random.default_rng(0)
    fold = rng.permutation(len(pairs)) % 5
    tests = {f"u{k + 1}": fold == k for k in range(5)} | {"ua": fold == 2, "ub": fold == 4}
    for name, test in tests.items():
        # As published: in another order than u.data.
        base = [pairs[k] for k in rng.permutation(np.flatnonzero(~test))]
        files |= {f"{name}.base": rows(base), f"{name}.test": rows(np.array(pairs)[test].tolist())}
    return files, tests


@pytest.mark.parametrize("packed", [True, False])
def test_the_official_splits_are_read_as_published(home, monkeypatch, packed):
    files, tests = official_members()
    if packed:
        digest = archive(home / "ml-100k.zip", registry.RELEASES["ml-100k"], files)
        publish(monkeypatch, "ml-100k", sha256=digest)
    else:
        unpack(home / "ml-100k", files)
    data = datasets.load("ml-100k")
    columns = ["user_id", "item_id", "rating", "timestamp"]
    for names in (official.U1_TO_U5, official.UA_AND_UB):
        parts = official.parts(data, names)
        assert len(parts) == len(names)
        for name, (train, test) in zip(names, parts, strict=True):
            for part, mask in ((train, ~tests[name]), (test, tests[name])):
                expected = pd.DataFrame(PAIRS, columns=columns)[mask]
                expected = expected.sort_values(columns[:2], ignore_index=True)
                expected["rating"] = expected["rating"].astype(np.float32)
                pd.testing.assert_frame_equal(part.to_frame(), expected)
                np.testing.assert_array_equal(part.item_ids, data.ratings.item_ids)
                np.testing.assert_array_equal(part.user_ids, data.ratings.user_ids)
                assert part.scale == (1.0, 5.0)
    for protocol, names in (("u1-u5", official.U1_TO_U5), ("ua-ub", official.UA_AND_UB)):
        folds = evaluation.folds(data, protocol, seed=3)
        assert [fold.name for fold in folds] == [*names]
        for fold, (train, test) in zip(folds, official.parts(data, names), strict=True):
            pd.testing.assert_frame_equal(fold.learning.to_frame(), train.to_frame())
            assert fold.n_test == len(test)
            assert len(fold.development.valid) == round(0.1 * len(train))


TEST_ROWS = official_members()[0]["u2.test"]


@pytest.mark.parametrize(
    ("file", "change", "says"),
    [
        ("u2.test", lambda text: text[text.index(b"\n") + 1 :], "u2.base and u2.test do not hold"),
        ("u2.test", lambda text: text + text, r"u2\.test holds \d+ ratings twice"),
        ("u2.base", lambda text: text + TEST_ROWS, "they hold 15 and 3, 3 of them both, of 15"),
        ("u2.base", lambda text: b"3\t1\t4\t0\n" + text, "users of whom u.data knows nothing"),
        ("u2.base", lambda text: b"2\t2\t4\t0\n" + text, "row 1: its movie does not stand in"),
        ("u2.base", lambda text: b"2\t1\t9\t0\n" + text, "row 1: 9 is not a rating"),
        ("u2.base", lambda text: text.replace(b"7\t318\t1", b"7\t318\t2"), "is not that of u.data"),
        ("u2.base", lambda text: b"", "u2.base"),
    ],
)
def test_official_splits_that_do_not_fit_are_refused(home, file, change, says):
    files, _ = official_members()
    other = change(files[file])
    if other == files[file]:  # the pair is in the other file of this split
        file = "u2.test"
        other = change(files[file])
    assert other != files[file]
    files[file] = other
    unpack(home / "ml-100k", files)
    with pytest.raises(DataError, match=says) as caught:
        official.parts(datasets.load("ml-100k"))
    assert "\n" not in str(caught.value)


def test_an_archive_without_the_official_splits_is_named(home, monkeypatch):
    put(home, monkeypatch, "ml-100k")
    with pytest.raises(DataError, match=r"ml-100k\.zip holds no file ml-100k/u1\.base"):
        official.parts(datasets.load("ml-100k"))


def test_other_data_have_no_official_splits(home, monkeypatch):
    put(home, monkeypatch, "ml-1m")
    for name in ("ml-1m", "synthetic"):
        with pytest.raises(DataError, match=f"{name} comes without the splits ua, ub"):
            official.parts(datasets.load(name), official.UA_AND_UB)


# --- terms --------------------------------------------------------------------------------------


def test_terms_are_shown_once(home, monkeypatch, log):
    release = put(home, monkeypatch, "ml-latest-small")
    datasets._announce.cache_clear()
    info = datasets.load("ml-latest-small").info
    datasets.load("ml-latest-small")
    assert info["licence"] == release.licence
    assert info["citation"] == registry.CITATION
    assert info["url"].endswith("/ml-latest-small.zip")
    said = [r.getMessage() for r in log.records if release.licence in r.getMessage()]
    assert len(said) == 1
    assert registry.CITATION in said[0]


def test_the_table_of_releases():
    table = datasets.available().set_index("name")
    assert table.index.tolist() == list(registry.RELEASES)
    assert {"ratings", "size", "licence", "citation", "url"} <= {*table.columns}
    shareable = table.index[table["licence"].str.contains("redistribution under the same")]
    assert shareable.tolist() == ["ml-latest-small", "ml-32m"]
    assert table.loc["ml-32m", "size"] == 239.0
    assert table["url"].is_unique
    digests = [release.sha256 for release in registry.RELEASES.values()]
    assert len({*digests}) == 7
    assert all(len(bytes.fromhex(digest)) == 32 for digest in digests)


def test_the_cache_is_the_users_unless_told_otherwise(monkeypatch):
    monkeypatch.delenv("RECSYS_CACHE", raising=False)
    assert fetch.cache_home().name == "recsys_lib"
