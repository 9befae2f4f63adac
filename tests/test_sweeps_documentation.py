"""Property: what `docs/sweeps.md` and the README show of sweeps is what there is: commands, specifications, rows."""

import re
import shlex
from pathlib import Path

import pytest

from ntklora.sweeps.spec import read_specification
from tests.cli.run import main_here

ROOT = Path(__file__).parents[1]
PAGES = ("docs/sweeps.md", "README.md")


def blocks(page, language):
    return re.findall(rf"^```{language}\n(.*?)^```", (ROOT / page).read_text(), flags=re.DOTALL | re.MULTILINE)


def commands(page):
    """Every `ntklora sweep ...` line, without its comment and what a shell does with its output."""
    lines = re.findall(r"^    (?:\.venv/bin/)?ntklora (sweep .*)$", (ROOT / page).read_text(), flags=re.MULTILINE)
    return [re.split(r" > | && ", line)[0] for line in lines]


@pytest.mark.parametrize("page", PAGES)
def test_every_command_exists_with_its_options(page):
    from ntklora.cli.main import _parse

    assert commands(page)
    for line in commands(page):
        _parse(shlex.split(line, comments=True))


@pytest.mark.parametrize("page", PAGES)
def test_every_specification_has_cells(page, tmp_path):
    for code in blocks(page, "python"):
        if "# ladder.py" in code:
            (tmp_path / "ladder.py").write_text(code)
    for text in blocks(page, "toml"):
        (tmp_path / "sweep.toml").write_text(text)
        assert read_specification(tmp_path / "sweep.toml").sweep.cells


def test_the_overrides_shown_are_overrides(tmp_path):
    (tmp_path / "sweep.toml").write_text(blocks("docs/sweeps.md", "toml")[0])
    (line,) = [line for line in commands("docs/sweeps.md") if "--set" in line]
    words = shlex.split(line)
    overrides = [words[i + 1] for i, word in enumerate(words) if word == "--set"]
    assert len(read_specification(tmp_path / "sweep.toml", overrides).sweep.cells) == 3 * 4


def test_the_experiment_shown_runs_and_its_rows_are_read_as_shown(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    experiment, reading = [code for code in blocks("docs/sweeps.md", "python") if "ladder" in code]
    (spec,) = [text for text in blocks("docs/sweeps.md", "toml") if "ladder.py" in text]
    Path("ladder.py").write_text(experiment)
    Path("ladders.toml").write_text(spec)
    done = main_here(capsys, "sweep", "run", "ladders.toml", "--out", "ladders", "--set", "seed={start=0, stop=3}")
    assert done.status == 0, done.err
    names = {}
    exec(reading, names)
    assert dict(names["heights"].sizes) == {"rungs": 3, "seed": 3}
    assert (names["heights"] > 0).all()
