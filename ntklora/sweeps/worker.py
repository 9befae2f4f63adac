"""A worker: a program of its own that computes the chunks it is sent. `python -m ntklora.sweeps.worker DESCRIPTOR`.

A program and not a fork: JAX does not survive one, a person's script need not guard its main part, and Dask's workers
may not have children of `multiprocessing`. JAX is imported only if the experiment does. A worker ends when whoever
started it closes the connection or dies, whatever it is computing.
"""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from multiprocessing.connection import Connection
from queue import SimpleQueue
from threading import Thread
from typing import Any

from ntklora.environment import prepare_environment


def main(descriptor: int) -> None:
    """Serve the runner at the other end of this socket until it goes."""
    prepare_environment()
    os.set_inheritable(descriptor, False)  # else a program that a cell starts would hold the line open
    sys.stdout = sys.stderr  # standard output belongs to the answer of the runner's command
    with suppress(EOFError, BrokenPipeError, ConnectionResetError):  # the runner is gone
        _serve(Connection(descriptor))


def _listen(connection: Connection, inbox: SimpleQueue[Any]) -> None:
    """Take what comes; end the process when nothing can come any more, though a cell may be running."""
    status = 1
    try:
        while True:
            inbox.put(connection.recv())
    except (EOFError, OSError):
        status = 0
    finally:
        os._exit(status)


def _serve(connection: Connection) -> None:
    # All imports before the listener starts: it imports what a message is made of, and a module that two threads import
    # at once may be seen half made.
    from ntklora.sweeps.messages import Compute, Computed, Finished, Load, Loaded, Refused
    from ntklora.sweeps.numerics import set_numerics
    from ntklora.sweeps.provenance import device_in_use, revision
    from ntklora.sweeps.reference import find_experiment
    from ntklora.sweeps.run_chunk import num_devices, run_chunk

    numerics = connection.recv().numerics
    set_numerics(numerics)
    revision()  # kept: not in the time of the first cell
    inbox: SimpleQueue[Any] = SimpleQueue()
    Thread(target=_listen, args=(connection, inbox), daemon=True).start()
    while True:
        message = inbox.get()
        if isinstance(message, Load):
            try:
                experiment = find_experiment(message.reference)
            except ValueError as error:
                connection.send(Refused(str(error)))
                continue
            connection.send(Loaded(num_devices(experiment)))
        else:
            assert isinstance(message, Compute)
            for row in run_chunk(experiment, message.chunk, numerics):
                connection.send(Computed(row))
            connection.send(Finished(device_in_use()))


if __name__ == "__main__":
    main(int(sys.argv[1]))
