"""A folder with a cheap experiment of a person's own and a specification, for the tests of `ntklora sweep`."""

from dataclasses import dataclass

from ntklora.sweeps import Column, Experiment


@dataclass(frozen=True)
class Rungs:
    rungs: int = 1


SHAPELESS = Experiment(
    "shapeless",
    1,
    "Which shape has a ladder?",
    Rungs,
    (Column("height", float, "metres"),),
    {},
    lambda ladder: {"height": 0.3 * ladder.rungs},
    shape=lambda ladder: 1 // 0,
)
EXPERIMENT = """
from dataclasses import dataclass

from ntklora.sweeps import Column, Experiment


@dataclass(frozen=True)
class Ladder:
    rungs: int
    '''How many.'''
    seed: int = 0
    broken: int = -1
    '''As many rungs break it.'''


def run(ladder):
    if ladder.rungs == ladder.broken:
        raise RuntimeError("it breaks")
    return {"height": 0.3 * ladder.rungs + ladder.seed, "steps": [0.3] * ladder.rungs, "owner": None}


experiment = Experiment(
    "ladder",
    1,
    "How tall is a ladder?",
    Ladder,
    (Column("height", float, "metres"), Column("steps", list[float], "metres"), Column("owner", str, "nobody")),
    {},
    run,
    chunk=2,
)
"""
SPEC = """
experiment = "ladder.py"

[grid]
rungs = [1, 2, 3]
seed = { start = 0, stop = 2 }
"""


def write_ladder(folder):
    """`ladder.py` and `sweep.toml`; the path of the latter."""
    (folder / "ladder.py").write_text(EXPERIMENT)
    path = folder / "sweep.toml"
    path.write_text(SPEC)
    return path
