"""Property: a table keeps every word, labels in brackets among them, on a wide screen and on a narrow one."""

import io

import pytest
from rich.console import Console

from ntklora.cli.tables import plain_console, show_table

COLUMNS = ("id", "statement", "source", "predicted", "measured", "margin", "verdict", "controls")
ROW = (
    "KKR-distance",
    "F <= G; sharper [derived]: F < G :smile:",
    "derived (paper)",
    "largest: 1",
    "largest: 0.5",
    "0.5",
    "consistent",
    "ok: half the smoothness: refuted",
)


@pytest.mark.parametrize("width", [80, 200])
def test_no_word_is_lost_or_cut(width):
    out = io.StringIO()
    show_table(Console(file=out, width=width, markup=False, emoji=False), COLUMNS, [ROW, ROW])
    shown = out.getvalue()
    assert "…" not in shown
    for word in " ".join(ROW).split():
        assert shown.count(word) >= 2
    assert max(map(len, shown.splitlines())) <= width


def test_a_label_in_brackets_is_no_markup(capsys):
    plain_console().print("sharper [derived]: F < G")
    assert "[derived]" in capsys.readouterr().out
