"""Property: a profile's cells are the union of its grids, and a key tells apart exactly what determines the numbers."""

from dataclasses import dataclass, replace

import pytest

from ntklora.sweeps import Column, Experiment, Profile
from ntklora.sweeps.numerics import Numerics

HERE = Numerics()


@dataclass(frozen=True)
class Ladder:
    rungs: int
    wood: str = "ash"
    seed: int = 0


@dataclass
class Thawed:
    rungs: int


def ladder(**changes):
    base = Experiment(
        name="ladder",
        version=1,
        question="How tall?",
        parameters=Ladder,
        columns=(Column("height", float, "metres"),),
        profiles={
            Profile.smoke: ({"rungs": (2, 3), "wood": "ash", "seed": range(2)},),
            Profile.default: (
                {"seed": range(2), "rungs": (2, 3), "wood": "ash"},
                {"rungs": 3, "wood": ("ash", "oak"), "seed": 1},
            ),
        },
        run=lambda ladder: {"height": 0.3 * ladder.rungs},
    )
    return replace(base, **changes)


def test_cells_are_the_union_of_the_grids_in_order_without_repetition():
    cells = ladder().cells(Profile.default)
    found = [(cell["rungs"], cell["wood"], cell["seed"]) for cell in cells]
    assert found == [(2, "ash", 0), (2, "ash", 1), (3, "ash", 0), (3, "ash", 1), (3, "oak", 1)]
    assert ladder().cells(Profile.smoke)[0] == {"rungs": 2, "wood": "ash", "seed": 0}
    assert ladder().cells(Profile.full) == ()


def test_a_key_depends_on_everything_that_determines_the_numbers():
    cell = {"rungs": 2, "wood": "ash", "seed": 0}
    keys = [
        ladder().key(cell, HERE),
        ladder(version=2).key(cell, HERE),
        ladder(name="stairs").key(cell, HERE),
        ladder().key({**cell, "seed": 1}, HERE),
        ladder().key(cell, HERE._replace(precision="float32")),
        ladder().key(cell, HERE._replace(prng="rbg")),
    ]
    assert len(set(keys)) == len(keys)


def test_a_key_does_not_depend_on_order_question_or_chunk():
    cell = {"rungs": 2, "wood": "ash", "seed": 0}
    turned = dict(reversed(cell.items()))
    assert ladder().key(cell, HERE) == ladder(question="How high?", chunk=3).key(turned, HERE)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"name": "A ladder"}, "lower-case"),
        ({"version": 0}, "version"),
        ({"columns": (Column("height", complex, ""),)}, "kind"),
        ({"columns": (Column("rungs", float, ""),)}, "rungs"),
        ({"columns": (Column("status", int, ""),)}, "status"),
        ({"parameters": Thawed}, "frozen dataclass"),
        ({"profiles": {Profile.smoke: ({"rungs": 1, "woods": "ash"},)}}, "did you mean 'wood'"),
        ({"profiles": {Profile.smoke: ({"seed": 1},)}}, "rungs has no default"),
        ({"profiles": {Profile.smoke: ({"rungs": (1, 2.0)},)}}, "axis rungs holds 2.0"),
        ({"profiles": {Profile.smoke: ({"rungs": ()},)}}, "axis rungs is empty"),
    ],
)
def test_a_wrong_description_is_refused_in_a_line(changes, message):
    with pytest.raises(ValueError, match=message):
        ladder(**changes)
