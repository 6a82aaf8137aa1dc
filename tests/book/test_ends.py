"""A build that is ended in any way: nothing is left running, it is said why, the next goes on."""

import contextlib
import ctypes
import fcntl
import os
import random
import signal
import socket
import struct
import time

import psutil
import pytest

from tests.book.test_builder import write_chapter

resource = pytest.importorskip("resource", reason="signals and limits are those of Unix")
pytestmark = pytest.mark.slow
CLONE_NEWNET, CLONE_NEWUSER, SIOCSIFFLAGS = 0x40000000, 0x10000000, 0x8914  # of Linux
PATIENCE = 1_200  # seconds: a busy machine takes long, a hang takes longer
QUIET = {"RECSYS_DATA_HOME": ""}
SLEEP = "from pathlib import Path\nPath('started').touch()\nimport time\ntime.sleep({})"
WAIT = "from pathlib import Path\nPath('started').touch()\nwhile not Path('go').exists(): pass"


@pytest.fixture
def course(clone, tmp_path):
    """A function that lays out a project of small chapters, each one cell after its parameters."""

    def make(*cells):
        paths = [
            write_chapter(tmp_path / f"{number:02}-small.ipynb", "DATASET = ''", source)
            for number, source in enumerate(cells, 1)
        ]
        return clone(tmp_path / "clone", *paths)

    return make


@pytest.fixture
def finish(build):
    """Build to the end; return the exit status and what was said."""

    def run(folder, *options, **more):
        process = build(folder, *options, **QUIET, **more)
        said = process.communicate(timeout=PATIENCE)[0]
        return process.returncode, said

    return run


def at_work(folder):
    """The processes that work in a folder."""
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            if process.cwd().startswith(str(folder)) and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
    return found


def until(true):
    end = time.monotonic() + PATIENCE
    while not true() and time.monotonic() < end:
        time.sleep(0.05)
    return true()


