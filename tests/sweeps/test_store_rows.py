"""Property: what was stored is read back to the last bit, in the order asked for; of many rows a known one counts."""

import math
from dataclasses import replace

import pytest

from ntklora.sweeps import CellStatus
from ntklora.sweeps.numerics import Numerics
from ntklora.sweeps.row import failed_row
from ntklora.sweeps.store import Store
from ntklora.sweeps.sweep import Sweep
from tests.sweeps.shelf import BROKEN, experiment, fill, numbers, rows_of, sweep


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path / "shelf")


def failed(asked, index, status=CellStatus.error):
    return failed_row(experiment, asked.cells[index], asked.numerics, "fell", status=status)


@pytest.mark.parametrize("index", ["kept", "lost"])
def test_every_kind_of_value_is_read_back_in_the_order_asked_for(store, index):
    asked = sweep(width=(2, 5), wood=("ash", "oak"), slope=(-0.0, 0.1, 1e-310), oiled=(False, True), seed=range(3))
    fill(store, asked)
    if index == "lost":
        (store.folder / ".index").unlink(missing_ok=True)
    reader = Store(store.folder)
    assert repr(numbers(reader.rows(asked))) == repr(numbers(rows_of(asked)))
    turned = list(reversed(asked.keys))
    assert [row["key"] for row in reader.rows(turned)] == turned


@pytest.mark.parametrize("value", [math.inf, -math.inf, -0.0, 5e-324, math.pi])
def test_floats_keep_all_their_bits(store, value):
    asked = sweep(width=2, seed=2)
    fill(store, asked, load=value, heights=[value, -value])
    (row,) = store.rows(asked)
    assert repr((row["load"], row["heights"])) == repr((value, [value, -value]))


def test_what_is_missing_is_said_by_position(store):
    asked = sweep()
    assert store.missing(asked) == list(range(12))
    assert store.rows(asked) == []
    fill(store, asked, [3, 4, 8])
    assert store.missing(asked) == [index for index in range(12) if index not in (3, 4, 8)]
    assert store.missing(asked, force=True) == list(range(12))
    assert store.missing(Sweep(asked.experiment, asked.grids, Numerics("float32"))) == list(range(12))
    assert store.missing(Sweep(replace(experiment, version=2), asked.grids)) == list(range(12))


def test_a_failed_row_counts_until_it_is_tried_again_and_never_hides_a_good_one(store):
    asked = sweep(width=(2, BROKEN), seed=range(2))
    fill(store, asked)
    assert [store.statuses()[key] for key in asked.keys] == [0, 0, 1, 1]
    assert store.missing(asked) == []
    assert store.missing(asked, retry_failed=True) == [2, 3]
    assert store.write(experiment, [failed(asked, 2, CellStatus.died)]).path is not None
    assert store.rows(asked)[2]["status"] == CellStatus.died
    assert store.write(experiment, [failed(asked, 0)]) == (None, [])
    assert store.rows(asked)[0]["status"] == CellStatus.ok


def test_with_force_the_new_row_counts_even_if_it_failed(store):
    asked = sweep(width=2, seed=range(2))
    fill(store, asked)
    store.write(experiment, [failed(asked, 0)], force=True)
    store.write(experiment, rows_of(asked, [1], load=7.0), force=True)
    for reader in (store, Store(store.folder)):
        assert [(row["status"], row["load"]) for row in reader.rows(asked)] == [(CellStatus.error, None), (0, 7.0)]


def test_the_folder_says_what_it_holds_without_the_experiment(store):
    asked = sweep()
    fill(store, asked)
    spec = store.spec()
    assert (spec.experiment, spec.version, spec.numerics) == ("shelf", 1, asked.numerics)
    assert (spec.cells, spec.keys) == (asked.cells, asked.keys)
    assert (dict(spec.axes), spec.columns) == (dict(experiment.axes), experiment.columns)
    assert numbers(store.rows(spec)) == numbers(rows_of(asked))
