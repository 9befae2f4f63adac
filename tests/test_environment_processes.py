"""Property: one process per core, a single one where JAX would take an accelerator, and no more cores than NPROC."""

from importlib.metadata import EntryPoint

import pytest

from ntklora import environment


@pytest.mark.parametrize(("platforms", "plugins", "single"), [
    ("cpu", 1, False), ("cuda,cpu", 0, True), ("", 1, True), (None, 0, False),
])  # fmt: skip
def test_an_accelerator_means_one_process(monkeypatch, platforms, plugins, single):
    monkeypatch.delenv("JAX_PLATFORMS", raising=False)
    if platforms is not None:
        monkeypatch.setenv("JAX_PLATFORMS", platforms)
    found = [EntryPoint("accelerator", "jax_plugins.accelerator", "jax_plugins")] * plugins
    monkeypatch.setattr(environment, "entry_points", lambda group: found)
    monkeypatch.setattr(environment, "find_spec", lambda name: None)
    monkeypatch.setattr(environment, "num_cores", lambda: 6)
    assert environment.num_processes() == (1 if single else 6)


@pytest.mark.parametrize(("limit", "cores"), [("1", 1), ("3", 3), ("400", 4), ("", 4), ("0", 4), ("many", 4)])
def test_cores_are_those_of_the_machine_up_to_nproc(monkeypatch, limit, cores):
    monkeypatch.setattr(environment.os, "sched_getaffinity", lambda pid: range(4), raising=False)
    monkeypatch.setenv("NPROC", limit)
    assert environment.num_cores() == cores
    assert environment.with_cores(2) == {"NPROC": limit}
    monkeypatch.delenv("NPROC")
    assert environment.num_cores() == 4
    assert environment.with_cores(0) == {"NPROC": "1"}
