"""Progress, rate and an estimate of the time left: a bar on a terminal, plain lines elsewhere, on standard error."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from time import monotonic
from typing import Protocol


class Advance(Protocol):
    """Called after each thing with whether it failed, and its share of the `work`."""

    def __call__(self, failed: bool, work: float = 1.0) -> None:
        """Count it."""


_QUIET = 10.0  # seconds between two plain lines


@contextmanager
def show_progress(title: str, total: int, unit: str = "cells", work: float | None = None) -> Iterator[Advance]:
    """Report `total` things of a kind as they are done; the time left is estimated from the share of `work` done."""
    work = float(total) if work is None else work
    with _bar(title, total, unit, work) if sys.stderr.isatty() else _lines(title, total, unit, work) as advance:
        yield advance


def duration(seconds: float) -> str:
    """Minutes and seconds, hours where there are any.

    >>> duration(75.2), duration(7265)
    ('1:15', '2:01:05')
    """
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def rate(number: int, seconds: float) -> str:
    """How many a second, or a minute or an hour where that is less than one.

    >>> rate(30, 20.0), rate(3, 60.0), rate(3, 7200.0)
    ('1.5/s', '3.0/min', '1.5/h')
    """
    for unit, length in (("s", 1.0), ("min", 60.0)):
        if number * length >= seconds:
            return f"{number * length / max(seconds, 1e-3):.1f}/{unit}"
    return f"{number * 3600.0 / seconds:.1f}/h"


@contextmanager
def _bar(title: str, total: int, unit: str, total_work: float) -> Iterator[Advance]:
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        Progress,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn(f"{{task.fields[done]}}/{total} {unit}, {{task.fields[failed]}} failed, {{task.fields[rate]}}"),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
    )
    # What is reported is slow and uneven: the estimate averages over the whole run so far.
    with Progress(*columns, console=Console(stderr=True), speed_estimate_period=1e9) as progress:
        task = progress.add_task(title, total=total_work, done=0, failed=0, rate="")
        done = failures = 0
        start = monotonic()

        def advance(failed: bool, work: float = 1.0) -> None:
            nonlocal done, failures
            done, failures = done + 1, failures + failed
            speed = rate(done, monotonic() - start)
            progress.update(task, advance=work, done=done, failed=failures, rate=speed)

        yield advance


@contextmanager
def _lines(title: str, total: int, unit: str, total_work: float) -> Iterator[Advance]:
    start = shown = monotonic()
    done = failures = 0
    worked = 0.0

    def line(end: str) -> None:
        failed = f", {failures} failed" if failures else ""
        seconds = monotonic() - start
        print(
            f"{title}: {done}/{total} {unit}{failed}, {rate(done, seconds)}, {duration(seconds)} so far{end}",
            file=sys.stderr,
            flush=True,
        )

    def advance(failed: bool, work: float = 1.0) -> None:
        nonlocal done, failures, shown, worked
        done += 1
        failures += failed
        worked += work
        if done == total:
            line("")
        elif monotonic() - shown >= _QUIET:
            shown = monotonic()
            line(f", about {duration((shown - start) / worked * (total_work - worked))} left")

    yield advance
