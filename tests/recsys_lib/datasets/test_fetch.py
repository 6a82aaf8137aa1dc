"""Downloads: a host of our own, its failures, and what is said of them."""

import shutil
import ssl
import subprocess

import pytest

from recsys_lib import datasets
from recsys_lib.datasets import fetch, registry
from recsys_lib.errors import DataError, DownloadError
from tests.recsys_lib.datasets.published import archive, assert_same, host, members


def test_a_release_is_downloaded_once(server, home, tmp_path, monkeypatch, log):
    host(server, monkeypatch, "ml-10m")
    first = datasets.load("ml-10m")
    assert first.info["path"] == str(tmp_path / "cache" / "ml-10m.zip")
    second = datasets.load("ml-10m")
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
    assert f"{tmp_path / 'cache' / name}.zip or in {tmp_path / 'home'}" in message
    assert not list((tmp_path / "cache").glob("*"))  # nothing half done is left


@pytest.mark.parametrize(
    ("path", "changes", "reason"),
    [
        ("", {"hash": f"sha256:{64 * '0'}"}, "hash of downloaded file .* does not match"),
        ("/503", {}, "503 Server Error: Service Unavailable"),
        ("/short", {}, "IncompleteRead"),
        ("", {"scheme": "https"}, "SSL"),
        ("", {"host": "http://127.0.0.1:9"}, "it could not be reached"),  # a port that is closed
        ("", {"host": "https://files.invalid"}, "it could not be reached"),
    ],
)
def test_a_failed_download_says_why_and_what_to_do(
    server, tmp_path, monkeypatch, path, changes, reason
):
    host(server, monkeypatch, "ml-25m", path, **changes)
    assert_fails("ml-25m", reason, tmp_path)


@pytest.mark.skipif(not shutil.which("openssl"), reason="openssl makes the certificates")
@pytest.mark.parametrize(
    ("days", "trusted", "reason"),
    [("-1", True, "certificate has expired"), ("1", False, "verify failed: self.signed")],
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


def test_a_local_archive_with_another_hash_is_refused(home):
    release = registry.RELEASES["ml-1m"]
    archive(home / "ml-1m.zip", release, members(release))
    with pytest.raises(DataError, match=r"ml-1m\.zip is not the published ml-1m archive") as caught:
        datasets.load("ml-1m")
    assert release.hash.removeprefix("sha256:") in str(caught.value)


def test_a_data_home_that_is_no_folder_is_an_error_not_a_detour(home, monkeypatch):
    monkeypatch.setenv("RECSYS_DATA_HOME", str(home / "elsewhere"))
    with pytest.raises(DataError, match="elsewhere is not a folder"):
        datasets.load("auto")


def test_the_cache_is_the_users_unless_told_otherwise(monkeypatch):
    monkeypatch.delenv("RECSYS_CACHE", raising=False)
    assert fetch.cache_home().name == "recsys_lib"
