"""`ntklora bench`: every job of the simulator beside its baseline, and what the machine could do."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import jax
from rich.table import Table

from ntklora.bench.jobs import JOBS, matmul_rates
from ntklora.bench.record import Record
from ntklora.cli.answer import INTERRUPTED, OK, PARTIAL, Answer, Mistake
from ntklora.cli.commands import Bench
from ntklora.cli.tables import plain_console
from ntklora.sweeps.catalogue import named
from ntklora.sweeps.failure import describe_failure
from ntklora.sweeps.progress import show_progress

_COLUMNS = ("job", "case", "baseline", "seconds", "baseline", "ratio", "compile", "GFLOP/s", "of peak", "MiB", "note")
_WIDE = 200  # characters of the table where there is no terminal to ask


def run(options: Bench) -> Answer:
    """Run the named jobs, all of them when none is named. No time fails; a job that breaks is named.

    Ctrl-C ends the run; what was measured until then is the answer.
    """
    try:
        jobs = {name: named(JOBS, name, "job") for name in options.jobs or JOBS}
    except ValueError as error:
        raise Mistake(str(error)) from error
    # Compile seconds are part of the answer: programs kept from an earlier process would hide them.
    jax.config.update("jax_enable_compilation_cache", False)
    rates = matmul_rates(options.quick)
    cases = [(name, case) for name, job in jobs.items() for case in job(options.quick)]
    records: list[Record] = []
    failed: dict[str, str] = {}
    interrupted = False
    with show_progress("bench", len(cases), "cases") as advance:
        for name, case in cases:
            broken = False
            try:
                records += case()
            except KeyboardInterrupt:
                interrupted = True
                break
            except Exception as error:  # one case that breaks must not take the others with it
                broken = True
                failed.setdefault(name, describe_failure(error))
            advance(broken)
    document = {
        "quick": options.quick,
        "devices": [f"{device.platform} {device.device_kind}" for device in jax.devices()],
        "matmul_gflops": rates,
        "records": [record._asdict() for record in records],
        "failed": failed,
        "interrupted": interrupted,
    }
    status = INTERRUPTED if interrupted else PARTIAL if failed else OK
    return Answer(status, document, lambda: _show(records, rates, failed))


def _show(records: Sequence[Record], rates: Mapping[str, float], failed: Mapping[str, str]) -> None:
    console = plain_console(_WIDE)
    table = Table(*_COLUMNS)
    for record in records:
        table.add_row(
            record.job,
            record.case,
            record.baseline,
            _number(record.seconds),
            _number(record.baseline_seconds),
            _number(record.ratio),
            f"{_number(record.compile_seconds)} / {_number(record.baseline_compile_seconds)}",
            _number(record.gflops),
            "" if record.peak_share is None else f"{record.peak_share:.0%}",
            "" if record.peak_bytes is None else f"{record.peak_bytes / 2**20:.0f}",
            record.note,
        )
    console.print(table)
    print("; ".join(f"matmul {name} {rate:.0f} GFLOP/s" for name, rate in rates.items()))
    for name, reason in failed.items():
        print(f"{name} failed: {reason}")


def _number(value: Any) -> str:
    """Three digits; nothing where there is no number.

    >>> _number(1234.5), _number(0.00123456), _number(None)
    ('1.23e+03', '0.00123', '')
    """
    return "" if value is None or math.isnan(value) else f"{value:.3g}"
