"""Four axes of ten values, and some cells that fail."""

from dataclasses import dataclass

from ntklora.sweeps import Column, Experiment


@dataclass(frozen=True)
class Point:
    width: int
    rank: int
    scale: float
    seed: int


def run(point):
    if point.rank == point.width == 3:
        raise RuntimeError("three by three")
    return {"sum": point.width + 10.0 * point.rank + 100.0 * point.scale + 1000.0 * point.seed}


GRID = {"width": range(10), "rank": range(10), "scale": [0.1 * i for i in range(10)], "seed": range(10)}
COLUMNS = (Column("sum", float, "digits"),)
experiment = Experiment(
    "lattice", 1, "What is the sum?", Point, COLUMNS, {}, run, chunk=50, shape=lambda point: point.rank
)
