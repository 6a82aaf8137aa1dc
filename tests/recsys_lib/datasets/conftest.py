"""A log and a host for the tests of the data sets."""

import http.server
import logging
import threading
from pathlib import Path

import pytest


@pytest.fixture
def log(caplog):
    caplog.set_level(logging.INFO, "recsys_lib")
    return caplog


class Handler(http.server.BaseHTTPRequestHandler):
    """Serves the server's folder; paths that begin with /503 or /short fail in that way."""

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
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = False  # so that closing the server waits for them
    server.folder, server.requests = tmp_path / "host", []
    server.folder.mkdir()
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()
