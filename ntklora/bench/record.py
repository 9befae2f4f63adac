"""One row of a benchmark: a job in one setting beside its baseline."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple


class Record(NamedTuple):
    """A job in one setting: medians of interleaved runs in one process, compile time apart.

    `ratio = baseline_seconds / seconds`. `gflops`: billions of floating-point operations per second that the job did,
    `peak_share` that rate as a share of this machine's measured matmul rate, `peak_bytes` the resident memory while
    the job ran; None where they are not counted. Compile seconds are 0 where the program was already compiled in this
    process. `note` says what the numbers alone do not.
    """

    job: str
    case: str
    baseline: str
    seconds: float
    baseline_seconds: float
    ratio: float
    compile_seconds: float
    baseline_compile_seconds: float
    gflops: float | None = None
    peak_share: float | None = None
    peak_bytes: int | None = None
    note: str = ""


# A part of a job, measured when it is called.
Case = Callable[[], list[Record]]
