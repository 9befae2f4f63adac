"""What a runner and its workers say to each other, over a pair of connected sockets.

Setup, then any number of times:  Load -> Loaded | Refused,  Compute -> Computed ... Computed, Finished
"""

from __future__ import annotations

from typing import Any, NamedTuple

from ntklora.sweeps.chunk import Chunk
from ntklora.sweeps.experiment import Row
from ntklora.sweeps.numerics import Numerics


class Setup(NamedTuple):
    """How the worker's process is set."""

    numerics: Numerics


class Load(NamedTuple):
    """Find this experiment."""

    reference: str


class Loaded(NamedTuple):
    """Found; `width` chunks are computed at once: one per device where the computation is vmapped."""

    width: int


class Refused(NamedTuple):
    """The experiment cannot be loaded, and why."""

    message: str


class Compute(NamedTuple):
    """Compute the cells of this chunk of the experiment loaded last."""

    chunk: Chunk


class Computed(NamedTuple):
    """One row."""

    row: Row


class Finished(NamedTuple):
    """The chunk is done; what it was computed on (`device_in_use`)."""

    device: dict[str, Any]
