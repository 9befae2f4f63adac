"""Property: a process of one thread per core, one where JAX would take an accelerator; NPROC threads each."""

from importlib.metadata import EntryPoint

import pytest

from ntklora import environment


@pytest.mark.parametrize(("platforms", "plugins", "single"), [
    ("cpu", 1, False), ("cuda,cpu", 0, True), ("", 1, True), (None, 0, False),
])  # fmt: skip
def test_an_accelerator_means_one_process(monkeypatch, platforms, plugins, single):
    for name in ("JAX_PLATFORMS", "NPROC"):
        monkeypatch.delenv(name, raising=False)
    if platforms is not None:
        monkeypatch.setenv("JAX_PLATFORMS", platforms)
    found = [EntryPoint("accelerator", "jax_plugins.accelerator", "jax_plugins")] * plugins
    monkeypatch.setattr(environment, "entry_points", lambda group: found)
    monkeypatch.setattr(environment, "find_spec", lambda name: None)
    monkeypatch.setattr(environment, "num_cores", lambda: 6)
    assert environment.num_processes() == (1 if single else 6)


@pytest.mark.parametrize(("given", "threads", "processes"), [
    (None, 6, 6), ("", 6, 6), ("0", 6, 6), ("many", 6, 6), ("1", 1, 6), ("2", 2, 3), ("4", 4, 1), ("9", 9, 1),
])  # fmt: skip
def test_the_given_threads_leave_so_many_processes(monkeypatch, given, threads, processes):
    monkeypatch.setenv("JAX_PLATFORMS", "cpu")
    monkeypatch.delenv("NPROC", raising=False)
    if given is not None:
        monkeypatch.setenv("NPROC", given)
    monkeypatch.setattr(environment, "num_cores", lambda: 6)
    assert (environment.num_threads(), environment.num_processes()) == (threads, processes)
    assert environment.worker_threads() == ({"NPROC": "1"} if threads == 6 else {})


def test_the_one_process_of_an_accelerator_has_all_cores(monkeypatch):
    monkeypatch.setenv("JAX_PLATFORMS", "cuda")
    monkeypatch.delenv("NPROC", raising=False)
    assert environment.worker_threads() == {}
