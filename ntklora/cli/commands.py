"""Every command and option, as frozen dataclasses. Nothing here computes or imports JAX."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from tyro import conf

from ntklora.cli.sweep.commands import Jobs, Sweep
from ntklora.sweeps.profile import Profile

Results = Annotated[Path | None, conf.arg(metavar="DIR")]


@dataclass(frozen=True)
class Verify:
    """Run claims: each statement of the theory with its source, prediction, measurement, verdict and controls."""

    claims: Annotated[conf.Positional[tuple[str, ...]], conf.arg(metavar="[CLAIM ...]")] = ()
    """Ids of claims, such as T1 or H6; all of them when none is given."""
    list: bool = False
    """Say what the claims state, and run nothing."""
    profile: Profile = Profile.default
    """How much work."""
    proof: bool = False
    """Prove the shipped spurious minima by interval arithmetic (needs the extra proof); of the claims, only those
    named are run beside it."""
    jobs: Jobs = None
    """Processes; one per core when not given, one in all with an accelerator."""
    json: bool = False
    """One JSON document on standard output."""


@dataclass(frozen=True)
class Certify:
    """Certify a problem of your own: the convex optimum with a duality gap, its rank, and the landscape of a rank."""

    file: Annotated[conf.Positional[Path], conf.arg(metavar="FILE.npz")]
    """NPZ file with G (N, K, m, n), or a and b; f0; y; loss; lam."""
    lam: Annotated[float | None, conf.arg(metavar="LAM")] = None
    """Weight decay, in place of the file's."""
    rank: Annotated[int | None, conf.arg(metavar="R")] = None
    """Also look at the landscape that LoRA of this rank sees."""
    starts: int = 64
    """Random starts at that rank."""
    seed: int = 0
    """Seed of the starts."""
    out: Annotated[Path | None, conf.arg(metavar="OUT.npz")] = None
    """NPZ file for the minimizer delta, its reduced factors u and v, and the dual point alpha."""
    json: bool = False
    """One JSON document on standard output."""


@dataclass(frozen=True)
class Reproduce:
    """Compute what is missing of every experiment and claim, draw every figure, write report.html."""

    profile: Profile = Profile.default
    """How much work: smoke (1 minute), default (6 minutes), full (hours; Ctrl-C keeps what is done)."""
    out: Results = None
    """Folder of the results; results/<profile> when not given."""
    force: bool = False
    """Compute everything again."""
    jobs: Jobs = None
    """Processes; one per core when not given, one in all with an accelerator."""
    json: bool = False
    """One JSON document on standard output."""


@dataclass(frozen=True)
class Figures:
    """Draw figures, all or the named ones, after computing what their experiments lack."""

    names: Annotated[conf.Positional[tuple[str, ...]], conf.arg(metavar="[NAME ...]")] = ()
    """Names of figures, such as landscape; all of them when none is given."""
    list: bool = False
    """Say which figures there are, and draw nothing."""
    profile: Profile = Profile.default
    """How much work."""
    out: Results = None
    """Folder of the results; results/<profile> when not given."""
    jobs: Jobs = None
    """Processes; one per core when not given, one in all with an accelerator."""
    json: bool = False
    """One JSON document on standard output."""


@dataclass(frozen=True)
class Bench:
    """Time the jobs of the simulator beside the best other way to do them: seconds, ratios, memory; nothing fails."""

    jobs: Annotated[conf.Positional[tuple[str, ...]], conf.arg(metavar="[JOB ...]")] = ()
    """ntk, endpoints, training, optimum; all of them when none is given."""
    quick: bool = False
    """A small case of each, to see that it runs: its times say nothing."""
    json: bool = False
    """One JSON document on standard output."""


@dataclass(frozen=True)
class Doctor:
    """Look at this installation: versions, devices, precision, caches, and whether results can be written."""

    out: Path = Path("results")
    """Folder that results would go to."""
    json: bool = False
    """One JSON document on standard output."""


Command = (
    Annotated[Verify, conf.subcommand("verify")]
    | Annotated[Certify, conf.subcommand("certify")]
    | Annotated[Sweep, conf.subcommand("sweep", description="A sweep: plan it, run it, look at it, compare it.")]
    | Annotated[Reproduce, conf.subcommand("reproduce")]
    | Annotated[Figures, conf.subcommand("figures")]
    | Annotated[Bench, conf.subcommand("bench")]
    | Annotated[Doctor, conf.subcommand("doctor")]
)
