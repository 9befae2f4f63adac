"""Files that are whole or absent: written beside their place, flushed to the disk, then renamed."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from secrets import token_hex


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A temporary sibling of `path` to write to; it takes the place of `path` on success and is removed otherwise.

    A reader, or a process killed at any moment, sees the old file or the new one, never a part. The sibling keeps the
    suffix, for writers that look at it. Errors: those of the file system, `OSError`.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    # Not the process's number: on a shared disk, processes of two machines may have the same.
    sibling = path.with_name(f".{path.stem}.{token_hex(6)}.partial{path.suffix}")
    try:
        yield sibling
        _flush(sibling)
        os.replace(sibling, path)
        _flush(path.parent)
    finally:
        sibling.unlink(missing_ok=True)


def _flush(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
