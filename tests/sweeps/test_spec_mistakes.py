"""Property: a specification means its cells, and a mistake in one is a line that names the file, the key, the mend."""

from itertools import product

import pytest

from ntklora.sweeps.limits import Limits
from ntklora.sweeps.numerics import Numerics
from ntklora.sweeps.spec import read_specification

EXPERIMENT = """
from dataclasses import dataclass
from enum import StrEnum

from ntklora.sweeps import Column, Experiment, Limits


class Wood(StrEnum):
    ash = "ash"
    oak = "oak"


@dataclass(frozen=True)
class Ladder:
    rungs: int
    '''How many.'''
    wood: Wood = Wood.oak
    height: float = 2.0
    '''Metres.'''
    folds: bool = False
    seed: int = 0

    def __post_init__(self):
        if self.rungs == 13:
            raise ValueError("rungs is 13: nobody climbs that")
        if self.rungs == 99:
            raise ZeroDivisionError("a check of one's own that breaks")


experiment = Experiment(
    "ladder", 1, "How tall?", Ladder, (Column("top", float, "metres"),), {},
    lambda ladder: {"top": ladder.height}, limits=Limits(seconds=60),
)
"""

SPEC = """
experiment = "ladder.py"
[fixed]
height = 3
[grid]
rungs = [2, 4, 2]
seed = { start = 0, stop = 6, step = 2 }
"""

MISTAKES = {
    "no file": (None, (), "cannot be read"),
    "no TOML": ("experiment = ", (), "is not TOML"),
    "no text": (b"\xff\xfe", (), "is not TOML"),
    "deep": ("experiment = " + "[" * 5000, (), "is not TOML"),
    "empty": ("", (), "lacks the key experiment"),
    "misspelt experiment": ('experimnt = "ladder.py"', (), "did you mean 'experiment'?"),
    "experiment of a wrong type": ("experiment = 3", (), "expected a string"),
    "no such experiment": ('experiment = "landscap"', (), "did you mean 'landscape'?"),
    "no such file": ('experiment = "nothing.py"', (), "nothing.py"),
    "experiment with a NUL": ('experiment = "\\u0000.py"', (), "experiment: "),
    "file that ends the process": ('experiment = "quits.py"', (), "SystemExit: enough"),
    "file that breaks": ('experiment = "breaks.py"', (), "ZeroDivisionError"),
    "function that breaks": ('experiment = "os:kill"', (), "os:kill gives no experiment: TypeError"),
    "no such module": ('experiment = "nowhere:experiment"', (), "nowhere"),
    "unknown table": (SPEC.replace("[grid]", "[grids]"), (), "unknown key 'grids': did you mean 'grid'?"),
    "parameter above the tables": (f"seed = 3\n{SPEC}", (), "put one value under [fixed]"),
    "unknown parameter": (SPEC.replace("seed", "sed"), (), "[grid] sed: unknown parameter 'sed': did you mean 'seed'?"),
    "unknown fixed": (SPEC.replace("height", "heigth"), (), "[fixed] heigth"),
    "list in fixed": (SPEC.replace("height = 3", "height = [3]"), (), "several values go under [grid]"),
    "fixed and grid": (SPEC.replace("height", "rungs"), (), "[grid] rungs stands under [fixed] too"),
    "wrong type": (SPEC.replace("[2, 4, 2]", '[2, "four"]'), (), "[grid] rungs: axis rungs holds 'four'"),
    "truth value for an integer": (SPEC.replace("[2, 4, 2]", "true"), (), "expected int"),
    "date": (SPEC.replace("[2, 4, 2]", "1979-05-27"), (), "no string, number or truth value"),
    "empty axis": (SPEC.replace("[2, 4, 2]", "[]"), (), "axis rungs is empty"),
    "empty range": (SPEC.replace("stop = 6", "stop = 0"), (), "axis seed is empty"),
    "range without stop": (SPEC.replace(", stop = 6", ""), (), "lacks stop"),
    "range with an unknown key": (SPEC.replace("step", "stepp"), (), "did you mean 'step'?"),
    "range of floats": (SPEC.replace("stop = 6", "stop = 6.0"), (), "expected an integer"),
    "range without steps": (SPEC.replace("step = 2", "step = 0"), (), "step of a range is 0"),
    "endless range": (SPEC.replace("stop = 6", f"stop = {10**30}"), (), "more than 1,000,000"),
    "endless grid": (SPEC, ("rungs={start=0, stop=2000}", "seed={start=0, stop=2000}"), "4,000,000 cells"),
    "integer out of range": (SPEC.replace("[2, 4, 2]", str(10**30)), (), "the store keeps 64"),
    "float out of range": (SPEC.replace("height = 3", "height = inf"), (), "expected a finite number"),
    "integer beyond floats": (SPEC.replace("height = 3", f"height = 1{'0' * 400}"), (), "the store keeps 64"),
    "required": (SPEC.replace("rungs = [2, 4, 2]", ""), (), "parameter rungs has no default"),
    "fixed is no table": (SPEC.replace("[fixed]\nheight", "fixed"), (), "fixed is 3: expected a table"),
    "grid is no table": ('grid = "no"\n' + SPEC[: SPEC.index("[grid]")], (), "expected a table"),
    "grid of nothing": ("grid = []\n" + SPEC[: SPEC.index("[grid]")], (), "grid is empty"),
    "unknown precision": ('precision = "float16"\n' + SPEC, (), "expected one of float64, float32"),
    "certificates in float32": ('precision = "float32"\n' + SPEC, (), "computes certificates, in float64"),
    "unknown limit": (SPEC + "[limits]\nsecond = 3", (), "did you mean 'seconds'?"),
    "no limit": (SPEC + "[limits]\nseconds = 0", (), "expected a positive number"),
    "limit of a wrong type": (SPEC + '[limits]\nmemory = "much"', (), "expected a number"),
    "refused by the parameters": (SPEC, ("rungs=13",), "nobody climbs that"),
    "parameters that break": (SPEC, ("rungs=99",), "ZeroDivisionError"),
    "override without a value": (SPEC, ("rungs",), "--set rungs: expected NAME=VALUE"),
    "override of an unknown": (SPEC, ("runges=3",), "did you mean 'rungs'?"),
    "override of a wrong type": (SPEC, ("rungs=many",), "expected int"),
    "override that is no TOML": (SPEC, ("wood=[oak, ash]",), "no TOML value"),
    "override with lines": (SPEC, ("rungs=1\nseed=3",), "expected one value"),
    "word that is none of the few": (SPEC, ("wood=elm",), "did you mean"),
}


