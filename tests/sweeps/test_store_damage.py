"""Property: a shard that is cut, changed, foreign or of another version is named, never shown, and computed again."""

import os
import shutil
from dataclasses import replace
from hashlib import sha256

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ntklora.sweeps.store import Store
from ntklora.sweeps.store.shard import parquet_bytes, read_shard, write_shard
from ntklora.sweeps.sweep import Sweep
from tests.sweeps.shelf import experiment, fill, numbers, rows_of, sweep

ASKED = sweep()


@pytest.fixture
def store(tmp_path):
    store = Store(tmp_path / "shelf")
    fill(store, ASKED)
    return store


def shard(store):
    return sorted((store.folder / "shards").glob("*.parquet"))[1]


def cut(path):
    path.write_bytes(path.read_bytes()[:1000])


def empty(path):
    path.write_bytes(b"")


def text(path):
    path.write_text("not a shard")


def foreign(path):
    pq.write_table(pa.table({"key": ["a"], "status": [0]}), path)


def later_schema(path):
    header, table = read_shard(path)
    write_shard(path.parent, header._replace(schema=99), table)
    path.unlink()


def no_header(path):
    content = parquet_bytes(pa.table({"key": ["a"], "status": [0]}))
    path.with_name(f"1-{sha256(content).hexdigest()[:16]}.parquet").write_bytes(content)
    path.unlink()


def renamed(path):
    path.rename(path.with_name("0" * 32 + ".parquet"))


def folder(path):
    path.unlink()
    path.mkdir()


@pytest.mark.parametrize("damage", [cut, empty, text, foreign, later_schema, no_header, renamed, folder])
def test_damage_is_named_set_aside_and_its_cells_are_missing(store, damage):
    damage(shard(store))
    reader = Store(store.folder)
    (found,) = reader.damaged()
    assert len(reader.missing(ASKED)) == 4
    with pytest.raises(ValueError, match=rf"{found.shard} .*: run the sweep again") as error:
        reader.rows(ASKED)
    assert "\n" not in str(error.value)
    assert reader.set_aside_damaged() == [found]
    assert (store.folder / "set_aside" / found.shard).exists()
    assert reader.damaged() == []
    lost = reader.missing(ASKED)
    assert numbers(reader.rows(ASKED)) == numbers(rows_of(ASKED, [i for i in range(12) if i not in lost]))
    fill(reader, ASKED, lost)
    assert numbers(Store(store.folder).rows(ASKED)) == numbers(rows_of(ASKED))


def test_one_changed_byte_is_noticed(store):
    path = shard(store)
    whole = path.read_bytes()
    for position in range(0, len(whole), 37):
        path.write_bytes(whole[:position] + bytes([whole[position] ^ 0x15]) + whole[position + 1 :])
        assert [each.shard for each in Store(store.folder).damaged()] == [path.name]


def test_a_change_that_name_size_and_time_do_not_show_is_found_on_reading_and_mended_by_the_next_run(store):
    store.update_run("shelf", "none", {})  # writes the index
    path = shard(store)
    facts, content = path.stat(), bytearray(path.read_bytes())
    content[300] ^= 1
    path.write_bytes(content)
    os.utime(path, ns=(facts.st_atime_ns, facts.st_mtime_ns))
    assert Store(store.folder).damaged() == []
    with pytest.raises(ValueError, match=path.name):
        Store(store.folder).rows(ASKED)
    runner = Store(store.folder)
    assert [each.shard for each in runner.set_aside_damaged()] == [path.name]
    assert len(runner.missing(ASKED)) == 4


def test_a_shard_of_another_experiment_is_set_aside(store, tmp_path):
    boards = Sweep(replace(experiment, name="board"), ASKED.grids)
    other = Store(tmp_path / "board")
    (path, *_) = fill(other, boards)
    shutil.copy(path, store.folder / "shards")
    (found,) = store.set_aside_damaged()
    assert found == (path.name, "is of experiment board")
    assert numbers(store.rows(ASKED)) == numbers(rows_of(ASKED))


def test_a_shard_of_another_version_is_named_kept_and_not_shown(store, tmp_path):
    newer = Sweep(replace(experiment, version=2), ASKED.grids)
    (path, *_) = fill(Store(tmp_path / "newer"), newer, load=9.0)
    shutil.copy(path, store.folder / "shards")
    assert store.set_aside_damaged() == []
    assert store.other_versions() == {path.name: 2}
    assert numbers(store.rows(ASKED)) == numbers(rows_of(ASKED))
    assert [row["load"] for row in store.rows(newer)] == [9.0] * 4
