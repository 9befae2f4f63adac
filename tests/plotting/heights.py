"""A figure of the ladders: the tests of files and of the report draw it."""

from ntklora.plotting.style import new_drawing
from ntklora.sweeps import Figure


def tabulate(rows):
    """Rungs and heights."""
    return [{"rungs": row["rungs"], "height": row["height"], "owner": row["owner"]} for row in rows["ladder"]]


def draw(table):
    """Points."""
    drawing = new_drawing(1.5)
    axes = drawing.subplots()
    axes.scatter([record["rungs"] for record in table], [record["height"] for record in table])
    axes.set_xlabel("rungs")
    axes.set_ylabel("height [m]")
    return drawing


figure = Figure("heights", "Heights", "A caption.", ("ladder",), tabulate, draw, lambda table: f"{len(table)} ladders.")
