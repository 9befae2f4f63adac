"""Property: the wheel alone, in an empty directory, knows its experiments, figures and claims, and runs."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """A folder that holds the built wheel's content, as `pip install --target` lays it out."""
    folder = tmp_path_factory.mktemp("wheel")
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder / "dist")]
    subprocess.run(build, cwd=ROOT, check=True, capture_output=True)
    (wheel,) = (folder / "dist").glob("*.whl")
    options = ["--quiet", "--no-deps", "--no-index", "--no-compile", "--target", str(folder / "site")]
    subprocess.run([sys.executable, "-m", "pip", "install", *options, str(wheel)], check=True, capture_output=True)
    return folder / "site"


def run(installed, cwd, *arguments, timeout=100):
    environment = {**os.environ, "PYTHONPATH": str(installed)}
    command = [sys.executable, *map(str, arguments)]
    return subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, timeout=timeout)


def test_experiments_and_figures_come_with_it(installed, tmp_path):
    code = (
        "import ntklora; from ntklora.sweeps.catalogue import all_experiments, all_figures; "
        "print(ntklora.__file__, *all_experiments(), *all_figures())"
    )
    done = run(installed, tmp_path, "-c", code)
    assert done.returncode == 0, done.stderr
    file, *names = done.stdout.split()
    assert Path(file).is_relative_to(installed)
    expected = [path.stem for folder in ("experiments", "paper_figures") for path in (ROOT / folder).glob("[!_]*.py")]
    assert sorted(names) == sorted(expected)


def test_it_verifies_a_claim_in_an_empty_directory(installed, tmp_path):
    done = run(installed, tmp_path, installed / "bin" / "ntklora", "verify", "T1-span", "--profile", "smoke", "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["outcome"] == "consistent"
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_it_reproduces_everything_in_an_empty_directory(installed, tmp_path):
    done = run(
        installed, tmp_path, installed / "bin" / "ntklora", "reproduce", "--profile", "smoke", "--out", "X", timeout=600
    )
    assert done.returncode == 0, done.stderr
    assert (tmp_path / done.stdout.splitlines()[-1].removeprefix("report: ")).exists()
