"""Property: a recheck finds exactly the rows that are not what the cell gives, and says how strictly it looked."""

import json

import pytest

from ntklora.sweeps import CellStatus
from ntklora.sweeps.chunk import Shard
from ntklora.sweeps.executors import Processes, ThisProcess
from ntklora.sweeps.numerics import Numerics
from ntklora.sweeps.recheck import recheck, write_recheck
from ntklora.sweeps.runner import Request, run_sweeps
from ntklora.sweeps.store import Store, manifest
from ntklora.sweeps.sweep import Sweep
from tests.sweeps import descent

REFERENCE = "tests.sweeps.descent:everything"
GRIDS = ({"seed": range(3), "rank": (1, 3)},)


@pytest.fixture(autouse=True)
def committed(monkeypatch):
    """As if the source had no uncommitted changes."""
    for module in ("provenance", "row"):
        monkeypatch.setattr(f"ntklora.sweeps.{module}.revision", lambda: "c0ffee")
    return monkeypatch


def stored(folder, precision="float64", pieces=(None,)):
    store = Store(folder)
    sweep = Sweep(descent.everything(), GRIDS, Numerics(precision))
    for piece in pieces:
        run_sweeps([Request(sweep, REFERENCE, store)], ThisProcess(), shard=piece)
    return store, sweep


def tamper(store, sweep, index, **changes):
    """Put other values in the place of a stored row's, as if the cell had been computed so."""
    (row,) = store.rows([sweep.keys[index]])
    store.write(sweep.experiment, [{**row, **changes}], force=True)
    return row


def pretend(store, **changes):
    """Let the manifest say that every run was made otherwise."""
    runs = [{**run, **changes} for run in store.runs()]
    content = {"schema": manifest.SCHEMA, "experiment": "descent", "runs": runs}
    (store.folder / manifest.FILE).write_text(json.dumps(content))


def test_rows_of_a_run_in_pieces_are_repeated_to_the_last_bit(tmp_path):
    store, sweep = stored(tmp_path, pieces=(Shard(1, 2), Shard(2, 2)))
    found = recheck(store, ThisProcess(), count=100, seed=0)
    assert [each.cell for each in found] == list(sweep.cells)
    assert {(each.comparison, each.agrees, each.column, each.reason) for each in found} == {
        ("bitwise", True, None, None)
    }


def test_the_choice_is_random_and_said_by_its_seed(tmp_path):
    store, sweep = stored(tmp_path)
    choices = [
        tuple(sweep.keys.index(each.key) for each in recheck(store, ThisProcess(), count=3, seed=seed))
        for seed in (0, 0, 1, 2)
    ]
    assert all(list(choice) == sorted(set(choice)) and len(choice) == 3 for choice in choices)
    assert choices[0] == choices[1]
    assert len(set(choices)) > 1


def test_a_bit_that_differs_is_found_and_named(tmp_path):
    store, sweep = stored(tmp_path)
    row = tamper(store, sweep, 2, mixed=0.0)
    tamper(store, sweep, 2, mixed=row["mixed"] * (1 + 2.0**-52), halvings=row["halvings"])
    (wrong,) = (each for each in recheck(store, ThisProcess(), count=6, seed=0) if not each.agrees)
    assert (wrong.cell, wrong.comparison, wrong.column) == (sweep.cells[2], "bitwise", "mixed")
    assert 0 < wrong.difference <= 2.0**-51


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"versions": {"jax": "0.0.1"}}, "the versions of the packages differ"),
        ({"xla_flags": "--xla_cpu_enable_fast_math=true"}, "XLA's flags differ"),
        ({"cut": "of another sweep"}, "the cells that were computed together differ"),
        ({"device": {"processor": "other"}}, "the kind of processor was other"),
        ({"device": {}}, "the kind of processor was not recorded"),
        ({"source": "another"}, "the experiment's file has changed"),
        ({"source": None}, "the experiment's file was not recorded"),
        ({"finished": "2000"}, "no run in the manifest wrote it"),
    ],
)
def test_under_other_circumstances_numbers_agree_to_the_tolerance(tmp_path, changes, reason):
    store, sweep = stored(tmp_path)
    row = tamper(store, sweep, 0, mixed=0.0)
    tamper(store, sweep, 0, mixed=row["mixed"] * (1 + 1e-12))
    values = store.rows([sweep.keys[1]])[0]["values"]
    tamper(store, sweep, 1, values=[2 * values[0], *values[1:]])
    tamper(store, sweep, 3, halvings=29)
    pretend(store, **changes)
    found = recheck(store, ThisProcess(), count=6, seed=0)
    assert {each.comparison for each in found} == {"tolerance 1.5e-08"}
    assert all(each.reason.startswith(reason) for each in found)
    assert [each.agrees for each in found] == [True, False, True, False, True, True]
    assert [each.column for each in found] == ["mixed", "values", None, "halvings", None, None]
    assert found[1].difference == 0.5


