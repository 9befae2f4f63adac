"""Property: a worker compiles once for each shape, computes a chunk on each of its devices, and gives one's rows."""

import os
from collections import Counter

import pytest

from ntklora.sweeps.executors import Processes
from tests.sweeps.test_executors_failures import order

GRID = {"seed": range(18)}


def computed(devices, monkeypatch):
    """Values by cell, and the sizes of the tickets."""
    flags = os.environ.get("XLA_FLAGS", "")
    monkeypatch.setenv("XLA_FLAGS", f"{flags} --xla_force_host_platform_device_count={devices}")
    executor, sizes, values = Processes(1), {}, {}
    for ticket, row in executor.run([order("together", GRID)], lambda: False):
        sizes[ticket.number] = len(ticket.chunk.cells)
        values[row["seed"]] = row["value"]
    assert executor.device()["count"] == devices
    return values, sorted(sizes.values())


@pytest.mark.parametrize(("devices", "sizes"), [(2, [2, 8, 8]), (4, [2, 16])])
def test_several_devices_give_the_rows_of_one(devices, sizes, monkeypatch):
    with monkeypatch.context() as alone:
        expected, one = computed(1, alone)
    assert one == [2, 4, 4, 4, 4]
    assert computed(devices, monkeypatch) == (expected, sizes)


def test_a_shape_is_compiled_once_however_many_chunks_it_has(tmp_path, monkeypatch):
    monkeypatch.setenv("TRACES", str(tmp_path / "traces"))
    asked = order("traced", {"what": ["a", "b"], "seed": range(12)}, {"what": ["c"], "seed": range(3)})
    assert len(list(Processes(1).run([asked], lambda: False))) == 27
    assert Counter((tmp_path / "traces").read_text().split()) == {"a": 1, "b": 1, "c": 1}
