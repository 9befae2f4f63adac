"""`ntklora sweep diff`: two folders of one experiment side by side."""

from __future__ import annotations

from collections import Counter

from ntklora.cli.answer import NOT_SHOWN, OK, Answer, Mistake
from ntklora.cli.sweep.commands import Diff
from ntklora.cli.sweep.words import cell_in_words, number
from ntklora.sweeps.diff import Comparison, compare
from ntklora.sweeps.store import Store


def run(options: Diff) -> Answer:
    """Exit status 1 unless both hold the same cells with the same values, bit for bit."""
    try:
        comparison = compare(Store(options.a), Store(options.b))
    except ValueError as error:
        raise Mistake(str(error)) from error
    document = {
        "same": comparison.same,
        **comparison._asdict(),
        "settings": [{"name": name, "a": a, "b": b} for name, a, b in comparison.settings],
        "statuses": [{"cell": cell, "a": a, "b": b} for cell, a, b in comparison.statuses],
        "columns": [each._asdict() for each in comparison.columns],
    }
    return Answer(OK if comparison.same else NOT_SHOWN, document, lambda: _show(comparison, options))


def _show(comparison: Comparison, options: Diff) -> None:
    for name, a, b in comparison.settings:
        print(f"{name}: {a} in {options.a}, {b} in {options.b}")
    for folder, cells, columns in (
        (options.a, comparison.only_in_a, comparison.columns_only_in_a),
        (options.b, comparison.only_in_b, comparison.columns_only_in_b),
    ):
        if cells:
            print(f"only in {folder}: {number(len(cells), 'cell')}, such as {cell_in_words(cells[0])}")
        if columns:
            print(f"only in {folder}: {number(len(columns), 'column')} {', '.join(columns)}")
    for (a, b), number_of in Counter((a, b) for _, a, b in comparison.statuses).items():
        example = next(cell for cell, *pair in comparison.statuses if pair == [a, b])
        print(f"{a} in {options.a}, {b} in {options.b}: {number(number_of, 'cell')}, such as {cell_in_words(example)}")
    for each in comparison.columns:
        largest = "" if each.largest is None else f", by a relative {each.largest:.2g} at most"
        print(f"{each.column} differs in {number(each.cells, 'cell')}{largest}: {cell_in_words(each.example)}")
    print(f"{comparison.equal:,} of {number(comparison.common, 'common cell')} equal, bit for bit")
