"""The clock and the memory gauge of the benchmarks."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from ntklora.bench.record import Record

# The side of the square matrices whose product is taken for the machine's best rate.
PEAK_SIDE = 2048
_CLEAR, _STATUS = Path("/proc/self/clear_refs"), Path("/proc/self/status")


class Timing(NamedTuple):
    """Of several calls of one function: the median, what the first one took beyond it, and what that one returned."""

    seconds: float
    compile_seconds: float
    value: Any


def interleaved(jobs: Sequence[Callable[[], Any]], repeats: int = 3) -> list[Timing]:
    """Call all jobs in turn, once unmeasured and then `repeats` times, so that a busy machine slows all of them.

    Every call is waited for (JAX's results may still be under way when a function returns).
    Errors: `ValueError` for fewer than one repeat.
    """
    if repeats < 1:
        raise ValueError(f"repeats must be at least 1, got {repeats}")
    first = [_timed(job) for job in jobs]
    later = [[_timed(job)[0] for job in jobs] for _ in range(repeats)]
    medians = np.median(np.array(later), axis=0)
    return [
        Timing(float(median), max(0.0, seconds - float(median)), value)
        for median, (seconds, value) in zip(medians, first)
    ]


def square_product(precision: str, side: int | None = None) -> Callable[[], Any]:
    """One large matrix product as a job, of `PEAK_SIDE` unless said otherwise: what the machine can do."""
    side = PEAK_SIDE if side is None else side
    square = jnp.asarray(np.random.default_rng(1).normal(size=(side, side)), precision)
    return partial(_square, square)


def product_gflops(timing: Timing) -> float:
    """Billions of operations per second of a `square_product`, `2 side³` operations."""
    return 2e-9 * len(timing.value) ** 3 / timing.seconds


@jax.jit
def _square(a: Any) -> Any:
    return jnp.matmul(a, a.T, precision=jax.lax.Precision.HIGHEST)


def beside(
    own: Timing,
    other: Timing,
    *,
    job: str,
    case: str,
    baseline: str,
    gflops: float | None = None,
    peak_share: float | None = None,
    peak_bytes: int | None = None,
    note: str = "",
) -> Record:
    """The row of two timings of one `interleaved` run."""
    return Record(
        job,
        case,
        baseline,
        own.seconds,
        other.seconds,
        other.seconds / own.seconds,
        own.compile_seconds,
        other.compile_seconds,
        gflops=gflops,
        peak_share=peak_share,
        peak_bytes=peak_bytes,
        note=note,
    )


def peak_bytes(job: Callable[[], Any]) -> int | None:
    """The process's largest resident memory while `job()` runs; None where the system does not let it be reset."""
    try:
        _CLEAR.write_text("5")
        before = _high_water()
    except OSError:
        return None
    jax.block_until_ready(job())
    return max(_high_water(), before)


def _timed(job: Callable[[], Any]) -> tuple[float, Any]:
    start = time.perf_counter()
    value = jax.block_until_ready(job())
    return time.perf_counter() - start, value


def _high_water() -> int:
    line = next(line for line in _STATUS.read_text().splitlines() if line.startswith("VmHWM"))
    return 1024 * int(line.split()[1])