@pytest.mark.parametrize(
    ("now", "reason"),
    [("beef", "the code was c0ffee, it is beef"), ("c0ffee+dirty", "the code was c0ffee, it is c0ffee+dirty")],
)
def test_other_code_need_not_give_the_same_bits(tmp_path, committed, now, reason):
    store, _ = stored(tmp_path)
    committed.setattr("ntklora.sweeps.provenance.revision", lambda: now)
    (one,) = recheck(store, ThisProcess(), count=1, seed=3)
    assert (one.comparison, one.agrees, one.reason) == ("tolerance 1.5e-08", True, reason)


def test_a_gpu_repeats_bits_only_where_it_was_told_to(tmp_path, committed):
    there = {"processor": "p", "threads": 2, "platform": "gpu", "kind": "k"}
    committed.setattr("ntklora.sweeps.executors.device_in_use", lambda: there)
    for flags, comparison in (("", "tolerance 1.5e-08"), ("--xla_gpu_deterministic_ops=true", "bitwise")):
        committed.setenv("XLA_FLAGS", flags)  # JAX has read it already
        store, _ = stored(tmp_path / comparison[:4])
        (one,) = recheck(store, ThisProcess(), count=1, seed=0)
        assert (one.comparison, one.agrees) == (comparison, True)


def test_verdicts_of_a_float32_sweep_are_checked_in_float64(tmp_path):
    store, sweep = stored(tmp_path, "float32")
    (row,) = store.rows([sweep.keys[4]])
    tamper(store, sweep, 4, fits=not row["fits"])
    found = recheck(store, ThisProcess(), count=6, seed=0)
    numbers, verdicts = found[:6], found[6:]
    assert {each.comparison for each in numbers} == {"bitwise"}
    assert {each.comparison for each in verdicts} == {"verdicts in float64"}
    assert [each.agrees for each in verdicts] == [True] * 4 + [False, True]
    assert [each.agrees for each in numbers] == [True] * 4 + [False, True]
    assert (verdicts[4].column, verdicts[4].difference) == ("fits", None)
    assert verdicts[0].reason == "computed in float32"


def test_a_cell_that_fails_now_is_a_difference_and_failed_rows_are_not_chosen(tmp_path, committed):
    store, sweep = stored(tmp_path)
    tamper(store, sweep, 0, status=int(CellStatus.error), reason="once")
    committed.setattr(descent, "FORBIDDEN", (1, 1))
    found = recheck(store, ThisProcess(), count=6, seed=0)
    assert [each.cell for each in found] == list(sweep.cells[1:])
    (wrong,) = (each for each in found if not each.agrees)
    assert (wrong.cell["seed"], wrong.cell["rank"], wrong.column) == (1, 1, "status")
    assert wrong.reason.startswith("computed again, the cell is error: RuntimeError: forbidden")


def test_the_result_is_kept_in_the_folder(tmp_path):
    store, _ = stored(tmp_path)
    found = recheck(store, ThisProcess(), count=2, seed=5)
    path = write_recheck(store, found, count=2, seed=5)
    assert path.parent == tmp_path / "rechecks"
    content = json.loads(path.read_text())
    assert (content["seed"], content["asked"], content["agree"], content["differ"]) == (5, 2, 2, 0)
    assert content["rows"][0]["cell"] == dict(found[0].cell)
    assert recheck(store, ThisProcess(), count=2, seed=5) == found


def test_a_folder_of_another_version_is_refused(tmp_path):
    store, _ = stored(tmp_path)
    spec = json.loads((tmp_path / "spec.json").read_text())
    (tmp_path / "spec.json").write_text(json.dumps({**spec, "version": 7}))
    with pytest.raises(ValueError, match="holds descent, version 7; the code computes descent, version 1"):
        recheck(store, ThisProcess(), count=1, seed=0)


def test_worker_processes_repeat_what_this_process_computed(tmp_path):
    """In float32, where the workers' JAX is set from the sweep, and on the same machine."""
    store, _ = stored(tmp_path, "float32")
    found = recheck(store, Processes(1), count=3, seed=0)
    assert len(found) == 6
    assert all(each.agrees for each in found)
