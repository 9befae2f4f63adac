"""Writing into a folder that may be full, read-only or shared."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ntklora.atomic import replacing
from ntklora.strict_json import strict_dumps


class Refused(ValueError):
    """A folder that is not for this sweep, or is another runner's just now, in one line: what, why, and the mend."""


class Unwritable(OSError):
    """A folder that cannot be written to, in one line: what, why, and the mend. What was stored before is intact."""


@contextmanager
def writing(path: Path, consequence: str = "finished shards are intact") -> Iterator[None]:
    """Within, an error of the file system is one line that names the folder or file, and what that means."""
    try:
        yield
    except Unwritable:
        raise
    except OSError as error:
        # pyarrow's errors have the number but no text of their own
        reason = os.strerror(error.errno) if error.errno else str(error)
        raise Unwritable(
            f"{path} cannot be written ({reason}); {consequence}: mend this and run the command again"
        ) from error


@contextmanager
def alone(folder: Path) -> Iterator[None]:
    """Within, no other writer changes the folder: for reading something and writing what follows from it.

    A lock of the operating system on a hidden file: it ends with the process, however that ends.
    """
    folder.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(folder / ".writing", os.O_RDWR | os.O_CREAT, 0o666)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def write_json(path: Path, content: Mapping[str, Any]) -> None:
    """Strict JSON, indented, whole or not at all."""
    with replacing(path) as sibling:
        sibling.write_text(strict_dumps(content, indent=2) + "\n")
