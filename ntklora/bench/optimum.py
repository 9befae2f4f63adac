"""Job 4: the convex optimum with a certificate, beside cvxpy with SCS.

Both answers get the same duality gap, computed here from the points alone. SCS is asked for 1e-8 and stops at a gap of
some 2e-7, or at its time limit; it has no second run to be faster in, so it is timed once.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from math import nan

import numpy as np

from ntklora.bench.conic import installed, solve_conic
from ntklora.bench.measure import beside, interleaved, peak_bytes
from ntklora.bench.record import Case, Record
from ntklora.certificates.duality import duality_gap
from ntklora.certified.optimum import solve, solve_path
from ntklora.instances.digits import digits_problem
from ntklora.instances.gaussian import gaussian_problem
from ntklora.problem.objective import lam_max
from ntklora.problem.problem import Problem
from ntklora.tangent.operator import TangentOperator

_PATH = tuple(np.geomspace(10.0, 1.0, 8))
_WEIGHTS, _SIDE, _SAMPLES = 12, 32, 16


def settings() -> dict[str, Callable[[], Problem]]:
    """The problems by name: one weight, two or twelve, one output or ten, `λ` down to a thousandth of `λ_max`."""
    digits = partial(digits_problem, seed=0, labels="true")
    ten = partial(digits, num_outputs=10, loss="cross_entropy")
    return {
        "gaussian 64x64 KN=32": partial(gaussian_problem, (64, 64), num_samples=32, seed=0),
        "gaussian 64x64 KN=128": partial(gaussian_problem, (64, 64), num_samples=128, seed=0),
        "digits N=128 lam=0.001": partial(digits, network="mlp", num_samples=128, lam_ratio=1e-3),
        "digits N=16 K=10": partial(ten, network="mlp", num_samples=16),
        "two weights N=16 K=10": partial(ten, network="transformer", num_samples=16),
        f"{_WEIGHTS} weights N={_SAMPLES}": _many_weights,
    }


def _many_weights() -> Problem:
    """As many weights of one form as a deep network has, Gaussian features of rank one, `λ = 0.01 λ_max`."""
    rng = np.random.default_rng(0)
    names = [f"layer{number}" for number in range(_WEIGHTS)]
    a = {name: rng.standard_normal((_SAMPLES, 1, _SIDE)) for name in names}
    b = {name: rng.standard_normal((_SAMPLES, 1, 1, _SIDE)) for name in names}
    op = TangentOperator.from_factors(a, b)
    problem = Problem(op, np.zeros((_SAMPLES, 1)), rng.standard_normal((_SAMPLES, 1)), "squared", 0.0)
    return problem.with_lam(0.01 * lam_max(problem))


def optimum_cases(*, repeats: int = 3, time_limit: float = 60.0) -> list[Case]:
    """Every setting beside SCS, then a path of eight decays beside one solve after the other."""

    def case(build: Callable[[], Problem], name: str) -> list[Record]:
        return [compare(build(), name, repeats=repeats, time_limit=time_limit)]

    def path() -> list[Record]:
        return [compare_path(settings()["digits N=128 lam=0.001"](), repeats=repeats)]

    return [*(partial(case, build, name) for name, build in settings().items()), path]


def compare(problem: Problem, case: str, *, repeats: int, time_limit: float) -> Record:
    """`solve` to 1e-8 beside SCS; without cvxpy, or without a loss it has, alone."""
    host = problem.host()
    (own,) = interleaved([lambda: solve(problem)], repeats)
    solution, other, note = own.value, nan, "the extra `comparison` (cvxpy) is not installed"
    if installed():
        start = time.perf_counter()
        conic = solve_conic(host, accuracy=1e-8, time_limit=time_limit)
        other = time.perf_counter() - start
        note = f"SCS: {conic.status}, gap {duality_gap(host, conic.deltas).gap:.1e}"
    return Record(
        job="optimum",
        case=case,
        baseline="cvxpy + SCS, eps 1e-8",
        seconds=own.seconds,
        baseline_seconds=other,
        ratio=other / own.seconds,
        compile_seconds=own.compile_seconds,
        baseline_compile_seconds=0.0,
        peak_bytes=peak_bytes(lambda: solve(problem)),
        note=f"gap {solution.gap:.1e}, rank {solution.rank}, {solution.num_steps} Newton steps; {note}",
    )


def compare_path(problem: Problem, *, repeats: int) -> Record:
    """`solve_path` over a decade of decays beside one `solve` after the other."""
    lams = [float(problem.lam) * factor for factor in _PATH]
    own, other = interleaved(
        [lambda: solve_path(problem, lams), lambda: [solve(problem.with_lam(lam)) for lam in lams]], repeats
    )
    worst = max(solution.gap for solution in own.value)
    steps = [sum(solution.num_steps for solution in run.value) for run in (own, other)]
    return beside(
        own,
        other,
        job="optimum",
        case=f"path of {len(lams)} decays",
        baseline="one solve after the other",
        note=f"largest gap {worst:.1e}; {steps[0]} Newton steps against {steps[1]}",
    )
