"""Job 2: random starts trained to a certified second-order verdict, beside vmapped L-BFGS without any verdict.

Ours is everything from starts to verdicts: Newton's method, saddles found, left and run again, every end classified.
The certified optimum, which all ranks of a problem share, is solved before and its time noted. The baseline is optax's
L-BFGS on the same reduced problem from the same starts to `‖∇F‖ ≤ 1e-9 F(0)`; its ends are judged afterwards, outside
the clock, together with ours.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, NamedTuple

import jax
import numpy as np

from ntklora.bench.lbfgs import lbfgs
from ntklora.bench.measure import beside, interleaved, peak_bytes
from ntklora.bench.record import Case, Record
from ntklora.certificates.endpoints import Endpoint, classify_endpoints
from ntklora.certified.landscape import Landscape, survey_landscape
from ntklora.certified.optimum import Solution, solve
from ntklora.certified.starts import gaussian_starts
from ntklora.instances.digits import digits_problem
from ntklora.instances.gaussian import gaussian_problem
from ntklora.problem.objective import training_loss
from ntklora.problem.problem import Problem
from ntklora.problem.reduction import reduce_problem
from ntklora.solvers.lanes import Ends

Array = Any

_TOLERANCE, _MAX_STEPS = 1e-9, 1000
# Two ends whose objectives agree to this share are the same for the comparison of verdicts.
_SAME = 1e-9
_RANKS = (1, 2, 4, 8)


class Verdicts(NamedTuple):
    """Start by start, what both methods say of `starts` common starts.

    `counts` and `baseline_counts` by class; `same` starts at which both converged to the same objective,
    `disagreements` those of them with two verdicts; `baseline_failed` those at which the baseline did not converge.
    """

    starts: int
    counts: Mapping[Endpoint, int]
    baseline_counts: Mapping[Endpoint, int]
    same: int
    disagreements: tuple[int, ...]
    baseline_failed: tuple[int, ...]


class Comparison(NamedTuple):
    """What `compare` found: the row of the table, and the verdicts behind it."""

    record: Record
    verdicts: Verdicts


def settings() -> dict[str, tuple[Callable[[], Problem], tuple[int, ...]]]:
    """The problems of the benchmark by name, each with its ranks; `λ = 0.01 λ_max`, exactly reduced."""

    def gaussian(size: int, loss: str) -> Problem:
        return reduce_problem(gaussian_problem((size, size), num_samples=size, seed=0, loss=loss)).problem

    def digits(size: int, loss: str, outputs: int = 1) -> Problem:
        return digits_problem("mlp", "true", num_samples=size, seed=0, num_outputs=outputs, loss=loss)

    return {
        "gaussian N=32": (partial(gaussian, 32, "squared"), _RANKS),
        "digits N=32": (partial(digits, 32, "squared"), _RANKS),
        "digits N=32 logistic": (partial(digits, 32, "logistic"), _RANKS),
        "gaussian N=64": (partial(gaussian, 64, "squared"), (2, 8)),
        "digits N=64": (partial(digits, 64, "squared"), (2, 8)),
        "digits N=32 softmax K=2": (partial(digits, 32, "cross_entropy", 2), (2, 8)),
    }


def endpoints_cases(*, starts: int = 64, repeats: int = 3) -> list[Case]:
    """Every setting at every one of its ranks."""

    def case(build: Callable[[], Problem], rank: int, name: str) -> list[Record]:
        return [compare(build(), rank, name, starts=starts, repeats=repeats).record]

    return [
        partial(case, build, rank, f"{name} r={rank}") for name, (build, ranks) in settings().items() for rank in ranks
    ]


def compare(problem: Problem, rank: int, case: str, *, starts: int = 64, repeats: int = 3) -> Comparison:
    """Our landscape and the baseline's ends from the same random starts of an unperturbed problem.

    Errors: `ValueError` as `survey_landscape` raises them.
    """
    key = jax.random.key(0)
    problem = reduce_problem(problem).problem
    u, v = gaussian_starts(problem, rank, key, starts, None)
    tolerance = _TOLERANCE * float(training_loss(problem, problem.f0))
    solve(problem)
    begin = time.perf_counter()
    solution = solve(problem)
    solving = time.perf_counter() - begin

    def ours() -> Landscape:
        return survey_landscape(problem, rank, key, starts=starts, solution=solution)

    own, other = interleaved([ours, lambda: lbfgs(problem, u, v, tolerance, _MAX_STEPS)], repeats)
    landscape: Landscape = own.value
    verdicts = _verdicts(problem, solution, landscape, jax.device_get(other.value))
    record = beside(
        own,
        other,
        job="endpoints",
        case=case,
        baseline="vmapped optax L-BFGS, without verdicts",
        peak_bytes=peak_bytes(ours),
        note=_note(verdicts, landscape, solving),
    )
    return Comparison(record, verdicts)


def _verdicts(problem: Problem, solution: Solution, landscape: Landscape, baseline: Ends) -> Verdicts:
    """Both sets of ends judged as one, so that each is measured by the same rivals."""
    ends, op = landscape.ends, problem.op
    mine = (op.as_dict(ends.u), op.as_dict(ends.v))
    u, v = ({k: np.concatenate([x[k], y[k]]) for k in x} for x, y in zip(mine, (baseline.u, baseline.v)))
    reports = classify_endpoints(problem, op.like(u), op.like(v), solution=solution)
    starts = len(ends.objective)
    kinds = [Endpoint(report.endpoint) for report in reports]
    apart = np.abs(ends.objective - baseline.objective) / np.abs(baseline.objective)
    same = (apart <= _SAME) & ends.converged & baseline.converged
    return Verdicts(
        starts=starts,
        counts=landscape.counts,
        baseline_counts={kind: kinds[starts:].count(kind) for kind in Endpoint},
        same=int(same.sum()),
        disagreements=tuple(int(s) for s in np.flatnonzero(same) if kinds[s] is not kinds[starts + s]),
        baseline_failed=tuple(int(s) for s in np.flatnonzero(~baseline.converged)),
    )


def _note(verdicts: Verdicts, landscape: Landscape, solving: float) -> str:
    steps = int(np.median(landscape.ends.num_steps))
    return (
        f"{verdicts.starts} starts: {_listed(verdicts.counts)}; baseline: {_listed(verdicts.baseline_counts)}; "
        f"{len(verdicts.disagreements)} of {verdicts.same} verdicts differ; "
        f"baseline failed at starts {list(verdicts.baseline_failed)}; "
        f"{int(landscape.ends.num_escapes.sum())} escapes; median {steps} Newton steps; optimum {solving:.3f} s"
    )


def _listed(counts: Mapping[Endpoint, int]) -> str:
    return ", ".join(f"{count} {kind}" for kind, count in counts.items() if count)
