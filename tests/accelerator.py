"""A fixture: an accelerator to pretend with. Whoever asks for it imports it into its `conftest`.

A processor's batched LAPACK may wait for ever (`ntklora.environment`): perturbed problems of several unlike weights are
not for this.
"""

from contextlib import nullcontext
from types import SimpleNamespace

import jax
import pytest

from ntklora.certified import meeting, runs


@pytest.fixture
def accelerator(monkeypatch):
    """This machine's processor under another name, once called; the lanes of every program's call."""
    calls = []

    def counted(minimize):
        return lambda *given, lanes: calls.append(lanes) or minimize(*given, lanes=lanes)

    monkeypatch.setattr(runs, "minimize_all", counted(runs.minimize_all))
    monkeypatch.setattr(meeting, "minimize_all", counted(meeting.minimize_all))
    monkeypatch.setattr(meeting, "minimize_several", counted(meeting.minimize_several))
    monkeypatch.setattr(jax, "default_device", lambda device: nullcontext())

    def pretend():
        device = SimpleNamespace(platform="gpu", memory_stats=lambda: None)
        monkeypatch.setattr(runs, "float64_device", lambda: device)
        monkeypatch.setattr(meeting, "float64_device", lambda: device)
        return calls

    return pretend
