"""The demo's notebook in a real JupyterLab: what is clicked there arrives in Python."""

import json
import os
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import nbformat
import pytest
import runner

from tests.site.test_demo import click_stars, yours

NAME = "15-rating-demo"
TOKEN = "for-this-test"
# What a reader might add: every change is written down, and five stars are taken back.
OBSERVER = """
import json
import os
from pathlib import Path

def write(change):
    best = demo.recommendations[["item_id", "score"]].values.tolist()
    Path("half.json").write_text(json.dumps([list(change["new"].items()), best]))
    os.replace("half.json", "seen.json")
    if 5.0 in change["new"].values():
        demo.ratings = {}

demo.ratings = {}
demo.observe(write, "ratings")
Path("ready").touch()
"""

# Questions as an author writes them: a title and a truth are computed in the kernel.
QUESTIONS = """Which?

<details class="quiz wrong"><summary>First</summary>It is the first.</details>
<details class="quiz right"><summary>Second</summary>It is the second.</details>

How many?

```{admonition} Films, ± 10
:class: dropdown predict number
There are **{eval}`f"{data.ratings.n_items:,}"`**.
```

In which order?

~~~{admonition} {eval}`" · ".join(("B", "A"))`
:class: dropdown predict order
It is **{eval}`" · ".join("AB")`**.
~~~
"""


@pytest.fixture
def folder(tmp_path) -> Path:
    """A folder with the chapter as the quick profile has it, and an observer at its end."""
    values = runner.parameters("quick", NAME, "synthetic")
    notebook = runner.parameterize(runner.NOTEBOOKS / f"{NAME}.ipynb", values)
    shows = next(k for k, cell in enumerate(notebook.cells) if cell.source.endswith("\ndemo"))
    notebook.cells.insert(shows, nbformat.v4.new_markdown_cell(QUESTIONS))
    notebook.cells.append(nbformat.v4.new_code_cell(OBSERVER))
    nbformat.write(notebook, tmp_path / "demo.ipynb")
    return tmp_path


@pytest.fixture
def lab(root, folder) -> Iterator[str]:
    """JupyterLab's address; its settings stay in the test's own folder."""
    command = [sys.executable, "-m", "jupyterlab", "--no-browser", "--allow-root", "--port=0"]
    command += [f"--ServerApp.root_dir={folder}", f"--IdentityProvider.token={TOKEN}"]
    command += [f"--LabApp.app_settings_dir={root / 'book' / 'lab'}"]  # as `make lab` has it
    own = {name: str(folder / name) for name in ("JUPYTER_CONFIG_DIR", "JUPYTER_RUNTIME_DIR")}
    env = {**os.environ, **own, "PYTHONPATH": str(root), "JUPYTERLAB_SETTINGS_DIR": str(folder)}
    env["JUPYTERLAB_WORKSPACES_DIR"] = str(folder)
    log = (folder / "lab.log").open("w")
    process = subprocess.Popen(command, env=env, stdout=log, stderr=subprocess.STDOUT)
    try:
        yield address_of(process, folder)
    finally:
        process.terminate()
        process.wait(20)
        log.close()


def address_of(process: subprocess.Popen[bytes], folder: Path) -> str:
    """Wait until the server has written down where it listens, and answers."""
    for _ in range(300):
        assert process.poll() is None, (folder / "lab.log").read_text()
        for info in (folder / "JUPYTER_RUNTIME_DIR").glob("jpserver-*.json"):
            try:
                url = json.loads(info.read_text())["url"]
                urllib.request.urlopen(f"{url}api/status?token={TOKEN}").close()
            except (ValueError, urllib.error.URLError):
                continue
            return url
        time.sleep(0.2)
    pytest.fail(f"JupyterLab did not start:\n{(folder / 'lab.log').read_text()}")


def test_stars_clicked_in_jupyterlab_reach_python_and_come_back(lab, folder, browser):
    context = browser.new_context(viewport={"width": 1300, "height": 2400})
    page = context.new_page()
    page.goto(f"{lab}lab/tree/demo.ipynb?token={TOKEN}")
    # The status bar: the notebook's own light says idle too early.
    idle = page.locator(".jp-StatusBar-Widget").get_by_text("| Idle")
    idle.wait_for(timeout=90_000)
    page.get_by_role("menuitem", name="Run", exact=True).click()
    page.get_by_role("menuitem", name="Run All Cells", exact=True).click()
    demo = page.locator(".recsys-demo")
    demo.wait_for(timeout=120_000)
    # The page cannot say when the last cell has run: JupyterLab draws only the cells in view.
    wait_until((folder / "ready").exists)
    assert page.get_by_text("Jupyter news").count() == 0

    demo.get_by_role("combobox", name="Search for a film").fill("the")
    demo.get_by_role("option").first.click()
    click_stars(yours(demo).first, 3.5)
    wait_until((folder / "seen.json").exists)
    ratings, best = json.loads((folder / "seen.json").read_text())
    assert [value for _, value in ratings] == [3.5]
    scores = demo.locator(".recsys-list .recsys-score strong")
    expected = pytest.approx([score for _, score in best], abs=0.006)
    wait_until(lambda: [float(score) for score in scores.all_inner_texts()] == expected)

    click_stars(yours(demo).first, 5)
    wait_until(lambda: demo.locator(".recsys-yours .recsys-none").count() == 1)

    quiz = page.locator(".answer.quiz").first
    quiz.get_by_role("button", name="Second").focus()
    page.keyboard.press("Enter")
    assert "Right. It is the second." in quiz.inner_text()
    number = page.locator(".answer.number").first
    truth = page.locator("details.predict.number").first
    assert not truth.is_visible()
    number.get_by_role("textbox").click()
    page.keyboard.type("1")
    page.keyboard.press("Enter")
    assert "too low" in number.inner_text()
    assert truth.locator("strong").is_visible()
    order = page.locator(".answer.order").first
    order.get_by_role("button", name="A: up").click()
    order.get_by_role("button", name="Check").click()
    assert "1 of 1 pairs" in order.inner_text()
    context.close()


def wait_until(done, tries: int = 300) -> None:
    for _ in range(tries):
        if done():
            return
        time.sleep(0.2)
    pytest.fail("it did not happen within a minute")
