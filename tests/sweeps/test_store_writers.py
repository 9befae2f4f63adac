"""Property: several writers of one folder lose nothing, agree or say so, and a second runner is refused by name."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from ntklora.sweeps.store import Refused, Store, lock
from tests.sweeps.shelf import experiment, fill, numbers, rows_of, sweep

ROOT = Path(__file__).parents[2]
ASKED = sweep()

WRITE = """
store, asked = Store(Path(sys.argv[1])), sweep()
store.claim(asked, "shelf")
name = store.append_run("shelf", {"writer": int(sys.argv[2])})
for _ in range(5):
    store.append_run("shelf", {"writer": int(sys.argv[2])})
for start in (0, 4, 8):
    written = store.write(experiment, rows_of(asked, range(start, start + 4)))
    assert not written.disagreements
store.update_run("shelf", name, {"finished": True})
"""
HOLD = """
from ntklora.sweeps.store import lock
piece = tuple(map(int, sys.argv[2:])) or None
with lock(Path(sys.argv[1]), piece):
    print("held", flush=True)
    time.sleep(60)
"""


def start(code, folder, *arguments):
    head = f"import sys, time; sys.path.insert(0, {str(ROOT)!r}); from pathlib import Path\n"
    head += "from ntklora.sweeps.store import Store; from tests.sweeps.shelf import *\n"
    command = [sys.executable, "-c", head + code, str(folder), *map(str, arguments)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


@pytest.fixture
def hold(tmp_path):
    """Start processes that hold a lock of a folder; they are killed at the end."""
    held = []

    def begin(*piece):
        held.append(start(HOLD, tmp_path, *piece))
        assert held[-1].stdout.readline() == "held\n"
        return held[-1]

    yield begin
    for process in held:
        process.kill()
        process.communicate()


def test_writers_of_the_same_chunks_at_once_store_each_row_once_and_lose_no_run(tmp_path):
    writers = [start(WRITE, tmp_path / "shelf", number) for number in range(3)]
    assert [writer.wait(timeout=60) for writer in writers] == [0] * 3
    for writer in writers:
        writer.communicate()
    store = Store(tmp_path / "shelf")
    assert numbers(store.rows(ASKED)) == numbers(rows_of(ASKED))
    assert len(list((store.folder / "shards").glob("*.parquet"))) == 3
    assert sorted(run["writer"] for run in store.runs()) == sorted(6 * [0, 1, 2])
    assert sum(run.get("finished", False) for run in store.runs()) == 3
    assert not list(tmp_path.rglob("*.partial*"))


def test_other_numbers_for_a_stored_cell_are_said_and_set_aside(tmp_path):
    store = Store(tmp_path / "shelf")
    fill(store, ASKED)
    other = Store(store.folder)  # of another writer, that computed before it looked
    rows = rows_of(ASKED, [0, 1])
    again = [{**rows[0], "load": rows[0]["load"] * (1 + 2**-40), "label": "new"}, rows[1]]
    written = other.write(experiment, again)
    (found,) = written.disagreements
    assert written.path is None
    assert found.cell == ASKED.cells[0]
    assert dict(found.columns) == {"load": pytest.approx(2**-40, rel=1e-3), "label": None}
    assert "width = 2, wood = ash" in str(found)
    assert "load (relative difference 9.1e-13), label differ" in str(found)
    assert numbers(Store(store.folder).rows(ASKED)) == numbers(rows_of(ASKED))
    assert len(list((store.folder / "set_aside").iterdir())) == 1


def test_shards_brought_together_that_contradict_are_named_and_the_later_is_set_aside(tmp_path):
    one, other, third = (Store(tmp_path / name) for name in ("one", "other", "third"))
    fill(one, ASKED, range(4))
    (late,) = fill(other, ASKED, [3, 4, 5, 6], load=7.0)
    (equal,) = fill(third, ASKED, [2, 7, 8])
    for path in (late, equal):
        shutil.copy(path, one.folder / "shards")
    for store in (one, Store(one.folder)):  # that knew one of them before, and that reads all at once
        assert [row["load"] == 7.0 for row in store.rows(ASKED)] == [False] * 4 + [True] * 3 + [False] * 2
        (found,) = store.damaged()
        assert found.shard == late.name
        assert found.reason.startswith("holds other numbers for a cell than")
    one.set_aside_damaged()
    assert one.damaged() == []
    assert one.missing(ASKED) == [4, 5, 6, 9, 10, 11]


def test_what_was_missing_is_stored_though_the_rest_of_the_chunk_was_there(tmp_path):
    store = Store(tmp_path / "shelf")
    fill(store, ASKED, [0, 2])
    written = Store(store.folder).write(experiment, rows_of(ASKED, range(4)))
    assert written.path is not None
    assert not written.disagreements
    assert store.missing(ASKED) == list(range(4, 12))


def test_a_second_runner_is_refused_with_the_process_of_the_first(tmp_path, hold):
    first = hold()
    for piece in (None, (1, 2)):
        with pytest.raises(Refused, match=f"process {first.pid} since 20") as refusal, lock(tmp_path, piece):
            pass
        assert "\n" not in str(refusal.value)


def test_pieces_run_side_by_side_but_no_piece_twice_and_no_whole_run_beside_them(tmp_path, hold):
    one, _ = hold(1, 2), hold(2, 2)
    for piece in (None, (1, 2)):
        with pytest.raises(Refused, match=f"process {one.pid}"), lock(tmp_path, piece):
            pass


def test_a_killed_runner_leaves_no_lock_behind(tmp_path, hold):
    first = hold()
    first.kill()
    first.wait()
    for _ in range(2):  # and a lock that was given back can be taken again
        with lock(tmp_path):
            assert json.loads((tmp_path / ".lock").read_text())["process"] == os.getpid()
