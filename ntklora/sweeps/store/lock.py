"""One runner at a time in a folder, or the pieces of one sweep side by side."""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from ntklora.sweeps.provenance import command_line, now
from ntklora.sweeps.store.writing import Refused, writing

_WHOLE = ".lock"


@contextmanager
def lock(folder: Path, piece: tuple[int, int] | None = None) -> Iterator[None]:
    """Within, no other runner computes for this folder; with `piece` (i, n), none but those of other pieces.

    A lock of the operating system: it ends with the process, however that ends. Errors: `Refused` naming the runner
    that holds it, `Unwritable`.
    """
    with ExitStack() as held:
        with writing(folder):
            folder.mkdir(parents=True, exist_ok=True)
            whole = _open(held, folder / _WHOLE)
            own = whole if piece is None else _open(held, folder / f"{_WHOLE}-{piece[0]}-of-{piece[1]}")
            free = _take(whole, fcntl.LOCK_EX if piece is None else fcntl.LOCK_SH)
            free = free and (own == whole or _take(own, fcntl.LOCK_EX))
        if not free:
            raise Refused(f"{folder}: another run computes here ({_holder(folder)}): wait for it or stop it")
        with writing(folder):
            _say(own)
        yield


def _open(held: ExitStack, path: Path) -> int:
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
    held.callback(os.close, descriptor)
    return descriptor


def _take(descriptor: int, kind: int) -> bool:
    try:
        fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _say(descriptor: int) -> None:
    content = json.dumps({"process": os.getpid(), "since": now(), "command": command_line()})
    os.ftruncate(descriptor, 0)
    os.pwrite(descriptor, content.encode(), 0)


def _holder(folder: Path) -> str:
    """What the files say whose locks are held; of a whole run its own, of pieces theirs."""
    for path in sorted(folder.glob(f"{_WHOLE}*")):
        with ExitStack() as held:
            if not _take(_open(held, path), fcntl.LOCK_SH):
                try:
                    content = json.loads(path.read_text())
                    return f"process {content['process']} since {content['since'][:19]}: {content['command']}"
                except (OSError, ValueError, KeyError, TypeError):  # it is just being written
                    break
    return "which one is not known"
