"""Bars: for who watches; a program without a terminal is not disturbed."""

import pytest

from recsys_lib.progress import bar


class Log:
    """What services put in place of standard error: it writes, and knows nothing else."""

    def __init__(self):
        self.text = ""

    def write(self, text):
        self.text += text

    def flush(self):
        pass


@pytest.mark.parametrize("show", [None, True])
def test_without_standard_error_nothing_is_drawn(monkeypatch, show):
    monkeypatch.delenv("RECSYS_PROGRESS", raising=False)
    monkeypatch.setattr("sys.stderr", None)
    assert list(bar(show, iterable=range(3))) == [0, 1, 2]


def test_a_plain_log_gets_a_bar_only_on_request(monkeypatch):
    monkeypatch.delenv("RECSYS_PROGRESS", raising=False)
    for show, drawn in ((None, False), (True, True)):
        monkeypatch.setattr("sys.stderr", log := Log())
        assert list(bar(show, iterable=range(3))) == [0, 1, 2]
        assert bool(log.text) == drawn


def test_in_a_notebook_a_bar_is_no_error(monkeypatch, capsys):
    monkeypatch.delenv("RECSYS_PROGRESS", raising=False)
    monkeypatch.setattr("recsys_lib.progress._in_notebook", lambda: True)
    assert list(bar(iterable=range(3))) == [0, 1, 2]
    told = capsys.readouterr()
    assert told.out and told.err == ""
