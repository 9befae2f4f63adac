"""Property: an exported file holds every requested cell, and every value comes back up to the format's limits."""

import json

import numpy as np
import pyarrow.csv as csv
import pyarrow.parquet as pq
import pytest
import xarray as xr

from ntklora.sweeps import CellStatus
from ntklora.sweeps.export import export
from ntklora.sweeps.store import Store
from tests.sweeps.shelf import BROKEN, COLUMNS, fill, rows_of, sweep

ASKED = sweep(width=(2, 5, BROKEN), wood=("ash", "oak"), slope=(0.1, -1e-310), oiled=(False, True), seed=range(3))
STORED = [index for index in range(len(ASKED.cells)) if index % 7]


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    store = Store(tmp_path_factory.mktemp("results") / "shelf")
    fill(store, ASKED, STORED)
    return store


@pytest.fixture(scope="module")
def expected():
    """Every cell with its measured values and status, in order; None for what was not computed."""
    stored = dict(zip(STORED, rows_of(ASKED, STORED), strict=True))
    nothing = {column.name: None for column in COLUMNS}
    missing = {"status": int(CellStatus.missing), "reason": None}
    rows = [stored.get(index, {**cell, **nothing, **missing}) for index, cell in enumerate(ASKED.cells)]
    return [{name: row[name] for name in (*ASKED.cells[0], *nothing, *missing)} for row in rows]


def written(store, tmp_path, suffix):
    path = tmp_path / f"shelves{suffix}"
    path.write_text("an older file")
    export(store, path)
    assert [each.name for each in tmp_path.iterdir()] == [path.name]
    return path


def test_parquet_gives_back_everything(store, expected, tmp_path):
    table = pq.read_table(written(store, tmp_path, ".parquet"))
    assert repr(table.select(list(expected[0])).to_pylist()) == repr(expected)
    assert table["key"].to_pylist() == list(ASKED.keys)
    assert json.loads(table.schema.metadata[b"ntklora"])["grids"][0]["seed"] == [0, 1, 2]


def test_csv_gives_back_everything_with_lists_as_json(store, expected, tmp_path):
    kinds = {"label": "string", "reason": "string", "heights": "string", "pages": "string", "titles": "string"}
    options = csv.ConvertOptions(
        column_types=kinds, strings_can_be_null=True, quoted_strings_can_be_null=False, null_values=[""]
    )
    parsing = csv.ParseOptions(newlines_in_values=True)
    rows = csv.read_csv(written(store, tmp_path, ".csv"), convert_options=options, parse_options=parsing)
    found = rows.select(list(expected[0])).to_pylist()
    for row in found:
        for name in ("heights", "pages", "titles"):
            row[name] = None if row[name] is None else json.loads(row[name])
    assert repr(found) == repr(expected)


def test_netcdf_gives_back_the_labelled_arrays(store, expected, tmp_path):
    with xr.open_dataset(written(store, tmp_path, ".nc"), engine="h5netcdf") as dataset:
        found, view = dataset.load(), store.to_xarray()
    assert list(found.variables) == list(view.variables)
    for name in view.variables:
        assert found[name].dims == view[name].dims
        assert repr(found[name].values.tolist()) == repr(view[name].values.tolist())
    assert found.attrs.pop("spec")
    assert found.attrs == view.attrs


def test_labelled_arrays_hold_every_value_at_its_coordinates(store, expected):
    view = store.to_xarray()
    axes = list(ASKED.cells[0])
    assert view.status.size == len(expected)
    for row in expected:
        here = view.sel({name: row[name] for name in axes})
        assert int(here.status) == row["status"]
        for name in ("load", "books", "straight"):
            np.testing.assert_array_equal(float(here[name]), np.nan if row[name] is None else float(row[name]))
        assert str(here.label.item()) == (row["label"] or "")
        for name in ("heights", "pages"):
            values = row[name] or []
            assert repr(here[name].values.tolist()) == repr([*map(float, values), *[np.nan] * (2 - len(values))])


def test_a_data_frame_has_a_line_per_cell_with_missing_values_of_pandas(store, expected):
    frame = store.to_pandas()
    assert frame["status"].tolist() == [row["status"] for row in expected]
    assert str(frame["books"].dtype) == "Int64"
    assert str(frame["straight"].dtype) == "boolean"
    assert str(frame["seed"].dtype) == "int64"
    for name in ("load", "books", "straight", "label", "heights", "titles"):
        there = [row[name] is not None for row in expected]
        assert frame[name].notna().tolist() == there
        values = [row[name] for row in expected if row[name] is not None]
        assert [value.tolist() if hasattr(value, "tolist") else value for value in frame[name][there]] == values


def test_a_file_of_another_kind_is_refused_before_anything_is_read(tmp_path):
    with pytest.raises(ValueError, match=r"one of \.parquet, \.csv, \.nc"):
        export(Store(tmp_path / "nothing"), tmp_path / "shelves.xlsx")
    with pytest.raises(ValueError, match="holds no sweep"):
        export(Store(tmp_path / "nothing"), tmp_path / "shelves.csv")


def test_a_union_of_grids_too_wide_for_arrays_is_refused_in_a_line(tmp_path):
    wide = sweep(width=2)
    lines = [{"width": index + 14, "seed": index, "slope": float(index)} for index in range(500)]
    store = Store(tmp_path / "shelf")
    store.claim(type(wide)(wide.experiment, lines), "elsewhere")
    with pytest.raises(ValueError, match=r"span 500 x 1 x 500 x 1 x 500 places, the sweep has 500 cells"):
        store.to_xarray()
