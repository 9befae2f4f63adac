"""`ntklora sweep script`: a job script for a cluster, on standard output."""

from __future__ import annotations

import sys
from pathlib import Path

from ntklora.cli.answer import OK, Answer, Mistake
from ntklora.cli.sweep.commands import Script
from ntklora.cli.sweep.specified import specification_of
from ntklora.sweeps.slurm import Resources, array_job, dask_job


def run(options: Script) -> Answer:
    """The specification is checked now, not when the job starts."""
    if not options.slurm:
        raise Mistake("which cluster? `--slurm` prints a script for sbatch")
    name = specification_of(options).sweep.experiment.name
    python, out = Path(sys.executable), options.out.absolute()
    command = ["ntklora", "sweep", "run", str(options.spec.absolute()), "--out", str(out)]
    for text in options.set:
        command += ["--set", text]
    try:
        resources = Resources(options.cpus, options.gpus, options.memory, options.time, options.partition)
        if options.array is not None:
            script = array_job(name, python, command, options.array, resources)
        else:
            script = dask_job(name, python, command, out, options.workers, resources)
    except ValueError as error:
        raise Mistake(str(error)) from error
    return Answer(OK, {"experiment": name, "script": script}, lambda: print(script, end=""))
