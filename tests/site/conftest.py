"""A built book, served on this machine, and a browser that is let nowhere else."""

import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import supplies
from playwright.sync_api import Browser, Page, sync_playwright

Open = Callable[..., Iterator[Page]]


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


@pytest.fixture
def complaints() -> list[str]:
    return []


@pytest.fixture
def visit(browser: Browser, address: str, complaints: list[str]) -> Iterator[Open]:
    """Open pages one after another in a context of the test's own, noting all that goes wrong."""
    contexts = []

    def guard(route):
        if route.request.url.startswith((address, "data:", "blob:")):
            route.continue_()
        else:
            complaints.append(f"asked for {route.request.url}")
            route.abort()

    def told(message):
        if message.type == "error":
            complaints.append(f"{message.location}: {message.text}")

    def answered(response):
        if response.status >= 400:
            complaints.append(f"{response.status} {response.url}")

    def start(names: list[str], **options) -> Iterator[Page]:
        context = browser.new_context(**options)
        contexts.append(context)
        context.route("**/*", guard)
        page = context.new_page()
        page.on("console", told)
        page.on("response", answered)
        page.on("pageerror", lambda error: complaints.append(f"{page.url}: {error}"))
        page.on("requestfailed", lambda request: complaints.append(f"{request.url} failed"))
        for name in names:
            page.goto(f"{address}/{name}")
            page.evaluate("window.MathJax?.startup?.promise")
            yield page

    yield start
    for context in contexts:
        context.close()
