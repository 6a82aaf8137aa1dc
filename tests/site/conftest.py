"""A built book, served on this machine, and a browser that is let nowhere else."""

import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import supplies
from console import BUILD
from playwright.sync_api import Browser, Page, sync_playwright

from recsys_lib import datasets
from recsys_lib.widgets import assets
from recsys_lib.widgets.base import PageWidget

BUILDING = pytest.StashKey[subprocess.Popen[bytes]]()
LOG = BUILD / "logs" / "test-site.log"
SITE = BUILD / "test"
STATUS = SITE / "status"  # of the build, once it has ended: tests run in several processes


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the tests that wait for the site after the others: it is built beside those."""
    items.sort(key=lambda item: "built" in getattr(item, "fixturenames", ()))


def needs_site(item: pytest.Item) -> bool:
    return "html" in getattr(item, "fixturenames", ())


def pytest_collection_finish(session: pytest.Session) -> None:
    """Begin to build the site, in the quick profile; only what has changed is built anew."""
    first = getattr(session.config, "workerinput", {}).get("workerid", "gw0") == "gw0"
    if not first or not any(map(needs_site, session.items)) or session.config.option.collectonly:
        return
    command = [sys.executable, "book", "build", "--profile", "quick", "--into", str(SITE)]
    LOG.parent.mkdir(parents=True, exist_ok=True)
    STATUS.unlink(missing_ok=True)
    with LOG.open("w") as log:
        process = subprocess.Popen(
            command, cwd=session.config.rootpath, stdout=log, stderr=subprocess.STDOUT
        )
    session.config.stash[BUILDING] = process
    SITE.mkdir(parents=True, exist_ok=True)
    threading.Thread(target=lambda: STATUS.write_text(f"{process.wait()}\n")).start()


def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    """Leave no build behind that nobody waits for."""
    alone = not hasattr(session.config, "workerinput")
    stopped = session.shouldfail or session.shouldstop or exitstatus == pytest.ExitCode.INTERRUPTED
    if BUILDING in session.config.stash and (alone or stopped):
        session.config.stash[BUILDING].terminate()


@pytest.fixture(scope="session")
def built(request: pytest.FixtureRequest) -> bool:
    """Whether the site is built and no chapter failed, once that is known."""
    if not any(map(needs_site, request.session.items)):
        return False
    while not (STATUS.exists() and STATUS.read_text().endswith("\n")):
        time.sleep(1)
    return STATUS.read_text() == "0\n"


@pytest.fixture(scope="session")
def html(built: bool) -> Path:
    """The folder of the site."""
    if not built:
        pytest.fail(f"the book was not built:\n{LOG.read_text()}", pytrace=False)
    return SITE / "html"


@pytest.fixture(scope="session")
def names(html: Path) -> list[str]:
    """The addresses of the pages that somebody wrote, and of their search."""
    paths = [path for part in ("book", "notebooks") for path in (html / part).rglob("*.html")]
    assert len(paths) > 25
    return [*sorted(path.relative_to(html).as_posix() for path in paths), "search.html"]


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *args: object) -> None:
        pass


@contextmanager
def serving(folder: Path) -> Iterator[str]:
    """Serve a folder on this machine; the address."""
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=folder)) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


@pytest.fixture(scope="session")
def address(html: Path) -> Iterator[str]:
    with serving(html) as address:
        yield address


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
def written(browser: Browser, tmp_path: Path) -> Iterator[Callable[[str], Page]]:
    """A function that opens a page of this text from the disk; no error may be thrown on it."""
    context, errors = browser.new_context(reduced_motion="reduce"), []  # nothing glides
    page = context.new_page()
    page.on("pageerror", lambda error: errors.append(str(error)))

    def show(text: str) -> Page:
        (tmp_path / "page.html").write_text(f"<!doctype html><meta charset=utf-8>{text}", "utf-8")
        page.goto((tmp_path / "page.html").as_uri())
        return page

    yield show
    context.close()
    assert errors == []


@pytest.fixture
def mounted(written: Callable[[str], Page]) -> Callable[[PageWidget], Page]:
    """A function that opens a page with a widget alone on it."""

    def mount(widget: PageWidget) -> Page:
        script = f"<script>{assets.page_script((widget.page_name,))}</script>"
        return written(f"<style>{assets.style()}</style>{widget.to_html()}{script}")

    return mount


@pytest.fixture(scope="session")
def data() -> datasets.Dataset:
    """What the widgets are made of that stand alone on a page."""
    return datasets.load("synthetic", n_users=500, n_items=400, n_ratings=12_000, seed=6)


@pytest.fixture
def complaints() -> list[str]:
    return []


@pytest.fixture
def visit(
    browser: Browser, address: str, complaints: list[str]
) -> Iterator[Callable[..., Iterator[Page]]]:
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

    def failed(request):
        if request.failure != "net::ERR_ABORTED":  # the page was left before it had its icon
            complaints.append(f"{request.url} failed")

    def start(names: list[str], **options) -> Iterator[Page]:
        context = browser.new_context(**options)
        contexts.append(context)
        context.route("**/*", guard)
        page = context.new_page()
        page.on("console", told)
        page.on("response", answered)
        page.on("pageerror", lambda error: complaints.append(f"{page.url}: {error}"))
        page.on("requestfailed", failed)
        for name in names:
            page.goto(f"{address}/{name}")
            page.evaluate("window.MathJax?.startup?.promise")
            yield page

    yield start
    for context in contexts:
        context.close()
