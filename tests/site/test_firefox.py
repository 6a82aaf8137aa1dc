"""The site in Firefox: its engine draws formulas, runs the widgets and keeps to the policy too."""

import itertools
import json
import re
import subprocess
from collections.abc import Iterator

import pytest
import supplies
import websocket  # Firefox is spoken to by WebDriver BiDi, without a driver in between


class Firefox:
    """A page in a Firefox of its own; `complaints` has the errors that its console was told."""

    def __init__(self, address: str) -> None:
        self.socket = websocket.create_connection(f"{address}/session", 180, suppress_origin=True)
        self.numbers = itertools.count()
        self.complaints: list[str] = []
        self.ask("session.new", capabilities={})
        self.ask("session.subscribe", events=["log.entryAdded"])
        self.page = self.ask("browsingContext.getTree")["contexts"][0]["context"]

    def ask(self, method: str, **params):
        number = next(self.numbers)
        self.socket.send(json.dumps({"id": number, "method": method, "params": params}))
        while (told := json.loads(self.socket.recv())).get("id") != number:
            if told["method"] == "log.entryAdded" and told["params"]["level"] == "error":
                self.complaints.append(told["params"]["text"])
        assert told["type"] == "success", told
        return told["result"]

    def run(self, expression: str):
        target = {"context": self.page}
        code = f"(async () => JSON.stringify(await ({expression})))()"
        done = self.ask("script.evaluate", expression=code, target=target, awaitPromise=True)
        assert done["type"] == "success", done
        return json.loads(done["result"].get("value", "null"))


@pytest.fixture(scope="module")
def firefox(tmp_path_factory) -> Iterator[Firefox]:
    if not (program := supplies.firefox()):
        pytest.skip("no Firefox on this machine")
    profile = str(tmp_path_factory.mktemp("profile"))
    command = [program, "--headless", "--remote-debugging-port", "0", "--profile", profile]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        listening = (re.search(r"BiDi listening on (ws://\S+)", line) for line in process.stderr)
        browser = Firefox(next(filter(None, listening))[1])
        yield browser
        browser.socket.close()
        process.terminate()


def test_pages_work_in_firefox(firefox, names, address):
    widgets = 0
    for name in names:
        url = f"{address}/{name}"
        firefox.ask("browsingContext.navigate", context=firefox.page, url=url, wait="complete")
        firefox.run("window.MathJax?.startup?.promise.then(() => 0)")
        firefox.run("document.fonts.ready.then(() => 0)")
        raw, drawn, wide, mounted, empty = firefox.run("""[
            document.querySelectorAll(".math").length,
            document.querySelectorAll(".math mjx-container").length,
            document.documentElement.scrollWidth - innerWidth,
            document.querySelectorAll("[data-recsys] button, [data-recsys] input").length,
            [...document.images].filter((i) => i.complete && !i.naturalWidth).map((i) => i.src)]""")
        assert drawn >= raw and wide <= 0 and empty == [], name
        widgets += mounted > 0
    assert widgets >= 5
    assert firefox.complaints == []
