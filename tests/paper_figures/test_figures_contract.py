"""Property: every figure of the catalogue can be drawn from stored rows alone, legibly, to the same bytes."""

import ast
import csv
import json
from io import StringIO
from itertools import combinations
from pathlib import Path

import pytest
from matplotlib.text import Text

from ntklora.plotting.coverage import read_rows
from ntklora.plotting.files import write_figures
from ntklora.plotting.style import SMALLEST, Venue, printed_at
from ntklora.sweeps import Profile
from ntklora.sweeps.catalogue import all_experiments, all_figures, shipped_folder
from tests.paper_figures.synthetic import ROWS, store_rows

ALLOWED = ("ntklora.plotting", "ntklora.sweeps", "ntklora.theory")
NAMES = sorted(all_figures())


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    folder = tmp_path_factory.mktemp("results")
    for name, run in ROWS.items():
        store_rows(all_experiments()[name], run, folder)
    return folder


def write(name, results, folder):
    (plotted,) = write_figures([all_figures()[name]], all_experiments(), results, Profile.smoke, folder)
    return plotted, {suffix: path.read_bytes() for suffix, path in plotted.paths.items()}


def table_of(name, results):
    figure, rows = all_figures()[name], {}
    for each in figure.experiments:
        rows[each], _ = read_rows(all_experiments()[each], results, Profile.smoke)
    return figure.tabulate(rows)


def test_every_experiment_a_figure_reads_has_synthetic_rows():
    assert {each for figure in all_figures().values() for each in figure.experiments} <= set(ROWS)


@pytest.mark.parametrize("name", NAMES)
def test_the_same_rows_give_the_same_bytes_and_the_csv_is_the_table(name, results, tmp_path):
    plotted, first = write(name, results, tmp_path / "one")
    _, second = write(name, results, tmp_path / "two")
    assert first == second
    records = list(csv.DictReader(StringIO(first["csv"].decode())))
    table = table_of(name, results)
    assert [list(record.values()) for record in records] == [
        ["" if value is None else str(value) for value in record.values()] for record in table
    ]
    assert json.loads(first["json"])["finding"] == plotted.finding
    assert "Incomplete" not in plotted.finding
    assert "nan" not in plotted.finding


@pytest.mark.parametrize("name", NAMES)
def test_all_letters_are_printable_and_on_the_paper(name, results, monkeypatch):
    drawn, draw = [], Text.draw

    def spy(text, renderer):  # matplotlib keeps tick labels that it never draws: only what is drawn counts
        if text.get_visible():
            drawn.append((text.get_text().strip(), text.get_fontsize(), text.get_window_extent(renderer)))
        draw(text, renderer)

    with printed_at(Venue.icml):
        drawing = all_figures()[name].draw(table_of(name, results))
        drawing.draw_without_rendering()
        monkeypatch.setattr(Text, "draw", spy)
        drawing.draw_without_rendering()
    page = drawing.bbox.padded(1.0)
    shown = [(words, size, box) for words, size, box in drawn if words]
    assert len(shown) > 10
    assert min(size for _, size, _ in shown) >= SMALLEST
    assert [words for words, _, box in shown if not (page.contains(*box.min) and page.contains(*box.max))] == []
    pairs = combinations([(words, box.padded(-1.0)) for words, _, box in shown], 2)
    assert [(one, other) for (one, box), (other, beside) in pairs if box.overlaps(beside)] == []


@pytest.mark.parametrize("name", NAMES)
def test_axes_are_named_and_the_caption_speaks(name, results):
    figure = all_figures()[name]
    with printed_at(Venue.icml):
        drawing = figure.draw(table_of(name, results))
    assert any(axes.get_xlabel() for axes in drawing.axes)
    assert any(axes.get_ylabel() for axes in drawing.axes) or drawing.get_supylabel()
    assert len(figure.caption) > 80
    assert not figure.title.endswith(".")


@pytest.mark.parametrize("name", NAMES)
def test_without_rows_the_figure_says_so(name, tmp_path):
    (plotted,) = write_figures([all_figures()[name]], all_experiments(), tmp_path, Profile.smoke, tmp_path)
    assert "no rows are stored" in plotted.finding
    assert plotted.paths["csv"].read_bytes() == b""


@pytest.mark.parametrize("name", NAMES)
def test_a_figure_reads_and_never_solves(name):
    tree = ast.parse((Path(shipped_folder("paper_figures")) / f"{name}.py").read_text())
    modules = [node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
    modules += [alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names]
    ours = [module for module in modules if module.split(".")[0] in ("ntklora", "jax", "equinox", "optax", "scipy")]
    assert all(module.startswith(ALLOWED) for module in ours), ours
