"""Tables of long texts on any screen: side by side where there is room, one below the other where there is not."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from rich.console import Console
from rich.table import Table

_WIDE = 170  # characters of a table where there is no terminal to ask
_ROOM = 15  # characters that a column needs to be read


def plain_console(wide: int = _WIDE) -> Console:
    """Where tables go, `wide` without a terminal. Text is text: a label such as [derived] is no markup."""
    plain = Console(markup=False, highlight=False, emoji=False)
    return plain if plain.is_terminal else Console(width=wide, markup=False, highlight=False, emoji=False)


def show_table(console: Console, columns: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """The rows under their columns, or, on a screen too narrow for these, each row as a list of columns."""
    if console.width >= _ROOM * len(columns):
        table = Table(*columns, show_lines=True)
        for row in rows:
            table.add_row(*row)
        console.print(table)
        return
    for row in rows:
        card = Table(show_header=False)
        card.add_column(no_wrap=True)
        card.add_column(overflow="fold")
        for column, text in zip(columns, row, strict=True):
            if text:
                card.add_row(column, text)
        console.print(card)
