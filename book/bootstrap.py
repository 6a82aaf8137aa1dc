"""The project's own environment: `.venv` with the locked dependencies, made on the first call.

Standard library only: this runs before anything is installed. While the environment
matches the lock files, nothing is done, so that every command can start here.
"""

import contextlib
import importlib.util
import os
import shutil
import subprocess
import sys
import venv
from pathlib import Path

from console import ROOT, Stamp, Stop, quietly, say

# Who brings an environment of their own (conda, or a CI job on the newest packages) says so, and
# nothing is installed: RECSYS_ENV=current.
OWN = os.environ.get("RECSYS_ENV") == "current"
VENV = Path(sys.prefix) if OWN else ROOT / ".venv"
BIN = VENV / ("Scripts" if os.name == "nt" else "bin")
PYTHON = Path(sys.executable) if OWN else BIN / ("python.exe" if os.name == "nt" else "python")
LOCKS = ROOT / "book" / "locks"
REQUIREMENTS = ROOT / "requirements.lock"
TOOLS = LOCKS / "tools.txt"  # what the tests, the linters and the press need as well
TORCH, TORCH_CPU = LOCKS / "torch.txt", LOCKS / "torch-cpu.txt"


def inside() -> bool:
    """Whether this is the environment's own Python."""
    return Path(sys.prefix).resolve() == VENV.resolve()


def python(*args: str) -> int:
    """Run the environment's Python in the project's root, handing on the exit status."""
    command = [str(PYTHON), *args]
    if os.name != "nt":  # no process in between: signals and the terminal are the command's own
        os.chdir(ROOT)
        sys.stdout.flush()
        os.execv(command[0], command)
    return subprocess.call(command, cwd=ROOT)


def environment(tools: bool = False) -> None:
    """Make `.venv` match the lock files, if it does not already; of the tools, if asked for."""
    if OWN:
        return
    _course()
    stamp = Stamp(VENV / "tools.stamp", TOOLS)
    if tools and not stamp.holds():
        uv("Installing the tools of the tests", "pip", "install", "--require-hashes", "-r", TOOLS)
        stamp.set()


def _course() -> None:
    """Make `.venv` hold what reading and running the course needs, and nothing else."""
    files = [REQUIREMENTS, TORCH, TORCH_CPU, LOCKS / "uv.txt", ROOT / "pyproject.toml"]
    stamp = Stamp(VENV / "course.stamp", sys.version, str(VENV), *files)
    if PYTHON.exists() and stamp.holds():
        return
    for path in VENV.glob("*.stamp"):  # the tools go, too
        path.unlink()
    if not inside():
        if not importlib.util.find_spec("ensurepip") and not apt_install("python3-venv"):
            raise Stop(  # Debian keeps it in a package of its own
                f"{sys.executable} cannot make a virtual environment (no ensurepip): "
                "install python3-venv, or name another Python: make book PYTHON=..."
            )
        # Symbolic links, as `python -m venv` makes: a copied Python may not find its library.
        venv.create(VENV, clear=True, with_pip=True, symlinks=os.name != "nt")
    pip = str(PYTHON), "-m", "pip", "install", "--require-hashes", "-r", str(LOCKS / "uv.txt")
    quietly(pip, "Setting up .venv, once: installing uv", "environment")
    # Where Python is told to keep no bytecode, each kernel would compile every import anew.
    compiled = ["--compile-bytecode"] if sys.dont_write_bytecode else []
    what = "Installing the locked dependencies, about 600 MB to download"
    uv(what, "pip", "sync", "--require-hashes", *compiled, REQUIREMENTS)
    uv("Installing recsys_lib", "pip", "install", "--no-deps", "--no-build-isolation", "-e", ".")
    if torch():
        stamp.set()
    else:
        say("PyTorch is not available here: the chapter on networks will not run; all others will")


def torch(into: Path = PYTHON) -> bool:
    """Install PyTorch in a build for CPUs, where there is one; return whether it is installed.

    Its usual build for Linux brings gigabytes for a graphics card. The other comes from pip's own
    files or from PyTorch's index. Each is checked against the hashes of its lock.
    """
    held, small = ("pip", "install", "--require-hashes", "-r"), (TORCH_CPU, "--no-deps")
    ways: list[tuple[str | Path, ...]] = []
    if "find-links" in pip_settings():
        ways.append((*small, "--no-index", "--only-binary", ":all:"))
    if sys.platform == "linux":  # elsewhere the usual build is the one for processors
        ways.append((*small, "--torch-backend", "cpu"))
    if into == PYTHON:
        ways.append((TORCH,))
    for way in ways:
        with contextlib.suppress(Stop):
            uv("Installing PyTorch", *held, *way, into=into, log="torch")
            return True
    return False


def apt_install(package: str) -> bool:
    """Install a system package where that needs no password: as root on Debian."""
    if not shutil.which("apt-get") or os.geteuid() != 0:
        return False
    install = f"apt-get update && apt-get install -y --no-install-recommends {package}"
    what, env = f"Installing {package} with apt-get", {"DEBIAN_FRONTEND": "noninteractive"}
    with contextlib.suppress(Stop):
        quietly(["sh", "-c", install], what, "apt", env=env)
        return True
    return False


def uv(what: str, *args: str | Path, into: Path = PYTHON, log: str = "uv") -> None:
    """Call uv on an environment with the sources that pip is configured with.

    uv reads none of pip's configuration, yet a machine's mirror, its wheels and its certificates
    are configured there. Every package is checked against the lock's hashes, so any source will do.
    """
    settings = pip_settings()
    names = ("index-url", "extra-index-url", "find-links")
    sources = [f"--{name}={url}" for name in names for url in settings.get(name, "").split()]
    env = {"UV_INDEX_STRATEGY": "unsafe-best-match"}
    if "cert" in settings and "SSL_CERT_FILE" not in os.environ:
        env["SSL_CERT_FILE"] = settings["cert"]
    command = [PYTHON, "-m", "uv", *args, "--python", into, *sources]
    quietly(command, what, log, env=env)


def pip_settings() -> dict[str, str]:
    """Read pip's configuration and environment; the environment wins, as it does for pip."""
    command = [str(PYTHON), "-m", "pip", "config", "list"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    settings: dict[str, str] = {}
    for line in done.stdout.splitlines():  # global.index-url='...' or :env:.index-url='...'
        name, _, value = line.partition("=")
        settings.setdefault(name.rpartition(".")[2], value.strip("'\""))
    return settings


def lock(options: list[str]) -> int:
    """Resolve dependencies anew and write a lock file, by uv's options; it keeps no address."""
    held = "--universal", "--python-version", "3.11", "--generate-hashes", "--no-header", "-q"
    index = pip_settings().get("index-url")
    source = ["--index-url", index] if index else []
    return python("-m", "uv", "pip", "compile", "--upgrade", *held, *source, *options)
