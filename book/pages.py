"""From executed chapters to a site: stage the sources, let Jupyter Book build them.

Also the student edition: every chapter without the solutions of its exercises, to hand out.
"""

import json
import re
import shutil
import tempfile
import time
from base64 import b64decode
from html import escape
from importlib import metadata
from pathlib import Path
from typing import Any

import finish
import nbformat
import pandas as pd
import press
import runner
import supplies
import yaml
from bootstrap import BIN
from console import BUILD, ROOT, Stamp, clock, quietly, say

from course import ledger

STUDENT = BUILD / "student"
SOLUTION = re.compile(r"\n*^```\{admonition\} Solution\n.*?^```$", re.MULTILINE | re.DOTALL)
NEEDS = """**Student edition.** It needs a copy of the course, in a folder above or on Python's
path, and its packages: the next cell finds the copy and installs missing packages. Each
exercise has a stub, which judges your answer, and a hint. The solutions are left out."""
NOT_RUN = "\nThe long tests have not been run on this machine: `make test-long` runs them.\n"


def build(results: runner.Results, folder: Path = BUILD, printed: bool = False) -> Path:
    """Build the site from what a run gave, at `folder/html`; return its first page.

    Nothing is done while the sources, and the site, are as they were, unless it is to be `printed`:
    then the PDF is made and returned, and the slides are in the site. A run with a failed chapter
    is built too, with warnings allowed: a reference to a figure that was never drawn is one.
    """
    supplies.scripts()
    started = time.perf_counter()
    sources, html = folder / "stage", folder / "html"
    stage(results, sources)
    parts = folder / "html.stamp", sources, supplies.STATIC, html
    if not printed and Stamp(*parts).holds():
        say("site  unchanged")
        return html / "index.html"
    strict = ["-W", "--keep-going"] if results.passed else []
    for old in folder.glob("site-*"):  # of a build that was ended, where it may write still
        shutil.rmtree(old, ignore_errors=True)
    place = tempfile.mkdtemp(prefix="site-", dir=folder)
    built = Path(place) / "_build" / "html"
    options = ["--path-output", place, "-q", *strict]
    # Python's warnings are of the tools about each other; Sphinx keeps its own count.
    env = {"PYTHONWARNINGS": "ignore", "NO_COLOR": "1"}
    program = BIN / "jupyter-book"
    quietly([program, "build", sources, *options], "Building the site", "site", env=env)
    finish.pages(built)
    shutil.rmtree(html, ignore_errors=True)
    built.rename(html)
    shutil.rmtree(place)
    page = press.press(html) if printed else html / "index.html"
    Stamp(*parts).set()
    say(f"site  built in {clock(time.perf_counter() - started)}")
    return page


def stage(results: runner.Results, folder: Path) -> None:
    """Lay out the site's sources in a folder of their own as they stand in the repository."""
    from recsys_lib import widgets  # with all models: it takes seconds

    shutil.rmtree(folder, ignore_errors=True)
    ignore = shutil.ignore_patterns("__pycache__", "locks")
    for room in ("book", "course", "recsys_lib"):  # chapters quote our code
        shutil.copytree(ROOT / room, folder / room, ignore=ignore)
    web = folder / "book" / "web"
    names = tuple(getattr(widgets, name).page_name for name in widgets.__all__)
    (web / "widgets.js").write_text(widgets.assets.page_script(names), "utf-8")
    (web / "widgets.css").write_text(widgets.assets.style(), "utf-8")
    shutil.copy(ROOT / "_toc.yml", folder)
    settings = yaml.safe_dump(configuration(results), allow_unicode=True)
    (folder / "_config.yml").write_text(settings, "utf-8")
    done = [chapter.path for chapter in results.chapters]
    (web / "sbom.json").write_text(bill(), "utf-8")
    appendix = folder / "book" / "appendix"
    add(appendix / "claims.md", ledger.table(done))
    add(appendix / "trials.md", *trials())
    (folder / "notebooks").mkdir()
    (web / "preview").mkdir()
    for chapter in results.chapters:
        notebook = nbformat.read(chapter.path, as_version=4)
        notebook.metadata.pop("widgets", None)
        picture = web / "preview" / f"{chapter.path.stem}.png"
        shutil.copy(web / "rating-demo.png", picture)
        for part in (notebook, *notebook.cells):
            part.metadata.pop("papermill", None)  # times and paths of the machine that ran it
            for output in part.get("outputs", []):
                if "image/png" in output.get("data", {}):  # the last figure is the preview
                    picture.write_bytes(b64decode(output.data["image/png"]))
                if "text/html" in output.get("data", {}):  # which holds all that our script needs
                    output.data.pop("application/vnd.jupyter.widget-view+json", None)
                if "glue" in part.metadata:  # by that name, other pages may show it (MyST-NB)
                    glue = {"name": part.metadata.glue, "mime_prefix": ""}
                    output.metadata["scrapbook"] = glue
        notebook.cells = [first_cell(), *folded(notebook.cells)]
        nbformat.write(notebook, folder / "notebooks" / chapter.path.name)


