"""Property: one process per core, and a single one where JAX would take an accelerator."""

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
