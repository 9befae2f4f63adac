"""Property: one program per static group; whatever goes wrong in a cell of a vmapped computation stays in its row."""

from dataclasses import replace

import jax
import pytest

from ntklora.sweeps import CellStatus, Profile, Vmapped
from ntklora.sweeps.chunk import plan_groups
from ntklora.sweeps.numerics import Numerics
from ntklora.sweeps.run_chunk import run_chunk
from tests.sweeps import descent
from tests.sweeps.descent import PROVENANCE, experiment, rows_of

DOUBLE, SINGLE = Numerics(), Numerics("float32")


def run(grid, numerics=DOUBLE, **changes):
    described = replace(experiment(grid), **changes)
    cells = described.cells(Profile.smoke)
    return list(rows_of(described, cells, range(len(cells)), numerics).values())


@pytest.fixture
def compilations():
    """How often XLA compiled since, as JAX itself counts."""
    counted = []

    def count(event, duration, **tags):
        if event == "/jax/core/compile/backend_compile_duration":
            counted.append(event)

    jax.monitoring.register_event_duration_secs_listener(count)
    yield counted
    jax.monitoring.unregister_event_duration_listener(count)


def test_one_compilation_for_each_static_group_whatever_the_number_of_chunks(compilations):
    described = replace(
        experiment({"seed": range(6), "rank": (1, 3)}, chunk=2),
        run=Vmapped(descent.prepare, lambda shape, arrays: descent.compute(shape, arrays), descent.finish),
        shape=lambda parameters: (10 + parameters.seed % 2, "none"),
    )
    cells = described.cells(Profile.smoke)
    for cell in cells:
        descent.prepare(described.parameters(**cell))  # compiles what drawing a key needs
    groups = plan_groups(described, cells, range(len(cells)))
    assert [len(group) for group in groups] == [3, 3]
    first = next(run_chunk(described, groups[0][0], DOUBLE))
    before = len(compilations)
    rows = [row for group in groups for chunk in group for row in run_chunk(described, chunk, DOUBLE)]
    assert len(compilations) - before == 1, "the second group's program; the first was there"
    assert len(rows) == 12
    assert numbers(rows)[0] == numbers([first])[0]


@pytest.mark.parametrize(
    ("fault", "status", "reason"),
    [
        ("prepare", CellStatus.error, "RuntimeError: cannot be prepared [descent.py:"),
        ("finish", CellStatus.error, "RuntimeError: cannot be finished [descent.py:"),
        ("nan", CellStatus.nan, "NaN in values, spectrum, mixed"),
    ],
)
def test_a_cell_that_goes_wrong_leaves_its_neighbours_every_bit(fault, status, reason):
    described, alone = experiment({"seed": 0}), run({"seed": range(4)})
    cells = [{"seed": seed, "rank": 2, "rate": 0.5, "fault": fault if seed == 1 else "none"} for seed in range(4)]
    rows = list(rows_of(described, cells, range(4), DOUBLE).values())
    assert [row["status"] for row in rows] == [0, status, 0, 0]
    assert rows[1]["reason"].startswith(reason)
    assert [rows[slot] for slot in (0, 2, 3)] == [alone[slot] for slot in (0, 2, 3)]


def test_a_cell_whose_computation_raises_is_found_by_halving():
    rows = run({"seed": range(6), "fault": "compute", "rank": (2, 3)})
    assert [row["status"] for row in rows] == [1 if row["seed"] == 2 and row["rank"] == 3 else 0 for row in rows]
    assert rows[5]["reason"].startswith("JaxRuntimeError: INTERNAL: CpuCallback error")
    assert rows[4]["values"] == pytest.approx(run({"seed": 2})[0]["values"])


@pytest.mark.parametrize(
    ("fault", "numerics", "reason"),
    [
        ("dtype", DOUBLE, "TypeError: compute gives float32 in a float64 sweep"),
        ("upcast", SINGLE, "TypeError: compute goes through float64 in a float32 sweep"),
    ],
)
def test_a_computation_that_leaves_the_precision_of_the_sweep_is_refused(fault, numerics, reason):
    rows = run({"seed": range(3), "fault": fault}, numerics)
    assert [row["status"] for row in rows] == [CellStatus.error] * 3
    assert all(row["reason"].startswith(reason) for row in rows)


def test_a_shape_that_cannot_be_compiled_is_tried_once(compilations):
    traced = []

    def broken(shape, arrays):
        traced.append(shape)
        return arrays["target"] @ arrays["target"]

    rows = run({"seed": range(4)}, run=Vmapped(descent.prepare, broken, descent.finish))
    assert [row["status"] for row in rows] == [CellStatus.error] * 4
    assert len(traced) == 1
    assert not compilations


def test_arrays_that_the_shape_does_not_tell_apart_get_programs_of_their_own():
    cells = [{"seed": seed, "rank": 2, "rate": 0.5, "fault": "arrays" if seed == 1 else "none"} for seed in range(4)]
    described, alone = experiment({"seed": 0}), run({"seed": range(4)})
    rows = list(rows_of(described, cells, range(4), DOUBLE).values())
    assert [row["status"] for row in rows] == [0] * 4
    assert [rows[slot] for slot in (0, 2, 3)] == [alone[slot] for slot in (0, 2, 3)]


def test_without_x64_nothing_is_computed():
    described = experiment({"seed": 0})
    (group,) = plan_groups(described, described.cells(Profile.smoke), [0])
    with jax.enable_x64(False), pytest.raises(ValueError, match="jax_enable_x64"):
        next(run_chunk(described, group[0], DOUBLE))


def numbers(rows):
    return [{name: value for name, value in row.items() if name not in PROVENANCE} for row in rows]
