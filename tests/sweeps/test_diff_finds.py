"""Property: a comparison finds every cell and value that differs, says by how much, and nothing else."""

from dataclasses import replace

import pytest

from ntklora.sweeps.diff import compare
from ntklora.sweeps.numerics import Numerics
from ntklora.sweeps.store import Store
from ntklora.sweeps.sweep import Sweep
from tests.sweeps.shelf import BROKEN, COLUMNS, experiment, fill, rows_of, sweep

ASKED = sweep(width=(2, 5, BROKEN), seed=range(4))


@pytest.fixture
def a(tmp_path):
    store = Store(tmp_path / "a")
    fill(store, ASKED)
    return store


@pytest.fixture
def b(tmp_path):
    return Store(tmp_path / "b")


def test_a_folder_equals_itself_and_another_run_of_the_same(a, b):
    fill(b, ASKED, reversed(range(12)))
    for other in (a, b):
        comparison = compare(a, other)
        assert comparison.same
        assert (comparison.common, comparison.equal) == (12, 12)
        assert not any((comparison.settings, comparison.statuses, comparison.columns))


def test_cells_of_one_side_are_named(a, b):
    fill(b, sweep(width=(2, 5), seed=range(6)))
    comparison = compare(a, b)
    assert comparison.only_in_a == [cell for cell in ASKED.cells if cell["width"] == BROKEN]
    assert {(cell["width"], cell["seed"]) for cell in comparison.only_in_b} == {(2, 4), (2, 5), (5, 4), (5, 5)}
    assert (comparison.common, comparison.equal, comparison.same) == (8, 8, False)


def test_values_that_differ_are_found_with_the_largest_relative_difference(a, b):
    b.claim(ASKED, "elsewhere")
    rows = rows_of(ASKED)
    rows[1] = {**rows[1], "load": rows[1]["load"] * (1 + 2**-50), "label": "new"}
    rows[3] = {**rows[3], "load": rows[3]["load"] * 2, "heights": [*rows[3]["heights"][:-1], 1e-9]}
    rows[4] = {**rows[4], "heights": [0.5], "pages": [7]}
    rows[6] = {**rows[6], "load": -0.0}
    b.write(experiment, rows)
    comparison = compare(a, b)
    assert (comparison.common, comparison.equal, comparison.same) == (12, 8, False)
    found = {each.column: each for each in comparison.columns}
    assert set(found) == {"load", "label", "heights", "pages"}
    assert (found["load"].cells, found["load"].largest, found["load"].example) == (3, 1.0, ASKED.cells[6])
    assert (found["label"].cells, found["label"].largest, found["label"].example) == (1, None, ASKED.cells[1])
    assert found["heights"].cells == 2
    assert found["heights"].largest == pytest.approx(1 - 1e-9 / (0.2 / 3))
    assert found["heights"].example == ASKED.cells[3]
    assert found["pages"].largest is None


def test_a_last_bit_counts(a, b):
    b.claim(ASKED, "elsewhere")
    rows = rows_of(ASKED)
    rows[5] = {**rows[5], "load": rows[5]["load"] + 2.0**-52}
    b.write(experiment, rows)
    (column,) = compare(a, b).columns
    assert (column.column, column.cells) == ("load", 1)
    assert 0 < column.largest < 1e-15


def test_cells_that_failed_on_one_side_are_named(a, b):
    b.claim(ASKED, "elsewhere")
    rows = rows_of(ASKED)
    rows[11] = {**rows[0], **ASKED.cells[11], "key": ASKED.keys[11]}
    b.write(experiment, rows)
    assert compare(a, b).statuses == [(ASKED.cells[11], "error", "ok")]
    assert compare(b, a).statuses == [(ASKED.cells[11], "ok", "error")]


def test_versions_and_precisions_are_compared_by_the_parameters(a, b):
    other = Sweep(replace(experiment, version=2, columns=COLUMNS[:-1], chunk=3), ASKED.grids, Numerics("float32"))
    object.__setattr__(other.experiment, "run", lambda shelf: {**experiment.run(shelf), "titles": None})
    rows = [{**row, "key": key} for row, key in zip(rows_of(ASKED), other.keys, strict=True)]
    b.claim(other, "elsewhere")
    b.write(other.experiment, rows)
    comparison = compare(a, b)
    assert comparison.settings == [("version", 1, 2), ("precision", "float64", "float32"), ("chunk", 4, 3)]
    assert comparison.columns_only_in_a == ["titles"]
    assert (comparison.common, comparison.equal, comparison.same) == (12, 12, False)


def test_folders_of_two_experiments_are_refused_in_a_line(a, b):
    b.claim(Sweep(replace(experiment, name="board"), ASKED.grids), "elsewhere")
    with pytest.raises(ValueError, match="nothing to compare"):
        compare(a, b)
