"""Property: a folder's files are the list, each named as its file, and a wrong one is named."""

import pytest

from ntklora.sweeps import catalogue

EXPERIMENT = """
from dataclasses import dataclass

from ntklora.sweeps import Column, Experiment, Profile


@dataclass(frozen=True)
class Nothing:
    seed: int


columns = (Column("x", float, "metres"),)
grids = {{Profile.smoke: ({{"seed": 0}},)}}
experiment = Experiment({name!r}, 1, "?", Nothing, columns, grids, lambda nothing: {{"x": 0.0}})
"""
FIGURE = """
from ntklora.sweeps import Figure
figure = Figure({name!r}, "A title", "A caption.", ({experiment!r},), list, list, str)
"""


@pytest.fixture
def shipped(tmp_path, monkeypatch):
    monkeypatch.setattr(catalogue, "shipped_folder", lambda name: tmp_path / name)
    for listing in (catalogue.all_experiments, catalogue.all_figures):
        listing.cache_clear()
        monkeypatch.setattr(catalogue, listing.__name__, listing.__wrapped__)
    for name in ("experiments", "paper_figures"):
        (tmp_path / name).mkdir()
    return tmp_path


def test_files_are_listed_by_name(shipped):
    for name in ("stairs", "ladder"):
        (shipped / "experiments" / f"{name}.py").write_text(EXPERIMENT.format(name=name))
    (shipped / "paper_figures" / "heights.py").write_text(FIGURE.format(name="heights", experiment="ladder"))
    assert list(catalogue.all_experiments()) == ["ladder", "stairs"]
    assert catalogue.all_figures()["heights"].experiments == ("ladder",)


def test_a_name_that_is_not_the_files_is_refused(shipped):
    (shipped / "experiments" / "stairs.py").write_text(EXPERIMENT.format(name="ladder"))
    with pytest.raises(ValueError, match="stairs"):
        catalogue.all_experiments()


def test_a_figure_of_an_unknown_experiment_is_refused_with_the_nearest(shipped):
    (shipped / "experiments" / "ladder.py").write_text(EXPERIMENT.format(name="ladder"))
    (shipped / "paper_figures" / "heights.py").write_text(FIGURE.format(name="heights", experiment="lader"))
    with pytest.raises(ValueError, match="did you mean 'ladder'"):
        catalogue.all_figures()


def test_an_installation_without_the_folder_says_so(shipped):
    (shipped / "experiments").rmdir()
    with pytest.raises(ValueError, match="lacks the folder experiments"):
        catalogue.all_experiments()
