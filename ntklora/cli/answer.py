"""What a command gives back, and how it refuses."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

OK, NOT_SHOWN, MISTAKE, PARTIAL, INTERRUPTED = 0, 1, 2, 3, 130


class Answer(NamedTuple):
    """The exit status, the document for `--json`, and what prints the same to a person."""

    status: int
    document: Mapping[str, Any]
    show: Callable[[], None]


class Unfinished(Exception):
    """What kept a command from its end though the person did nothing wrong, said in one line. Exit status 3."""


class Mistake(Exception):
    """Something that the person can mend, said in one line: what, where, and the mend. Exit status 2."""
