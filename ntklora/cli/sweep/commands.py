"""The commands of `ntklora sweep` and their options, as frozen dataclasses. Nothing here computes or imports JAX."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from tyro import conf

Precision = Annotated[Literal["float64", "float32"] | None, conf.arg(metavar="float64|float32")]
Jobs = Annotated[int | None, conf.arg(metavar="N")]
Overrides = Annotated[tuple[str, ...], conf.UseAppendAction, conf.arg(metavar="NAME=VALUE")]


@dataclass(frozen=True)
class Describe:
    """List the experiments; with one, print a specification to start from, with every parameter's type and meaning."""

    experiment: Annotated[conf.Positional[str | None], conf.arg(metavar="[EXPERIMENT]")] = None
    """A name, a .py file that defines `experiment`, or package.module:attribute."""
    json: bool = False
    """One JSON document on standard output."""


@dataclass(frozen=True)
class Plan:
    """Say what a sweep would take, without running it: cells, groups, compilations, memory, and time from a pilot.

    The pilot times a few cells in a process of its own and stores nothing.
    """

    spec: Annotated[conf.Positional[Path], conf.arg(metavar="SPEC.toml")]
    """TOML file of the sweep; `ntklora sweep describe EXPERIMENT` prints one to start from."""
    set: Overrides = ()
    """A parameter in place of the file's: rank=4, 'rank=[1, 2]', 'seed={start=0, stop=8}'."""
    precision: Precision = None
    """Precision of the arrays, in place of the file's."""
    out: Annotated[Path | None, conf.arg(metavar="DIR")] = None
    """Folder of the sweep: say what it holds already and plan the rest."""
    pilot: int = 3
    """Groups whose cells are timed; 0 for none."""
    jobs: Jobs = None
    """Processes to plan for; one per core when not given, one in all with an accelerator."""
    json: bool = False
    """One JSON document on standard output."""


@dataclass(frozen=True)
class Run:
    """Compute the cells of a sweep that its folder lacks. Running again goes on where a run was interrupted.

    Exit status 3: some cells failed; they are rows with their status and reason.
    """

    spec: Annotated[conf.Positional[Path], conf.arg(metavar="SPEC.toml")]
    """TOML file of the sweep; `ntklora sweep describe EXPERIMENT` prints one to start from."""
    out: Annotated[Path, conf.arg(metavar="DIR")]
    """Folder of the sweep; one that holds another sweep, or something else, is refused."""
    set: Overrides = ()
    """A parameter in place of the file's: rank=4, 'rank=[1, 2]', 'seed={start=0, stop=8}'."""
    precision: Precision = None
    """Precision of the arrays, in place of the file's."""
    shard: Annotated[str | None, conf.arg(metavar="I/N")] = None
    """Compute the I-th of N pieces, counted from 1; the pieces may run at once, on any hosts that share the folder."""
    jobs: Jobs = None
    """Processes; one per core when not given, one in all with an accelerator."""
    scheduler: Annotated[str | None, conf.arg(metavar="ADDRESS")] = None
    """Compute on the workers of this Dask scheduler, such as tcp://host:8786."""
    scheduler_file: Annotated[Path | None, conf.arg(metavar="FILE")] = None
    """The same, by the file that the scheduler writes."""
    retry_failed: bool = False
    """Compute failed cells again."""
    force: bool = False
    """Compute everything again, and take the folder over if it holds another sweep."""
    extend: bool = False
    """Let the folder hold other cells of the same experiment than before: its rows stay, what they lack is computed."""
    seconds: Annotated[float | None, conf.arg(metavar="S")] = None
    """Stop a cell after so many seconds; in place of the file's limit."""
    memory: Annotated[float | None, conf.arg(metavar="GIB")] = None
    """Stop a cell whose process holds more than so many GiB; in place of the file's limit."""
    json: bool = False
    """One JSON document on standard output."""


@dataclass(frozen=True)
class Status:
    """Count the cells of a sweep: done, missing, failed and why. Exit status 3 when some failed."""

    folder: Annotated[conf.Positional[Path], conf.arg(metavar="DIR")]
    """Folder of the sweep."""
    json: bool = False
    """One JSON document on standard output."""


@dataclass(frozen=True)
class Export:
    """Write the rows of a sweep as one file for other programs."""

    folder: Annotated[conf.Positional[Path], conf.arg(metavar="DIR")]
    """Folder of the sweep."""
    file: Annotated[conf.Positional[Path], conf.arg(metavar="OUT")]
    """OUT.parquet, OUT.csv (a row per cell), or OUT.nc (NetCDF, a dimension per parameter)."""
    json: bool = False
    """One JSON document on standard output."""


@dataclass(frozen=True)
class Recheck:
    """Compute some cells again and compare with what is stored. Exit status 1 when they differ.

    Bit for bit on the same kind of host with the same versions, else to the tolerance of the precision.
    """

    folder: Annotated[conf.Positional[Path], conf.arg(metavar="DIR")]
    """Folder of the sweep."""
    cells: Annotated[int, conf.arg(aliases=["-k"])] = 5
    """How many cells, drawn at random from those that succeeded."""
    seed: int = 0
    """Seed of the draw."""
    jobs: Jobs = None
    """Processes; one per core when not given, one in all with an accelerator."""
    json: bool = False
    """One JSON document on standard output."""


@dataclass(frozen=True)
class Diff:
    """Compare two folders of one experiment: cells that one of them lacks, and rows that differ. Exit status 1 then."""

    a: Annotated[conf.Positional[Path], conf.arg(metavar="A")]
    """Folder of a sweep."""
    b: Annotated[conf.Positional[Path], conf.arg(metavar="B")]
    """Folder of the other."""
    json: bool = False
    """One JSON document on standard output."""


@dataclass(frozen=True)
class Script:
    """Print a job script for a cluster: a Dask scheduler, workers and the run in one job, or pieces as an array job."""

    spec: Annotated[conf.Positional[Path], conf.arg(metavar="SPEC.toml")]
    """TOML file of the sweep."""
    out: Annotated[Path, conf.arg(metavar="DIR")]
    """Folder of the sweep, on a file system that all nodes share."""
    slurm: bool = False
    """For Slurm's sbatch."""
    set: Overrides = ()
    """A parameter in place of the file's: rank=4, 'rank=[1, 2]', 'seed={start=0, stop=8}'."""
    workers: int = 16
    """Processes that compute: tasks of the job."""
    array: Annotated[int | None, conf.arg(metavar="N")] = None
    """Print an array job of this many pieces instead, without Dask: --shard I/N each."""
    cpus: int = 1
    """Cores of each worker or piece; a piece computes in as many processes."""
    gpus: int = 0
    """GPUs of each worker or piece."""
    memory: float = 4.0
    """GiB of each worker or piece."""
    time: str = "24:00:00"
    """Wall-clock limit of the job, as Slurm writes it; an interrupted sweep goes on when the job is submitted again."""
    partition: Annotated[str | None, conf.arg(metavar="NAME")] = None
    """Partition of the cluster."""
    json: bool = False
    """One JSON document on standard output."""


Sweep = (
    Annotated[Describe, conf.subcommand("describe")]
    | Annotated[Plan, conf.subcommand("plan")]
    | Annotated[Run, conf.subcommand("run")]
    | Annotated[Status, conf.subcommand("status")]
    | Annotated[Export, conf.subcommand("export")]
    | Annotated[Recheck, conf.subcommand("recheck")]
    | Annotated[Diff, conf.subcommand("diff")]
    | Annotated[Script, conf.subcommand("script")]
)
