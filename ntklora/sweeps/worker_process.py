"""A worker as the one who started it sees it: a process, the line to it, what it computes, and its limits."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from contextlib import suppress
from multiprocessing.connection import Pipe
from time import monotonic
from typing import Any

import psutil

from ntklora.environment import worker_threads
from ntklora.sweeps.agenda import Order, Part
from ntklora.sweeps.experiment import CellStatus
from ntklora.sweeps.messages import Compute, Load, Setup
from ntklora.sweeps.numerics import Numerics
from ntklora.sweeps.verdict import Loss

_GIB = 2.0**30
# Several processes may share a GPU: none takes most of its memory in advance, unless the user has set so.
_SHARING = {"XLA_PYTHON_CLIENT_PREALLOCATE": "false"}
_ENDING = 2.0  # seconds that a process may take from closing its line to its end


class WorkerProcess:
    """Starts at once; `loaded` is the order whose experiment it has, `part` what it computes, None when idle."""

    def __init__(self, numerics: Numerics) -> None:
        self.connection, theirs = Pipe()
        program = [sys.executable, "-P", "-m", "ntklora.sweeps.worker", str(theirs.fileno())]
        where = os.pathsep.join(folder or os.getcwd() for folder in sys.path)
        # A process group of its own: Ctrl-C is for the runner to answer.
        self._process = subprocess.Popen(
            program,
            stdin=subprocess.DEVNULL,
            stdout=2,
            pass_fds=[theirs.fileno()],
            env={**_SHARING, **os.environ, **worker_threads(), "PYTHONPATH": where},
            process_group=0,
        )
        theirs.close()
        self.order: Order | None = None
        self.width = 0  # chunks that it computes at once; 0 until it has the experiment
        self.part: Part | None = None
        self.num_done = 0  # cells of the part with a row
        self.used = False  # whether it has computed anything before the part
        self._since = monotonic()
        self._send(Setup(numerics))

    @property
    def busy(self) -> bool:
        """Whether an answer is due."""
        return self.part is not None or (self.order is not None and not self.width)

    @property
    def computed(self) -> bool:
        """Whether every cell of the part has its row."""
        return self.part is not None and self.num_done == len(self.part.chunk.cells)

    @property
    def limited(self) -> bool:
        """Whether there is a limit to watch."""
        return self.order is not None and (self.order.limits.seconds or self.order.limits.memory) is not None

    def load(self, order: Order) -> None:
        """Have it find the order's experiment; `width` stays 0 until it says that it has."""
        self.order, self.width = order, 0
        self._send(Load(order.reference))

    def compute(self, part: Part) -> None:
        """Have it compute a part of the order."""
        self.part, self.num_done, self._since = part, 0, monotonic()
        self._send(Compute(part.chunk))

    def receive(self) -> Any | None:
        """What it says next; None where it died."""
        try:
            return self.connection.recv()
        except (EOFError, OSError):
            return None

    def count(self) -> None:
        """A row came."""
        self.num_done += 1
        self._since = monotonic()

    def finish(self) -> None:
        """The part is done."""
        self.part, self.used = None, True

    def excess(self) -> Loss | None:
        """Which limit it has passed, if any; cells computed at once have the time of all that are left."""
        if self.part is None or self.order is None or self.connection.poll():  # a row that came may be unread yet
            return None
        limits, seconds = self.order.limits, monotonic() - self._since
        if limits.seconds is not None:
            cells = len(self.part.chunk.cells) - self.num_done if self.order.sweep.experiment.at_once else 1
            if seconds > limits.seconds * cells:
                each = f" for each of {cells} cells computed at once" if cells > 1 else ""
                return Loss(CellStatus.out_of_time, f"took longer than {limits.seconds:g} s{each}", seconds)
        if limits.memory is not None:
            memory = self._resident()
            if memory > limits.memory:
                reason = f"its process took {memory:.3g} GiB of memory, over the limit of {limits.memory:g} GiB"
                return Loss(CellStatus.out_of_memory, reason, seconds)
        return None

    def death(self) -> Loss:
        """The line broke: how the process ended."""
        seconds = monotonic() - self._since
        with suppress(subprocess.TimeoutExpired):  # it is ending: let it say how
            self._process.wait(_ENDING)
        self.kill()
        code = self._process.returncode
        how = f"exit code {code}" if code >= 0 else signal.Signals(-code).name
        hint = ", as when the system runs out of memory" if code == -signal.SIGKILL else ""
        return Loss(CellStatus.died, f"the process that computed it ended ({how}{hint})", seconds)

    def signal_end(self) -> None:
        """Have it end; the line tells when it has."""
        self._process.kill()

    def kill(self) -> None:
        """End it now, if it has not ended."""
        self.connection.close()
        self._process.kill()
        self._process.wait()

    def _resident(self) -> float:
        """GiB of memory of the process and of those it started."""
        try:
            process = psutil.Process(self._process.pid)
            return sum(each.memory_info().rss for each in [process, *process.children(recursive=True)]) / _GIB
        except psutil.NoSuchProcess:
            return 0.0  # it died, or one of its children did just now: seen the next time

    def _send(self, message: Any) -> None:
        with suppress(OSError):  # one that died is noticed when it is read
            self.connection.send(message)