def heed():
    """Heed signals that nohup, or a shell in the background, has told its children to ignore."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM", "SIGHUP", "SIGKILL"])
def test_a_signal_ends_the_build_and_its_kernels(course, build, finish, name, trial):
    folder = course(SLEEP.format(6000), SLEEP.format(6000).replace("started", "both"))
    process = build(folder, before=heed, **QUIET)
    for started in ("started", "both"):
        assert until((folder / "notebooks" / started).exists), process.communicate()
    assert len(at_work(folder)) >= 3
    process.send_signal(getattr(signal, name))
    process.communicate(timeout=PATIENCE)
    assert process.returncode in (128 + getattr(signal, name), -signal.SIGKILL)
    assert until(lambda: not at_work(folder)), at_work(folder)
    source = folder / "notebooks" / "01-small.ipynb"
    source.write_text(source.read_text("utf-8").replace("6000", "0"), "utf-8")
    assert finish(folder, "--only", "01")[0] == 0
    trial(f"{name} to a build at work", 1, "no process was left; the next call succeeded")


@pytest.mark.parametrize("kills", [3, pytest.param(40, marks=pytest.mark.long)])
def test_a_build_that_is_killed_anywhere_goes_on(course, build, finish, trial, kills):
    folder = course("1", SLEEP.format(1), "2")
    page = folder / "_build" / "html" / "notebooks" / "02-small.html"
    moments = random.Random(kills)
    for _ in range(kills):
        process = build(folder, **QUIET)
        with contextlib.suppress(Exception):
            process.wait(moments.uniform(2, 25))
        process.kill()
        process.communicate()
        if moments.random() < 0.3:  # what had been done is done again
            (folder / "_build" / "runs").exists() and page.unlink(missing_ok=True)
    status, said = finish(folder)
    assert status == 0 and page.exists(), said
    assert "site  unchanged" in finish(folder)[1]
    page.unlink()
    status, said = finish(folder)
    assert status == 0 and "built in" in said and page.exists()
    assert [path.name for path in (folder / "_build").glob("site-*")] == []
    trial("SIGKILL to a build at random moments", kills, "the next call went on to the same site")


MEET = """import time
from pathlib import Path
Path('{0}').touch()
end = time.monotonic() + 900
while not Path('{1}').exists() and time.monotonic() < end: time.sleep(0.1)
assert Path('{1}').exists()"""


def test_chapters_run_side_by_side_but_one_that_must_not(course, finish):
    last = "from pathlib import Path\nassert Path('04').exists()"
    folder = course(last, MEET.format("02", "04"), "1 / 0", MEET.format("04", "02"))
    runner = folder / "book" / "runner.py"
    text = runner.read_text("utf-8").replace("ROOM = 3e9", "ROOM = 1e6")
    runner.write_text(text.replace('"16-how-fast"', '"01-small"'), "utf-8")
    status, said = finish(folder)
    assert status == 1 and "03-small failed at cell 4/4" in said, said
    found = {line.split()[0]: line.split()[-1] for line in said.splitlines() if "-small" in line}
    states = [found[f"{number:02}-small"] for number in range(1, 5)]
    assert states == ["ran", "ran", "failed", "ran"], said


def test_two_at_once_do_not_meet_and_the_second_is_told_by_whom(course, build, finish, trial):
    folder = course(WAIT)
    first = build(folder, "--only", "01", **QUIET)
    assert until((folder / "notebooks" / "started").exists)
    for options in ([], ["--into", "elsewhere"]):
        status, said = finish(folder, *options)
        assert status == 2 and f"(process {first.pid}) is at work" in said
    (folder / "notebooks" / "go").touch()
    first.communicate()
    assert first.returncode == 0
    trial("two builds in one clone", 2, "the second was told who is at work; the first ended well")


def test_a_profile_sets_the_limit_that_a_chapter_meets(course, finish, trial):
    folder = course("import time\ntime.sleep(6000)")
    table = folder / "book" / "profiles.toml"
    table.write_text(table.read_text("utf-8").replace("limit = 1800", "limit = 20"), "utf-8")
    status, said = finish(folder, "--only", "01")
    assert status == 1 and "passed its limit of 20.0 s at cell 4/4" in said
    assert at_work(folder) == []
    trial("a chapter that hangs", 1, "ended at its limit, its cell named; no process was left")


def test_a_full_disk_is_named_and_the_next_build_succeeds(course, finish, trial):
    folder = course("print('x' * 1_000_000)")
    most = (100_000, resource.getrlimit(resource.RLIMIT_FSIZE)[1])
    options = {"before": lambda: resource.setrlimit(resource.RLIMIT_FSIZE, most)}
    status, said = finish(folder, "--only", "01", **options)
    assert status == 2 and said.splitlines()[-1].startswith("error: ")
    assert "_build: File too large" in said
    assert finish(folder, "--only", "01")[0] == 0
    trial("a disk that is full while a chapter runs", 1, "named; the next call succeeded")


def test_a_folder_that_may_not_be_written_is_named(course, finish, trial):
    folder = course("1")
    (folder / "_build").mkdir()
    (folder / "_build").chmod(0o555)
    # As root, too: without the right to pass over what a file allows.
    weak = {"before": lambda: os.geteuid() or ctypes.CDLL(None).prctl(24, 1, 0, 0, 0)}
    status, said = finish(folder, "--only", "01", **weak)
    (folder / "_build").chmod(0o755)
    assert status == 2 and "_build" in said and "Permission denied" in said
    assert finish(folder, "--only", "01")[0] == 0
    trial("a folder that may not be written", 1, "named; the next call succeeded")


def alone():
    """Leave this process only the network that it has with itself."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(CLONE_NEWNET | (CLONE_NEWUSER if os.geteuid() else 0)):
        raise OSError(ctypes.get_errno(), "no network of its own may be had")
    with socket.socket() as any_socket:  # ifr_name, ifr_flags: up, loopback
        fcntl.ioctl(any_socket, SIOCSIFFLAGS, struct.pack("16sh", b"lo", 1 | 8))


def test_a_chapter_and_the_site_are_built_without_a_network(course, finish, trial):
    reach = "import socket\ntry:\n    socket.create_connection(('192.0.2.1', 80), 5)\n"
    folder = course(
        f"{reach}except OSError as error:\n    assert 'unreachable' in str(error), error"
    )
    status, said = finish(folder, before=alone)
    assert status == 0, said
    assert (folder / "_build" / "html" / "notebooks" / "01-small.html").exists()
    trial("a build where no network can be reached", 1, "chapter and site were built")
