"""Property: the same rows give the same bytes, whole files, and what is missing is said on the figure."""

import csv
import json
from io import StringIO

import pytest

from ntklora.plotting.files import write_figures
from ntklora.plotting.style import Venue
from ntklora.sweeps import Profile
from ntklora.sweeps.runner import run_experiment
from ntklora.sweeps.store import Store
from ntklora.sweeps.sweep import Sweep
from tests.plotting.heights import figure
from tests.sweeps.ladder import ladder


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path / "results" / "ladder")


def write(experiment, store, folder, venue=Venue.icml):
    (plotted,) = write_figures([figure], {"ladder": experiment}, store.folder.parent, Profile.smoke, folder, venue)
    return plotted, {suffix: path.read_bytes() for suffix, path in plotted.paths.items()}


def test_the_same_rows_give_the_same_bytes_and_nothing_else_is_left(store, tmp_path):
    experiment = ladder(tmp_path / "log")
    run_experiment(experiment, experiment.cells(Profile.smoke), store)
    plotted, first = write(experiment, store, tmp_path / "one")
    _, second = write(experiment, store, tmp_path / "two")
    assert first == second
    assert sorted(path.name for path in (tmp_path / "one").iterdir()) == sorted(
        f"heights.{suffix}" for suffix in ("pdf", "png", "svg", "csv", "json")
    )
    assert plotted.finding == "6 ladders."


def test_the_csv_is_what_was_plotted_and_reads_back_exactly(store, tmp_path):
    experiment = ladder(tmp_path / "log")
    run_experiment(experiment, experiment.cells(Profile.smoke), store)
    _, files = write(experiment, store, tmp_path / "figures")
    records = list(csv.DictReader(StringIO(files["csv"].decode())))
    rows = store.rows(Sweep.of_profile(experiment, Profile.smoke))
    assert [float(record["height"]) for record in records] == [row["height"] for row in rows]
    assert {record["owner"] for record in records} == {""}  # None


def test_missing_and_failed_rows_are_said_in_the_finding_and_in_the_provenance(store, tmp_path):
    experiment = ladder(tmp_path / "log", rungs=(2, 3, 7))
    run_experiment(experiment, experiment.cells(Profile.smoke)[1:], store)
    plotted, files = write(experiment, store, tmp_path / "figures")
    assert "Incomplete: ladder: 3 of 6 cells, 1 missing, 2 failed." in plotted.finding
    (covered,) = json.loads(files["json"])["experiments"]
    assert (covered["cells"], covered["ok"], covered["failed"], covered["missing"]) == (6, 3, 2, 1)


def test_without_rows_nothing_is_invented(store, tmp_path):
    plotted, files = write(ladder(tmp_path / "log"), store, tmp_path / "figures")
    assert plotted.finding.startswith("Nothing is shown")
    assert files["csv"] == b""
    assert files["png"].startswith(b"\x89PNG")


@pytest.mark.parametrize(("venue", "inches"), [(Venue.icml, 3.25), (Venue.neurips, 5.5), (Venue.tmlr, 6.5)])
def test_the_page_is_as_wide_as_the_venues_column(store, tmp_path, venue, inches):
    experiment = ladder(tmp_path / "log")
    run_experiment(experiment, experiment.cells(Profile.smoke), store)
    _, files = write(experiment, store, tmp_path / venue, venue)
    assert int.from_bytes(files["png"][16:20]) == round(300 * inches)


def test_a_failed_write_leaves_the_old_file(store, tmp_path, monkeypatch):
    experiment = ladder(tmp_path / "log")
    run_experiment(experiment, experiment.cells(Profile.smoke), store)
    _, before = write(experiment, store, tmp_path / "figures")
    monkeypatch.setattr("ntklora.atomic.os.replace", lambda old, new: (_ for _ in ()).throw(OSError("disk full")))
    with pytest.raises(OSError, match="disk full"):
        write(ladder(tmp_path / "log", version=2), store, tmp_path / "figures")
    assert {path.suffix[1:]: path.read_bytes() for path in (tmp_path / "figures").iterdir()} == before
