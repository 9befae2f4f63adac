"""Property: the index saves time and decides nothing: missing, stale or damaged, the answers are the same."""

import os

import pytest

from ntklora.sweeps.store import Store, index
from tests.sweeps.shelf import fill, numbers, rows_of, sweep

ASKED = sweep(width=(2, 13), seed=range(8))


@pytest.fixture
def store(tmp_path):
    store = Store(tmp_path / "shelf")
    fill(store, ASKED)
    store.update_run("shelf", "none", {})  # as a run ends
    return store


@pytest.fixture
def opened(monkeypatch):
    """The shards that are opened to bring an index up to date."""
    names, read = [], index.read_shard

    def spy(path):
        names.append(path.name)
        return read(path)

    monkeypatch.setattr(index, "read_shard", spy)
    return names


def test_a_run_leaves_an_index_that_spares_the_next_reader_every_shard(store, opened):
    reader = Store(store.folder)
    assert len(reader.missing(ASKED, retry_failed=True)) == 8
    assert reader.missing(ASKED) == []
    assert opened == []


def test_only_what_is_new_or_changed_is_opened(store, opened):
    more = sweep(width=(2, 13, 3), seed=range(8))
    store.claim(more, "elsewhere", extend=True)
    (path,) = fill(store, more, [16, 17])
    touched = sorted((store.folder / "shards").iterdir())[0]
    os.utime(touched, (0, 0))
    reader = Store(store.folder)
    assert len(reader.missing(more)) == 6
    assert sorted(opened) == sorted({path.name, touched.name})


def test_a_shard_that_is_gone_is_missing(store):
    shard = next((store.folder / "shards").iterdir())
    before = dict(store.statuses())
    shard.unlink()
    assert len(Store(store.folder).missing(ASKED)) == 4
    assert len(store.missing(ASKED)) == 4
    assert set(store.statuses()) < set(before)


@pytest.mark.parametrize("content", [b"", b"PAR1", None])
def test_an_index_that_is_none_is_replaced_by_looking(store, opened, content):
    path = store.folder / ".index"
    if content is None:
        path.unlink()
    else:
        path.write_bytes(content)
    assert Store(store.folder).missing(ASKED, retry_failed=True) == store.missing(ASKED, retry_failed=True)
    assert len(opened) == 4


def test_one_changed_byte_of_the_index_changes_no_answer(store):
    path = store.folder / ".index"
    whole, expected = path.read_bytes(), store.statuses()
    rows = numbers(store.rows(ASKED))
    for position in range(0, len(whole), 41):
        broken = bytearray(whole)
        broken[position] ^= 0x15
        path.write_bytes(broken)
        reader = Store(store.folder)
        assert reader.statuses() == expected
        assert reader.damaged() == []
    assert numbers(reader.rows(ASKED)) == rows == numbers(rows_of(ASKED))


def test_many_shards_are_indexed_while_they_are_written(store, opened, monkeypatch):
    monkeypatch.setattr(index, "_FEW", 1)
    more = sweep(width=(2, 13, 3), seed=range(40))
    store.claim(more, "elsewhere", extend=True)
    fill(store, more, range(80, 120))
    opened.clear()
    Store(store.folder).look()
    assert len(opened) <= 2
