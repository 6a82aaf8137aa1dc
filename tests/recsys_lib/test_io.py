import os
import subprocess
import sys
import time

import numpy as np
import pytest

from recsys_lib import io
from recsys_lib.errors import DataError


@pytest.fixture
def saved(tmp_path):
    arrays = {"a": np.arange(6.0).reshape(2, 3), "b": np.array(["é", ""], object)}
    arrays |= {kind: np.ones(2, kind) for kind in ("i1", "u2", "u8")}
    io.save_arrays(tmp_path / "file", arrays, {"k": np.float32(0.5)})
    return tmp_path / "file"


def test_what_was_saved_comes_back_and_the_same_is_the_same_bytes(saved, tmp_path):
    arrays, meta = io.load_arrays(saved)
    assert arrays["a"].tolist() == [[0, 1, 2], [3, 4, 5]]
    assert arrays["b"].tolist() == ["é", ""]
    assert meta == {"k": 0.5}
    for _ in range(3):
        io.save_arrays(tmp_path / "again", arrays, meta)
        assert (tmp_path / "again").read_bytes() == saved.read_bytes()


def test_no_changed_bit_is_let_in_and_no_cut_or_grown_file(saved):
    whole = saved.read_bytes()
    changed = [
        whole[:k] + bytes([bits ^ 1 << k % 8]) + whole[k + 1 :] for k, bits in enumerate(whole)
    ]
    cut = [*(whole[:n] for n in range(0, len(whole), 7)), whole + b"\0"]
    for others, says in ((changed, None), (cut, "was not saved by this library, or is cut")):
        for other in others:
            saved.unlink()
            saved.write_bytes(other)
            with pytest.raises(DataError, match=says):
                io.load_arrays(saved)


@pytest.mark.parametrize("path", [3, None, b"file", "", "a\0b", "\ud800", 5000 * "a"])
def test_what_names_no_file_is_refused(path):
    with pytest.raises(DataError, match="is no text or Path by which"):
        io.save_arrays(path, {}, {})


def test_a_file_in_the_place_of_a_folder_is_told(saved):
    for call in (io.as_folder, lambda path: io.save_arrays(path / "below", {}, {})):
        with pytest.raises(DataError, match="file is no folder to write in, and none can"):
            call(saved)
    assert saved.is_file()


@pytest.mark.skipif(os.name == "nt", reason="Windows has no pipe in a folder")
def test_a_folder_or_a_device_is_not_replaced(tmp_path):
    """Whoever has the rights would lose /dev/null to a `rename`."""
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path, tmp_path / "pipe"):
        with pytest.raises(DataError, match="no ordinary file"):
            io.save_arrays(path, {"a": np.ones(2)}, {})
    assert (tmp_path / "pipe").is_fifo()


@pytest.mark.skipif(os.name == "nt", reason="Windows asks for rights to make a link")
def test_a_link_leads_to_what_is_replaced(saved):
    link, whole = saved.with_name("link"), saved.read_bytes()
    link.symlink_to(saved.name)
    io.save_arrays(link, {"a": np.ones(2)}, {})
    assert link.is_symlink() and saved.read_bytes() != whole
    assert io.load_arrays(link)[0].keys() == {"a"}


@pytest.mark.parametrize("fails", ["fsync", "safetensors"])
def test_what_cannot_be_written_is_told_and_leaves_the_old_file(saved, monkeypatch, fails):
    def full(*_):
        raise OSError(28, "No space left on device")

    whole = saved.read_bytes()
    if fails == "fsync":
        monkeypatch.setattr(os, "fsync", full)
    else:
        monkeypatch.setattr(io, "save_file", lambda *_: io.safe_open("/none", framework="numpy"))
    with pytest.raises(DataError, match=r"cannot be written \(.*: what was there is as it was"):
        io.save_arrays(saved, {"a": np.ones(2)}, {})
    assert saved.read_bytes() == whole and [*saved.parent.iterdir()] == [saved]


@pytest.mark.skipif(os.name == "nt", reason="Windows has no umask")
@pytest.mark.parametrize("umask", [0o022, 0o077, 0o002])
def test_a_file_has_the_rights_that_the_umask_leaves(tmp_path, umask):
    before = os.umask(umask)
    try:
        io.save_arrays(tmp_path / "file", {"a": np.zeros(2)}, {})
    finally:
        os.umask(before)
    assert (tmp_path / "file").stat().st_mode & 0o777 == 0o666 & ~umask


def test_file_and_folder_are_on_the_disk_before_the_name_is_trusted(tmp_path, monkeypatch):
    calls, fsync, replace = [], os.fsync, type(tmp_path).replace
    monkeypatch.setattr(os, "fsync", lambda handle: (calls.append("fsync"), fsync(handle)))
    monkeypatch.setattr(
        type(tmp_path), "replace", lambda *ends: (calls.append("rename"), replace(*ends))
    )
    io.save_arrays(tmp_path / "file", {"a": np.zeros(2)}, {})
    assert calls == ["fsync", "rename", "fsync"]


KILLED = """
import os, signal, sys
from recsys_lib import io

with io.replacing(sys.argv[1]) as temporary:
    temporary.write_bytes(b"half of it")
    os.kill(os.getpid(), signal.SIGKILL)
"""


def test_what_a_killed_process_was_writing_is_removed_a_day_later(saved):
    whole, folder = saved.read_bytes(), saved.parent
    subprocess.run([sys.executable, "-c", KILLED, saved], check=False)
    (left,) = set(folder.iterdir()) - {saved}
    assert saved.read_bytes() == whole
    io.save_arrays(folder / "other", {"a": np.zeros(2)}, {})
    assert {*folder.iterdir()} == {saved, folder / "other", left}  # who knows, it is at work
    os.utime(left, (time.time() - 90_000,) * 2)
    io.save_arrays(folder / "other", {"a": np.zeros(2)}, {})
    assert {*folder.iterdir()} == {saved, folder / "other"}
