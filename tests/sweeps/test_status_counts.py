"""Property: what is said of a folder is true of its rows, and needs neither the experiment nor JAX."""

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from ntklora.sweeps import CellStatus
from ntklora.sweeps.row import failed_row
from ntklora.sweeps.status import count_statuses
from ntklora.sweeps.store import Store
from ntklora.sweeps.sweep import Sweep
from tests.sweeps.shelf import BROKEN, experiment, fill, rows_of, sweep

ROOT = Path(__file__).parents[2]
ASKED = sweep(width=(2, BROKEN), seed=range(8))


@pytest.fixture
def store(tmp_path):
    store = Store(tmp_path / "shelf")
    fill(store, ASKED, [0, 1, 2, *range(8, 14)])
    limit = failed_row(experiment, ASKED.cells[3], ASKED.numerics, "more than 1.5 s", status=CellStatus.out_of_time)
    store.write(experiment, [limit])
    return store


def test_cells_are_counted_by_status_and_failures_by_reason(store):
    counts = count_statuses(store)
    assert (counts.cells, counts.missing, counts.failed) == (16, 6, 7)
    assert counts.statuses == {
        "missing": 6, "ok": 3, "error": 6, "nan": 0, "out_of_time": 1, "out_of_memory": 0, "died": 0,
    }  # fmt: skip
    often, once = counts.reasons
    assert (often.status, often.cells, once.status, once.cells) == ("error", 6, "out_of_time", 1)
    assert often.reason.startswith("RuntimeError: 0 books fell")
    assert once == ("out_of_time", "more than 1.5 s", 1, ASKED.cells[3])
    assert (counts.last_run, counts.damaged, counts.other_versions) == (None, [], {})


def test_rows_that_were_not_asked_for_are_not_counted(store):
    fewer = sweep(width=2, seed=range(2))
    store.claim(fewer, "elsewhere", extend=True)
    counts = count_statuses(store)
    assert (counts.cells, counts.statuses["ok"], counts.failed, counts.missing) == (2, 2, 0, 0)


def test_damage_other_versions_and_the_last_run_are_named(store):
    newer = Sweep(replace(experiment, version=2), ASKED.grids)
    kept = store.write(newer.experiment, rows_of(newer, [0])).path
    cut = next(path for path in (store.folder / "shards").iterdir() if path != kept)
    cut.write_bytes(b"cut")
    store.append_run("shelf", {"command": "first"})
    store.append_run("shelf", {"command": "second"})
    counts = count_statuses(Store(store.folder))
    assert [damage.shard for damage in counts.damaged] == [cut.name]
    assert counts.other_versions == {kept.name: 2}
    assert counts.last_run["command"] == "second"


def test_neither_the_experiment_nor_jax_is_imported(store, tmp_path):
    (tmp_path / "b").symlink_to(store.folder)
    code = f"""
import sys; sys.path.insert(0, {str(ROOT)!r})
from pathlib import Path
from ntklora.sweeps.diff import compare
from ntklora.sweeps.export import export
from ntklora.sweeps.status import count_statuses
from ntklora.sweeps.store import Store
store = Store(Path({str(store.folder)!r}))
assert count_statuses(store).cells == 16
assert compare(store, Store(Path({str(tmp_path / "b")!r}))).same
export(store, Path({str(tmp_path / "out.csv")!r}))
print(sorted(set(sys.modules) & {{"jax", "matplotlib", "tests.sweeps.shelf", "xarray"}}))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.stdout == "[]\n", done.stderr


def test_a_file_where_the_shards_should_be_is_an_error_in_a_line(store):
    (store.folder / "shards").rename(store.folder / "elsewhere")
    assert count_statuses(Store(store.folder)).missing == 16
    (store.folder / "shards").touch()
    with pytest.raises(ValueError, match=r"shards cannot be read \(Not a directory\)"):
        count_statuses(Store(store.folder))


def test_a_folder_without_a_sweep_is_refused_in_a_line(tmp_path):
    with pytest.raises(ValueError, match=r"holds no sweep: it has no spec\.json"):
        count_statuses(Store(tmp_path))
