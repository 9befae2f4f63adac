"""Ctrl-C: the first finishes the running cell and keeps what is done, the second stops at once."""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


class Interruption:
    """Whether the person asked to stop."""

    requested = False


@contextmanager
def graceful_interruption() -> Iterator[Interruption]:
    """Within, one Ctrl-C sets `requested`; another raises KeyboardInterrupt as usual.

    Outside the main thread signals cannot be caught, so that Ctrl-C keeps its usual meaning.
    """
    interruption = Interruption()
    if not _in_main_thread():
        yield interruption
        return

    def ask(signum: int, frame: FrameType | None) -> None:
        if interruption.requested:
            raise KeyboardInterrupt
        interruption.requested = True
        print("finishing what is running; Ctrl-C again stops at once", file=sys.stderr, flush=True)

    before = signal.signal(signal.SIGINT, ask)
    try:
        yield interruption
    finally:
        signal.signal(signal.SIGINT, before)


@contextmanager
def ignoring_interruption() -> Iterator[None]:
    """Within, Ctrl-C does nothing, nor in the processes started meanwhile, which inherit that for good."""
    if not _in_main_thread():
        yield
        return
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def _in_main_thread() -> bool:
    return threading.current_thread() is threading.main_thread()
