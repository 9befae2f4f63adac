"""Property: progress says how many are done, how many failed, how fast, and how long the rest takes."""

import io
import re

from ntklora.sweeps import progress
from ntklora.sweeps.progress import show_progress


class Terminal(io.StringIO):
    def isatty(self):
        return True


def ten_cells(monkeypatch, stream, seconds):
    """Ten cells, the third failed, each of which takes so long."""
    now = [0.0]
    monkeypatch.setattr(progress, "monotonic", lambda: now[0])
    monkeypatch.setattr("sys.stderr", stream)
    with show_progress("ladder", 10) as advance:
        for cell in range(10):
            now[0] += seconds
            advance(cell == 2)
    return stream.getvalue()


def test_plain_lines_come_seldom_and_say_everything(monkeypatch):
    lines = ten_cells(monkeypatch, io.StringIO(), 4.0).splitlines()
    assert lines == [
        "ladder: 3/10 cells, 1 failed, 15.0/min, 0:12 so far, about 0:28 left",
        "ladder: 6/10 cells, 1 failed, 15.0/min, 0:24 so far, about 0:16 left",
        "ladder: 9/10 cells, 1 failed, 15.0/min, 0:36 so far, about 0:04 left",
        "ladder: 10/10 cells, 1 failed, 15.0/min, 0:40 so far",
    ]


def test_a_terminal_has_a_bar_with_the_same(monkeypatch):
    text = ten_cells(monkeypatch, Terminal(), 1.0)
    plain = " ".join(re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", text).split())
    assert "10/10 cells, 1 failed, 1.0/s" in plain
    assert "left" in plain
