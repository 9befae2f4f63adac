"""Job scripts for Slurm: one job with a Dask scheduler, its workers and the run, or an array of pieces without Dask.

Both leave a sweep that goes on when the script is submitted again. Slurm interrupts the run before the time is up; the
run finishes its chunks and keeps them.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from string import Template

_NOTICE = 300  # seconds before the time is up at which Slurm interrupts the run; less of a short job


@dataclass(frozen=True)
class Resources:
    """What a worker, or a piece of an array, is given: cores, GPUs, GiB; and the job's wall-clock limit."""

    cpus: int = 1
    gpus: int = 0
    memory: float = 4.0
    time: str = "24:00:00"
    partition: str | None = None

    def __post_init__(self) -> None:
        if self.cpus < 1 or self.gpus < 0 or not self.memory > 0:
            raise ValueError(
                f"{self.cpus} cores, {self.gpus} GPUs, {self.memory} GiB: expected at least one core and some memory"
            )
        if not self.seconds > 0:
            raise ValueError(f"the time limit is {self.time!r}: expected minutes, H:M:S or D-H:M:S, as Slurm writes it")
        if self.partition is not None and not re.fullmatch(r"[\w.,-]+", self.partition):
            raise ValueError(f"the partition is {self.partition!r}: expected a name")

    @property
    def seconds(self) -> int:
        """The time limit; 0 for what is none.

        >>> [Resources(time=text).seconds for text in ("90", "90:30", "1:00:00", "2-12", "1-0:30")]
        [5400, 5430, 3600, 216000, 88200]
        """
        match = re.fullmatch(r"(?:(\d+)-)?(\d+)(?::(\d+))?(?::(\d+))?", self.time)
        if match is None:
            return 0
        days, *parts = (int(each) if each is not None else None for each in match.groups())
        given = [each for each in parts if each is not None]
        units = (3600, 60, 1) if days is not None or len(given) == 3 else (60, 1)
        return 86400 * (days or 0) + sum(x * unit for x, unit in zip(given, units, strict=False))


def dask_job(name: str, python: Path, run: Sequence[str], out: Path, workers: int, resources: Resources) -> str:
    """One job of `workers` tasks; the arguments `run` of `python -m` are completed by the scheduler's file."""
    if workers < 1:
        raise ValueError(f"{workers} workers: at least 1")
    head = _head(name, "%j", [f"--ntasks={workers}"], resources)
    return _DASK.substitute(
        head=head, cpus=resources.cpus, python=shlex.quote(str(python)), out=shlex.quote(str(out)), run=shlex.join(run)
    )


def array_job(name: str, python: Path, run: Sequence[str], pieces: int, resources: Resources) -> str:
    """An array of jobs, each a piece of the sweep; the arguments `run` of `python -m` are completed by `--shard`."""
    if pieces < 1:
        raise ValueError(f"{pieces} pieces: at least 1")
    head = _head(name, "%A_%a", [f"--array=1-{pieces}", "--ntasks=1"], resources)
    jobs = 1 if resources.gpus else resources.cpus
    return _ARRAY.substitute(head=head, python=shlex.quote(str(python)), run=shlex.join(run), pieces=pieces, jobs=jobs)


def _head(name: str, log: str, shape: Sequence[str], resources: Resources) -> str:
    memory = max(1, round(1024 * resources.memory / resources.cpus))
    options = [f"--job-name={name}", *shape, f"--cpus-per-task={resources.cpus}", f"--mem-per-cpu={memory}M"]
    if resources.gpus:
        options.append(f"--gpus-per-task={resources.gpus}")
    if resources.partition is not None:
        options.append(f"--partition={resources.partition}")
    options += [
        f"--time={resources.time}",
        f"--signal=B:INT@{min(_NOTICE, resources.seconds // 4)}",
        "--requeue",
        f"--output={name}-{log}.log",
    ]
    return "\n".join(["#!/bin/bash", *(f"#SBATCH {option}" for option in options)])


# `set -m`: without it bash starts background processes deaf to interrupts. The second `wait` outlives the trap.
_END = """
trap 'kill -INT "$$run" 2>/dev/null' INT TERM
wait "$$run"; status=$$?
while kill -0 "$$run" 2>/dev/null; do wait "$$run"; status=$$?; done
exit "$$status"
"""

_DASK = Template(
    """$head
# Submit again to go on after an interruption: what is stored is not computed again.
set -um
export NPROC="$${NPROC:-$cpus}"  # threads of each worker
python=$python
scheduler=$out."$$SLURM_JOB_ID".scheduler.json
mkdir -p "$$(dirname "$$scheduler")"
trap 'kill $$(jobs -p) 2>/dev/null; rm -f "$$scheduler"' EXIT

"$$python" -m distributed.cli.dask_scheduler --port 0 --no-dashboard --scheduler-file "$$scheduler" &
# The run watches the memory of what it starts; Dask need not.
srun "$$python" -m distributed.cli.dask_worker --scheduler-file "$$scheduler" --nworkers 1 --nthreads 1 \\
    --memory-limit 0 --no-dashboard &
"$$python" -m $run --scheduler-file "$$scheduler" &
run=$$!"""
    + _END
)

_ARRAY = Template(
    """$head
# Submit again to go on after an interruption: what is stored is not computed again.
set -um
python=$python
"$$python" -m $run --shard "$$SLURM_ARRAY_TASK_ID/$pieces" --jobs $jobs &
run=$$!"""
    + _END
)
