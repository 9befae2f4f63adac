"""Ctrl-C and SIGTERM: the first finishes the running cell and keeps what is done, the second stops at once."""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

# SIGTERM is how schedulers, containers and service managers ask.
_ASKING = (signal.SIGINT, signal.SIGTERM)


class Interruption:
    """Whether a person or a scheduler asked to stop."""

    requested = False


@contextmanager
def graceful_interruption() -> Iterator[Interruption]:
    """Within, one Ctrl-C or SIGTERM sets `requested`; another raises KeyboardInterrupt.

    Outside the main thread signals cannot be caught, so that both keep their usual meaning.
    """
    interruption = Interruption()

    def ask(signum: int, frame: FrameType | None) -> None:
        if interruption.requested:
            raise KeyboardInterrupt
        interruption.requested = True
        print("finishing what is running; Ctrl-C again stops at once", file=sys.stderr, flush=True)

    with _handling(ask):
        yield interruption


@contextmanager
def ignoring_interruption() -> Iterator[None]:
    """Within, Ctrl-C and SIGTERM do nothing, nor in the processes started meanwhile, which inherit that for good."""
    with _handling(signal.SIG_IGN):
        yield


@contextmanager
def _handling(handler: Callable[[int, FrameType | None], None] | signal.Handlers) -> Iterator[None]:
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    # A handler that was not set from Python (by a cluster's library, say) could not be put back: it stays.
    asking = [each for each in _ASKING if signal.getsignal(each) is not None]
    before = [signal.signal(each, handler) for each in asking]
    try:
        yield
    finally:
        for each, usual in zip(asking, before, strict=True):
            signal.signal(each, usual)
