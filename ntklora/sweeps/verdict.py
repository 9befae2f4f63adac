"""What became of a chunk whose process was lost: which cell is to blame, and what is computed again."""

from __future__ import annotations

from typing import NamedTuple

from ntklora.sweeps.agenda import Order, Part
from ntklora.sweeps.experiment import CellStatus, Row
from ntklora.sweeps.row import failed_row


class Loss(NamedTuple):
    """Why a process is gone, as status and reason of a row, and how long it had given no row."""

    status: CellStatus
    reason: str
    seconds: float


def judge(order: Order, part: Part, num_done: int, loss: Loss, *, first: bool) -> tuple[Row | None, list[Part]]:
    """The row of the cell to blame, if it is known, and the parts that remain, the suspects before the others.

    `num_done` cells of the part have rows. Cell by cell, the suspect is the one that was running; of cells computed
    together all are, and their halves are tried. Memory and crashes may be what earlier cells left behind: a cell is
    blamed where it was the `first` thing its process computed, else it is tried alone in a new one.
    """
    experiment = order.sweep.experiment
    slots = [index for index, cell in enumerate(part.chunk.slots) if cell is not None][num_done:]
    if not slots:  # lost between its last row and saying so
        return None, []
    suspects, rest = (slots, []) if experiment.at_once else (slots[:1], slots[1:])
    others = [part._replace(chunk=part.chunk.only(rest), alone=False)] if rest else []
    suspected = part.chunk.only(suspects)
    if len(suspects) > 1:
        return None, [part._replace(chunk=half, alone=False) for half in suspected.halves()]
    known = loss.status is CellStatus.out_of_time or (first and num_done == 0)
    if not known:
        return None, [part._replace(chunk=suspected, alone=True), *others]
    (cell,) = suspected.cells
    row = failed_row(experiment, cell, order.sweep.numerics, loss.reason, status=loss.status, seconds=loss.seconds)
    return row, others
