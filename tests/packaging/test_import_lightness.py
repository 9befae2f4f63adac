"""Property: `import ntklora` does nothing: it costs at most 0.1 s and loads no JAX; every public name is found."""

import subprocess
import sys
from pathlib import Path

import pytest

import ntklora

ROOT = Path(__file__).parents[2]


def test_import_costs_a_tenth_of_a_second_at_most_and_loads_nothing_heavy():
    code = (
        "import time; start = time.perf_counter(); import ntklora; seconds = time.perf_counter() - start; "
        "import sys; print(seconds, *sorted({'jax', 'numpy', 'matplotlib', 'pyarrow'} & set(sys.modules)))"
    )
    best = float("inf")
    for _ in range(3):  # the least of three: another process may hold the core
        done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
        seconds, *heavy = done.stdout.split()
        assert heavy == []
        best = min(best, float(seconds))
    assert best <= 0.1


@pytest.mark.parametrize("name", ntklora.__all__)
def test_every_public_name_is_found_and_says_what_it_is(name):
    value = getattr(ntklora, name)
    assert name in dir(ntklora)
    assert name == "__version__" or value.__doc__


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        ntklora.nothing  # noqa: B018
