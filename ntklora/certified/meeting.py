"""Newton's method for several problems at once: where the calls of several threads meet at an accelerator.

One small problem leaves an accelerator idle: a step is some hundred short kernels, however many starts it serves. So
functions that have nothing to do with each other, the cells of a sweep say, are computed side by side, each on a thread
of its own, and hand their calls of Newton's method over here. What comes in while the accelerator computes goes there
together next. No call waits for others to come, and no number depends on whom a call met: the program always holds
`ABREAST` problems, those that nobody asked for without a start.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from threading import Lock, local
from typing import Any, TypeVar

import jax
import numpy as np

from ntklora.certified.precision import float64_device
from ntklora.solvers.lanes import Ends, minimize_several
from ntklora.solvers.newton import DEFAULT

Answer = TypeVar("Answer")

# Problems of one program, and threads: with 32 starts each they are as many lanes as fill an accelerator.
ABREAST = 16


def side_by_side(jobs: Sequence[Callable[[], Answer]]) -> Iterator[Answer]:
    """The answers of independent functions without arguments, in their order, each as soon as it is known.

    On an accelerator `ABREAST` of them run at a time, each on a thread, and their Newton steps in common programs:
    small problems that are solved or surveyed one after the other would leave it idle. Where one of them calls
    `side_by_side` in turn, all of theirs meet. On a processor they run one after the other. What a function raises is
    raised in its place.

    >>> list(side_by_side([lambda: 1, lambda: 2]))
    [1, 2]
    """
    device = float64_device()
    if device.platform == "cpu":
        for job in jobs:
            yield job()
        return
    meeting = meeting_of_thread() or Meeting(device)
    pool = ThreadPoolExecutor(ABREAST, thread_name_prefix="side-by-side")
    try:
        answers = [pool.submit(_attend, meeting, job) for job in jobs]
        for answer in answers:
            yield answer.result()
    finally:
        pool.shutdown(cancel_futures=True)


def meeting_of_thread() -> Meeting | None:
    """The meeting that this thread's calls of Newton's method go to, if any."""
    return getattr(_THREAD, "meeting", None)


@dataclass(eq=False)
class _Call:
    """A problem's starts, `(problem, lams, u, v, count)` as `minimize_all` takes them, and their ends once known."""

    given: tuple[Any, ...]
    program: Hashable  # calls that agree on it share one
    ends: Ends | None = None


class Meeting:
    """Calls of several threads: whoever finds the accelerator free computes as many of them as share a program."""

    def __init__(self, device: jax.Device) -> None:
        self.device = device
        self._waiting: list[_Call] = []
        self._changing = Lock()
        self._accelerator = Lock()

    def ends(self, given: Sequence[tuple[Any, ...]], lanes: int) -> list[Ends]:
        """The ends of every element of `given`, `(problem, lams, u, v, count)` on the host, with `lanes` for each.

        Errors: those of JAX, out of memory say, for the thread that computes; the others' calls wait on.
        """
        own = [_Call(one, (lanes, *_form(one))) for one in given]
        with self._changing:
            self._waiting += own
        with self._accelerator:
            try:
                while left := [call for call in own if call.ends is None]:
                    self._compute(left, lanes)
            finally:
                with self._changing:
                    self._waiting = [call for call in self._waiting if call not in own]
        return [call.ends for call in own if call.ends is not None]

    def _compute(self, first: list[_Call], lanes: int) -> None:
        """One program's worth of calls: of these, and of those that wait for the same program."""
        with self._changing:
            others = [call for call in self._waiting if call not in first]
        same = [call for call in (*first, *others) if call.program == first[0].program][:ABREAST]
        # An idle problem is the first one without a start.
        rows = [call.given for call in same]
        rows += [(*rows[0][:-1], np.zeros_like(rows[0][-1]))] * (ABREAST - len(rows))
        together = jax.tree.map(lambda *leaves: np.stack(leaves), *rows)
        found = jax.device_get(minimize_several(*together, DEFAULT, lanes=lanes))
        with self._changing:
            for row, call in enumerate(same):
                call.ends = jax.tree.map(lambda x, row=row: x[row], found)
            self._waiting = [call for call in self._waiting if call.ends is None]


_THREAD = local()


def _attend(meeting: Meeting, job: Callable[[], Answer]) -> Answer:
    _THREAD.meeting = meeting
    # Both may have been set for the calling thread alone.
    with jax.enable_x64(True), jax.default_device(meeting.device):
        return job()


def _form(given: tuple[Any, ...]) -> tuple[Hashable, ...]:
    """Structure, shapes and types."""
    leaves, structure = jax.tree.flatten(given)
    return structure, *((np.shape(leaf), np.result_type(leaf)) for leaf in leaves)
