"""Property: a folder belongs to one sweep, and what it holds is mixed up with nothing else unless that is asked."""

import json
import os
import time
from dataclasses import dataclass, replace

import pytest

from ntklora.sweeps import Column
from ntklora.sweeps.numerics import Numerics
from ntklora.sweeps.store import Refused, Store
from ntklora.sweeps.sweep import Sweep
from tests.sweeps.shelf import COLUMNS, Shelf, experiment, fill, numbers, rows_of, sweep


@dataclass(frozen=True)
class HighShelf(Shelf):
    height: float = 2.0


ASKED = sweep()
WHOLE = Column("load", int, "whole kilograms")
OTHERS = {
    "experiment shelf, not board": Sweep(replace(experiment, name="board"), ASKED.grids),
    "version 1, not 2": Sweep(replace(experiment, version=2), ASKED.grids),
    "precision float64, not float32": Sweep(experiment, ASKED.grids, Numerics("float32")),
    "without parameter height": Sweep(replace(experiment, parameters=HighShelf), ASKED.grids),
    "with column titles": Sweep(replace(experiment, columns=COLUMNS[:-1]), ASKED.grids),
    "column load of type float": Sweep(replace(experiment, columns=(WHOLE, *COLUMNS[1:])), ASKED.grids),
    "seed = 0, 1, not 0, 1, 2, ..., 8": sweep(width=(2, 3, 5), wood=("ash", "oak"), seed=range(9)),
    "other combinations": Sweep(experiment, ({**ASKED.grids[0], "seed": 0}, {**ASKED.grids[0], "seed": 1})),
}


@pytest.fixture
def store(tmp_path):
    store = Store(tmp_path / "shelf")
    fill(store, ASKED, [0, 1])
    return store


@pytest.mark.parametrize("difference", OTHERS)
def test_another_sweep_is_refused_in_a_line_that_says_the_difference(store, difference):
    before = (store.folder / "spec.json").read_text()
    with pytest.raises(Refused, match=difference) as refusal:
        store.claim(OTHERS[difference], "elsewhere")
    assert str(store.folder) in str(refusal.value)
    assert "--force" in str(refusal.value)
    assert "\n" not in str(refusal.value)
    assert (store.folder / "spec.json").read_text() == before
    store.claim(OTHERS[difference], "elsewhere", force=True)
    assert store.spec().cells == OTHERS[difference].cells


def test_the_same_sweep_in_other_words_is_welcome(store):
    twice = Sweep(experiment, (*ASKED.grids, {"width": 2, "wood": "oak"}))
    wordless = tuple(column._replace(meaning="") for column in COLUMNS)
    texts = Sweep(replace(experiment, question="Why?", columns=wordless), ASKED.grids)
    for same in (ASKED, twice, texts):
        store.claim(same, "moved.py:experiment")
        assert store.spec().reference == "moved.py:experiment"
    assert len(store.rows(ASKED)) == 2


def test_an_extended_sweep_keeps_rows_and_shows_them_to_their_keys_only(store):
    for difference in ("version 1, not 2", "precision float64, not float32", "seed = 0, 1, not 0, 1, 2, ..., 8"):
        store.claim(OTHERS[difference], "elsewhere", extend=True)
        assert store.set_aside_damaged() == []
    assert store.rows(OTHERS["version 1, not 2"]) == []
    assert numbers(store.rows(ASKED)) == numbers(rows_of(ASKED, [0, 1]))
    for difference in ("experiment shelf, not board", "with column titles"):
        with pytest.raises(Refused):
            store.claim(OTHERS[difference], "elsewhere", extend=True)


def test_other_columns_of_one_version_are_set_aside_once_they_are_forced_upon_the_folder(store):
    more = Sweep(replace(experiment, columns=(*COLUMNS, Column("age", float, "years"))), ASKED.grids)
    store.claim(more, "elsewhere", force=True)
    (damage,) = store.set_aside_damaged()
    assert damage.reason.startswith("has other columns of version 1")
    assert store.missing(more) == list(range(12))


@pytest.mark.parametrize("content", [None, "", "[]", '{"runs": 3}', "\x00\xff"])
def test_a_folder_with_files_and_no_manifest_of_ours_is_refused(tmp_path, content):
    (tmp_path / "thesis.tex").write_text("precious")
    if content is not None:
        (tmp_path / "manifest.json").write_text(content)
    with pytest.raises(Refused, match="manifest"):
        Store(tmp_path).claim(ASKED, "elsewhere")
    assert (tmp_path / "thesis.tex").read_text() == "precious"
    Store(tmp_path).claim(ASKED, "elsewhere", force=True)
    assert (tmp_path / "thesis.tex").read_text() == "precious"
    assert content is None or (tmp_path / "set_aside" / "manifest.json").read_text() == content
    assert Store(tmp_path).runs() == []
    Store(tmp_path).claim(ASKED, "elsewhere")


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"schema": 1}', '{"schema": 2, "experiment": "shelf"}'])
def test_a_specification_that_cannot_be_read_is_refused_and_named(store, content):
    (store.folder / "spec.json").write_text(content)
    with pytest.raises(ValueError, match=r"spec\.json is no specification"):
        store.spec()
    with pytest.raises(Refused, match=r"spec\.json.*--force"):
        store.claim(ASKED, "elsewhere")
    store.claim(ASKED, "elsewhere", force=True)
    assert store.spec().cells == ASKED.cells


def test_a_run_that_was_killed_while_it_claimed_goes_on(tmp_path):
    store = Store(tmp_path / "shelf")
    for path in (".writing", ".lock", ".manifest.0123456789ab.partial.json"):
        store.folder.mkdir(exist_ok=True)
        (store.folder / path).touch()
    store.claim(ASKED, "elsewhere")
    (store.folder / "spec.json").unlink()
    store.claim(ASKED, "elsewhere")
    assert store.spec().cells == ASKED.cells


def test_what_killed_writers_left_is_removed_when_it_is_old(store):
    young, old = (store.folder / "shards" / f".{name}.0123456789ab.partial.parquet" for name in ("young", "old"))
    for path in (young, old):
        path.touch()
    os.utime(old, (time.time() - 7200,) * 2)
    store.claim(ASKED, "elsewhere")
    assert young.exists()
    assert not old.exists()
    assert json.loads((store.folder / "manifest.json").read_text())["experiment"] == "shelf"
