"""Compiled programs are kept from one process to the next: in the user's cache, with the same bits, or not at all."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from ntklora.environment import prepare_environment, programs_folder

ROOT = Path(__file__).parents[1]
# A program with LAPACK calls and fused loops; the bits of what it computes, and how often the cache was read.
PROGRAM = """
from ntklora.environment import prepare_environment
prepare_environment()
import jax
jax.config.update("jax_enable_x64", True)
hits = []
jax.monitoring.register_event_listener(lambda name, **_: hits.append(name) if name.endswith("cache_hits") else None)

@jax.jit
def bits(key):
    a = jax.random.normal(key, (8, 8))
    return jax.lax.fori_loop(0, 20, lambda _, x: jax.numpy.tanh(jax.numpy.linalg.solve(a + 5 * x, a.T)), a)

print(jax.device_get(bits(jax.random.key(0))).tobytes().hex(), len(hits))
"""


def run_in_new_process(cache, **settings):
    kept = {name: value for name, value in os.environ.items() if not name.startswith("JAX_")}
    environment = {**kept, "XDG_CACHE_HOME": str(cache), "PYTHONPATH": str(ROOT), **settings}
    done = subprocess.run([sys.executable, "-c", PROGRAM], env=environment, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    bits, hits = done.stdout.split()
    return bits, int(hits)


def test_another_process_reads_the_programs_and_computes_the_same_bits(tmp_path):
    without, hits = run_in_new_process(tmp_path, JAX_ENABLE_COMPILATION_CACHE="0")
    assert hits == 0
    assert not list(tmp_path.rglob("*-cache"))
    assert run_in_new_process(tmp_path) == (without, 0)
    files = list(tmp_path.rglob("*-cache"))
    again, hits = run_in_new_process(tmp_path)
    assert again == without
    assert 0 < hits <= len(files)
    for file in files:  # torn by a crash: compiled again, no harm done
        file.write_bytes(file.read_bytes()[:100])
    assert run_in_new_process(tmp_path) == (without, 0)


@pytest.fixture
def nothing_set(monkeypatch):
    for name in ("JAX_COMPILATION_CACHE_DIR", "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "XDG_CACHE_HOME"):
        monkeypatch.setenv(name, "")  # recorded, so that what the test leaves behind is undone
        monkeypatch.delenv(name)
    return monkeypatch


def test_the_folder_is_the_users_own(nothing_set, tmp_path):
    nothing_set.setenv("HOME", str(tmp_path))
    assert programs_folder().parent == tmp_path / ".cache" / "ntklora"
    nothing_set.setenv("XDG_CACHE_HOME", "relative")
    assert programs_folder().parent == tmp_path / ".cache" / "ntklora"
    nothing_set.setenv("XDG_CACHE_HOME", str(tmp_path / "other"))
    assert programs_folder().parent == tmp_path / "other" / "ntklora"
    prepare_environment()
    assert os.environ["JAX_COMPILATION_CACHE_DIR"] == str(programs_folder())
    assert programs_folder().stat().st_mode & 0o077 == 0


def test_what_the_user_has_set_stays(nothing_set, tmp_path):
    nothing_set.setenv("JAX_COMPILATION_CACHE_DIR", "elsewhere")
    nothing_set.setenv("XDG_CACHE_HOME", str(tmp_path))
    prepare_environment()
    assert os.environ["JAX_COMPILATION_CACHE_DIR"] == "elsewhere"
    assert list(tmp_path.iterdir()) == []


def test_without_a_place_nothing_is_kept(nothing_set, tmp_path):
    (tmp_path / "file").write_text("no folder")
    nothing_set.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    prepare_environment()
    assert "JAX_COMPILATION_CACHE_DIR" not in os.environ