def trials() -> tuple[pd.DataFrame, str]:
    """Return what the tests have tried (`_build/trials.json`), and what is to be said before it."""
    path = BUILD / "trials.json"
    told = json.loads(path.read_text("utf-8")) if path.exists() else []
    names = {"what": "what was tried", "times": "how often", "seen": "what happened"}
    rows = pd.DataFrame(told, columns=[*names, "date"]).sort_values("what")
    rows["date"] = rows["date"].str.replace("-", "\N{NON-BREAKING HYPHEN}")  # in one line
    return rows.rename(columns=names), "" if any(one["long"] for one in told) else NOT_RUN


def add(page: Path, rows: pd.DataFrame, note: str = "") -> None:
    """Put a note and a table, if it has rows, at the end of a page."""
    table = f"\n```{{csv-table}}\n:header-rows: 1\n\n{rows.to_csv(index=False)}```\n"
    page.write_text(page.read_text("utf-8") + note + ("" if rows.empty else table), "utf-8")


def folded(cells: list[Any]) -> list[Any]:
    """Make one cell, which the page folds, of those below a chapter's goals that set it up."""
    tags = {"hide-input", "injected-parameters"}

    def shown(cell: Any) -> bool:
        return bool(cell.get("outputs", True)) or tags.isdisjoint(cell.metadata.get("tags", ()))

    n = next((k for k, cell in enumerate(cells) if k and shown(cell)), len(cells))
    if setup := cells[1:n]:
        setup[0].source = "\n\n".join(cell.source for cell in setup)
        setup[0].metadata["mystnb"] = {"code_prompt_show": "Show how this page is set up"}
    return [cells[0], *setup[:1], *cells[n:]]


def configuration(results: runner.Results) -> dict[str, Any]:
    """Read `_config.yml`; add npm's scripts and what each page has to say of the data behind it."""
    settings = yaml.safe_load((ROOT / "_config.yml").read_text("utf-8"))
    settings["sphinx"]["config"]["html_static_path"].append(str(supplies.STATIC))
    html = settings["html"]
    context = settings["sphinx"]["config"]["html_context"]
    context["cite"] = yaml.safe_load((ROOT / "CITATION.cff").read_text("utf-8"))
    settings["parse"]["myst_substitutions"] = press.measured(results)
    if settings["repository"]["url"]:
        html |= {f"use_{name}_button": True for name in ("repository", "edit_page", "issues")}
        hub = {"notebook_interface": "jupyterlab", "binderhub_url": "https://mybinder.org"}
        settings["launch_buttons"] = hub
    name = escape(Path(results.dataset).name)
    used = f"the <code>{results.profile}</code> profile on <code>{name}</code>"
    html["extra_footer"] = f"<p>Computed with {used}, unless a page says otherwise.</p>"
    told = "<strong>synthetic data</strong>: the films are invented and the ratings simulated."
    if own := Path(results.dataset).is_absolute():
        told = f"<strong>{name}</strong>, ratings of a reader's own: read its items for the films."
    if own or results.dataset.startswith("synthetic"):
        html["announcement"] = f"This copy was built on {told}"
    return settings


def bill() -> str:
    """Name every package that is installed here, and npm's, in CycloneDX's form."""
    found = {}
    for package in metadata.distributions():
        about = package.metadata
        texts = [t for t in about.get_all("Classifier") or () if "License ::" in t]
        said = about.get("License-Expression"), ", ".join(t.split(" :: ")[-1] for t in texts)
        licence = next(filter(None, said), (about.get("License") or "").split("\n")[0])
        found[f"pkg:pypi/{about['Name'].lower()}@{package.version}"] = about["Name"], licence
    npm = json.loads((supplies.WEB / "package-lock.json").read_text("utf-8"))["packages"]
    for place, about in npm.items():
        if name := place.removeprefix("node_modules/"):  # the first is the site itself
            found[f"pkg:npm/{name}@{about['version']}"] = name, about.get("license", "")
    parts = [
        {"type": "library", "name": name, "version": url.rpartition("@")[2], "purl": url}
        | {"licenses": [{"license": {"name": licence}}]}
        for url, (name, licence) in sorted(found.items())
    ]
    kind = {"bomFormat": "CycloneDX", "specVersion": "1.6", "version": 1}
    return json.dumps(kind | {"components": parts}, indent=1)


def first_cell() -> Any:
    """Return the cell by which a notebook on its own says, and installs, what it needs.

    It stands first in what is downloaded from the site, where the page does not show it, too.
    """
    text = (ROOT / "book" / "templates" / "first-cell.txt").read_text("utf-8")
    where = yaml.safe_load((ROOT / "_config.yml").read_text("utf-8"))["repository"]
    tags = {"tags": ["remove-cell"]}
    return nbformat.v4.new_code_cell(text.format(**where), id="setup", metadata=tags)


def student() -> int:
    """Write the student edition to `_build/student`; return an exit status."""
    shutil.rmtree(STUDENT, ignore_errors=True)
    STUDENT.mkdir(parents=True)
    for source in runner.chapters():
        notebook = nbformat.read(source, as_version=4)
        title, *cells = [c for c in notebook.cells if "solution" not in c.metadata.get("tags", [])]
        for cell in cells:
            cell.source = SOLUTION.sub("", cell.source)
            if cell.cell_type == "code":
                cell.outputs = []
        needs = nbformat.v4.new_markdown_cell(NEEDS, id="needs")
        notebook.cells = [title, needs, first_cell(), *cells]
        nbformat.write(notebook, STUDENT / source.name)
    say(f"The student edition is in {STUDENT.relative_to(ROOT)}")
    return 0
