"""Newton's method for several problems at once: where the calls of several threads meet at an accelerator.

One small problem leaves an accelerator idle: a step is some hundred short kernels, however many starts it serves. So
functions that have nothing to do with each other, the cells of a sweep say, are computed side by side, each on a thread
of its own, and hand their calls of Newton's method over here. What comes in while the accelerator computes goes there
together next. No call waits for others to come, and no number depends on whom a call met: the program always holds
`ABREAST` problems, those that nobody asked for without a start, and the memory that it may take is read once.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from threading import Condition, local
from typing import Any, TypeVar

import jax
import numpy as np

from ntklora.certified.precision import float64_device
from ntklora.solvers.lanes import Ends, minimize_all, minimize_several
from ntklora.solvers.newton import DEFAULT
from ntklora.tangent.memory import memory_allowance

Answer = TypeVar("Answer")

# Problems of one program, and threads: with 32 starts each they are as many lanes as fill an accelerator.
ABREAST = 16


def side_by_side(jobs: Sequence[Callable[[], Answer]]) -> Iterator[Answer]:
    """The answers of independent functions without arguments, in their order.

    On an accelerator `ABREAST` of them run at a time, each on a thread, and their Newton steps in common programs:
    small problems that are solved or surveyed one after the other would leave it idle. Where one of them calls
    `side_by_side` in turn, all of theirs meet. On a processor they run one after the other.

    What a function raises is raised in its place; on an accelerator those under way then end first, as they do when
    the answers are no longer asked for. Of JAX's settings made for the calling thread alone they have x64 and the
    default device.

    >>> list(side_by_side([lambda: 1, lambda: 2]))
    [1, 2]
    """
    device = float64_device()
    if device.platform == "cpu":
        for job in jobs:
            yield job()
        return
    meeting = meeting_of_thread() or Meeting(device)
    x64 = jax.dtypes.canonicalize_dtype(np.float64) == np.float64

    def attend(job: Callable[[], Answer]) -> Answer:
        _THREAD.meeting = meeting
        with jax.enable_x64(x64), jax.default_device(device):
            return job()

    pool = ThreadPoolExecutor(ABREAST, thread_name_prefix="side-by-side")
    try:
        answers = [pool.submit(attend, job) for job in jobs]
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
    """Calls of several threads: whoever finds the accelerator free computes as many of them as share a program.

    `allowance`: bytes that a program may take, as they were when the meeting began.
    """

    def __init__(self, device: jax.Device) -> None:
        self.allowance = memory_allowance(device)
        self._device = device
        self._waiting: list[_Call] = []
        self._busy = False
        self._changed = Condition()

    def ends(self, given: Sequence[tuple[Any, ...]], lanes: int) -> list[Ends]:
        """The ends of every element of `given`, `(problem, lams, u, v, count)` on the host, with `lanes` for each.

        Errors: those of JAX, for the thread that computes; the others' calls wait on.
        """
        own = [_Call(one, (lanes, *_form(one))) for one in given]

        def served() -> bool:
            return all(call.ends is not None for call in own)

        with self._changed:
            self._waiting += own
        try:
            while not served():
                with self._accelerator(served) as free:
                    if free:
                        self._compute([call for call in own if call.ends is None], lanes)
        finally:
            with self._changed:
                self._waiting = [call for call in self._waiting if call not in own]
        return [call.ends for call in own if call.ends is not None]

    def alone(self, compute: Callable[[], Ends]) -> Ends:
        """What `compute` returns, nothing else being computed meanwhile: for a problem that fills the accelerator."""
        with self._accelerator(lambda: False):
            return compute()

    @contextmanager
    def _accelerator(self, served: Callable[[], bool]) -> Iterator[bool]:
        """Once the accelerator is free, and held: True. Once the calls are `served` by another thread: False."""
        with self._changed:
            self._changed.wait_for(lambda: served() or not self._busy)
            if served():
                free = False
            else:
                self._busy = free = True
        try:
            yield free
        finally:
            if free:
                with self._changed:
                    self._busy = False
                    self._changed.notify_all()

    def _compute(self, first: list[_Call], lanes: int) -> None:
        """One program's worth of calls: of these, and of those that wait for the same program."""
        with self._changed:
            others = [call for call in self._waiting if call not in first]
        same = [call for call in (*first, *others) if call.program == first[0].program][:ABREAST]
        # An idle problem is the first one without a start.
        rows = [call.given for call in same]
        rows += [(*rows[0][:-1], np.zeros_like(rows[0][-1]))] * (ABREAST - len(rows))
        with jax.enable_x64(True), jax.default_device(self._device):
            try:
                found = jax.device_get(minimize_several(*_stacked(rows), DEFAULT, lanes=lanes))
            except jax.errors.JaxRuntimeError as error:
                if "RESOURCE_EXHAUSTED" not in str(error):
                    raise
                # Too much for the memory after all: then one by one.
                same = same[:1]
                found = _stacked([jax.device_get(minimize_all(*same[0].given, DEFAULT, lanes=lanes))])
        with self._changed:
            for row, call in enumerate(same):
                call.ends = jax.tree.map(lambda x, row=row: x[row], found)
            self._waiting = [call for call in self._waiting if call.ends is None]
            self._changed.notify_all()


_THREAD = local()


def _stacked(rows: list[Any]) -> Any:
    return jax.tree.map(lambda *leaves: np.stack(leaves), *rows)


def _form(given: tuple[Any, ...]) -> tuple[Hashable, ...]:
    """Structure, shapes and types."""
    leaves, structure = jax.tree.flatten(given)
    return structure, *((np.shape(leaf), np.result_type(leaf)) for leaf in leaves)