@pytest.fixture
def written(tmp_path):
    (tmp_path / "ladder.py").write_text(EXPERIMENT)
    (tmp_path / "quits.py").write_text("raise SystemExit('enough')")
    (tmp_path / "breaks.py").write_text("1 / 0")

    def write(text):
        path = tmp_path / "sweep.toml"
        if text is not None:
            path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return path

    return write


@pytest.mark.parametrize("case", MISTAKES)
def test_a_mistake_is_a_line_with_file_and_key(case, written):
    text, overrides, message = MISTAKES[case]
    path = written(text)
    with pytest.raises(ValueError, match=r"^[^\n]*$") as caught:
        read_specification(path, overrides)
    assert str(caught.value).startswith(f"{path}: ")
    assert message in str(caught.value)


def test_the_cells_are_the_product_of_the_axes(written):
    sweep = read_specification(written(SPEC)).sweep
    rest = {"wood": "oak", "height": 3.0, "folds": False}
    expected = [{"rungs": rungs, **rest, "seed": seed} for rungs, seed in product((2, 4), (0, 2, 4))]
    assert list(sweep.cells) == expected
    assert sweep.numerics == Numerics("float64")


def test_several_grids_are_a_union_in_which_each_cell_counts_once(written):
    two = SPEC.replace("[grid]", "[[grid]]") + '[[grid]]\nrungs = [4, 6]\nwood = "ash"\n[[grid]]\nrungs = 2\nseed = 4\n'
    cells = read_specification(written(two)).sweep.cells
    assert [(cell["rungs"], cell["wood"], cell["seed"]) for cell in cells] == [
        *product((2, 4), ("oak",), (0, 2, 4)),
        (4, "ash", 0),
        (6, "ash", 0),
    ]


def test_overrides_take_the_place_of_fixed_values_and_of_axes(written):
    overrides = ("height=[1, 2.5]", "rungs=3", "seed={start=5, stop=7}", "wood=ash", "folds=true", "seed=5")
    cells = read_specification(written(SPEC), overrides).sweep.cells
    assert [tuple(cell.values()) for cell in cells] == [(3, "ash", 1.0, True, 5), (3, "ash", 2.5, True, 5)]


def test_limits_and_precision_come_from_experiment_file_and_command_line_in_this_order(written):
    path = written(SPEC)
    assert read_specification(path).limits == Limits(seconds=60)
    alone = "lambda ladder: {"
    together = "Vmapped(lambda ladder: ((), None), lambda shape, arrays: arrays, lambda ladder, context, outputs: {"
    text = EXPERIMENT.replace(alone, together).replace("height}, limits", "height}), limits")
    (path.parent / "together.py").write_text(text.replace("Limits\n", "Limits, Vmapped\n"))
    text = 'precision = "float32"\n' + SPEC.replace("ladder.py", "together.py") + "[limits]\nmemory = 2\n"
    read = read_specification(written(text))
    assert (read.limits, read.sweep.numerics.precision) == (Limits(60, 2), "float32")
    read = read_specification(written(text), precision="float64", seconds=1.5)
    assert (read.limits, read.sweep.numerics.precision) == (Limits(1.5, 2), "float64")


def test_an_experiment_file_is_found_from_the_specification_not_from_the_folder_of_the_shell(written, monkeypatch):
    path = written(SPEC)
    monkeypatch.chdir("/")
    assert read_specification(path).reference == str(path.parent / "ladder.py")
