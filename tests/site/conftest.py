"""A built book, served on this machine, and a browser that is let nowhere else."""

import subprocess
import sys
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import supplies
from playwright.sync_api import Browser, sync_playwright


@pytest.fixture(scope="session")
def html(root: Path) -> Path:
    """The folder of the site in the quick profile, built anew only where something changed."""
    command = [sys.executable, "book", "build", "--profile", "quick", "--into", "_build/test"]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.fail(f"the book was not built:\n{done.stdout}{done.stderr}", pytrace=False)
    return root / "_build" / "test" / "html"


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *args: object) -> None:
        pass


@pytest.fixture(scope="session")
def address(html: Path) -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=html)) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=supplies.browser(),
            args=["--no-sandbox", "--disable-dev-shm-usage"],  # as root, in a small container
        )
        yield browser
        browser.close()
