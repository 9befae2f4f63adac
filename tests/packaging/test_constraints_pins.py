"""Property: constraints.txt pins one version of everything for each Python, and names no host."""

import re
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
PINS = [Requirement(line) for line in (ROOT / "constraints.txt").read_text().splitlines() if not line.startswith("#")]
ACCELERATORS = {"cuda12", "cuda13", "tpu"}  # the versions of their drivers' libraries are jax's to choose


def pinned(python):
    """Name to version for a Python, and every name once."""
    chosen = [pin for pin in PINS if pin.marker is None or pin.marker.evaluate({"python_version": python})]
    names = [canonicalize_name(pin.name) for pin in chosen]
    assert len(names) == len(set(names))
    return {canonicalize_name(pin.name): str(pin.specifier).removeprefix("==") for pin in chosen}


def requirements():
    extras = PROJECT["optional-dependencies"]
    groups = [PROJECT["dependencies"], *(extras[name] for name in extras if name not in ACCELERATORS)]
    return [Requirement(line) for group in groups for line in group if not line.startswith("ntklora")]


@pytest.mark.parametrize(
    ("python", "jax", "numpy"), [("3.11", "0.10.", "2.4."), ("3.12", "0.12.", "2.5."), ("3.13", "0.12.", "2.5.")]
)
def test_every_requirement_is_pinned_to_a_version_that_it_allows(python, jax, numpy):
    versions = pinned(python)
    for requirement in requirements():
        assert versions[canonicalize_name(requirement.name)] in requirement.specifier, requirement
    assert versions["jax"].startswith(jax)
    assert versions["jax"] == versions["jaxlib"]
    assert versions["numpy"].startswith(numpy)


def test_no_host_and_no_address():
    text = (ROOT / "constraints.txt").read_text()
    assert not re.search(r"://|@|--|\.(org|com|io)\b", text)
    assert all(str(pin.specifier).startswith("==") and pin.url is None for pin in PINS)
